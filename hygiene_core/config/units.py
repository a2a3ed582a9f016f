"""Sizes, durations and percentages as a person writes them in `hygiene.toml`.

Units are exact and case-sensitive, and a bare number is refused: `20` could be bytes, megabytes or gigabytes,
and a budget that is off by a thousand empties a cache. Every refusal says what to write instead.
"""

from __future__ import annotations

import json
import math
import re
from datetime import timedelta

from hygiene_core.model.text import plain

__all__ = [
    "DURATION_PATTERN",
    "SIZE_PATTERN",
    "UnitProblem",
    "format_duration",
    "format_size",
    "parse_duration",
    "parse_percent",
    "parse_size",
    "shown",
    "what",
]

_SIZE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LARGEST_SIZE = 2**63 - 1
"""Every store behind this kit keeps bytes as signed 64-bit integers."""
_LONGEST = timedelta(days=3650)

SIZE_PATTERN = r"^0*[1-9][0-9]* ?(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$"
DURATION_PATTERN = r"^0*[1-9][0-9]* ?(s|m|h|d)$"

_SHOWN_LENGTH = 60
_SCIENTIFIC = re.compile(r"[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+.*")
_ISO_8601 = re.compile(r"P[0-9T].*")
_AMOUNT = re.compile(r"([0-9]+) ?(.*)", re.DOTALL)


class UnitProblem(ValueError):
    """A value that cannot be read; the message says what was written and what to write instead."""


def shown(value: object) -> str:
    """A value of the file as a message quotes it: strings in double quotes, one line, not too long."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)
    return plain(text, _SHOWN_LENGTH)


def what(value: object) -> str:
    """The TOML name of a value's type."""
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")


def _text(value: object, example: str, zero: str) -> str:
    """The written text of an amount, or the reason why it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value == 0:
            raise UnitProblem(zero)
        raise UnitProblem(f'{shown(value)} has no unit; write for example "{example}"')
    if not isinstance(value, str):
        raise UnitProblem(f'must be text such as "{example}", not {what(value)}')
    if not value.strip():
        raise UnitProblem(f'is empty; write for example "{example}"')
    if any(not character.isascii() and character.isnumeric() for character in value):
        raise UnitProblem(f"{shown(value)} has digits other than 0 to 9")
    if value[0] in "-\N{MINUS SIGN}":
        raise UnitProblem(f"{shown(value)} is negative")
    if _SCIENTIFIC.fullmatch(value):
        raise UnitProblem(f'{shown(value)} is in scientific notation; write for example "{example}"')
    return value


def _amount(text: str, units: dict[str, int], example: str) -> int:
    """The whole number times its unit."""
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise UnitProblem(f'{shown(text)} is not a number with a unit; write for example "{example}"')
    digits, unit = found[1], found[2]
    if not unit:
        raise UnitProblem(f'{shown(text)} has no unit; write for example "{example}"')
    if unit[0] in ".,":
        raise UnitProblem(f"{shown(text)} is not a whole number; use a smaller unit")
    if unit not in units:
        near = [known for known in units if known.lower() == unit.lower()]
        hint = f'did you mean "{near[-1]}"?' if near else f"use one of {', '.join(units)}"
        raise UnitProblem(f"{shown(text)} has the unknown unit {shown(unit)}; {hint}")
    if len(digits) > len(str(_LARGEST_SIZE)):
        raise UnitProblem(f"{shown(text)} is too large")
    return int(digits) * units[unit]


def parse_size(value: object) -> int:
    """Bytes of a size such as `20GiB` or `500MB`.

    Raises:
        UnitProblem: it is not such a size, or it is zero.
    """
    example = "20GiB"
    zero = '0 is refused: it is no size, and never means "no limit"'
    size_bytes = _amount(_text(value, example, zero), _SIZE_UNITS, example)
    if size_bytes == 0:
        raise UnitProblem(zero)
    if size_bytes > _LARGEST_SIZE:
        raise UnitProblem(f"{shown(value)} is too large")
    return size_bytes


def parse_duration(value: object) -> timedelta:
    """The span of a duration such as `168h`, `7d`, `90m` or `30s`.

    Raises:
        UnitProblem: it is not such a duration, or it is zero.
    """
    example = "168h"
    zero = '0 is refused: it is no duration, and never means "at once"'
    text = _text(value, example, zero)
    if _ISO_8601.fullmatch(text):
        raise UnitProblem(f'{shown(text)} is an ISO 8601 duration; write for example "{example}"')
    seconds = _amount(text, _DURATION_UNITS, example)
    if seconds == 0:
        raise UnitProblem(zero)
    if seconds > _LONGEST.total_seconds():
        raise UnitProblem(f"{shown(text)} is more than ten years")
    return timedelta(seconds=seconds)


def parse_percent(value: object) -> float:
    """A percentage above 0 and up to 100.

    Raises:
        UnitProblem: it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnitProblem(f"must be a number such as 10, not {what(value)}")
    if math.isnan(value):
        raise UnitProblem("nan is not a percentage")
    if value == 0:
        raise UnitProblem("0 would never be undercut; leave the key out to set no limit")
    if value < 0:
        raise UnitProblem(f"{shown(value)} is negative")
    if value > 100:  # noqa: PLR2004 - it is what percent means
        raise UnitProblem(f"{shown(value)} is more than 100 percent")
    return float(value)


def format_size(size_bytes: int) -> str:
    """The shortest exact spelling that `parse_size` reads back: `20GiB`, `500MB`, `1000001B`."""
    exact = [(size_bytes // scale, unit) for unit, scale in _SIZE_UNITS.items() if size_bytes % scale == 0]
    number, unit = min(exact, key=lambda pair: (pair[0], len(pair[1])))
    return f"{number}{unit}"


def format_duration(span: timedelta) -> str:
    """The exact spelling in hours where they are whole, else in minutes or seconds: `168h`, `90m`, `30s`."""
    seconds = int(span.total_seconds())
    for unit in ("h", "m"):
        if seconds % _DURATION_UNITS[unit] == 0:
            return f"{seconds // _DURATION_UNITS[unit]}{unit}"
    return f"{seconds}s"
