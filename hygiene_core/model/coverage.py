"""How far the Engine's events were followed, and what they told of use and of removals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Followed", "Removal", "Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which no event of the Engine was missed; both ends belong to it."""

    since_at: datetime
    until_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Something that went, as the Engine told it: what and when, but never by whom.

    `kind` is a word of `Kind`. `id` is `None` for a prune, which the Engine tells once it is done;
    `claimed_bytes` is what the prune says it freed. `pruned` is set where a removal ended in a prune.
    """

    kind: str
    id: str | None
    removed_at: datetime
    claimed_bytes: int | None = None
    pruned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a follower saw. `uses` is the latest use by image: by its id, or by the name a container gave.

    `removals` are in the order of time.
    """

    spans: tuple[Span, ...] = ()
    uses: dict[str, datetime] = field(default_factory=dict)
    removals: tuple[Removal, ...] = ()
