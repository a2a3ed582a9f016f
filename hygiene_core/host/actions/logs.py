"""Removal of old logs of one runner, each by its identity; one that a process holds open is kept.

They go through the quarantine too: a log that is opened between the look and the removal is put back.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

from hygiene_core.host.actions.ground import Ended, Ground, Point, Spot, because, open_spot, unreadable
from hygiene_core.host.actions.holders import Wanted, holders, refuse_job
from hygiene_core.host.actions.quarantine import entry_name, move, move_back, quarantine_of, sync
from hygiene_core.host.actions.updates import refuse_update
from hygiene_core.host.probes.diagnostics import LOG_NAME
from hygiene_core.host.probes.walk import named, shown
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action, PlannedFile

__all__ = ["drift_of", "remove"]

_NAMED = 3


@dataclass(slots=True)
class _Tally:
    """How each file ended that did not go: outcome, reason and words."""

    removed: list[str] = field(default_factory=list)
    ends: list[Acted] = field(default_factory=list)

    def end(self, outcome: Outcome, why: Why | None, detail: str) -> None:
        self.ends.append(Acted(outcome=outcome, why=why, detail=detail))

    def acted(self) -> Acted:
        """One outcome for all: what failed first, then what was removed, then what was kept."""
        details = [one.detail for one in self.ends]
        more = [f"and {len(details) - _NAMED} more"] if len(details) > _NAMED else []
        told = "; ".join([*details[:_NAMED], *more])
        order = [Outcome.FAILED, Outcome.REFUSED, Outcome.KEPT, Outcome.SKIPPED, Outcome.ALREADY_ABSENT]
        worst = min(self.ends, key=lambda one: order.index(one.outcome), default=None)
        if worst is None:
            return Acted(outcome=Outcome.REMOVED, removed=tuple(self.removed))
        outcome = Outcome.REMOVED if self.removed and worst.outcome is not Outcome.FAILED else worst.outcome
        return Acted(outcome=outcome, why=worst.why, detail=told, removed=tuple(self.removed))


def drift_of(action: Action, ground: Ground) -> Acted | None:
    """Why none of the planned logs may go, or `None` if one may. Nothing is changed."""
    tally = _Tally()
    try:
        with open_spot(action, ground) as spot:
            _check(action, spot, ground)
            if _those_that_may(action, spot, ground, tally):
                return None
    except Ended as end:
        return end.acted
    except OSError as error:
        return unreadable(action, error)
    return tally.acted()


def remove(action: Action, ground: Ground) -> Acted:
    """Remove the planned logs that may go; the outcome says what became of the others."""
    tally = _Tally()
    try:
        with open_spot(action, ground) as spot:
            _check(action, spot, ground)
            going = _those_that_may(action, spot, ground, tally)
            if going:
                with quarantine_of(spot, ground) as quarantine:
                    # From here on the directory of the logs is where they come from and go back to.
                    spot.parent = spot.target
                    _through(action, spot, ground, quarantine, going=going, tally=tally)
    except Ended as end:
        tally.ends.append(end.acted)
    except OSError as error:
        tally.ends.append(unreadable(action, error))
    return tally.acted()


def _check(action: Action, spot: Spot, ground: Ground) -> None:
    runner = action.facts.get("runner")
    refuse_job(ground, None if runner is None else named(runner))
    refuse_update(action, spot)


def _those_that_may(action: Action, spot: Spot, ground: Ground, tally: _Tally) -> list[PlannedFile]:
    """The files that are as they were planned and that nobody has open."""
    same = [one for one in action.files if _is_same(one, spot, tally)]
    held = _held(same, spot, ground)
    for one in same:
        if one.inode in held:
            tally.end(Outcome.KEPT, Why.IN_USE, f"{one.name} is open in process {held[one.inode]}")
    return [one for one in same if one.inode not in held]


def _is_same(one: PlannedFile, spot: Spot, tally: _Tally) -> bool:
    told = shown(one.name)
    if not LOG_NAME.fullmatch(one.name):
        tally.end(Outcome.REFUSED, Why.NO_TOUCH, f"{told} is not the name of a runner's log")
        return False
    try:
        seen = os.stat(one.name, dir_fd=spot.target, follow_symlinks=False)
    except FileNotFoundError:
        tally.end(Outcome.ALREADY_ABSENT, None, f"{told} is not there")
        return False
    except OSError as error:
        tally.end(Outcome.KEPT, Why.UNREADABLE, f"{told} cannot be looked at ({because(error)})")
        return False
    is_now = (seen.st_dev, seen.st_ino, seen.st_ctime_ns, seen.st_size)
    if not stat.S_ISREG(seen.st_mode) or is_now != (one.device, one.inode, one.ctime_ns, one.size_bytes):
        tally.end(Outcome.SKIPPED, Why.CHANGED, f"{told} has changed since it was planned")
        return False
    return True


def _held(files: list[PlannedFile], spot: Spot, ground: Ground) -> dict[int, int]:
    """Which inodes are open, and in which process."""
    inodes = {one.inode for one in files}
    found = holders(ground, Wanted(spot.seen.st_dev, inodes)) if inodes else ()
    return {one.inode: one.pid for one in found if one.inode is not None}


def _through(
    action: Action,
    spot: Spot,
    ground: Ground,
    quarantine: int,
    *,
    going: list[PlannedFile],
    tally: _Tally,
) -> None:
    ground.reached(Point.CHECKED)
    moved = [one for one in going if _moved(one, spot, quarantine, tally)]
    ground.reached(Point.MOVED)
    stays: dict[str, Acted] = {}
    try:
        sync(spot.target)
        sync(quarantine)
        held = _held(moved, spot, ground)
        _check(action, spot, ground)
        for one in moved:
            said = _second_look(one, quarantine, held)
            if said is not None:
                stays[one.name] = said
    except Ended as end:
        stays = {one.name: end.acted for one in moved}
    except OSError as error:
        failed = Acted(outcome=Outcome.FAILED, why=Why.CONFLICT, detail=f"the move failed ({because(error)})")
        stays = {one.name: failed for one in moved}
    ground.reached(Point.RECHECKED)
    for one in moved:
        entry = entry_name(one.name, one.inode)
        if one.name in stays:
            tally.ends.append(move_back(entry, quarantine, one.name, spot, stays[one.name]))
        else:
            _unlink(one, entry, quarantine, tally)
    ground.reached(Point.REMOVING)
    _confirmed(quarantine, tally)


def _moved(one: PlannedFile, spot: Spot, quarantine: int, tally: _Tally) -> bool:
    try:
        move(one.name, spot.target, entry_name(one.name, one.inode), quarantine)
    except FileNotFoundError:
        tally.end(Outcome.ALREADY_ABSENT, None, f"{one.name} is not there")
    except OSError as error:
        tally.end(Outcome.FAILED, Why.CONFLICT, f"{one.name} could not be moved ({because(error)})")
    else:
        return True
    return False


def _second_look(one: PlannedFile, quarantine: int, held: dict[int, int]) -> Acted | None:
    seen = os.stat(entry_name(one.name, one.inode), dir_fd=quarantine, follow_symlinks=False)
    if (seen.st_dev, seen.st_ino, seen.st_size) != (one.device, one.inode, one.size_bytes):
        told = f"{one.name} has changed since it was planned"
        return Acted(outcome=Outcome.SKIPPED, why=Why.CHANGED, detail=told)
    if one.inode in held:
        told = f"{one.name} is open in process {held[one.inode]}"
        return Acted(outcome=Outcome.KEPT, why=Why.IN_USE, detail=told)
    return None


def _unlink(one: PlannedFile, entry: str, quarantine: int, tally: _Tally) -> None:
    try:
        os.unlink(entry, dir_fd=quarantine)
    except OSError as error:
        tally.end(Outcome.FAILED, Why.CONFLICT, f"{one.name} could not be removed ({because(error)})")
    else:
        tally.removed.append(one.name)


def _confirmed(quarantine: int, tally: _Tally) -> None:
    try:
        sync(quarantine)
    except OSError as error:
        tally.end(Outcome.FAILED, Why.CONFLICT, f"the disk did not confirm the removal ({because(error)})")
