"""Plain-text layout that counts terminal cells, so that wide letters stay in their columns. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size

from hygiene_core.model.text import ELLIPSIS

__all__ = ["Column", "Ink", "Painted", "fit", "pad", "table", "wrap"]

Painted = tuple[str, str]
"""A text and the name of its ink."""

_INKS = {"bad": "1;31", "warn": "33", "good": "32", "head": "1", "faint": "2"}
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Ink:
    """Paints with SGR codes if `color`, else leaves text as it is. Colour never carries meaning alone."""

    color: bool

    def __call__(self, text: str, name: str) -> str:
        """`text` in the ink called `name`; the empty name is no ink."""
        return f"\x1b[{_INKS[name]}m{text}\x1b[0m" if self.color and name and text else text


@dataclass(frozen=True, slots=True)
class Column:
    """One column; the `flexible` ones give way, in their middle, when the line is too narrow.

    A title may have several lines.
    """

    title: str
    right: bool = False
    flexible: bool = False

    @property
    def title_cells(self) -> int:
        """How wide the title is."""
        return max(cell_len(line) for line in self.title.split("\n"))


def fit(text: str, cells: int) -> str:
    """`text` in at most `cells` cells, its middle left out: both ends of a reference say which one it is."""
    if cell_len(text) <= cells:
        return text
    if cells <= 1:
        return ELLIPSIS[:cells]
    tail_cells = (cells - 1) // 2
    head = chop_cells(text, cells - 1 - tail_cells)[0]
    tail = ""
    for character in reversed(text):
        if cell_len(character + tail) > tail_cells:
            break
        tail = character + tail
    return head + ELLIPSIS + tail


def pad(text: str, cells: int, *, right: bool = False) -> str:
    """`text` filled with spaces to `cells` cells."""
    if right:
        return " " * (cells - cell_len(text)) + text
    return set_cell_size(text, max(cells, cell_len(text)))


def wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """`text` broken between words (a word longer than a line is chopped) into lines after an indent each."""
    rest = " " * cell_len(first) if rest is None else rest
    room = max(width - max(cell_len(first), cell_len(rest)), 1)
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        whole = f"{line} {word}" if line else word
        if cell_len(whole) <= room:
            line = whole
            continue
        if line:
            lines.append(line)
        *full, line = chop_cells(word, room) or [""]
        lines.extend(full)
    lines.append(line)
    return [(rest if number else first) + line for number, line in enumerate(lines)]


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str | Painted]],
    width: int,
    ink: Ink,
    indent: str = _GAP,
) -> list[str]:
    """Rows under their titles, no line wider than `width` as long as the fixed columns leave room."""
    cells = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in rows]
    widths = [
        max([column.title_cells, *(cell_len(row[place][0]) for row in cells)])
        for place, column in enumerate(columns)
    ]
    _shrink(columns, widths, width - len(indent) - len(_GAP) * (len(columns) - 1))
    titled = _titles(columns) if any(one.title for one in columns) else []
    return [indent + _line(columns, widths, row, ink) for row in titled + cells]


def _titles(columns: Sequence[Column]) -> list[list[Painted]]:
    """The lines of the titles; all of them stand right above the rows."""
    told = [column.title.split("\n") for column in columns]
    high = max(map(len, told))
    padded = [[""] * (high - len(lines)) + lines for lines in told]
    return [[(line, "head") for line in row] for row in zip(*padded, strict=True)]


def _shrink(columns: Sequence[Column], widths: list[int], room: int) -> None:
    flexible = [place for place, column in enumerate(columns) if column.flexible]
    while flexible and sum(widths) > room:
        widest = max(flexible, key=lambda place: widths[place])
        least = max(columns[widest].title_cells, len(ELLIPSIS) + 2)
        if widths[widest] <= least:
            return
        widths[widest] -= 1


def _line(columns: Sequence[Column], widths: list[int], row: Sequence[Painted], ink: Ink) -> str:
    shown = []
    for place, (column, cells, (text, name)) in enumerate(zip(columns, widths, row, strict=True)):
        fitted = fit(text, cells)
        last = place == len(columns) - 1 and not column.right
        shown.append(_around(fitted, fitted if last else pad(fitted, cells, right=column.right), name, ink))
    return _GAP.join(shown).rstrip()


def _around(text: str, padded: str, name: str, ink: Ink) -> str:
    """Paint the text and not the spaces beside it."""
    return padded.replace(text, ink(text, name), 1) if text else padded
