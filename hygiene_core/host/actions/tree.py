"""A walk that can be trusted with removal: it enters nothing but the directories of one tree on one mount.

Each directory is opened from its parent without following links, compared with what the parent showed, and
left through `..`, which has to be that parent. However deep a tree is, one descriptor is open.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from hygiene_core.host.actions.ground import LISTABLE, Ground, Spot, because, ended, mount_of
from hygiene_core.host.probes.walk import shown
from hygiene_core.model.act import Outcome, Why

__all__ = ["Survey", "clear", "survey"]

_NAMED = 3
_MOST_FAILURES = 100
"""A filesystem that refuses this many removals refuses the rest."""


@dataclass(slots=True)
class Survey:
    """What a tree holds: every inode, the directory itself included, and the newest stamp of anything inside.

    `newest_ns` leaves out the change time of the directory itself, which a rename sets.
    """

    inodes: set[int] = field(default_factory=set)
    newest_ns: int = 0


@dataclass(slots=True)
class _Level:
    name: str
    seen: os.stat_result
    pending: list[str]


def survey(spot: Spot, ground: Ground) -> Survey:
    """Look at everything in the tree.

    Raises:
        Ended: something is mounted inside, something cannot be read, or the time is over.
    """
    top = os.fstat(spot.target)
    found = Survey({top.st_ino}, top.st_mtime_ns)
    try:
        for _, _, seen in _walk(spot, ground):
            found.inodes.add(seen.st_ino)
            found.newest_ns = max(found.newest_ns, seen.st_mtime_ns, seen.st_ctime_ns)
    except OSError as error:
        raise ended(
            Outcome.KEPT, Why.UNREADABLE, f"something in {spot.path} cannot be read ({because(error)})"
        ) from None
    return found


def clear(spot: Spot, ground: Ground) -> tuple[str, ...]:
    """Remove everything in the tree, from the bottom up; what is left, each with its reason.

    Raises:
        Ended: something is mounted inside, or changed under our hands, or the time is over.
        OSError: a directory cannot be opened or listed.
    """
    left: list[str] = []
    for directory, name, seen in _walk(spot, ground):
        try:
            if stat.S_ISDIR(seen.st_mode):
                os.rmdir(name, dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            # A directory that something was left in tells nothing new.
            if error.errno != errno.ENOTEMPTY or not left:
                left.append(f"{shown(name)} ({because(error)})")
            if len(left) >= _MOST_FAILURES:
                break
    more = len(left) - _NAMED
    return (*left[:_NAMED], *([f"and {more} more"] if more > 0 else []))


def _walk(spot: Spot, ground: Ground) -> Iterator[tuple[int, str, os.stat_result]]:
    """Everything below the target: the directory that holds it, its name, its state. Directories last."""
    current = os.open(".", LISTABLE, dir_fd=spot.target)
    try:
        levels = [_Level(".", os.fstat(current), _names(current))]
        while True:
            if ground.deadline.expired:
                raise ended(Outcome.FAILED, Why.TIMEOUT, f"{spot.path}: no end within {ground.deadline}")
            level = levels[-1]
            if level.pending:
                name = level.pending.pop()
                seen = _state(name, current)
                if seen is None:
                    continue
                if not stat.S_ISDIR(seen.st_mode):
                    yield current, name, seen
                    continue
                inner = _enter(name, seen, current, spot, ground)
                os.close(current)
                current = inner
                levels.append(_Level(name, seen, _names(current)))
                continue
            levels.pop()
            if not levels:
                return
            outer = _leave(current, levels[-1], spot)
            os.close(current)
            current = outer
            yield current, level.name, level.seen
    finally:
        os.close(current)


def _names(directory: int) -> list[str]:
    return os.listdir(directory)


def _state(name: str, directory: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _enter(name: str, seen: os.stat_result, directory: int, spot: Spot, ground: Ground) -> int:
    if seen.st_dev != spot.seen.st_dev:
        raise ended(Outcome.KEPT, Why.IN_USE, f"{shown(name)} in {spot.path} is a mount point")
    inner = os.open(name, LISTABLE, dir_fd=directory)
    try:
        now, mount = os.fstat(inner), mount_of(inner, ground.proc)
    except BaseException:
        os.close(inner)
        raise
    if (now.st_dev, now.st_ino) == (seen.st_dev, seen.st_ino) and mount == spot.mount:
        return inner
    os.close(inner)
    if now.st_dev == seen.st_dev and mount == spot.mount:
        told = f"{shown(name)} in {spot.path} was replaced while it was read"
        raise ended(Outcome.SKIPPED, Why.CHANGED, told)
    raise ended(Outcome.KEPT, Why.IN_USE, f"{shown(name)} in {spot.path} is a mount point")


def _leave(directory: int, above: _Level, spot: Spot) -> int:
    outer = os.open("..", LISTABLE, dir_fd=directory)
    now = os.fstat(outer)
    if (now.st_dev, now.st_ino) != (above.seen.st_dev, above.seen.st_ino):
        os.close(outer)
        raise ended(Outcome.SKIPPED, Why.CHANGED, f"something in {spot.path} was moved while it was read")
    return outer
