"""A point in time that a whole piece of work may not pass, however many reads it takes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Deadline"]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A total deadline on the monotonic clock. `limit` is what was granted, for messages."""

    expires: float
    limit: timedelta

    @classmethod
    def after(cls, limit: timedelta) -> Deadline:
        """A deadline that far from now."""
        return cls(time.monotonic() + limit.total_seconds(), limit)

    def remaining_seconds(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.expires - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() >= self.expires

    def __str__(self) -> str:
        return f"{self.limit.total_seconds():g} s"
