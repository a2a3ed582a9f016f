"""Sizes, durations and keys as Go programs read them in their configuration files.

Every problem is a BadValue, which is a ValueError, and does not repeat the value: a file may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

__all__ = ["BadValue", "bytes_of", "duration_of", "value_of"]

_SIZE = re.compile(r"(\d{1,18}(?:\.\d{0,18})?) ?(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
_POWER = {unit: power for power, unit in enumerate("kmgtp", start=1)}
_DURATION = re.compile(r"[+-]?(?:(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:ns|us|µs|μs|ms|s|m|h))+|[+-]?0")
_PART = re.compile(r"(\d*\.?\d*)(ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_MOST_BYTES = 2**63 - 1


class BadValue(ValueError):
    """A value, or a file, that cannot be read. The message ends a sentence that begins with its name."""


def value_of(table: Mapping[str, Any], key: str) -> Any:
    """The value under a key in any case, as Go's decoders look it up: the last one counts."""
    found = None
    for name, value in table.items():
        if name.lower() == key.lower():
            found = value
    return found


def bytes_of(text: Any) -> int:
    """A size with binary units, as go-units' `RAMInBytes`: `20GB` is 20 GiB. Raises BadValue."""
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BadValue("not a size")
    made = float(found[1]) * 1024 ** _POWER[found[2].lower()] if found[2] else float(found[1])
    if made > _MOST_BYTES:
        raise BadValue("not a size")
    return int(made)


def duration_of(text: Any) -> timedelta:
    """A duration as Go's `time.ParseDuration`: `168h`, `1h30m`. Raises BadValue."""
    if not isinstance(text, str) or _DURATION.fullmatch(text) is None:
        raise BadValue("not a duration")
    seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
    try:
        return timedelta(seconds=-seconds if text.startswith("-") else seconds)
    except OverflowError:
        raise BadValue("not a duration") from None
