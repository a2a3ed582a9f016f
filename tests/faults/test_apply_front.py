"""The front end of a run, and a `hygiene follow` beside it, are frozen, killed or read by nobody.

The run does not notice: it ends as planned. `HYGIENE_SOAK_EVENTS` sets how many events of its journal the
front end could be waited for at; `nox -s soak` has 10,000, two for each volume that is removed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hygiene_core.model.codec import encode, line_adapter
from hygiene_core.model.journal import Ended, Intended, Line, Settled
from tests.faults.apply_scene import check_truth, host_with_kit, retirement
from tests.lab import images
from tests.lab.kit import Kit

pytestmark = pytest.mark.lab("engine")

EVENTS = int(os.environ.get("HYGIENE_SOAK_EVENTS", "200"))
STEPS = EVENTS // 2
OTHER_LINES = 7
"""Began, named, gate, look, and after the steps look, verified, ended."""

SECONDS = 60 + 0.3 * STEPS
PIPE_BYTES = 4096
"""The least that a pipe holds: a front end that nobody reads comes to a halt early in a short run too."""

Popen = subprocess.Popen[str]


@pytest.fixture(scope="module")
def kit() -> Iterator[Kit]:
    with host_with_kit("stable", "front-stable") as made:
        yield made


def await_true(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def unread_bytes(process: Popen) -> int:
    """What it wrote to stderr and nobody has read."""
    assert process.stderr
    told: bytes = fcntl.ioctl(process.stderr, termios.FIONREAD, b"\0" * 4)
    return int(struct.unpack("i", told)[0])


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def start(kit: Kit, verb: str, *words: str) -> Popen:
    """A command that watches the run, at its first lines."""
    process = kit.start(verb, *words, "--format", "json", pipesize=PIPE_BYTES)
    await_true(lambda: unread_bytes(process) > 0 or process.poll() is not None, f"{verb} says nothing")
    return process


def begin(kit: Kit) -> tuple[list[str], str, Popen, Popen]:
    """A retirement of new volumes that has begun: their names, its digest, its front end and a follower."""
    with kit.host.api() as api:
        names = images.many_volumes(api, STEPS, prefix=f"victim-{secrets.token_hex(4)}")
    digest, plan = retirement(kit)
    assert sorted(action["id"] for action in plan["actions"]) == names
    front = start(kit, "apply", "--plan", digest)
    return names, digest, front, start(kit, "follow", digest)


def ended_as_planned(kit: Kit, names: list[str]) -> tuple[Line, ...]:
    """Wait for the end of the run; its journal."""
    began = time.monotonic()
    kit.await_end(SECONDS)
    seconds = time.monotonic() - began
    lines = check_truth(kit)[-1]
    print(f"{len(lines)} lines; the run went on for {seconds:.1f} s without a reader")
    assert isinstance(lines[-1], Ended)
    assert lines[-1].exit_status == 0
    assert lines[-1].outcomes == {"removed": STEPS}
    assert len(lines) == 2 * STEPS + OTHER_LINES
    assert len([one for one in lines if isinstance(one, Intended)]) == STEPS
    gone = [name for one in lines if isinstance(one, Settled) for name in one.removed]
    assert sorted(gone) == names
    with kit.host.api() as api:
        assert [one["Name"] for one in api.get("/volumes")["Volumes"]] == ["keep-data"]
    return lines


def prints_all(process: Popen, lines: tuple[Line, ...]) -> None:
    """It is read now: every event is there, in its order, and its status is that of the run."""
    out, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert out.splitlines() == [encode(line_adapter(), one).decode() for one in lines]
    assert said.count("Step ") == STEPS


def test_a_frozen_front_end(kit: Kit):
    names, _, *watching = begin(kit)
    frozen = [*kit.running("hygiene_core", "apply"), *kit.running("hygiene_core", "follow")]
    assert len(frozen) == 2
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    lines = ended_as_planned(kit, names)
    assert [state(pid) for pid in frozen] == ["T", "T"]
    for pid in (*frozen, *(process.pid for process in watching)):
        os.kill(pid, signal.SIGCONT)
    for process in watching:
        prints_all(process, lines)


def test_a_killed_front_end(kit: Kit):
    names, digest, *watching = begin(kit)
    for pid in (*kit.running("hygiene_core", "apply"), *kit.running("hygiene_core", "follow")):
        os.kill(pid, signal.SIGKILL)
    for process in watching:
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL
    assert kit.executors()
    other = kit.start("follow", digest, "--format", "json")
    lines = ended_as_planned(kit, names)
    prints_all(other, lines)


def test_a_front_end_that_nobody_reads(kit: Kit):
    names, _, *watching = begin(kit)
    lines = ended_as_planned(kit, names)
    for process in watching:
        assert process.poll() is None
        assert unread_bytes(process) > PIPE_BYTES - 256  # it waits in the middle of a sentence
    for process in watching:
        prints_all(process, lines)
