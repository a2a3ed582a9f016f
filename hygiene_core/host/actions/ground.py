"""Where directories may be removed, and how one is opened: down from an allowed root, following no link."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes.walk import named, shown
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.activity import ProcessId
from hygiene_core.model.plan import Action, Verb
from hygiene_core.model.resource import QUARANTINE

__all__ = [
    "LISTABLE",
    "Ended",
    "Ground",
    "Point",
    "Spot",
    "because",
    "ended",
    "mount_of",
    "open_spot",
    "unreadable",
    "where",
]

NOWHERE = -1
"""Instead of a descriptor: the directory is not there."""
LISTABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASSED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OF_THE_RUNNER = re.compile(r"(?:bin|externals)(?:\..*)?", re.DOTALL)
"""The names of the runner's programs in its root, of all versions."""
_DIAGNOSTICS = "_diag"
_OWN = frozenset({"_update", "_tool", "_actions", "_temp", _DIAGNOSTICS, QUARANTINE})
_MOUNT_ID = re.compile(r"^mnt_id:\s*(\d+)$", re.MULTILINE)


class Point(StrEnum):
    """The points of a removal between which it may be cut off, in their order."""

    CHECKED = "checked"
    MOVED = "moved"
    RECHECKED = "rechecked"
    REMOVING = "removing"


def _pass(_point: Point) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What holds for every removal of one run.

    `allowed` are the roots, below each of which something may be removed and never the root itself; the
    deepest one that holds a path is its root. `exclude` are the processes that started this run: a worker
    among them is no job of somebody else. `deadline` ends the call. `reached` is told of each point.
    """

    allowed: tuple[str, ...]
    deadline: Deadline
    exclude: Collection[ProcessId] = ()
    proc: str = "/proc"
    reached: Callable[[Point], None] = _pass


class Ended(Exception):
    """An action that ends here, with its outcome."""

    def __init__(self, acted: Acted) -> None:
        super().__init__(acted.detail)
        self.acted = acted


def ended(outcome: Outcome, why: Why | None, detail: str) -> Ended:
    """The end of an action, to be raised."""
    return Ended(Acted(outcome=outcome, why=why, detail=detail))


def because(error: OSError) -> str:
    """Why a call failed, without the path that it was asked about."""
    return error.strerror or type(error).__name__


def unreadable(action: Action, error: OSError) -> Acted:
    """The outcome of a look that failed in a way that has no better words."""
    told = f"{shown(action.name)} cannot be looked at ({because(error)})"
    return Acted(outcome=Outcome.KEPT, why=Why.UNREADABLE, detail=told)


class Spot:
    """A directory that was opened, with what it lies in. Closes its descriptors when it is left.

    `root` is the allowed root, `parent` the directory that holds `name`; these two can only be passed through
    (O_PATH). `target` is the directory itself. `path` is how messages call it.
    """

    def __init__(self, root: int, root_path: str, path: str) -> None:
        self.root = root
        self.root_path = root_path
        self.path = shown(path)
        self.name = path.rpartition("/")[2]
        self.parent = root
        self.target = -1
        self.seen = os.fstat(root)
        self.mount = -1
        self._opened = [root]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in reversed(self._opened):
            os.close(descriptor)
        self._opened.clear()

    def keep(self, descriptor: int) -> int:
        """Close it with the rest."""
        self._opened.append(descriptor)
        return descriptor


def mount_of(descriptor: int, proc: str = "/proc") -> int:
    """The id of the mount that a descriptor was opened through (proc(5), fdinfo): each bind mount has one."""
    with open(f"{proc}/self/fdinfo/{descriptor}", encoding="ascii") as stream:  # noqa: PTH123 - one short read
        found = _MOUNT_ID.search(stream.read())
    if found is None:
        raise OSError(0, "the kernel told no mount id")
    return int(found[1])


def where(descriptor: int, proc: str) -> str:
    """The path that the kernel gives a descriptor now. Raises OSError."""
    return os.readlink(f"{proc}/self/fd/{descriptor}")  # noqa: PTH115 - names may be undecodable


def open_spot(action: Action, ground: Ground) -> Spot:
    """Open what an action names, and see that it is what was planned.

    Raises:
        Ended: it is not below an allowed root, is the runner's own, is gone, is another, or is on another
            filesystem.
    """
    spot, parts = _start(action, ground)
    try:
        _descend(spot, parts[:-1], ground)
        spot.target = spot.keep(_open(parts[-1], LISTABLE, spot.parent, spot.path))
        _same_filesystem(spot.target, spot, ground, parts[-1])
        spot.seen = os.fstat(spot.target)
        _same_identity(action, spot)
    except BaseException:
        spot.__exit__()
        raise
    return spot


def open_holder(action: Action, ground: Ground) -> Spot:
    """Open the directory that holds what an action would remove, whether that is there or not.

    Its `parent` is `NOWHERE` where the directory itself is gone. Raises Ended as `open_spot` does.
    """
    spot, parts = _start(action, ground)
    try:
        _descend(spot, parts if action.verb is Verb.REMOVE_FILES else parts[:-1], ground)
    except Ended as end:
        if end.acted.outcome is not Outcome.ALREADY_ABSENT:
            spot.__exit__()
            raise
        spot.parent = NOWHERE
    except BaseException:
        spot.__exit__()
        raise
    return spot


def _start(action: Action, ground: Ground) -> tuple[Spot, tuple[str, ...]]:
    """The allowed root, opened, and the names from there down."""
    path = named(action.facts.get("path", ""))
    root_path, parts = _below(path, ground.allowed)
    _refuse_own(action, parts, path)
    try:
        root = os.open(root_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        told = f"the root {shown(root_path)} cannot be opened ({because(error)})"
        raise ended(Outcome.KEPT, Why.UNREADABLE, told) from None
    spot = Spot(root, root_path, path)
    try:
        spot.mount = _mount(root, ground, spot.path)
    except BaseException:
        spot.__exit__()
        raise
    return spot, parts


def _descend(spot: Spot, parts: tuple[str, ...], ground: Ground) -> None:
    for part in parts:
        spot.parent = spot.keep(_open(part, _PASSED, spot.parent, spot.path))
        _same_filesystem(spot.parent, spot, ground, part)


def _below(path: str, allowed: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The allowed root that holds a path, and the names from there down to it."""
    if not path.startswith("/") or os.path.normpath(path) != path or "\0" in path:
        raise ended(Outcome.REFUSED, Why.NO_TOUCH, f"the plan names no clean absolute path: {shown(path)!r}")
    roots = {one for root in allowed for one in (os.path.normpath(root), os.path.realpath(root))}
    holding = [root for root in roots if root != "/" and path.startswith(f"{root}/")]
    if not holding:
        raise ended(Outcome.REFUSED, Why.NO_TOUCH, f"{shown(path)} is below no root that this host allows")
    root = max(holding, key=len)
    return root, tuple(path[len(root) + 1 :].split("/"))


