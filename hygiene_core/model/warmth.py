"""Warmth probes: which builds are made, and the last uses that were nobody's but theirs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

__all__ = ["Built", "Probe", "Probed", "Stamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A small build that a warm builder should have in its cache.

    `context` is a directory with a Dockerfile, root's own; `max_time` the longest that the build may take.
    """

    context: str
    max_time: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a probe measured: its steps, how many came from the cache, and how long it took."""

    steps: int
    cached_steps: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The use of a record that a probe left, and what it was before. `None`: no use was known.

    It holds for as long as the record still has what the probe left: a later use is somebody's.
    """

    left_at: datetime
    left_count: int | None
    was_at: datetime | None
    was_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What probes left behind: by record, and the end of the last build by builder."""

    records: dict[str, Stamp] = field(default_factory=dict)
    builds: dict[str, Stamp] = field(default_factory=dict)
