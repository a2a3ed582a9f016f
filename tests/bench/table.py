"""One row a figure: what, how much, how it spread, against what, and the goal beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.measure import Timing

__all__ = ["Row", "mebibytes", "render", "time_row"]

_HEAD = ("what", "median", "min - max", "ratio", "goal", "")


@dataclass(frozen=True, slots=True)
class Row:
    """A figure as it is printed; `met` is `None` where there is no goal."""

    what: str
    figure: str
    spread: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None


def time_row(
    what: str,
    taken: Timing,
    *,
    ratio: str = "",
    goal_seconds: float | None = None,
    goal: str | None = None,
) -> Row:
    """A row of a timing; its median is held against `goal_seconds`, which `goal` may put into words."""
    told = goal if goal is not None or goal_seconds is None else f"<= {_seconds(goal_seconds)}"
    return Row(
        what,
        _seconds(taken.median),
        f"{_seconds(taken.low)} - {_seconds(taken.high)}",
        ratio,
        told or "",
        None if goal_seconds is None else taken.median <= goal_seconds,
    )


def mebibytes(size_bytes: float) -> str:
    """A size for a person."""
    return f"{size_bytes / 2**20:.1f} MiB"


def render(title: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> str:
    """A titled table in plain text, notes below it."""
    marks = {None: "", True: "met", False: "MISSED"}
    cells = [_HEAD] + [
        (row.what, row.figure, row.spread, row.ratio, row.goal, marks[row.met]) for row in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    lines = [title, "-" * len(title)]
    for row in cells:
        padded = (
            cell.rjust(wide) if column in {1, 2, 3} else cell.ljust(wide)
            for column, (cell, wide) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
    lines += [f"  {note}" for note in notes]
    return "\n".join(lines) + "\n"


def _seconds(taken: float) -> str:
    if abs(taken) < 0.1:
        return f"{taken * 1000:.2f} ms" if abs(taken) < 0.01 else f"{taken * 1000:.1f} ms"
    return f"{taken:.2f} s"
