"""How much a run has taken, and whether it may take more."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta

from hygiene_core.model.host_rules import Ceilings
from hygiene_core.model.policy import Bounds

__all__ = ["Limits"]


@dataclass(slots=True)
class Limits:
    """The bounds of the plan and the ceilings of the host, whichever is lower; the clock is monotonic."""

    max_items: int
    max_bytes: int
    max_time: timedelta
    free_target_bytes: int | None = None
    items: int = 0
    size_bytes: int = 0
    _since: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, bounds: Bounds, ceilings: Ceilings, free_target_bytes: int | None) -> Limits:
        """The lower of both; the time runs from now."""
        return cls(
            max_items=min(bounds.max_items, ceilings.max_items),
            max_bytes=min(bounds.max_bytes, ceilings.max_bytes),
            max_time=min(bounds.max_time, ceilings.max_time),
            free_target_bytes=free_target_bytes,
        )

    def take(self, items: int, size_bytes: int) -> None:
        """A call was made for so many objects and, by estimate, bytes."""
        self.items += items
        self.size_bytes += size_bytes

    def reached(self, items: int, size_bytes: int, free_bytes: int) -> tuple[str, str] | None:
        """Why no call for so much may be made: a code and a sentence; `None` if it may.

        Args:
            items: the objects of the call.
            size_bytes: what it would free, by estimate.
            free_bytes: what the data root's filesystem has free now.
        """
        if time.monotonic() - self._since >= self.max_time.total_seconds():
            return "BOUNDS", f"it has gone on for the {self.max_time.total_seconds():g} s that it may"
        if self.items + items > self.max_items:
            return "BOUNDS", f"it has taken {self.items} objects of the {self.max_items} that it may"
        if self.size_bytes + size_bytes > self.max_bytes:
            return "BOUNDS", f"it has taken {self.size_bytes} bytes of the {self.max_bytes} that it may"
        if self.free_target_bytes is not None and free_bytes >= self.free_target_bytes:
            return "FREE_TARGET", f"{free_bytes} bytes are free, and {self.free_target_bytes} were asked for"
        return None
