"""`nox -s apply` as cron runs it, on a real engine: a default cache and a warm builder over their budgets."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hygiene_core.evidence import acts
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.verify import verify
from hygiene_core.executor.failpoint import VARIABLE
from hygiene_core.model.act import Outcome
from hygiene_core.model.journal import Began, Halted, Intended, Line, Observed, Settled
from tests.conftest import lab_tree
from tests.engine.test_apply import RECIPE, until_unshared
from tests.faults.test_apply_kills import await_asked, await_stopped
from tests.lab import buildkit, images
from tests.lab.host import LabHost
from tests.lab.kit import Kit

pytestmark = pytest.mark.lab("engine")

NOXFILE = Path(__file__).parents[2] / "noxfile.py"
SESSION = ("-m", "nox", "-f", str(NOXFILE), "-s", "apply", "--", "--mode", "bounded")
WARM = "odoo-docker-chris-testing"
POLICY = f"""\
protect.builders = ["{WARM}"]
[hosts.lab.budgets.embedded]
max = "6MB"
min_age = "1s"
allow_small_budget = true
[hosts.lab.budgets.{WARM}]
max = "12MB"
min_age = "1s"
allow_small_budget = true
"""


@pytest.fixture(scope="module")
def kit() -> Iterator[Kit]:
    with LabHost.start(lab_tree("stable"), name="nox-apply") as host:
        images.import_base(host)
        buildkit.create_builder(host, WARM, buildkit.CURRENT)
        made = Kit(host)
        made.configure(POLICY)
        made.allow("prune_records")
        # The first large prune of each was approved once and for all.
        (made.acts / "pruned").mkdir(parents=True)
        for builder in ("embedded", f"{WARM}0"):
            (made.acts / "pruned" / builder).touch()
        yield made


@pytest.fixture
def full(kit: Kit) -> Kit:
    """Both hold more than their budgets, in records of their own."""
    for number in range(2):
        buildkit.build(kit.host, WARM, RECIPE.format(6 + number, 4 + number))
        files = {"f": os.urandom(5 * 2**20), "g": os.urandom(8)}
        made = images.build(kit.host, "FROM scratch\nCOPY f /f\nCOPY g /g\n", files=files)
        kit.host.docker("rmi", made)
    until_unshared(kit.host)
    time.sleep(1.2)  # until the last record is older than the budget's `min_age`
    return kit


def recorded(kit: Kit) -> dict:
    """The exit record of the newest apply."""
    made: dict = json.loads((kit.control / "exits/lab/apply.json").read_text())
    return made


def newest(kit: Kit) -> tuple[Line, ...]:
    """The journal of the newest run. Everything is settled and the ledger verifies."""
    assert "Nothing is unsettled" in kit.hygiene("settle", status=0).stdout
    ledger = Ledger(kit.acts, "lab")
    found = verify(ledger)
    assert found.ok, found.sentence
    return acts.Act(ledger, ledger.files()[-1]).lines()


def run_of(lines: tuple[Line, ...]) -> str:
    assert isinstance(lines[0], Began)
    return lines[0].run_id


def held(lines: tuple[Line, ...]) -> dict[str, tuple[int | None, int | None]]:
    """What each builder held at the newest look, and its budget."""
    snapshot = [line.snapshot for line in lines if isinstance(line, Observed)][-1]
    return {one.id: (one.private_bytes, one.max_bytes) for one in snapshot.builders}


def test_each_builder_comes_under_its_budget_and_a_second_run_does_nothing(full: Kit):
    done = full.run(sys.executable, *SESSION)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 removed" in done.stdout
    lines = newest(full)
    builders = held(lines)
    assert set(builders) == {"embedded", f"{WARM}0"}
    for holds, budget in builders.values():
        assert holds is not None
        assert budget is not None
        assert 0 < holds <= budget
    first = recorded(full)
    assert (first["verb"], first["host"], first["exit_status"], first["error"]) == ("apply", "lab", 0, None)
    assert first["run_id"] == run_of(lines)

    done = full.run(sys.executable, *SESSION)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing was removed" in done.stdout
    assert not [line for line in newest(full) if isinstance(line, Intended)]
    second = recorded(full)
    assert second["exit_status"] == 0
    assert second["run_id"] != first["run_id"]
    assert not full.running("nox", "-f")


def test_sigterm_stops_it_after_the_item_and_leaves_no_process(full: Kit):
    session = full.launch(sys.executable, *SESSION, env={VARIABLE: "after-intent=freeze"})
    await_stopped(full)
    (nox,) = full.running("nox", "-f", str(NOXFILE))
    (front,) = full.running("hygiene_core", "apply")
    os.kill(nox, signal.SIGTERM)
    await_asked(full)
    assert full.running("hygiene_core", "apply") == [front]  # it waits for the run
    full.thaw_executors()
    out, said = session.communicate(timeout=60)
    assert session.returncode == 130, said
    assert not full.running(sys.executable)
    assert "It was asked to stop" in said
    assert "STOPPED" in out
    lines = newest(full)
    assert [line.outcome for line in lines if isinstance(line, Settled)] == [Outcome.REMOVED]
    assert [line.why for line in lines if isinstance(line, Halted)] == ["STOPPED"]
    over = [name for name, (holds, budget) in held(lines).items() if (holds or 0) > (budget or 0)]
    assert over == [f"{WARM}0"]
    record = recorded(full)
    assert record["exit_status"] == 143
    assert record["run_id"] == run_of(lines)
