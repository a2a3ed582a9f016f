"""What the bounds of a plan leave: every object that is planned takes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from hygiene_core.model.policy import Bounds

__all__ = ["Room", "total_of"]

T = TypeVar("T")


@dataclass(slots=True)
class Room:
    """The objects and bytes that are left to plan. `left_out` counts what found no room."""

    items: int
    size_bytes: int
    left_out: int = 0

    @classmethod
    def of(cls, bounds: Bounds) -> Room:
        """All of the bounds."""
        return cls(bounds.max_items, bounds.max_bytes)

    def take(self, wanted: Iterable[tuple[T, int]]) -> list[T]:
        """Those that fit, in their order; the first that does not fit ends it.

        What comes later may only go after what came before: the children of a record, for one.
        """
        taken: list[T] = []
        ended = False
        for one, size_bytes in wanted:
            if ended:
                self.left_out += 1
            elif self.take_one(size_bytes):
                taken.append(one)
            else:
                ended = True
        return taken

    def take_one(self, size_bytes: int | None, items: int = 1) -> bool:
        """Whether objects that belong together fit; then they take their room.

        What has no known size is within no bound.
        """
        if size_bytes is None or items > self.items or size_bytes > self.size_bytes:
            self.left_out += items
            return False
        self.items -= items
        self.size_bytes -= size_bytes
        return True


def total_of(sizes: Iterable[int | None]) -> int | None:
    """The sum; `None` if one of them is not known."""
    total = 0
    for size_bytes in sizes:
        if size_bytes is None:
            return None
        total += size_bytes
    return total
