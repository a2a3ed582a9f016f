"""Whole applies where a filesystem is really full. Run inside a mount namespace of its own.

    unshare --mount python -m tests.faults.apply_full_disk data_root|evidence

Prints `sound` at the end; anything else is an exception. What it mounts is never seen outside.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hygiene_core.executor.failpoint import VARIABLE
from hygiene_core.model.journal import Settled
from tests.faults.apply_scene import check_truth, furnish, host_with_kit, retirement
from tests.faults.evidence_full_disk import BALLAST_NOTE, fill
from tests.faults.test_apply_changes import applied, objects, outcomes
from tests.faults.test_apply_kills import await_stopped, fill_cache
from tests.lab import images, leftovers
from tests.lab.images import ImageSpec
from tests.lab.kit import Kit

SHM = Path("/dev/shm")
SIZE = "160m"
BIG = 8 * 2**20


def free_bytes(path: Path) -> int:
    seen = os.statvfs(path)
    return seen.f_bavail * seen.f_frsize


def mount(path: Path, size: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], check=True)


def retire_big(kit: Kit) -> tuple[str, dict]:
    """An approved plan of two images of 8 MiB each."""
    specs = [
        ImageSpec((f"victim-big-{number}:1",), (images.layer({"f": os.urandom(BIG)}),), {})
        for number in range(2)
    ]
    images.load(kit.host, specs)
    return retirement(kit)


# -- F13: the Engine's disk, which has the evidence too, is full --------------------------------------------


def data_root() -> None:
    leftovers.sweep()  # what somebody left on the memory of the machine would not be seen below
    mount(SHM, SIZE)
    filler = SHM / "filler"
    with host_with_kit("stable", "full-disk", in_memory=True, folder=SHM / "kit") as kit:
        mount(kit.folder / "run", "1m")  # as on a real host: locks are not on the disk that is full
        kit.hygiene("apply", "--mode", "bounded", status=0)  # from now on there is room held back
        ballast, acts_reserve = kit.acts / ".ballast", kit.acts / "ledger/lab/.reserve"
        reserve = kit.control / "ledger/lab/.reserve"
        assert ballast.exists()
        assert acts_reserve.exists()
        assert reserve.exists()
        fill_cache(kit)
        digest, plan = retire_big(kit)
        before = objects(kit)

        fill(filler)
        assert free_bytes(kit.host.data_root) == 0
        looked = kit.hygiene("report", "--format", "json", status=0)
        assert BALLAST_NOTE in " ".join(looked.stderr.split())
        assert not reserve.exists()
        shown = json.loads(looked.stdout)
        assert shown["summary"]["free_disk_bytes"] == 0
        assert shown["sections"]["images"]["availability"] == "complete"

        done = kit.hygiene("apply", "--mode", "bounded", "--format", "json", status=0)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert {one for one, _ in outcomes(told).values()} == {"removed"}
        assert objects(kit) == before

        fill(filler)
        assert free_bytes(kit.host.data_root) == 0
        told = applied(kit, digest)
        assert set(outcomes(told).values()) == {("removed", None)}
        assert set(before) - set(objects(kit)) == {action["id"] for action in plan["actions"]}
        assert free_bytes(kit.host.data_root) >= 2 * BIG
        assert not ballast.exists()
        check_truth(kit)


# -- F22: the disk of what is kept of the host is full ------------------------------------------------------


@contextmanager
def kit_on_a_disk_of_its_own() -> Iterator[Kit]:
    with host_with_kit("stable", "full-journal") as kit:
        state = kit.folder / "state"
        mount(state, "64m")
        try:
            yield kit
        finally:
            subprocess.run(["umount", state], check=True)


def fill_up(kit: Kit) -> None:
    """Not even what was held back is left."""
    for held_back in (kit.acts / ".ballast", kit.acts / "ledger/lab/.reserve"):
        held_back.unlink(missing_ok=True)
    fill(kit.folder / "state/filler")


def make_room(kit: Kit) -> None:
    (kit.folder / "state/filler").unlink()


def cut_short(kit: Kit, digest: str, point: str) -> list[dict]:
    """Apply; at that point the disk is full."""
    front = kit.start("apply", "--plan", digest, "--format", "json", env={VARIABLE: f"{point}=freeze"})
    await_stopped(kit)
    fill_up(kit)
    # What is left of the last block of the journal is taken as well.
    (executor,), (journal,) = kit.executors(), (kit.acts / "runs").glob("*.jsonl")
    room = journal.stat().st_size
    resource.prlimit(executor, resource.RLIMIT_FSIZE, (room, room))
    kit.thaw_executors()
    out, said = front.communicate(timeout=120)
    kit.await_end()
    assert front.returncode == 4, said
    return [json.loads(line) for line in out.splitlines()]


def evidence() -> None:
    with kit_on_a_disk_of_its_own() as kit:
        furnish(kit.host, 2)
        digest, plan = retirement(kit)
        for step in (full_before_the_run, full_before_the_act, full_after_the_act):
            step(kit, digest, plan)
            check_truth(kit)


def full_before_the_run(kit: Kit, digest: str, _plan: dict) -> None:
    """It is refused, and may begin when there is room; the second time it was staged before."""
    before = objects(kit)
    fill_up(kit)
    refused = kit.hygiene("apply", "--plan", digest, status=7).stderr.splitlines()[-1]
    assert refused.startswith("failed [EVIDENCE_UNWRITABLE]: plans could not be written: No space left")
    assert " Nothing was removed. " in refused
    make_room(kit)
    staged = {"k": "plan", "plan": (kit.control / "plans" / f"{digest}.json").read_text()}
    kit.executor("stage", sent=json.dumps(staged), status=0)
    fill_up(kit)
    refused = kit.executor("apply", digest, status=7).stderr
    assert refused.startswith("failed [EVIDENCE_UNWRITABLE]: the journal of this run could not be written: ")
    assert " Nothing was removed. " in refused
    assert objects(kit) == before
    make_room(kit)
    assert not list((kit.acts / "runs").iterdir())  # nothing is unsettled


def full_before_the_act(kit: Kit, digest: str, _plan: dict) -> None:
    """No intent is written, so nothing is removed; once it is settled the plan is as good as before."""
    before = objects(kit)
    told = cut_short(kit, digest, "after-observed")
    assert not [one for one in told if one["k"] in {"intended", "settled"}]
    assert objects(kit) == before
    make_room(kit)
    assert list((kit.acts / "runs").iterdir())
    kit.hygiene("settle", status=0)
    assert objects(kit) == before


def full_after_the_act(kit: Kit, digest: str, plan: dict) -> None:
    """The same plan, unspent until now. Of the second step nobody knows what came, until somebody looks."""
    before = objects(kit)
    told = cut_short(kit, digest, "after-act:2")
    assert [one["number"] for one in told if one["k"] == "intended"] == [1, 2]
    assert outcomes(told) == {1: ("removed", None)}
    gone = {action["id"] for action in plan["actions"][:2]}
    assert set(before) - set(objects(kit)) == gone
    refused = kit.hygiene("settle", status=7).stderr
    assert "failed [EVIDENCE_UNWRITABLE]: " in refused
    make_room(kit)
    kit.hygiene("settle", status=0)
    lines = check_truth(kit)[-1]
    settled = {one.number: one for one in lines if isinstance(one, Settled)}
    assert {number: one.outcome.value for number, one in settled.items()} == {1: "removed", 2: "removed"}
    assert [one.by_looking for one in settled.values()] == [False, True]
    assert set(before) - set(objects(kit)) == gone


if __name__ == "__main__":
    {"data_root": data_root, "evidence": evidence}[sys.argv[1]]()
    print("sound")
