"""The place that a directory is moved to before it is removed, and what lies there after a crash.

It is `.hygiene-quarantine` in the allowed root: the same filesystem, so that a rename is all it takes, and
0700 of our own, so that nobody else finds the directory any more. What stands there as `<name>-<inode>` is
whole; once its removal began it is called `<name>-<inode>.removing`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hygiene_core.host.actions.ground import LISTABLE, Ground, Spot, because, ended, mount_of
from hygiene_core.host.probes.walk import shown
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.resource import QUARANTINE

__all__ = [
    "BEGUN",
    "Left",
    "entry_name",
    "left_in_quarantine",
    "move",
    "move_back",
    "quarantine_of",
    "sync",
]

BEGUN = ".removing"
"""What the name of an entry ends in once its removal began: it is not whole any more."""

_NOREPLACE = 1
"""RENAME_NOREPLACE of renameat2(2)."""
_LONGEST_NAME = 200
"""Bytes of the old name that an entry's name begins with; a name may have 255 (NAME_MAX)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What lies in a quarantine. `begun` says that its removal had begun, so that it is not whole."""

    path: str
    name: str
    device: int
    inode: int
    begun: bool


def left_in_quarantine(root: str) -> tuple[Left, ...]:
    """What lies in the quarantine of an allowed root, by name. Raises OSError where that cannot be read."""
    place = os.path.join(os.path.realpath(root), QUARANTINE)  # noqa: PTH118 - names may be undecodable
    try:
        directory = os.open(place, LISTABLE)
    except FileNotFoundError:
        return ()
    try:
        found = []
        for name in sorted(os.listdir(directory)):  # noqa: PTH208 - a descriptor, not a path
            seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
            begun = name.endswith(BEGUN)
            whole = name.removesuffix(BEGUN)
            found.append(
                Left(
                    path=shown(f"{place}/{name}"),
                    name=shown(whole.rpartition("-")[0]),
                    device=seen.st_dev,
                    inode=seen.st_ino,
                    begun=begun,
                )
            )
        return tuple(found)
    finally:
        os.close(directory)


def entry_name(name: str, inode: int) -> str:
    """What something of a name and an inode is called in a quarantine."""
    short = os.fsdecode(os.fsencode(name)[:_LONGEST_NAME])
    return f"{short}-{inode}"


@contextmanager
def quarantine_of(spot: Spot, ground: Ground, *, make: bool = True) -> Iterator[int]:
    """The quarantine of the root that a spot lies in, opened; it is made where it is not there.

    Raises:
        Ended: it cannot be made or opened, or somebody else could reach into it.
    """
    place = f"{spot.root_path}/{QUARANTINE}"
    try:
        if make:
            _make(spot.root)
        directory = os.open(QUARANTINE, LISTABLE, dir_fd=spot.root)
    except OSError as error:
        raise ended(Outcome.KEPT, Why.CONFLICT, f"{shown(place)} cannot be used ({because(error)})") from None
    try:
        _refuse_foreign(directory, spot, ground, place)
        yield directory
    finally:
        os.close(directory)


def _make(root: int) -> None:
    try:
        os.mkdir(QUARANTINE, 0o700, dir_fd=root)
    except FileExistsError:
        return
    sync(root)


def _refuse_foreign(directory: int, spot: Spot, ground: Ground, place: str) -> None:
    seen = os.fstat(directory)
    try:
        elsewhere = seen.st_dev != spot.seen.st_dev or mount_of(directory, ground.proc) != spot.mount
    except OSError as error:
        raise ended(
            Outcome.KEPT,
            Why.UNREADABLE,
            f"what is mounted at {shown(place)} cannot be told ({because(error)})",
        ) from None
    if elsewhere:
        raise ended(Outcome.KEPT, Why.CONFLICT, f"{shown(place)} is on another filesystem")
    if seen.st_uid != os.geteuid() or stat.S_IMODE(seen.st_mode) & 0o077:
        raise ended(Outcome.KEPT, Why.CONFLICT, f"{shown(place)} is not a directory of ours alone")


def sync(directory: int) -> None:
    """Make what was renamed in or out of a directory last; it may have been opened with O_PATH."""
    opened = os.open(".", LISTABLE, dir_fd=directory)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def move(name: str, source: int, new_name: str, target: int) -> None:
    """Rename without ever replacing anything: renameat2(2). Raises OSError, `FileExistsError` among them."""
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, "this system's library has no renameat2")
    if call(source, os.fsencode(name), target, os.fsencode(new_name), _NOREPLACE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def move_back(entry: str, quarantine: int, name: str, spot: Spot, because_of: Acted) -> Acted:
    """Give something its place again, after a check that failed; it is never put over anything new.

    Args:
        entry: what it is called in the quarantine.
        quarantine: that directory.
        name: what it was called.
        spot: whose parent it goes back to.
        because_of: how the check ended.
    """
    place = f"{shown(spot.root_path)}/{QUARANTINE}/{shown(entry)}"
    try:
        move(entry, quarantine, name, spot.parent)
    except FileExistsError:
        told = f"{because_of.detail}; something else has its name now, so that it is left whole in {place}"
        return Acted(outcome=Outcome.FAILED, why=Why.CONFLICT, detail=told)
    except OSError as error:
        told = (
            f"{because_of.detail}; it could not be put back ({because(error)}) and is left whole in {place}"
        )
        return Acted(outcome=Outcome.FAILED, why=because_of.why, detail=told)
    try:
        sync(quarantine)
        sync(spot.parent)
    except OSError as error:
        told = f"{because_of.detail}; it was put back, and the disk did not confirm it ({because(error)})"
        return Acted(outcome=because_of.outcome, why=because_of.why, detail=told)
    return Acted(
        outcome=because_of.outcome, why=because_of.why, detail=f"{because_of.detail}; it was put back"
    )
