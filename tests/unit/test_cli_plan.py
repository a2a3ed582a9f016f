"""`hygiene plan` on what a transport tells: its documents, its files, its refusals and its exit statuses."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import typer

from hygiene_core import cli
from hygiene_core.cli import look
from hygiene_core.errors import (
    EvidenceUnwritable,
    HygieneError,
    OutputUnwritable,
    PlanBlocked,
    UnknownHost,
    UnknownRun,
    UsageProblem,
)
from hygiene_core.evidence import plans
from hygiene_core.model.codec import decode, plan_adapter
from hygiene_core.model.plan import Mode, Plan, Verb
from hygiene_core.testing import GIB, NOW, builder, cache_record, container, image, observation

POLICY = """
[evidence]
directory = "{state}"

[hosts.lab]
docker = "unix:///run/nobody.sock"

[hosts.lab.ages]
grace = "1h"
stopped_container = "1h"
dangling_image = "1h"
"""
BUDGET = '[hosts.lab.budgets.embedded]\nmax = "8GiB"\n'
EMBEDDED = builder("embedded", driver="embedded", container_id=None, container_state=None, volume=None)
LEFT = image("left", tags=())
CACHE = tuple(
    cache_record(f"r{n}", size_bytes=2 * GIB, last_used_at=NOW - timedelta(days=30 - n)) for n in range(6)
)


class Told:
    """A transport that tells the same things again, a day later each time."""

    looks = 0

    def observe(self, request, *, emit=None):
        at = NOW + timedelta(days=self.looks)
        self.looks += 1
        seen = observation(EMBEDDED, LEFT, container("web", state="exited"), *CACHE)
        return replace(seen, started_at=at, ended_at=at)

    def follow(self, request):
        raise NotImplementedError


class Kit:
    """The command line in this process, on a host that a transport tells."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.config = folder / "hygiene.toml"
        self.state = folder / "state"
        self.write(BUDGET)

    def write(self, more: str) -> None:
        self.config.write_text(POLICY.format(state=self.state) + more)

    def run(self, *words: str) -> tuple[str, HygieneError | None]:
        """What went to stdout, and the error that ends the command."""
        error = None
        command = typer.main.get_command(cli.app)
        try:
            command.main([*words, "--config", str(self.config)], standalone_mode=False)
        except HygieneError as raised:
            error = raised
        return self.capsys.readouterr().out, error

    def plan(self, *words: str, mode: str = "bounded") -> tuple[str, HygieneError | None]:
        return self.run("plan", "--mode", mode, *words)

    def made(self, *words: str, mode: str = "bounded") -> Plan:
        out, error = self.plan("--format", "json", *words, mode=mode)
        assert error is None
        return decode(plan_adapter(), out.encode())

    @property
    def kept(self) -> list[Path]:
        return sorted((self.state / "plans").glob("*"))


@pytest.fixture
def kit(tmp_path, capsys, monkeypatch):
    transport = Told()
    monkeypatch.setattr(look, "_local_transport", lambda: transport)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")
    yield Kit(tmp_path, capsys)
    gc.enable()


def test_a_bounded_plan_is_printed_and_kept_under_the_digest_of_its_bytes(kit):
    out, error = kit.plan("--format", "json")
    assert error is None
    (path,) = kit.kept
    assert path.read_text() == out
    assert path.stem == hashlib.sha256(out.encode()).hexdigest()
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    plan = decode(plan_adapter(), out.encode())
    assert (plan.mode, plan.host.name, plan.is_blocked) == (Mode.BOUNDED, "lab", False)
    (action,) = plan.actions
    assert [record.id for record in action.records] == [record.id for record in CACHE[:2]]
    assert json.loads(out)["made_at"].endswith("Z")


def test_the_text_names_the_digest_and_the_steps(kit):
    out, error = kit.plan()
    assert error is None
    (path,) = kit.kept
    lines = out.splitlines()
    assert lines[0] == f"Plan {path.stem[:12]}  bounded  lab  READY"
    assert "  1  prune cache of  embedded  2 records  4.0 GiB" in lines
    assert lines[-1].endswith("Nothing was removed.")
    assert "\x1b" not in out
    assert all(len(line) <= 80 for line in lines)


def test_a_retirement_plans_what_was_idle_long_enough(kit):
    assert kit.made(mode="retirement").actions == ()
    plan = kit.made(mode="retirement")
    assert [one.verb for one in plan.actions] == [Verb.REMOVE_CONTAINER, Verb.REMOVE_IMAGE]
    only = kit.made("--select", "kind:image", mode="retirement")
    assert [one.id for one in only.actions] == [LEFT.id]
    assert only.selection.kinds == ("image",)
    assert len(kit.kept) == 3


