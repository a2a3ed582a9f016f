"""A small table as aligned text for a person, as CSV, or as a JSON array of objects."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Container
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from rich.cells import cell_len

from hygiene_core.model.table import Table
from hygiene_core.model.text import plain
from hygiene_core.report.figures import size
from hygiene_core.report.layout import Column, Ink, table, wrap

__all__ = ["to_csv", "to_json", "to_text"]

_UNBOUNDED = 10**9
_UNKNOWN = "-"
_BYTES = "_bytes"
_RUN = "run_id"
_RUN_SHOWN = 8
"""So much of a run's id tells it from the others, and every verb takes it."""


def to_text(shown: Table, *, width: int | None, zone: tzinfo, sizes: Container[str] = ()) -> str:
    """Columns side by side, as a person reads them: IEC sizes, local times to the minute, short ids.

    Where a line would be wider than `width`, titles are broken into lines, a host that is the same in every
    row is left out, and then text columns give way. Figures, times and run ids never do.

    Args:
        shown: the table.
        width: terminal cells in a line; `None` for as many as it takes.
        zone: the reader's time zone, which the title of a time names.
        sizes: columns that are bytes, besides those whose names end in `_bytes`.
    """
    places = range(len(shown.columns))
    columns = [_column(shown, place, zone, sizes) for place in places]
    cells = [
        [_shown(shown.columns[place], row[place], zone, sizes) for place in places] for row in shown.rows
    ]
    lines = _lines(columns, cells, None)
    if width is not None and max(map(cell_len, lines)) > width:
        kept = [place for place in places if not _one_host(shown, place)]
        cells = [[row[place] for place in kept] for row in cells]
        narrow = [
            replace(columns[place], title=_broken(columns[place].title, [row[new] for row in cells]))
            for new, place in enumerate(kept)
        ]
        lines = _lines(narrow, cells, width)
    return "\n".join(lines) + "\n"


def to_csv(shown: Table, *, zone: tzinfo) -> str:
    """RFC 4180 with a heading; an unknown value is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(shown.columns)
    writer.writerows([["" if cell is None else _cell(cell, zone) for cell in row] for row in shown.rows])
    return buffer.getvalue()


def to_json(shown: Table) -> str:
    """An array of one object a row; times are RFC 3339."""
    rows = [dict(zip(shown.columns, map(_plain_json, row), strict=True)) for row in shown.rows]
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def _lines(columns: list[Column], cells: list[list[str]], width: int | None) -> list[str]:
    return table(columns, cells, _UNBOUNDED if width is None else width, Ink(color=False), indent="")


def _column(shown: Table, place: int, zone: tzinfo, sizes: Container[str]) -> Column:
    name, values = shown.columns[place], [row[place] for row in shown.rows if row[place] is not None]
    if values and all(isinstance(value, datetime) for value in values):
        zones = {str(value.astimezone(zone).tzname()) for value in values}
        return Column(f"{name} ({'/'.join(sorted(zones))})")
    figures = bool(values) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    right = figures or _is_size(name, sizes)
    return Column(name, right=right, flexible=not right and name != _RUN)


def _is_size(name: str, sizes: Container[str]) -> bool:
    return name.endswith(_BYTES) or name in sizes


def _shown(name: str, value: Any, zone: tzinfo, sizes: Container[str]) -> str:
    if value is None:
        return _UNKNOWN
    if isinstance(value, datetime):
        return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, int | float) and not isinstance(value, bool) and _is_size(name, sizes):
        return size(value)
    if name == _RUN:
        return plain(str(value)[:_RUN_SHOWN])
    return plain(str(value))


def _one_host(shown: Table, place: int) -> bool:
    return shown.columns[place] == "host" and len({row[place] for row in shown.rows}) == 1


def _broken(title: str, cells: list[str]) -> str:
    """A title in lines as wide as what is under it, without the unit that each of its cells has."""
    told = title.removesuffix(_BYTES).replace("_", " ")
    room = max(map(cell_len, [*told.split(" "), *cells]))
    return "\n".join(wrap(told, room))


def _cell(value: Any, zone: tzinfo) -> str:
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(sep=" ", timespec="seconds")
    return str(value)


def _plain_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_json(one) for one in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
