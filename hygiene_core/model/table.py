"""A small table, as a query or a listing gives it to whoever prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """Column names, and rows of as many values each. Times are aware; an unknown value is `None`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def without(self, *names: str) -> Table:
        """The table without some of its columns."""
        kept = [place for place, name in enumerate(self.columns) if name not in names]
        rows = tuple(tuple(row[place] for place in kept) for row in self.rows)
        return Table(tuple(self.columns[place] for place in kept), rows)
