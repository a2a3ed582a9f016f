"""What the command line writes: data on stdout, everything else on stderr.

Nothing in here decides anything. A reader that goes away early (`| head`) ends a command quietly.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

from hygiene_core.errors import HygieneError
from hygiene_core.model.event import Emit, Event, ProbeFinished, ProbeStarted, StageStarted, silent

if TYPE_CHECKING:
    from hygiene_core.model.table import Table

__all__ = ["data", "local_zone", "message", "problem", "progress", "show_table", "width"]

_NARROWEST = 40
_DEFAULT_WIDTH = 80


def data(text: str) -> None:
    """Write data to stdout, with one newline at its end. Text a terminal cannot encode is escaped."""
    ending = "" if text.endswith("\n") or not text else "\n"
    encoding = sys.stdout.encoding or "utf-8"
    safe = (text + ending).encode(encoding, "backslashreplace").decode(encoding)
    try:
        sys.stdout.write(safe)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone. Python would complain again when it closes stdout, so that goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def message(text: str) -> None:
    """Write one line for a person to stderr."""
    sys.stderr.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
    sys.stderr.flush()


def problem(error: HygieneError) -> None:
    """Write an error as its one line."""
    message(str(error))


def width() -> int:
    """Columns to write for: the terminal's, `COLUMNS`, or 80."""
    try:
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        columns = _DEFAULT_WIDTH
    return max(_NARROWEST, columns)


def colour() -> bool:
    """Whether stdout takes colour: a terminal that is not dumb, and no `NO_COLOR`."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def local_zone() -> tzinfo:
    """The zone in which times are shown to people."""
    zone = datetime.now().astimezone().tzinfo
    if zone is None:
        raise RuntimeError("an aware time has no zone")
    return zone


@contextmanager
def progress(*, wanted: bool) -> Iterator[Emit]:
    """Show what a run is doing on stderr, if that is a terminal; otherwise say nothing."""
    if not wanted or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield silent
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for rich

    console = Console(stderr=True)
    with console.status("starting") as status:
        waiting: dict[str, float] = {}

        def show(event: Event) -> None:
            match event:
                case StageStarted(stage):
                    status.update(stage)
                case ProbeStarted(section):
                    waiting[section.value] = time.monotonic()
                case ProbeFinished(section):
                    waiting.pop(section.name.value, None)
                case _:
                    return
            if waiting:
                status.update("reading " + ", ".join(waiting))

        yield show


def show_table(table: Table, shape: str) -> None:
    """Write a table as `text`, `csv`, or `json` (an array of objects)."""
    if shape == "json":
        import json  # noqa: PLC0415 - only this shape needs it

        rows = [dict(zip(table.columns, map(_plain_json, row), strict=True)) for row in table.rows]
        data(json.dumps(rows, indent=1, ensure_ascii=False))
    elif shape == "csv":
        import csv  # noqa: PLC0415 - only this shape needs it
        import io  # noqa: PLC0415 - likewise

        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(table.columns)
        writer.writerows([["" if cell is None else _cell(cell) for cell in row] for row in table.rows])
        data(buffer.getvalue())
    else:
        data(_aligned(table))


def _aligned(table: Table) -> str:
    from hygiene_core.model.text import plain  # noqa: PLC0415 - only this shape needs it

    cells = [[plain(_cell(cell)) if cell is not None else "-" for cell in row] for row in table.rows]
    numeric = [
        any(isinstance(row[i], int | float) and not isinstance(row[i], bool) for row in table.rows)
        for i in range(len(table.columns))
    ]
    widths = [max(len(name), *(len(row[i]) for row in cells), 0) for i, name in enumerate(table.columns)]

    def line(row: list[str]) -> str:
        aligned = (
            text.rjust(wide) if right else text.ljust(wide)
            for text, wide, right in zip(row, widths, numeric, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(list(table.columns)), line(["-" * wide for wide in widths]), *map(line, cells)])


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(local_zone()).isoformat(sep=" ", timespec="seconds")
    return str(value)


def _plain_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
