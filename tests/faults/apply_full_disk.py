"""Whole applies where a filesystem is really full. Run inside a mount namespace of its own.

    unshare --mount python -m tests.faults.apply_full_disk data_root|evidence

Prints `sound` at the end; anything else is an exception. What it mounts is never seen outside.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hygiene_core.executor.failpoint import VARIABLE
from hygiene_core.model.journal import Settled
from tests.faults.apply_scene import check_truth, furnish, host_with_kit, retirement
from tests.faults.evidence_full_disk import BALLAST_NOTE, fill
from tests.faults.test_apply_changes import applied, objects, outcomes
from tests.faults.test_apply_kills import await_stopped, fill_cache
from tests.lab import images
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
    mount(SHM, SIZE)
    filler = SHM / "filler"
    with host_with_kit("stable", "full-disk", in_memory=True, folder=SHM / "kit") as kit:
        furnish(kit.host, 2)
        applied(kit, retirement(kit)[0])  # from now on there is room held back
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

        filler.unlink()
        furnish(kit.host, 2)
        applied(kit, retirement(kit)[0])
        assert ballast.exists()
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


def fill_up(kit: Kit, filler: Path) -> None:
    """Not even what was held back is left."""
    (kit.acts / ".ballast").unlink(missing_ok=True)
    fill(filler)


def cut_short(kit: Kit, digest: str, point: str, filler: Path) -> subprocess.CompletedProcess[str]:
    """Apply; at that point the disk is full."""
    front = kit.start("apply", "--plan", digest, "--format", "json", env={VARIABLE: f"{point}=freeze"})
    await_stopped(kit)
    fill_up(kit, filler)
    kit.thaw_executors()
    out, said = front.communicate(timeout=120)
    kit.await_end()
    return subprocess.CompletedProcess(front.args, front.returncode, out, said)


def evidence() -> None:
    with kit_on_a_disk_of_its_own() as kit:
        filler = kit.folder / "state/filler"
        for step in (full_before_the_run, full_before_the_act, full_after_the_act):
            furnish(kit.host, 4)
            started = time.monotonic()
            step(kit, filler)
            print(step.__name__, round(time.monotonic() - started, 1), file=sys.stderr)
            assert not filler.exists()
            check_truth(kit)


def full_before_the_run(kit: Kit, filler: Path) -> None:
    digest, plan = retirement(kit)
    before = objects(kit)
    fill_up(kit, filler)
    done = kit.hygiene("apply", "--plan", digest, status=7)
    print(done.stderr, file=sys.stderr)
    assert "failed [EVIDENCE_UNWRITABLE]: " in done.stderr
    staged = kit.executor("apply", digest)
    print(staged.stdout, staged.stderr, file=sys.stderr)
    print(kit.hygiene("apply", "--plan", digest).stderr, file=sys.stderr)
    assert objects(kit) == before
    filler.unlink()
    told = applied(kit, digest)
    assert set(outcomes(told).values()) == {("removed", None)}
    assert len(told) > len(plan["actions"])


def full_before_the_act(kit: Kit, filler: Path) -> None:
    digest, _ = retirement(kit)
    before = objects(kit)
    done = cut_short(kit, digest, "after-observed", filler)
    print(done.returncode, done.stdout, done.stderr, file=sys.stderr)
    assert objects(kit) == before
    filler.unlink()
    kit.hygiene("settle", status=0)
    check_truth(kit)
    assert set(outcomes(applied(kit, digest)).values()) == {("removed", None)}


def full_after_the_act(kit: Kit, filler: Path) -> None:
    digest, plan = retirement(kit)
    before = objects(kit)
    done = cut_short(kit, digest, "after-act:2", filler)
    print(done.returncode, done.stdout, done.stderr, file=sys.stderr)
    gone = {action["id"] for action in plan["actions"][:2]}
    assert set(before) - set(objects(kit)) == gone
    refused = kit.hygiene("settle")
    print(refused.returncode, refused.stdout, refused.stderr, file=sys.stderr)
    filler.unlink()
    kit.hygiene("settle", status=0)
    lines = check_truth(kit)[-1]
    settled = [one for one in lines if isinstance(one, Settled)]
    assert [(one.outcome.value, one.by_looking) for one in settled] == [("removed", False), ("removed", True)]
    assert set(before) - set(objects(kit)) == gone


if __name__ == "__main__":
    {"data_root": data_root, "evidence": evidence}[sys.argv[1]]()
    print("sound")
