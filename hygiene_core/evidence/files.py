"""Files that survive: directories with their owner, locks with a deadline, writes that are whole or absent.

Standard library only. A function that had to leave something as it is says so in a note for people.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import grp
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hygiene_core.errors import EvidenceUnwritable, UsageProblem

__all__ = [
    "DIRECTORY_MODE",
    "GROUP",
    "LockBusy",
    "check_name",
    "give_to_group",
    "is_full",
    "is_name",
    "locked",
    "make_directory",
    "no_collection",
    "replace_file",
    "sync_directory",
    "unwritable",
]

GROUP = "hygiene"
"""Members of this group may read the published database."""

DIRECTORY_MODE = 0o750
_POLL_SECONDS = 0.01  # flock(2) knows no timeout; one system call every 10 ms costs nothing
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")


class LockBusy(Exception):
    """Somebody else held a lock for the whole wait. `holder` is the process id, if the kernel tells it."""

    def __init__(self, path: Path, holder: int | None, waited_seconds: float) -> None:
        who = "another process" if holder is None else f"process {holder}"
        super().__init__(f"{path} was locked by {who} for {waited_seconds:g} s")
        self.holder = holder


def is_name(name: str) -> bool:
    """Whether `check_name` lets it pass."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str, what: str) -> str:
    """The name itself, if it can be the name of a file.

    Raises:
        UsageProblem: it holds anything but letters, digits, `.`, `_` and `-`, or begins with `.` or `-`.
    """
    if not is_name(name):
        raise UsageProblem(
            f"{what} {name!r} cannot name a folder: use letters, digits, '.', '_' and '-', at most 200,"
            " and begin with a letter, a digit or '_'."
        )
    return name


def is_full(error: OSError) -> bool:
    """Whether the error says that there is no room left (blocks, inodes or quota)."""
    return error.errno in _NO_SPACE


def unwritable(error: OSError, what: str) -> EvidenceUnwritable:
    """The error a person reads when the evidence cannot be written."""
    where = f" ({error.filename})" if error.filename else ""
    return EvidenceUnwritable(
        f"{what} could not be written: {os.strerror(error.errno or 0)}{where}. This run is not recorded.",
        next_step="Make room or fix the permissions of the state directory, then run the command again.",
    )


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable; without it the newest file is lost in a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> tuple[str, ...]:
    """Make a directory and its missing parents, 0750 whatever the umask, group `hygiene` where it exists.

    One that is there already is left as it is: its owner may have had reasons. Returns notes.
    """
    if directory.is_dir():
        return ()
    notes = make_directory(directory.parent)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        if directory.is_dir():  # another process was faster
            return notes
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(directory)) from None
    made = give_to_group(directory)
    directory.chmod(DIRECTORY_MODE)
    sync_directory(directory.parent)
    return tuple(dict.fromkeys((*notes, *made)))


def give_to_group(path: Path) -> tuple[str, ...]:
    """Hand a path to the group `hygiene`; a note says why that was not possible."""
    try:
        group = grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return (f"There is no group {GROUP!r} on this machine: only this user can read the evidence.",)
    try:
        os.chown(path, -1, group)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        return (f"{path} could not be given to the group {GROUP!r} ({reason}): only this user can read it.",)
    return ()


@contextmanager
def locked(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold an exclusive flock(2) on `path`. The kernel frees it when the process ends, however it ends.

    Raises:
        LockBusy: somebody else held it for all of `wait_seconds`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up_at = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    raise LockBusy(path, _holder(descriptor), wait_seconds) from None
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> int | None:
    """Who holds the flock, from /proc/locks: `1: FLOCK ADVISORY WRITE <pid> <device>:<inode> 0 EOF`."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                return int(fields[4]) or None
    return None


def replace_file(path: Path, content: bytes | Iterable[bytes], mode: int, *, shared: bool = False) -> None:
    """Write a file whole or not at all: temporary file, fsync, rename, fsync of the directory.

    A `shared` one is given to the group before it takes its place, so that its readers are never locked out.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        temporary.unlink()
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.writelines((content,) if isinstance(content, bytes) else content)
            stream.flush()
            if shared:
                give_to_group(temporary)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the cyclic collector out of a loop that only makes objects that stay: it doubles its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
