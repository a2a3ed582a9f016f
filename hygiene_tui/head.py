"""The first line of every screen: which host, how full, what may go, and how old all of that is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from hygiene_core.report.figures import duration, size
from hygiene_tui.session import Look
from hygiene_tui.widgets.bar import bar

__all__ = ["OLD", "Freshness", "head"]

OLD = timedelta(hours=1)
"""A look that is older is called old: jobs come and go in minutes."""

_BAR = 8
_WIDE = 100


@dataclass(frozen=True, slots=True)
class Freshness:
    """What is known of the look on the screen, and of the one that is under way behind it.

    `waiting` are the sections that are still read, `failed` is why the last look gave nothing.
    """

    waiting: Collection[str] = ()
    looking: bool = False
    failed: str | None = None


def head(
    name: str, look: Look | None, now: datetime, fresh: Freshness, width: int, *, demo: bool, ascii_only: bool
) -> str:
    """One line; what matters most stands first, and the end is cut where it does not fit.

    Args:
        name: of the host.
        look: what is on the screen, `None` before the first.
        now: the present, aware UTC.
        fresh: how current it is.
        width: cells of the terminal.
        demo: whether the host is a recording.
        ascii_only: whether the terminal can show ASCII alone.
    """
    parts = [f"{name} (a recording)" if demo else name]
    if look is not None:
        summary = look.report["summary"]
        parts.append(_disk(look, width, ascii_only=ascii_only))
        parts.append(f"may go {size(summary['candidate_bytes'])}")
    parts.append(_age(look, now, fresh))
    if look is not None and width >= _WIDE:
        parts.append(f"reclaimable {size(look.report['summary']['docker_reclaimable_bytes'])}")
    return "  ".join(parts)


def _disk(look: Look, width: int, *, ascii_only: bool) -> str:
    disk = next((one for one in look.report["filesystems"] if one["role"] == "data_root"), None)
    if disk is None:
        return "disk unknown"
    free, total = disk["free_bytes"], disk["total_bytes"]
    used = None if free is None or total is None else total - free
    cells = _BAR * (2 if width >= _WIDE else 1)
    return f"disk {bar(used, total, cells, ascii_only=ascii_only)} {size(free)} free"


def _age(look: Look | None, now: datetime, fresh: Freshness) -> str:
    if look is None:
        return "looking for the first time" if fresh.looking else "never looked at"
    age = now - look.seen_at
    told = f"seen {duration(age)} ago"
    if age >= OLD:
        told = f"OLD: {told}"
    if fresh.failed is not None:
        return f"{told}, cannot look again"
    if fresh.looking:
        count = len(fresh.waiting)
        return f"{told}, looking ({count} to read)" if count else f"{told}, looking"
    return told
