"""Removal of one directory: looked at, moved out of sight, looked at again, and only then removed.

The first look says whether it still is what was planned and nobody uses it. The rename takes it away from
whoever comes next, in one step that can be undone. Only who had it open before could still use it: the second
look finds these, and then it is put back.
"""

from __future__ import annotations

import fcntl
import os
from datetime import datetime

from hygiene_core.host.actions import logs
from hygiene_core.host.actions.ground import (
    Ended,
    Ground,
    Point,
    Spot,
    because,
    ended,
    open_spot,
    unreadable,
    where,
)
from hygiene_core.host.actions.holders import Wanted, holders, mounted, refuse_job
from hygiene_core.host.actions.quarantine import BEGUN, entry_name, move, move_back, quarantine_of, sync
from hygiene_core.host.actions.tree import clear, survey
from hygiene_core.host.actions.updates import refuse_update
from hygiene_core.host.probes.walk import moment, named, shown
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action, Verb
from hygiene_core.model.resource import QUARANTINE

__all__ = ["drift_of", "remove"]


def drift_of(action: Action, ground: Ground) -> Acted | None:
    """What no longer holds of a planned directory or of planned logs, or who uses them; `None`: it may go.

    Nothing is changed.
    """
    if action.verb is Verb.REMOVE_FILES:
        return logs.drift_of(action, ground)
    try:
        with open_spot(action, ground) as spot:
            _lock(spot)
            _check(action, spot, ground)
    except Ended as end:
        return end.acted
    except OSError as error:
        return unreadable(action, error)
    return None


def remove(action: Action, ground: Ground) -> Acted:
    """Remove a planned directory, or planned logs; the checks of `drift_of` come first, and again after."""
    if action.verb is Verb.REMOVE_FILES:
        return logs.remove(action, ground)
    try:
        with open_spot(action, ground) as spot:
            _lock(spot)
            _check(action, spot, ground)
            with quarantine_of(spot, ground) as quarantine:
                return _through(action, spot, ground, quarantine)
    except Ended as end:
        return end.acted
    except OSError as error:  # from before the move: what comes after it ends where it is raised
        return unreadable(action, error)


def _through(action: Action, spot: Spot, ground: Ground, quarantine: int) -> Acted:
    """From its place to the quarantine, and from there either to nothing or back."""
    entry = entry_name(spot.name, spot.seen.st_ino)
    place = f"{shown(spot.root_path)}/{QUARANTINE}/{shown(entry)}"
    ground.reached(Point.CHECKED)
    try:
        move(spot.name, spot.parent, entry, quarantine)
    except FileNotFoundError:
        raise ended(Outcome.ALREADY_ABSENT, None, f"{spot.path} is not there") from None
    except OSError as error:
        raise ended(
            Outcome.FAILED, Why.CONFLICT, f"{spot.path} could not be moved to {place} ({because(error)})"
        ) from None
    ground.reached(Point.MOVED)
    try:
        _synced(spot, quarantine)
        _moved_right(entry, spot, quarantine)
        _check(action, spot, ground)
        ground.reached(Point.RECHECKED)
        _begin(entry, quarantine, spot)
    except Ended as end:
        return move_back(entry, quarantine, spot.name, spot, end.acted)
    except OSError as error:
        return move_back(entry, quarantine, spot.name, spot, unreadable(action, error))
    ground.reached(Point.REMOVING)
    return _cleared(action, f"{entry}{BEGUN}", spot, ground, quarantine)


