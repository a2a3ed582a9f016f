"""How far the use of images was followed, and what was seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Followed", "Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which no event of the Engine was missed; both ends belong to it."""

    since_at: datetime
    until_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a follower saw. `uses` is the latest use by image: by its id, or by the name a container gave."""

    spans: tuple[Span, ...] = ()
    uses: dict[str, datetime] = field(default_factory=dict)
