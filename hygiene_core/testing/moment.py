"""The moment that every built object agrees on, a clock that stands still, sizes, and digests."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = [
    "GIB",
    "MIB",
    "NOW",
    "FixedClock",
    "digest",
]

MIB = 2**20
GIB = 2**30
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
"""The moment that every built object agrees on."""


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is told to go on: `FixedClock()()` is `NOW`."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """The time it is."""
        return self.now

    def advance(self, by: timedelta) -> datetime:
        """Go on by `by` and return the new time."""
        self.now += by
        return self.now


def digest(seed: str) -> str:
    """64 hexadecimal digits that depend on the seed alone."""
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()
