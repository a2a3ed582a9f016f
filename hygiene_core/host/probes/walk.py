"""What a directory tree holds, in one walk that changes nothing and follows nothing.

Symbolic links are counted as what they are. Directories on another filesystem are not entered; a bind mount
of the same filesystem cannot be told from a directory. Each directory is opened from its parent and compared
with what the parent showed, so that one that is swapped for a link meanwhile is not entered.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from hygiene_core.host.deadline import Deadline

__all__ = ["Measured", "measure_tree", "moment", "named", "shown"]

_BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the filesystem's own is (stat(2))."""
_LONGEST_PATH = 3000
"""A relative path longer than this begins anew at a descriptor: the kernel takes 4096 bytes (PATH_MAX)."""
_ENTRIES_BETWEEN_LOOKS = 4096
_TOLD = 3
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One tree. Bytes; `changed_at` is the newest of all change and modification times, aware UTC.

    A file with several names counts once. `problems` are sentences; with any, the figures are lower bounds.
    `device`, `inode` and `ctime_ns` are of the directory itself, as it was when the walk began.
    """

    apparent_bytes: int
    allocated_bytes: int
    entries: int
    changed_at: datetime | None
    device: int
    inode: int
    ctime_ns: int
    problems: tuple[str, ...] = ()


def measure_tree(path: str, deadline: Deadline) -> Measured:
    """Measure a directory, itself included. A directory that cannot be opened at all raises OSError."""
    with _Base(os.open(path, _OPEN)) as base:
        walk = _Walk(deadline, os.fstat(base.descriptor))
        walk.run(base)
    return walk.measured()


def shown(name: str) -> str:
    """A file's name as text that any UTF-8 can hold; no two names look the same."""
    try:
        name.encode()
    except UnicodeEncodeError:
        escaped = name.replace("\\", "\\\\")
        try:
            raw = os.fsencode(escaped)
        except UnicodeEncodeError:  # not from a file's name, but from a document that names one
            raw = escaped.encode("utf-8", "surrogatepass")
        return raw.decode("utf-8", "backslashreplace")
    return name.replace("\\", "\\\\")


def named(told: str) -> str:
    """The name that `shown` made a text of, as the kernel takes it.

    A text that `shown` cannot have made may come out as any name: what it leads to has to prove its identity.
    """
    return os.fsdecode(_ESCAPED.sub(_unescaped, told.encode("utf-8", "surrogateescape")))


_ESCAPED = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


def _unescaped(found: re.Match[bytes]) -> bytes:
    return b"\\" if found[1] is None else bytes.fromhex(found[1].decode())


class _TimeOver(Exception):
    """The deadline passed in the middle."""


class _Base:
    """A directory that stays open until the last one below it was walked."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._users = 0

    def __enter__(self) -> Self:
        self._users += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        if not self._users:
            os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class _Pending:
    base: _Base
    path: str
    inode: int


@dataclass(slots=True)
class _Walk:
    deadline: Deadline
    top: os.stat_result
    apparent: int = 0
    allocated: int = 0
    entries: int = 0
    newest_ns: int = 0
    _linked: set[int] = field(default_factory=set)
    _pending: list[_Pending] = field(default_factory=list)
    _told: list[str] = field(default_factory=list)
    _untold: int = 0

    def run(self, base: _Base) -> None:
        self._count(self.top)
        self._push(base, ".", self.top.st_ino)
        try:
            while self._pending:
                if self.deadline.expired:
                    raise _TimeOver  # noqa: TRY301 - the same end as in the middle of a directory
                one = self._pending.pop()
                try:
                    self._enter(one)
                finally:
                    one.base.__exit__()
        except _TimeOver:
            self._miss(f"the walk did not end within {self.deadline}")
        finally:
            while self._pending:
                self._pending.pop().base.__exit__()

    def measured(self) -> Measured:
        more = (f"and {self._untold} more",) if self._untold else ()
        return Measured(
            apparent_bytes=self.apparent,
            allocated_bytes=self.allocated,
            entries=self.entries,
            changed_at=moment(self.newest_ns),
            device=self.top.st_dev,
            inode=self.top.st_ino,
            ctime_ns=self.top.st_ctime_ns,
            problems=(*self._told, *more),
        )

    def _push(self, base: _Base, path: str, inode: int) -> None:
        base.__enter__()
        self._pending.append(_Pending(base, path, inode))

    def _enter(self, one: _Pending) -> None:
        try:
            descriptor = os.open(one.path, _OPEN, dir_fd=one.base.descriptor)
        except OSError as error:
            self._miss(f"{shown(one.path)[-80:]} could not be opened ({error.strerror})")
            return
        with _Base(descriptor) as opened:
            seen = os.fstat(descriptor)
            if (seen.st_dev, seen.st_ino) != (self.top.st_dev, one.inode):
                self._miss(f"{shown(one.path)[-80:]} was replaced while it was walked")
                return
            if len(os.fsencode(one.path)) > _LONGEST_PATH:
                self._list(descriptor, opened, ".")
            else:
                self._list(descriptor, one.base, one.path)

    def _list(self, descriptor: int, base: _Base, prefix: str) -> None:
        try:
            with os.scandir(descriptor) as found:
                for position, entry in enumerate(found):
                    if not position % _ENTRIES_BETWEEN_LOOKS and self.deadline.expired:
                        raise _TimeOver
                    self._take(entry, base, prefix)
        except OSError as error:
            self._miss(f"{shown(prefix)[-80:]} could not be listed ({error.strerror})")

    def _take(self, entry: os.DirEntry[str], base: _Base, prefix: str) -> None:
        try:
            seen = entry.stat(follow_symlinks=False)
        except OSError as error:
            self._miss(f"{shown(entry.name)} went while it was looked at ({error.strerror})")
            return
        if stat.S_ISDIR(seen.st_mode):
            if seen.st_dev == self.top.st_dev:
                self._count(seen)
                self._push(base, f"{prefix}/{entry.name}", seen.st_ino)
            return
        if seen.st_nlink > 1:
            if seen.st_ino in self._linked:
                return
            self._linked.add(seen.st_ino)
        self._count(seen)

    def _count(self, seen: os.stat_result) -> None:
        self.entries += 1
        self.allocated += seen.st_blocks * _BLOCK_BYTES
        if stat.S_ISREG(seen.st_mode):
            self.apparent += seen.st_size
        newest = max(seen.st_mtime_ns, seen.st_ctime_ns)
        self.newest_ns = max(self.newest_ns, newest)

    def _miss(self, reason: str) -> None:
        if len(self._told) < _TOLD:
            self._told.append(reason)
        else:
            self._untold += 1


def moment(at_ns: int) -> datetime | None:
    """A time of stat(2), to the microsecond, or `None` where no calendar holds it: a file may carry any."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(at_ns // 1000 / 1_000_000, UTC)
    return None