def _lock(spot: Spot) -> None:
    """Hold the lock that whoever works in a directory may take (flock(2)), as long as the spot is open."""
    try:
        fcntl.flock(spot.target, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ended(Outcome.KEPT, Why.IN_USE, f"{spot.path} is locked by a process") from None
    except OSError as error:
        raise ended(
            Outcome.KEPT, Why.UNREADABLE, f"whether {spot.path} is locked cannot be told ({because(error)})"
        ) from None


def _check(action: Action, spot: Spot, ground: Ground) -> None:
    """That nobody uses it and nothing in it changed, before the move and after.

    Raises:
        Ended: somebody does, something did, or it cannot be told.
    """
    runner = action.facts.get("runner")
    refuse_job(ground, None if runner is None else named(runner))
    refuse_update(action, spot)
    found = survey(spot, ground)
    planned = action.facts.get("changed_at")
    newest = moment(found.newest_ns)
    if planned is None or newest is None:
        raise ended(Outcome.SKIPPED, Why.CHANGED, f"when {spot.path} last changed is not known")
    if newest > datetime.fromisoformat(planned):
        raise ended(
            Outcome.SKIPPED, Why.CHANGED, f"something in {spot.path} has changed since it was planned"
        )
    here = _where(spot, ground)
    holder = next(holders(ground, Wanted(spot.seen.st_dev, found.inodes, here)), None)
    if holder is not None:
        told = f"process {holder.pid} has something of {spot.path} in use ({holder.how})"
        raise ended(Outcome.KEPT, Why.IN_USE, told)
    point = mounted(ground, spot.target)
    if point is not None:
        raise ended(Outcome.KEPT, Why.IN_USE, f"a part of {spot.path} is mounted at {point}")


def _where(spot: Spot, ground: Ground) -> str:
    """The path that the kernel gives the directory now."""
    try:
        return where(spot.target, ground.proc)
    except OSError as error:
        raise ended(
            Outcome.KEPT, Why.UNREADABLE, f"where {spot.path} is cannot be told ({because(error)})"
        ) from None


def _synced(spot: Spot, quarantine: int) -> None:
    try:
        sync(spot.parent)
        sync(quarantine)
    except OSError as error:
        raise ended(
            Outcome.FAILED, Why.CONFLICT, f"the move of {spot.path} was not confirmed ({because(error)})"
        ) from None


def _moved_right(entry: str, spot: Spot, quarantine: int) -> None:
    """That what was moved is what was looked at: until then another may have taken the name."""
    try:
        moved = os.stat(entry, dir_fd=quarantine, follow_symlinks=False)
    except OSError as error:
        raise ended(
            Outcome.FAILED, Why.CONFLICT, f"what was moved cannot be looked at ({because(error)})"
        ) from None
    if (moved.st_dev, moved.st_ino) != (spot.seen.st_dev, spot.seen.st_ino):
        raise ended(Outcome.SKIPPED, Why.CHANGED, f"another was put in the place of {spot.path}")


def _begin(entry: str, quarantine: int, spot: Spot) -> None:
    """Mark it as begun: from here on it is not whole."""
    try:
        move(entry, quarantine, f"{entry}{BEGUN}", quarantine)
    except OSError as error:
        raise ended(
            Outcome.FAILED, Why.CONFLICT, f"the removal of {spot.path} could not begin ({because(error)})"
        ) from None


def _cleared(action: Action, entry: str, spot: Spot, ground: Ground, quarantine: int) -> Acted:
    place = f"{shown(spot.root_path)}/{QUARANTINE}/{shown(entry)}"
    why = Why.CONFLICT
    try:
        sync(quarantine)  # before anything of it goes, the name says so
        left = clear(spot, ground)
        if not left:
            os.rmdir(entry, dir_fd=quarantine)
            return _confirmed(action, quarantine)
        told = ", ".join(left)
    except Ended as end:
        told, why = end.acted.detail, end.acted.why or why
    except OSError as error:
        told = because(error)
    return Acted(
        outcome=Outcome.FAILED, why=why, detail=f"not all of it could be removed: {told}; the rest is {place}"
    )


def _confirmed(action: Action, quarantine: int) -> Acted:
    """It is gone; whether it stays so after a power cut is for the disk to say."""
    try:
        sync(quarantine)
    except OSError as error:
        told = f"{shown(action.name)} is gone, and the disk did not confirm it ({because(error)})"
        return Acted(outcome=Outcome.FAILED, why=Why.CONFLICT, detail=told, removed=(action.id,))
    return Acted(outcome=Outcome.REMOVED, removed=(action.id,))
