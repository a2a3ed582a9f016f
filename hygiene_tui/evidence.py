"""What is known of one resource, as lines for the pane beside the list. Pure; no drawing here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from hygiene_core.model.text import plain
from hygiene_core.report.figures import NOT_APPLICABLE, UNKNOWN, age, local_time, size, words

__all__ = ["Line", "evidence", "to_text"]

_LIMIT = 4000
_FACTS = (
    "created_at",
    "last_used_at",
    "usage_count",
    "state",
    "container_state",
    "version",
    "type",
    "shared",
    "in_use",
    "running_builds",
    "sessions",
    "last_build_at",
    "volume",
    "path",
    "driver",
)
"""The facts that help to decide, in this order; `e` exports all of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what it is about, and its text. A line without a label goes on from the one above."""

    label: str
    text: str


def evidence(detail: Mapping[str, Any], now: datetime, zone: tzinfo) -> list[Line]:
    """Everything that helps to decide on a resource: its verdict with the reasons first.

    Args:
        detail: a judged row of the report document.
        now: the present, aware.
        zone: the reader's time zone.
    """
    return list(_lines(detail, now, zone))


def _lines(detail: Mapping[str, Any], now: datetime, zone: tzinfo) -> Iterator[Line]:
    yield Line("verdict", words(str(detail["verdict"])))
    for reason in detail["reasons"]:
        yield Line("why", f"{_plain(reason['detail'])} [{_plain(reason['rule'])}]")
        yield Line("", f"read from {_plain(reason['source'])}")
    yield Line("kind", words(str(detail["kind"])))
    names = detail["names"] or [detail["name"]]
    for number, name in enumerate(names):
        yield Line("" if number else "name", _plain(name))
    yield Line("id", _plain(detail["id"]))
    freed = size(detail["unique_bytes"])
    yield Line("size", f"{size(detail['size_bytes'])}; removing it alone would free {freed}")
    users = detail["used_by"]
    yield Line("used by", ", ".join(map(_plain, users)) if users else "nothing that was seen")
    for label, key in (("first seen", "first_seen_at"), ("idle since", "idle_since_at")):
        yield Line(label, _moment(detail[key], now, zone))
    if detail["unused_since_at"] is not None:
        yield Line("unused since", _moment(detail["unused_since_at"], now, zone))
    facts = detail["facts"]
    for key in _FACTS:
        if facts.get(key) is not None:
            yield Line(words(key.removesuffix("_at")), _fact(key, facts[key], now, zone))
    labels = facts.get("labels")
    if isinstance(labels, Mapping):
        for key, value in sorted(labels.items()):
            yield Line("label", f"{_plain(key)}={_plain(value)}")


def to_text(lines: list[Line]) -> str:
    """The lines as text to copy."""
    return "\n".join(f"{line.label:<13}{line.text}".rstrip() for line in lines) + "\n"


def _fact(key: str, value: Any, now: datetime, zone: tzinfo) -> str:
    if key.endswith("_at"):
        return _moment(value, now, zone)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _plain(value)


def _moment(told: Any, now: datetime, zone: tzinfo) -> str:
    if told is None:
        return UNKNOWN
    at = datetime.fromisoformat(told)
    ago = age(at, now)
    return local_time(at, zone) + (f", {ago} ago" if ago != NOT_APPLICABLE else "")


def _plain(text: Any) -> str:
    return plain(str(text), _LIMIT)
