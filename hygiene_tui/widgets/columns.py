"""Columns of a table, and where they stand on a line of a given width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hygiene_tui.widgets.cells import Align

__all__ = ["MARGIN", "Column", "Placed", "place"]

MARGIN = 3
"""Cells before the first column: the cursor, the mark, and a space."""
_LEAST_REST = 8
"""Cells that the column without a width gets, at the cost of the last columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        key: what the table asks for.
        title: what stands in the header.
        width: cells; `None` for what the others leave.
        align: the side at which the text stands.
        least_width: the column is shown where the terminal has at least so many cells.
    """

    key: str
    title: str
    width: int | None = None
    align: Align = "left"
    least_width: int = 0


@dataclass(frozen=True, slots=True)
class Placed:
    """A column, and the cells it takes."""

    column: Column
    left: int
    width: int


def place(columns: Sequence[Column], room: int, terminal_width: int) -> list[Placed]:
    """Lay the columns out on `room` cells, with a space between two.

    Where they do not fit, those with a width are left out from the end; one without a width goes last.
    """
    shown = [one for one in columns if one.least_width <= terminal_width]
    while len(shown) > 1 and _needed(shown) > room:
        fixed = [one for one in shown if one.width is not None]
        shown.remove(fixed[-1] if fixed else shown[-1])
    taken = MARGIN + sum(one.width or 0 for one in shown) + len(shown) - 1
    flexible = sum(one.width is None for one in shown)
    placed, left, rest = [], MARGIN, max(0, room - taken)
    for one in shown:
        width = one.width
        if width is None:
            width = rest // flexible
            rest, flexible = rest - width, flexible - 1
        placed.append(Placed(one, left, max(0, min(width, room - left))))
        left += width + 1
    return placed


def _needed(columns: Sequence[Column]) -> int:
    widths = (_LEAST_REST if one.width is None else one.width for one in columns)
    return MARGIN + sum(widths) + len(columns) - 1
