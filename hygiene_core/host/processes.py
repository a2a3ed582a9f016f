"""The process table, as far as the activity gate needs it: /proc(5), one pass, nothing captured but names.

Of a program's arguments only those of `runc` are looked at, for its verb and its bundle; none is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from hygiene_core.model.activity import ProcessId

__all__ = ["PROC", "Work", "ancestry", "find_work", "process_id"]

PROC = Path("/proc")

_WORKER = "Runner.Worker"
_RUNC = frozenset({"runc", "buildkit-runc", "crun"})
_BUILD_BUNDLE = re.compile(rb"/buildkit/.*\bexecutor/")
_PULLED = re.compile(r"/tmp/GetImageBlob|/io\.containerd\.content\.v1\.content/ingest/")  # noqa: S108 - of a data root
_PARENT, _STARTED = 1, 19
"""Fields 4 and 22 of /proc/<pid>/stat, counted behind the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the processes of a host are at. `unread` says why some of them could not be looked at."""

    workers: tuple[ProcessId, ...] = ()
    build_steps: int = 0
    pulls: int = 0
    unread: str | None = None


def process_id(pid: int, proc: Path = PROC) -> ProcessId:
    """A process for good. Raises ProcessLookupError if there is none by that number."""
    fields = _stat(proc / str(pid))
    if fields is None:
        raise ProcessLookupError(pid)
    return ProcessId(pid, int(fields[_STARTED]))


def ancestry(pid: int | None = None, proc: Path = PROC) -> frozenset[ProcessId]:
    """A process (this one by default) and all its ancestors, as they are now."""
    number = os.getpid() if pid is None else pid
    found: set[ProcessId] = set()
    while number > 0:
        fields = _stat(proc / str(number))
        if fields is None:
            break
        found.add(ProcessId(number, int(fields[_STARTED])))
        number = int(fields[_PARENT])
    return frozenset(found)


def find_work(exclude: Collection[ProcessId], proc: Path = PROC) -> Work:
    """Look at every process once. One that ends meanwhile is at nothing.

    Args:
        exclude: workers that are ancestors of the kit itself.
        proc: where the process table is mounted.
    """
    workers: list[ProcessId] = []
    steps = pulls = 0
    unread: str | None = None
    for folder in _processes(proc):
        name = _name(folder)
        if name == _WORKER:
            fields = _stat(folder)
            found = ProcessId(int(folder.name), int(fields[_STARTED])) if fields else None
            if found is not None and found not in exclude:
                workers.append(found)
        elif name in _RUNC and _runs_step(folder):
            steps += 1
        try:
            pulls += _pulls(folder)
        except PermissionError:
            unread = "the open files of other users' processes cannot be seen"
    return Work(workers=tuple(sorted(workers)), build_steps=steps, pulls=pulls, unread=unread)


def _processes(proc: Path) -> Iterator[Path]:
    return (proc / name for name in os.listdir(proc) if name.isdecimal())  # noqa: PTH208 - names are enough


def _stat(folder: Path) -> list[str] | None:
    """The fields of a process behind its name, which may hold spaces and brackets; `None` if it ended."""
    try:
        text = (folder / "stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _name(folder: Path) -> str:
    try:
        return (folder / "comm").read_text("utf-8", "replace").rstrip("\n")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _runs_step(folder: Path) -> bool:
    """Whether a `runc` runs a step of a build: its verb is `run` and its bundle is BuildKit's."""
    try:
        arguments = (folder / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"run" in arguments and any(map(_BUILD_BUNDLE.search, arguments))


def _pulls(folder: Path) -> int:
    """How many layers that are being pulled a process has open."""
    found = 0
    try:
        numbers = os.listdir(folder / "fd")  # noqa: PTH208 - names are enough
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for number in numbers:
        try:
            found += _PULLED.search(os.readlink(folder / "fd" / number)) is not None  # noqa: PTH115 - 2 us each
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
