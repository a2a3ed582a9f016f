"""What was removed from a host, as a report tells it: the last applies, and what came back after them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Acts", "Apply", "BuiltAgain", "CameBack", "History", "Removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """One run that was to remove things, in short.

    `removed` counts what went by kind, `outcomes` counts calls by how they ended. `halted` is the code of
    what ended it early. `problems` counts what the look afterwards found wrong; `unmeasured` are the warm
    builders of which no probe told how warm they still are. Bytes are sums; `freed_bytes` is the net change
    of the filesystem. `ended_at` is `None` where the last line is missing.
    """

    run_id: str
    mode: str
    digest: str
    caller: str
    began_at: datetime
    ended_at: datetime | None
    exit_status: int | None
    removed: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    halted: str | None = None
    estimate_bytes: int | None = None
    claimed_bytes: int | None = None
    freed_bytes: int | None = None
    problems: int = 0
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """One thing that a run removed. `builder` is set for a record of a cache; its name is its description."""

    kind: str
    id: str
    name: str
    references: tuple[str, ...] = ()
    builder: str | None = None
    run_id: str
    removed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the ledger of acts tells of an Engine. With a `reason`, nothing of it is known.

    `last` is the newest run, but for those that found the host at work and did nothing. `busy` counts the
    bounded ones of these since the last that succeeded, `busy_since_at` is the first. `removed` is what went
    of late, newest first; a thing may stand in it twice. `pruned` are the builders that were pruned before.
    """

    reason: str | None = None
    last: Apply | None = None
    last_bounded: Apply | None = None
    unsettled: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    busy: int = 0
    busy_since_at: datetime | None = None
    removed: tuple[Removed, ...] = ()
    pruned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CameBack:
    """Something that a run removed and that is there again, by its id or by a name that it had.

    `back_since_at` is when it was first there again; `None` where nothing tells.
    """

    kind: str
    id: str
    name: str
    size_bytes: int | None
    run_id: str
    removed_at: datetime
    back_since_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltAgain:
    """Records of a builder's cache that do what removed ones did. `size_bytes` is theirs, `None` unknown."""

    builder: str
    count: int
    removed_count: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """The part of a report about removals. With a `reason`, nothing of it is known.

    `last_bounded` is the last bounded run that ended well. `unsettled` are runs that were cut off, `running`
    those that go on. `busy` counts the bounded runs that found the host at work since then,
    `busy_since_at` is the first of them. `came_back` lists the biggest, `came_back_count` counts all.
    """

    reason: str | None = None
    last: Apply | None = None
    last_bounded: Apply | None = None
    unsettled: tuple[str, ...] = ()
    running: tuple[str, ...] = ()
    busy: int = 0
    busy_since_at: datetime | None = None
    came_back: tuple[CameBack, ...] = ()
    came_back_count: int = 0
    came_back_bytes: int | None = 0
    built_again: tuple[BuiltAgain, ...] = ()
