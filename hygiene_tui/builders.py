"""Every builder of a look with what it holds against its budget. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hygiene_core.model.resource import Builder
from hygiene_tui.session import Look

__all__ = ["BuilderLine", "builder_lines"]


@dataclass(frozen=True, slots=True)
class BuilderLine:
    """One builder. `row` is its row in the inventory.

    `cache_bytes` is what its unshared records hold, `None` where not all of them were read; `records` counts
    them. `max_bytes` and `reserved_bytes` are its budget, `None` where it has none.
    """

    row: int
    name: str
    sort: str
    state: str
    version: str | None
    cache_bytes: int | None
    records: int
    max_bytes: int | None
    reserved_bytes: int | None
    running_builds: int | None
    last_build_at: str | None


def builder_lines(look: Look) -> list[BuilderLine]:
    """The builders, the warm ones first, then by the bytes that they hold."""
    seen = look.inventory
    kinds, ids = seen.columns["kind"], seen.columns["id"]
    held: dict[str, list[int | None]] = {}
    for row, kind in enumerate(kinds):
        if kind == "build_cache":
            held.setdefault(seen.columns["builder"][row] or "", []).append(seen.columns["unique_bytes"][row])
    kept = {one["node"] or one["name"]: one for one in look.report["summary"]["warm_builders"]}
    found = [
        _line(row, seen.detail(row), kept.get(ids[row]), held.get(ids[row], []), look.report)
        for row, kind in enumerate(kinds)
        if kind == "builder"
    ]
    return sorted(found, key=lambda one: (_SORTS.index(one.sort), -(one.cache_bytes or 0), one.name))


_SORTS = ("warm", "embedded", "plain", "orphan")


def _line(
    row: int,
    detail: Mapping[str, Any],
    kept: Mapping[str, Any] | None,
    sizes: list[int | None],
    report: Mapping[str, Any],
) -> BuilderLine:
    facts = detail["facts"]
    embedded = facts["driver"] == "embedded"
    read = report["sections"].get("build_cache", {}).get("availability") == "complete"
    whole = (read if embedded else facts["records_read"]) and None not in sizes
    return BuilderLine(
        row=row,
        name=detail["name"],
        sort=_sort(detail),
        state=facts["container_state"] or ("in the Engine" if embedded else "no container"),
        version=facts["version"],
        cache_bytes=sum(one or 0 for one in sizes) if whole else None,
        records=len(sizes),
        max_bytes=kept["max_bytes"] if kept else None,
        reserved_bytes=kept["reserved_bytes"] if kept else None,
        running_builds=facts["running_builds"],
        last_build_at=facts["last_build_at"],
    )


def _sort(detail: Mapping[str, Any]) -> str:
    """What the report calls it."""
    # Both load pydantic, which the first screen is painted without.
    from hygiene_core.model.codec import judged_adapter  # noqa: PLC0415
    from hygiene_core.report.builders import sort_of  # noqa: PLC0415

    judged = judged_adapter().validate_python(detail)
    return sort_of(judged, judged.facts) if isinstance(judged.facts, Builder) else "plain"
