"""What the processes of a host tell: runner jobs, steps of builds, files that images are received into.

Read from `/proc` alone. Of a command line, the base name of the program and the place of a bundle are
compared with what is looked for; nothing of it is kept. A process that ends while it is read is gone, not
unknown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from hygiene_core.host.deadline import Deadline
from hygiene_core.model.activity import ProcessId

__all__ = ["ProcessesReading", "ancestry", "process_id", "read_processes"]

_WORKER = b"Runner.Worker"
_RUNC = frozenset({b"runc", b"buildkit-runc"})
_BUNDLE = re.compile(rb"/(?:buildkit|runc-[^/]+)/(?:[^/]+/)?executor/")
_RECEIVED = re.compile(
    rb"/GetImageBlob[0-9]+(?: \(deleted\))?\Z"  # the Engine's own store
    rb"|/io\.containerd\.content\.v1\.content/ingest/"  # a containerd, the Engine's or the system's
    rb"|/buildkit/(?:[^/]+/)?content/ingest/"  # a builder's, embedded or not
)
_RECEIVERS = frozenset({b"dockerd", b"containerd", b"buildkitd"})
_DELETED = b" (deleted)"
_ARGUMENT_BYTES = 16384
_GONE = (FileNotFoundError, ProcessLookupError)
_ENDED = frozenset({b"Z", b"X", b"x"})
_FIRST = 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Stat:
    name: bytes
    state: bytes
    parent: int
    threads: int
    id: ProcessId

    @property
    def ended(self) -> bool:
        """Whether it only waits to be buried: no thread of it runs."""
        return self.state in _ENDED and self.threads <= 1


@dataclass(slots=True, kw_only=True)
class ProcessesReading:
    """What one pass over the processes found.

    Attributes:
        workers: processes of runner jobs, those that were left out not among them.
        left_out: how many were left out.
        steps: processes that carry out a step of a build.
        receivers: processes that hold a file open into which an image is received.
        problem: why processes may be missing from the lists; `None` if every process was seen.
        files_problem: why open files may be missing from `receivers`.
    """

    workers: list[ProcessId] = field(default_factory=list)
    left_out: int = 0
    steps: list[ProcessId] = field(default_factory=list)
    receivers: list[ProcessId] = field(default_factory=list)
    problem: str | None = None
    files_problem: str | None = None


def process_id(pid: int, proc: Path = Path("/proc")) -> ProcessId:
    """A process for good. Raises OSError if there is none by that number."""
    return _stat(proc / str(pid)).id


def ancestry(proc: Path = Path("/proc")) -> frozenset[ProcessId]:
    """This process and its ancestors, up to the first process.

    One that cannot be read ends the chain: whatever is not in it is not excused.
    """
    chain: set[ProcessId] = set()
    try:
        pid = int((proc / "self").readlink().name)
        while pid > 0:
            stat = _stat(proc / str(pid))
            if stat.id in chain:
                break
            chain.add(stat.id)
            pid = stat.parent
    except (OSError, ValueError):
        pass
    return frozenset(chain)


def read_processes(
    proc: Path, data_root: str | None, exclude: Collection[ProcessId], deadline: Deadline
) -> ProcessesReading:
    """One pass over every process. Never raises for what a host does.

    Args:
        proc: where proc(5) is mounted.
        data_root: the Engine's, as the Engine names it: what it receives lies in `tmp` there. Files with a
            name of the Engine, of containerd or of BuildKit count wherever they are.
        exclude: workers that are no sign of foreign work.
        deadline: when to stop; processes not seen by then are a problem.
    """
    seen = ProcessesReading()
    scratch = None if data_root is None else os.fsencode(data_root.rstrip("/")) + b"/tmp/"
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isascii() and name.isdigit())  # noqa: PTH208 - names alone, of thousands
    except OSError as error:
        seen.problem = seen.files_problem = f"{proc} cannot be listed ({error.strerror})"
        return seen
    if _FIRST not in pids:
        seen.problem = "the first process is not to be seen: processes of others are hidden"
    unread: list[str] = []
    unlisted: list[str] = []
    for pid in pids:
        if deadline.expired:
            seen.problem = f"the processes could not all be read within {deadline}"
            break
        place = proc / str(pid)
        stat = _tried(partial(_look_at, place, seen, exclude), unread)
        if stat is not None and _tried(partial(_receives, place, stat, scratch), unlisted):
            seen.receivers.append(stat.id)
    if unread:
        seen.problem = seen.problem or f"{_counted(unread)} could not be read ({unread[0]})"
    if unlisted:
        seen.files_problem = f"the open files of {_counted(unlisted)} could not be listed ({unlisted[0]})"
    seen.files_problem = seen.problem or seen.files_problem
    return seen


def _tried(read: Callable[[], T], failed: list[str]) -> T | None:
    """What was read; `None` if the process is gone, or cannot be read, which is noted."""
    try:
        return read()
    except _GONE:
        return None
    except OSError as error:
        failed.append(error.strerror or "unknown")
    except ValueError as error:
        failed.append(str(error))
    return None


def _look_at(place: Path, seen: ProcessesReading, exclude: Collection[ProcessId]) -> _Stat | None:
    """Note what a process is; `None` if it has ended."""
    stat = _stat(place)
    if stat.ended:
        return None
    arguments = _arguments(place)
    if _WORKER in (stat.name, _program(place), _base(arguments[0])):
        if stat.id in exclude:
            seen.left_out += 1
        else:
            seen.workers.append(stat.id)
    elif _base(arguments[0]) in _RUNC and b"run" in arguments and _has_bundle(arguments):
        seen.steps.append(stat.id)
    return stat


def _stat(place: Path) -> _Stat:
    """The fields of /proc/<pid>/stat. The name is in brackets, and may hold brackets and spaces itself."""
    text = (place / "stat").read_bytes()
    begin, end = text.find(b"("), text.rfind(b")")
    fields = text[end + 1 :].split()
    if begin < 0 or end < begin or len(fields) < 20:  # noqa: PLR2004 - fields 3 to 22 of proc(5)
        if not text:
            raise ProcessLookupError
        raise ValueError("its stat is not that of proc(5)")
    return _Stat(
        name=text[begin + 1 : end],
        state=fields[0],
        parent=int(fields[1]),
        threads=int(fields[17]),
        id=ProcessId(int(place.name), int(fields[19])),
    )


def _program(place: Path) -> bytes:
    """The base name of the file that it runs; empty for a kernel thread, or where it may not be read."""
    try:
        return _base(os.readlink(os.fsencode(place / "exe")).removesuffix(_DELETED))  # noqa: PTH115 - bytes
    except (PermissionError, *_GONE):
        return b""


def _arguments(place: Path) -> list[bytes]:
    """The words of its command line, at least one, and no more of it than could matter."""
    with (place / "cmdline").open("rb", buffering=0) as file:
        return (file.read(_ARGUMENT_BYTES) or b"").split(b"\0")


def _has_bundle(arguments: list[bytes]) -> bool:
    """Whether it is given a bundle that BuildKit's executor made."""
    for word, following in zip(arguments, [*arguments[1:], b""], strict=True):
        place = following if word == b"--bundle" else word.removeprefix(b"--bundle=") if b"=" in word else b""
        if place and _BUNDLE.search(place):
            return True
    return False


def _receives(place: Path, stat: _Stat, scratch: bytes | None) -> bool:
    """Whether it holds a file open into which an image is received."""
    try:
        return any(
            _RECEIVED.search(target) or (scratch is not None and target.startswith(scratch))
            for target in _files(os.fsencode(place / "fd"))
        )
    except PermissionError:
        if stat.id.pid == _FIRST and stat.name not in _RECEIVERS:
            return False  # an init that may do more than this process may: it receives no image
        # The files of a process that is ending are nobody's any more: look whether it has ended by now.
        again = _stat(place)
        if again.ended or again.id != stat.id:
            return False
        raise


def _files(folder: bytes) -> Iterator[bytes]:
    """The files that a process holds open, by path."""
    for number in os.listdir(folder):  # noqa: PTH208 - bytes
        try:
            target = os.readlink(folder + b"/" + number)  # noqa: PTH115 - bytes
        except _GONE:
            continue  # closed meanwhile
        if target.startswith(b"/"):  # no pipe, no socket
            yield target


def _base(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _counted(reasons: list[str]) -> str:
    return f"{len(reasons)} process{'' if len(reasons) == 1 else 'es'}"