def test_selections_narrow_and_are_kept_in_the_plan(kit):
    words = ("--select", "verdict:retained", "--select", "name:web", "--select", "size>1MiB")
    plan = kit.made(*words, mode="retirement")
    assert [one.name for one in plan.actions] == ["web"]
    assert (plan.selection.names, plan.selection.min_bytes) == (("web",), 2**20)
    assert kit.made("--select", "name:nobody").actions == ()


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        ("retirement", "kind:images"),
        ("retirement", ""),
        ("retirement", "verdict:unknown"),
        ("bounded", "size>1GiB"),
    ],
)
def test_a_selection_that_is_refused_looks_at_nothing(kit, mode, word):
    out, error = kit.plan("--select", "name:x", "--select", word, mode=mode)
    assert isinstance(error, UsageProblem)
    assert (error.exit_status, out) == (2, "")
    assert error.message.endswith("Nothing was planned.")
    assert not kit.state.exists()


def test_an_unknown_host_is_refused(kit):
    out, error = kit.plan("--host", "other")
    assert isinstance(error, UnknownHost)
    assert (out, kit.state.exists()) == ("", False)


def test_out_has_the_same_bytes(kit):
    target = kit.folder / "plan.json"
    _, error = kit.plan("--out", str(target))
    assert error is None
    (path,) = kit.kept
    assert target.read_bytes() == path.read_bytes()


def test_out_that_cannot_be_written_is_said(kit):
    out, error = kit.plan("--out", str(kit.folder / "none" / "plan.json"))
    assert isinstance(error, OutputUnwritable)
    assert (error.exit_status, out) == (4, "")
    assert error.message == (
        f"{kit.folder}/none/plan.json could not be written: No such file or directory. Nothing was removed."
    )


def test_a_plan_that_cannot_be_kept_is_not_printed(kit):
    kit.state.mkdir()
    (kit.state / "plans").write_text("in the way")
    out, error = kit.plan()
    assert isinstance(error, EvidenceUnwritable)
    assert out == ""


def test_a_blocked_plan_is_printed_kept_and_refused(kit):
    kit.write("")
    out, error = kit.plan()
    assert isinstance(error, PlanBlocked)
    (path,) = kit.kept
    assert error.exit_status == 3
    assert str(error) == (
        f"refused [PLAN_BLOCKED]: the plan {path.stem[:12]} may not be applied (EMPTY_POLICY). "
        "Nothing was removed. What each code asks for: docs/concepts/plans.md"
    )
    assert out.splitlines()[0].endswith("BLOCKED")
    assert "the policy has no budget" in out
    out, error = kit.plan("--format", "json")
    assert isinstance(error, PlanBlocked)
    assert json.loads(out)["blockers"][0]["code"] == "EMPTY_POLICY"


def test_a_stored_run_is_planned_again_and_nothing_is_kept(kit):
    kit.run("report", "--format", "json", "--fail-on", "attention")
    out, error = kit.plan("--at", "1", "--format", "json")
    assert error is None
    assert kit.kept == []
    plan = decode(plan_adapter(), out.encode())
    assert plan.made_at == NOW
    assert len(plan.actions[0].records) == 2
    kit.write(BUDGET.replace("8GiB", "4GiB"))
    again = kit.made("--at", "1")
    assert len(again.actions[0].records) == 4
    assert again.run_id == plan.run_id
    assert again.inventory_digest != plan.inventory_digest


def test_a_plan_and_the_same_plan_of_its_stored_run_are_equal(kit):
    now = kit.made(mode="retirement")
    assert kit.made("--at", now.run_id[:8], mode="retirement") == now


def test_a_run_that_is_not_stored_is_refused(kit):
    kit.run("report")
    _, error = kit.plan("--at", "none")
    assert isinstance(error, UnknownRun)


# -- as a process -------------------------------------------------------------------------------------------


def process(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hygiene_core", *words],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "COLUMNS": "80"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_an_engine_nothing_is_planned(tmp_path):
    config = tmp_path / "hygiene.toml"
    config.write_text(
        POLICY.format(state=tmp_path / "state").replace("/run/nobody.sock", f"{tmp_path}/none.sock")
    )
    done = process("plan", "--mode", "retirement", "--config", str(config))
    assert (done.returncode, done.stdout) == (6, "")
    assert "failed [ENGINE_UNREACHABLE]: " in done.stderr
    assert "Nothing can be planned." in done.stderr
    assert not (tmp_path / "state" / "plans").exists()


@pytest.mark.parametrize("words", [(), ("--mode", "everything"), ("--mode", "bounded", "--force")])
def test_a_mode_has_to_be_named(tmp_path, words):
    done = process("plan", *words, HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")


def test_a_refused_word_ends_with_2(tmp_path):
    done = process("plan", "--mode", "retirement", "--select", "kind:x\x1b[2J", HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "\x1b" not in done.stderr
    assert done.stderr.startswith('refused [USAGE]: --select "kind:x\\u001b[2J": ')


# -- the stored files ---------------------------------------------------------------------------------------


def test_a_short_digest_has_as_many_digits_as_the_text_shows():
    assert plans.SHORT_DIGEST == 12
