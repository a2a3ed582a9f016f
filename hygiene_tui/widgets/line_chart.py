"""A line chart of braille dots, two across and four down in each cell, or of `*` in ASCII."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from hygiene_tui.widgets.cells import fit
from hygiene_tui.widgets.glyphs import Glyphs

__all__ = ["LineChart", "Point", "render"]

Point = tuple[float, float | None]
"""Where it stands on the x axis, and its value; `None` where there was none."""

Words = Callable[[float], str]
"""How a figure is written."""

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille character, by row and column."""
_BRAILLE = 0x2800
_LEAST_PLOT = 4
"""Cells that the labels leave to the line itself."""
_LEAST_FOOTED = 3
"""Lines that a chart with a foot needs."""


def _number(value: float) -> str:
    return f"{value:,.0f}"


def render(
    points: Sequence[Point],
    width: int,
    height: int,
    *,
    ascii_only: bool = False,
    limit: float | None = None,
    label: Words = _number,
    foot: Words | None = None,
    empty: str = "no figures",
) -> list[str]:
    """The chart as `height` lines of `width` cells.

    Each column shows the lowest and the highest of its values, so that no spike is lost. The line is broken
    where a value is missing. Without any value there is one sentence and no axis.

    Args:
        points: in any order; what is not a finite number counts as missing.
        width: cells of a line.
        height: lines.
        ascii_only: draw with ASCII alone.
        limit: a value to draw a line at; it is in view even where no value comes near it.
        label: how a value is written beside the axis.
        foot: how a place on the x axis is written; where given, the last line names the first and the last.
        empty: what is said where there is no value.
    """
    if height < 1 or width < 1:
        return [""] * max(height, 0)
    placed = sorted((one for one in points if math.isfinite(one[0])), key=lambda one: one[0])
    values = [value for value in (_known(one) for one in placed) if value is not None]
    if not values:
        return [fit(empty, width, ascii_only=ascii_only), *[" " * width] * (height - 1)]
    if limit is not None and math.isfinite(limit):
        values.append(float(limit))
    else:
        limit = None
    rows = height - (foot is not None and height >= _LEAST_FOOTED)
    y_axis = _Axis(min(values), max(values), rows * (1 if ascii_only else len(_DOTS)))
    labels = _labels(y_axis, rows, limit, label)
    gutter = max(map(cell_len, labels.values())) + len(" |")
    if width - gutter < _LEAST_PLOT:
        gutter = 0
    plot = _Plot(width - gutter, rows, y_axis, ascii_only=ascii_only)
    plot.draw(placed)
    lines = []
    for row, drawn in enumerate(plot.lines(limit)):
        beside = fit(labels.get(row, ""), gutter - 2, align="right", ascii_only=ascii_only)
        lines.append((f"{beside} {Glyphs(ascii_only).upright}" if gutter else "") + drawn)
    if foot is not None and rows < height:
        ends = _foot(foot(placed[0][0]), foot(placed[-1][0]), width - gutter)
        lines.append(fit(" " * gutter + ends, width, ascii_only=ascii_only))
    return lines


def _known(point: Point) -> float | None:
    value = point[1]
    return float(value) if value is not None and math.isfinite(value) else None


def _labels(y_axis: _Axis, rows: int, limit: float | None, label: Words) -> dict[int, str]:
    """Row -> its text: the lowest, the highest, and the limit where that has a row of its own."""

    def row(value: float) -> int:
        return rows - 1 - y_axis.step(value) * rows // y_axis.steps

    found = {row(y_axis.low): label(y_axis.low), row(y_axis.high): label(y_axis.high)}
    if limit is not None:
        found.setdefault(row(limit), label(limit))
    return found


