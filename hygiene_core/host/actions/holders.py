"""Who holds something of a tree: processes by descriptor, directory, program or map, and mounts anywhere.

Files are compared by device and inode, because a process in a namespace of its own sees other paths. Nothing
that a process holds is opened. Where one process cannot be looked at, nothing is known of any.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hygiene_core.host.actions.ground import Ended, Ground, because, ended, mount_of, where
from hygiene_core.host.probes.walk import shown
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.activity import ProcessId

__all__ = ["Holder", "Wanted", "holders", "mounted", "refuse_job"]

_WORKER = "Runner.Worker"
_GONE = frozenset({errno.ENOENT, errno.ESRCH})
_FIELDS = 5
"""How many fields a line of maps has before the path (proc(5))."""
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Holder:
    """One hold on one file: the process, and how. `inode` is `None` where only the path shows it."""

    pid: int
    how: str
    inode: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked after: inodes of a device, and whatever is at or below a path."""

    device: int
    inodes: Collection[int]
    path: str | None = None

    def holds(self, device: int, inode: int) -> bool:
        """Whether it is one of the inodes."""
        return device == self.device and inode in self.inodes

    def leads(self, path: str) -> bool:
        """Whether a path is at the wanted one or below it."""
        return self.path is not None and _is_at(path, self.path)


def holders(ground: Ground, wanted: Wanted) -> Iterator[Holder]:
    """Every hold on what is asked after. Our own process is left out.

    Raises:
        Ended: a process cannot be looked at.
    """
    for pid in _processes(ground):
        place = f"{ground.proc}/{pid}"
        try:
            for how in ("cwd", "root", "exe"):
                yield from _link(f"{place}/{how}", pid, how, wanted)
            for number in _listed(f"{place}/fd"):
                yield from _link(f"{place}/fd/{number}", pid, f"descriptor {number}", wanted)
            yield from _maps(place, pid, wanted)
        except OSError as error:
            raise _unreadable(pid, error) from None


def refuse_job(ground: Ground, runner: str | None) -> None:
    """End an action while a worker of a runner runs, or where that cannot be told.

    Args:
        ground: its `exclude` names the workers that do not count.
        runner: the real path of the runner's root; `None` for what belongs to no runner.

    Raises:
        Ended: a job runs, or a process cannot be looked at.
    """
    if runner is None:
        return
    for pid in _processes(ground):
        place = f"{ground.proc}/{pid}"
        try:
            if _text(f"{place}/comm").rstrip("\n") != _WORKER:
                continue
            if ProcessId(pid, _started(place)) in ground.exclude:
                continue
            programs = [_target(f"{place}/{how}") for how in ("exe", "cwd")]
        except OSError as error:
            if error.errno in _GONE:
                continue
            raise _unreadable(pid, error) from None
        if any(_is_at(one, runner) for one in programs):
            raise ended(Outcome.KEPT, Why.IN_USE, f"the runner runs a job: {_WORKER} is process {pid}")


def mounted(ground: Ground, target: int) -> str | None:
    """Where a part of a directory is mounted, in the namespace of any process; `None` if it is nowhere.

    Raises:
        Ended: the mounts of a process cannot be read.
    """
    own, path = _own(ground, target)
    seen: set[tuple[str, str]] = set()
    for pid in _processes(ground, but_us=False):
        place = f"{ground.proc}/{pid}"
        try:
            # A process that is confined to a part of its namespace sees the mounts of that part alone.
            space = (_read(f"{place}/ns/mnt"), _read(f"{place}/root"))
            if space in seen:
                continue
            rows = list(_mounts(place))
        except OSError as error:
            if error.errno in _GONE | {errno.EINVAL}:
                continue
            raise _unreadable(pid, error) from None
        seen.add(space)
        for row in rows:
            if row.device == own.device and _is_at(row.root, path):
                return f"{shown(row.point)} in the mount namespace of process {pid}"
    return None


@dataclass(frozen=True, slots=True)
class _Mount:
    id: int
    device: str
    root: str
    point: str


