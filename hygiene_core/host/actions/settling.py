"""What became of a directory or of logs whose removal was cut off, and the way back of what is whole."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from hygiene_core.host.actions.ground import (
    NOWHERE,
    Ended,
    Ground,
    Spot,
    because,
    ended,
    open_holder,
    unreadable,
)
from hygiene_core.host.actions.quarantine import BEGUN, entry_name, move_back, quarantine_of
from hygiene_core.host.probes.walk import named, shown
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action, Verb
from hygiene_core.model.resource import QUARANTINE

__all__ = ["Whereabouts", "put_back", "whereabouts"]


@dataclass(frozen=True, slots=True)
class _Thing:
    """A directory or a log as it was planned."""

    name: str
    device: int
    inode: int
    ctime_ns: int

    def is_(self, seen: os.stat_result | None) -> bool:
        """Whether a state is of it. In the quarantine nobody else makes anything."""
        return seen is not None and (seen.st_dev, seen.st_ino) == (self.device, self.inode)

    def is_still(self, seen: os.stat_result | None) -> bool:
        """The same outside: inodes are used again, but what is new was changed after the plan was made.

        A move there and back sets the change time alone.
        """
        return (
            seen is not None and self.is_(seen) and self.ctime_ns >= min(seen.st_mtime_ns, seen.st_ctime_ns)
        )


class Whereabouts(StrEnum):
    """Where what a plan named is now. Of several logs the first of these that holds for one."""

    BEGUN = "begun"
    QUARANTINED = "quarantined"
    IN_PLACE = "in_place"
    GONE = "gone"


def whereabouts(action: Action, ground: Ground) -> Whereabouts:
    """Where a planned directory or planned logs are, by device and inode. Nothing is changed.

    Raises:
        Ended: it cannot be told; its `acted` says why.
    """
    with open_holder(action, ground) as spot:
        found = {_place(thing, spot, ground) for thing in _things(action)}
    return next((place for place in Whereabouts if place in found), Whereabouts.GONE)


def put_back(action: Action, ground: Ground) -> Acted:
    """Give back its place to whatever lies whole in the quarantine; what has no way back is named.

    `kept` says that all of it is in its place, `already_absent` that it is nowhere.
    """
    try:
        with open_holder(action, ground) as spot:
            ends = [_back(thing, spot, ground) for thing in _things(action)]
    except Ended as end:
        return end.acted
    except OSError as error:
        return unreadable(action, error)
    order = (Outcome.FAILED, Outcome.KEPT, Outcome.ALREADY_ABSENT)
    return min(ends, key=lambda one: order.index(one.outcome))


def _things(action: Action) -> list[_Thing]:
    """Each thing that the action would remove."""
    if action.verb is Verb.REMOVE_FILES:
        return [_Thing(one.name, one.device, one.inode, one.ctime_ns) for one in action.files]
    name = named(action.facts["path"]).rpartition("/")[2]
    try:
        return [_Thing(name, *(int(action.facts[fact]) for fact in ("device", "inode", "ctime_ns")))]
    except (KeyError, ValueError):
        told = f"the plan does not say which directory {shown(name)} is"
        raise ended(Outcome.REFUSED, Why.NO_TOUCH, told) from None


def _place(thing: _Thing, spot: Spot, ground: Ground) -> Whereabouts:
    if spot.parent != NOWHERE and thing.is_still(_state(thing.name, spot.parent, spot)):
        return Whereabouts.IN_PLACE
    if _state(QUARANTINE, spot.root, spot) is None:
        return Whereabouts.GONE
    entry = entry_name(thing.name, thing.inode)
    with quarantine_of(spot, ground, make=False) as directory:
        if thing.is_(_state(f"{entry}{BEGUN}", directory, spot)):
            return Whereabouts.BEGUN
        return Whereabouts.QUARANTINED if thing.is_(_state(entry, directory, spot)) else Whereabouts.GONE


def _back(thing: _Thing, spot: Spot, ground: Ground) -> Acted:
    name, entry = thing.name, entry_name(thing.name, thing.inode)
    match _place(thing, spot, ground):
        case Whereabouts.IN_PLACE:
            return Acted(outcome=Outcome.KEPT, detail=f"{shown(name)} is in its place")
        case Whereabouts.GONE:
            return Acted(outcome=Outcome.ALREADY_ABSENT, detail=f"{shown(name)} is nowhere any more")
        case Whereabouts.BEGUN:
            place = f"{shown(spot.root_path)}/{QUARANTINE}/{shown(entry)}{BEGUN}"
            told = f"the removal of {shown(name)} had begun; what is left of it is {place}"
            return Acted(outcome=Outcome.FAILED, why=Why.CONFLICT, detail=told)
        case Whereabouts.QUARANTINED if spot.parent == NOWHERE:
            place = f"{shown(spot.root_path)}/{QUARANTINE}/{shown(entry)}"
            told = f"the directory that held {shown(name)} is gone; it is left whole in {place}"
            return Acted(outcome=Outcome.FAILED, why=Why.CONFLICT, detail=told)
        case Whereabouts.QUARANTINED:
            cut = Acted(outcome=Outcome.KEPT, detail=f"the removal of {shown(name)} was cut off")
            with quarantine_of(spot, ground, make=False) as directory:
                return move_back(entry, directory, name, spot, cut)


def _state(name: str, directory: int, spot: Spot) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        told = f"{shown(name)} beside {spot.path} cannot be looked at ({because(error)})"
        raise ended(Outcome.KEPT, Why.UNREADABLE, told) from None