def _foot(first: str, last: str, width: int) -> str:
    """The first at the left and the last at the right; where there is room for one, the last."""
    between = width - cell_len(first) - cell_len(last)
    return first + " " * between + last if between > 0 else last.rjust(width)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A span of values, laid out on `steps` steps."""

    low: float
    high: float
    steps: int

    def step(self, value: float) -> int:
        """The step of a value, 0 for the lowest. Where all values are the same, the middle."""
        # Halved, so that the span of the biggest numbers is a number too.
        span = self.high / 2 - self.low / 2
        part = (value / 2 - self.low / 2) / span if span > 0 else 0.5
        return round(part * (self.steps - 1))


@dataclass(slots=True)
class _Plot:
    """The dots of the line. Steps count from the lowest value up."""

    width: int
    rows: int
    y_axis: _Axis
    ascii_only: bool = field(kw_only=True)
    dots: set[tuple[int, int]] = field(default_factory=set)
    """(column, step)"""

    def draw(self, placed: Sequence[Point]) -> None:
        """Put a line through points that are in order; a missing value breaks it."""
        columns = self.width * (1 if self.ascii_only else len(_DOTS[0]))
        x_axis = _Axis(placed[0][0], placed[-1][0], columns)
        ranges: dict[int, tuple[int, int]] = {}
        before: tuple[int, int] | None = None
        for point in placed:
            value = _known(point)
            if value is None:
                before = None
                continue
            column, step = x_axis.step(point[0]), self.y_axis.step(value)
            low, high = ranges.get(column, (step, step))
            ranges[column] = (min(low, step), max(high, step))
            if before is not None and before[0] != column:
                self._join(before, (column, step))
            before = (column, step)
        for column, (low, high) in ranges.items():
            self._upright(column, low, high)

    def _join(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        (left, first), (right, last) = start, end
        previous = first
        for column in range(left + 1, right + 1):
            step = first + round((last - first) * (column - left) / (right - left))
            # It leaves the step before by one, so that a level line stays one dot high.
            toward = (step > previous) - (step < previous)
            self._upright(column, *sorted((previous + toward, step)))
            previous = step

    def _upright(self, column: int, low: int, high: int) -> None:
        self.dots.update((column, step) for step in range(low, high + 1))

    def lines(self, limit: float | None) -> Iterator[str]:
        """The rows from the top; a limit is dashed where the line itself is not."""
        down, across = (1, 1) if self.ascii_only else (len(_DOTS), len(_DOTS[0]))
        cells: dict[tuple[int, int], int] = {}
        for column, step in self.dots:
            from_top = self.rows * down - 1 - step
            place = (from_top // down, column // across)
            cells[place] = cells.get(place, 0) | _DOTS[from_top % down][column % across]
        limited = None if limit is None else (self.rows * down - 1 - self.y_axis.step(limit)) // down
        dash = "-" if self.ascii_only else "┄"
        for row in range(self.rows):
            blank = dash if row == limited else " "
            bits = (cells.get((row, column), 0) for column in range(self.width))
            yield "".join(self._cell(one) if one else blank for one in bits)

    def _cell(self, bits: int) -> str:
        return "*" if self.ascii_only else chr(_BRAILLE + bits)


class LineChart(Widget):
    """The chart as a widget; it fills the size it is given.

    Args:
        label: how a value is written beside the axis.
        foot: how a place on the x axis is written.
        empty: what is said where there is no value.
        glyphs: the signs that the terminal can show.
    """

    ALLOW_SELECT = False

    def __init__(
        self,
        *,
        label: Words = _number,
        foot: Words | None = None,
        empty: str = "no figures",
        glyphs: Glyphs | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._lc_label = label
        self._lc_foot = foot
        self._lc_empty = empty
        self._lc_ascii = (glyphs or Glyphs()).ascii_only
        self._lc_points: Sequence[Point] = ()
        self._lc_limit: float | None = None
        self._lc_lines: list[str] = []
        self._lc_drawn_for = (-1, -1)

    def show(self, points: Sequence[Point], limit: float | None = None) -> None:
        """Draw these points, and a line at the limit."""
        self._lc_points, self._lc_limit = points, limit
        self._lc_drawn_for = (-1, -1)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line; the chart is drawn once for each size."""
        size = (self.size.width, self.size.height)
        if size != self._lc_drawn_for:
            self._lc_drawn_for = size
            self._lc_lines = render(
                self._lc_points,
                *size,
                ascii_only=self._lc_ascii,
                limit=self._lc_limit,
                label=self._lc_label,
                foot=self._lc_foot,
                empty=self._lc_empty,
            )
        text = self._lc_lines[y] if y < len(self._lc_lines) else ""
        return Strip([Segment(text, self.rich_style)]).adjust_cell_length(size[0], self.rich_style)
