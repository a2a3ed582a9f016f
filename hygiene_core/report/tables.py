"""A small table as aligned text for a person, as CSV, or as a JSON array of objects."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, tzinfo
from typing import Any

from hygiene_core.model.table import Table
from hygiene_core.model.text import plain
from hygiene_core.report.layout import Column, Ink, table

__all__ = ["to_csv", "to_json", "to_text"]

_UNBOUNDED = 10**9
_UNKNOWN = "-"


def to_text(shown: Table, *, width: int | None, zone: tzinfo) -> str:
    """Columns side by side; text columns give way if a line would be wider than `width`."""
    cells = [[_UNKNOWN if cell is None else plain(_cell(cell, zone)) for cell in row] for row in shown.rows]
    columns = [
        Column(name, right=_numeric(shown, place), flexible=not _numeric(shown, place))
        for place, name in enumerate(shown.columns)
    ]
    lines = table(columns, cells, _UNBOUNDED if width is None else width, Ink(color=False), indent="")
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


def _numeric(shown: Table, place: int) -> bool:
    values = [row[place] for row in shown.rows if row[place] is not None]
    return bool(values) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


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