def _refuse_own(action: Action, parts: tuple[str, ...], path: str) -> None:
    """The runner's programs and its own directories are never removed, whatever a plan says."""
    above, last = parts[:-1], parts[-1]
    logs = action.verb is Verb.REMOVE_FILES
    own = last != _DIAGNOSTICS if logs else last.startswith("_") or last == QUARANTINE
    own = own or any(part in _OWN for part in above) or bool(_OF_THE_RUNNER.fullmatch(parts[0]))
    if own or path in {named(action.facts[name]) for name in ("runner", "work") if name in action.facts}:
        raise ended(Outcome.REFUSED, Why.NO_TOUCH, f"{shown(path)} is the runner's own")


def _open(name: str, flags: int, parent: int, path: str) -> int:
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        raise ended(Outcome.ALREADY_ABSENT, None, f"{path} is not there") from None
    except NotADirectoryError:
        raise ended(
            Outcome.SKIPPED, Why.CHANGED, f"{shown(name)} in {path} is a link or a file now, not a directory"
        ) from None
    except OSError as error:
        raise ended(Outcome.KEPT, Why.UNREADABLE, f"{path} cannot be opened ({because(error)})") from None


def _mount(descriptor: int, ground: Ground, path: str) -> int:
    try:
        return mount_of(descriptor, ground.proc)
    except OSError as error:
        raise ended(
            Outcome.KEPT, Why.UNREADABLE, f"what is mounted at {path} cannot be told ({because(error)})"
        ) from None


def _same_filesystem(descriptor: int, spot: Spot, ground: Ground, name: str) -> None:
    device = os.fstat(descriptor).st_dev
    if device != os.fstat(spot.root).st_dev or _mount(descriptor, ground, spot.path) != spot.mount:
        raise ended(Outcome.KEPT, Why.IN_USE, f"{shown(name)} in {spot.path} is a mount point")


def _same_identity(action: Action, spot: Spot) -> None:
    wanted = tuple(action.facts.get(name) for name in ("device", "inode", "ctime_ns"))
    if None in wanted:
        raise ended(Outcome.REFUSED, Why.NO_TOUCH, f"the plan does not say which directory {spot.path} is")
    seen = tuple(str(one) for one in (spot.seen.st_dev, spot.seen.st_ino, spot.seen.st_ctime_ns))
    # A directory of logs changes with each log: there each file has its identity.
    compared = 2 if action.verb is Verb.REMOVE_FILES else 3
    if seen[:2] != wanted[:2]:
        raise ended(Outcome.SKIPPED, Why.CHANGED, f"another directory is at {spot.path} than was planned")
    if seen[:compared] != wanted[:compared]:
        raise ended(Outcome.SKIPPED, Why.CHANGED, f"{spot.path} has changed since it was planned")