def _own(ground: Ground, target: int) -> tuple[_Mount, str]:
    """The mount that a directory lies on, and its path from the root of that filesystem."""
    try:
        number = mount_of(target, ground.proc)
        here = where(target, ground.proc)
        own = next(row for row in _mounts(f"{ground.proc}/self") if row.id == number)
    except OSError as error:
        raise ended(
            Outcome.KEPT, Why.UNREADABLE, f"the mounts of this process cannot be read ({because(error)})"
        ) from None
    except StopIteration:
        raise ended(
            Outcome.KEPT, Why.UNREADABLE, "the mount of the directory is not among those of this process"
        ) from None
    below = here if own.point == "/" else here[len(own.point) :]
    return own, (own.root if own.root != "/" else "") + below


def _mounts(place: str) -> Iterator[_Mount]:
    """The mounts that a process sees (proc(5), mountinfo)."""
    with open(f"{place}/mountinfo", "rb") as stream:  # noqa: PTH123 - a file of the kernel
        for line in stream:
            fields = line.split(b" ", 5)
            yield _Mount(int(fields[0]), fields[2].decode(), _plain(fields[3]), _plain(fields[4]))


def _plain(field: bytes) -> str:
    return os.fsdecode(_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), field))


def _processes(ground: Ground, *, but_us: bool = True) -> list[int]:
    try:
        # Processes are hidden where even that of the system cannot be read.
        _text(f"{ground.proc}/1/comm")
        numbers = [int(name) for name in os.listdir(ground.proc) if name.isdecimal()]  # noqa: PTH208 - names are enough
    except OSError as error:
        raise ended(
            Outcome.KEPT, Why.UNREADABLE, f"the processes of this host cannot be seen ({because(error)})"
        ) from None
    ours = os.getpid()
    return [number for number in numbers if not but_us or number != ours]


def _link(link: str, pid: int, how: str, wanted: Wanted) -> Iterator[Holder]:
    try:
        leads_to = _read(link)
        if not leads_to.startswith("/"):
            return  # a socket, a pipe: no file
        seen = os.stat(link)  # noqa: PTH116 - a link of the kernel, which is followed without a path
    except OSError as error:
        if error.errno in _GONE:
            return
        raise
    if wanted.holds(seen.st_dev, seen.st_ino):
        yield Holder(pid, how, seen.st_ino)
    elif wanted.leads(leads_to):
        yield Holder(pid, how, None)


def _maps(place: str, pid: int, wanted: Wanted) -> Iterator[Holder]:
    try:
        with open(f"{place}/maps", "rb") as stream:  # noqa: PTH123 - a file of the kernel
            lines = stream.read().splitlines()
    except OSError as error:
        if error.errno in _GONE:
            return
        raise
    for line in lines:
        fields = line.split(None, 5)
        inode = int(fields[4])
        if not inode:
            continue
        major, _, minor = fields[3].partition(b":")
        if wanted.holds(os.makedev(int(major, 16), int(minor, 16)), inode):
            yield Holder(pid, "map", inode)
        elif len(fields) > _FIELDS and wanted.leads(os.fsdecode(fields[_FIELDS])):
            yield Holder(pid, "map", None)


def _listed(place: str) -> list[str]:
    try:
        return os.listdir(place)  # noqa: PTH208 - names are enough
    except OSError as error:
        if error.errno in _GONE:
            return []
        raise


def _target(link: str) -> str:
    try:
        return _read(link).removesuffix(" (deleted)")
    except OSError as error:
        if error.errno in _GONE:
            return ""
        raise


def _started(place: str) -> int:
    """When a process started, in ticks since the boot (proc(5), stat: field 22)."""
    return int(_text(f"{place}/stat").rpartition(")")[2].split()[19])


def _read(link: str) -> str:
    return os.readlink(link)  # noqa: PTH115 - names may be undecodable


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:  # noqa: PTH123 - a file of the kernel
        return stream.read()


def _is_at(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")


def _unreadable(pid: int, error: OSError) -> Ended:
    return ended(Outcome.KEPT, Why.UNREADABLE, f"process {pid} cannot be looked at ({because(error)})")
