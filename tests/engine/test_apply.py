"""Phase one on real engines: a default cache and two warm builders, filled over budget by real builds."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.conftest import ENGINES, lab_tree
from tests.lab import buildkit, images
from tests.lab.host import LabHost
from tests.lab.kit import Kit

pytestmark = pytest.mark.lab("engine")

WARM = {"odoo-docker-chris-testing": buildkit.CURRENT, "odoo-enterprise-chris-testing": buildkit.OLD}
BUDGET = 'max = "40MB"\nmin_age = "1s"\nallow_small_budget = true\n'
POLICY = (
    f"protect.builders = [{', '.join(map(repr, WARM))}]\n"
    # Over its maximum, no single record (with containerd's store up to 11 MB) is worth more than the reserve.
    f"[hosts.lab.budgets.embedded]\n{BUDGET.replace('40MB', '15MB')}reserved = '4MB'\n"
    + "".join(f"[hosts.lab.budgets.{name}]\n{BUDGET}" for name in WARM)
)
RECIPE = """\
FROM scratch
COPY busybox /bin/sh
RUN --network=none ["/bin/sh", "-c", "dd if=/dev/urandom of=/a bs=1M count={}"]
RUN --network=none ["/bin/sh", "-c", "dd if=/dev/urandom of=/b bs=1M count={}"]
"""


def fill(host: LabHost) -> None:
    """Every builder holds more than its budget, in records of its own."""
    for name in WARM:
        for number in range(4):
            buildkit.build(host, name, RECIPE.format(10 + number, 5 + number))
    for number in range(6):
        files = {"f": os.urandom(5 * 2**20), "g": bytes([number])}
        host.docker("rmi", images.build(host, "FROM scratch\nCOPY f /f\nCOPY g /g\n", files=files))
    until_unshared(host)
    time.sleep(1.2)  # until the last record is older than the budget's `min_age`


def until_unshared(host: LabHost) -> None:
    """Containerd's store lets go of the layers of a removed image some time later."""
    until = time.monotonic() + 60
    while any(one["Shared"] for one in host.api().get("/system/df", type="build-cache")["BuildCache"] or ()):
        assert time.monotonic() < until, "records are still shared with an image that is gone"
        time.sleep(0.2)


@pytest.fixture(scope="module", params=["stable", "testing", "testing-containerd"])
def filled(request: pytest.FixtureRequest) -> Iterator[Kit]:
    tree, store = ENGINES[request.param]
    with LabHost.start(lab_tree(tree), store=store, name=f"apply-{request.param}") as host:
        images.import_base(host)
        for name, version in WARM.items():
            buildkit.create_builder(host, name, version)
        fill(host)
        kit = Kit(host)
        kit.configure(POLICY)
        kit.allow("prune_records")
        yield kit


def used_bytes(kit: Kit) -> int:
    """The blocks that the host's data root takes."""
    done = subprocess.run(
        ["du", "--summarize", "--one-file-system", "--block-size=1", kit.host.data_root],
        capture_output=True,
        text=True,
        check=False,  # files that go meanwhile
    )
    return int(done.stdout.split()[0])


def lines(done: str) -> list[dict]:
    return [json.loads(line) for line in done.splitlines()]


def test_the_first_large_prune_waits_for_an_approval(filled: Kit):
    done = filled.hygiene("apply", "--mode", "bounded", "--format", "json", status=4)
    told = lines(done.stdout)
    assert [one["outcome"] for one in told if one["k"] == "settled"] == ["refused"] * 3
    assert told[-1]["outcomes"] == {"refused": 3}


def test_each_builder_comes_under_its_budget_and_stays_warm(filled: Kit):
    made = json.loads(filled.hygiene("plan", "--mode", "bounded", "--format", "json", status=0).stdout)
    digest = filled.hygiene("plan", "--mode", "bounded", status=0).stdout.split()[1]
    assert [action["name"] for action in made["actions"]] == [
        "embedded",
        *(f"{name}0" for name in sorted(WARM)),
    ]
    items = filled.etc / "items"
    items.write_text("1\n2\n3\n")
    words = ("--items", "/etc/items", "--yes-digest", digest, "--reason", "the first prune")
    filled.hygiene("approve", digest, *words, status=0)
    before, used = filled.host.api().get("/containers/json"), used_bytes(filled)
    told = lines(filled.hygiene("apply", "--plan", digest, "--format", "json", status=0).stdout)
    settled = [one for one in told if one["k"] == "settled"]
    assert [one["outcome"] for one in settled] == ["removed"] * 3
    # Other hosts of the lab share the filesystem: what it gained is told, and this host's folder is measured.
    assert all(one["freed_bytes"] is not None for one in settled)
    claimed = sum(one["claimed_bytes"] for one in settled)
    assert used - used_bytes(filled) == pytest.approx(claimed, rel=0.02)
    for one in settled:
        assert one["kept"] == {}
        assert one["private_before_bytes"] - one["private_after_bytes"] == one["claimed_bytes"]
    after = next(one for one in told if one["k"] == "observed" and one["when"] == "after")["snapshot"]
    for builder in after["builders"]:
        assert builder["reserved_bytes"] <= builder["private_bytes"] <= builder["max_bytes"]
    assert next(one for one in told if one["k"] == "verified")["problems"] == []
    assert [one["Id"] for one in filled.host.api().get("/containers/json")] == [one["Id"] for one in before]
    assert told[-1]["exit_status"] == 0


def test_a_second_apply_does_nothing_and_says_so(filled: Kit):
    done = filled.hygiene("apply", "--mode", "bounded", status=0)
    assert "Nothing was removed" in done.stdout


def test_it_stops_once_there_is_room(filled: Kit):
    fill(filled.host)
    done = filled.hygiene("apply", "--mode", "bounded", "--until", "free>1MiB", "--format", "json", status=0)
    told = lines(done.stdout)
    assert [one["why"] for one in told if one["k"] == "halted"] == ["FREE_TARGET"]
    assert not [one for one in told if one["k"] == "settled"]
    refused = filled.hygiene("apply", "--mode", "bounded", "--until", "free<1MiB", status=2)
    assert "is not like free>20GiB" in refused.stderr


def test_what_comes_later_needs_no_approval(filled: Kit):
    """The kit has pruned these builders before: what is over budget now goes by the policy alone."""
    told = lines(filled.hygiene("apply", "--mode", "bounded", "--format", "json", status=0).stdout)
    assert [one["outcome"] for one in told if one["k"] == "settled"] == ["removed"] * 3
    assert not list((filled.acts / "runs").iterdir())
    assert len(list((filled.acts / "ledger/lab").rglob("*.jsonl.gz"))) == 5
