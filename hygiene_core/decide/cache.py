"""Which build-cache records a budget lets go, leaf first and least recently used first.

BuildKit removes a record only when no child holds it, so a parent can follow only after all its children.
Records shared with images are left alone: removing them frees next to nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from hygiene_core.model.policy import Budget
from hygiene_core.model.resource import BuildCacheRecord

__all__ = ["CacheSelection", "age_reference", "select_records", "target_of"]

UNTOUCHED_TYPES = frozenset({"internal", "frontend"})
"""Types that BuildKit itself leaves out of an ordinary prune."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSelection:
    """The choice for one builder.

    `selected` are record ids in the order in which they can go (a dict for its order and quick look-up).
    `private_bytes` is the builder's unshared cache before, `remaining_bytes` after, `target_bytes` what it is
    to come down to. `pinned_by` names, for each record that a child keeps, one child. `held_by_reserve` are
    those that may go, but for the reserve.
    """

    selected: dict[str, None]
    private_bytes: int
    remaining_bytes: int
    target_bytes: int
    pinned_by: dict[str, str]
    held_by_reserve: frozenset[str] = frozenset()


def age_reference(record: BuildCacheRecord) -> datetime | None:
    """When BuildKit last touched the record: last use, else creation. BuildKit writes both itself."""
    return record.last_used_at or record.created_at


def target_of(budget: Budget, private_bytes: int, free_bytes: int | None) -> int:
    """The bytes that a cache is to come down to.

    Args:
        budget: its budget.
        private_bytes: what it holds unshared.
        free_bytes: what the disk has free; `None` where that is not known, and then it asks for nothing.
    """
    target = budget.max_bytes
    if budget.min_free_bytes is not None and free_bytes is not None:
        lacking = max(0, budget.min_free_bytes - free_bytes)
        target = min(target, private_bytes - lacking) if lacking else target
    return max(target, budget.reserved_bytes)


def select_records(
    records: Collection[BuildCacheRecord], budget: Budget, now: datetime, free_bytes: int | None = None
) -> CacheSelection:
    """Pick records of one builder until its private bytes are within their target, see `target_of`.

    The reserve is a floor: a record is not picked if the cache would fall below it.
    """
    private = sum(r.size_bytes or 0 for r in records if not r.shared)
    target = target_of(budget, private, free_bytes)
    remaining = private
    waiting = _child_counts(records)
    parents = {record.id: record for record in records}
    heap = [_priority(r) for r in records if not waiting.get(r.id) and _may_go(r, budget, now)]
    heapq.heapify(heap)
    selected: dict[str, None] = {}
    held: set[str] = set()
    while heap and remaining > target:
        _, _, record_id = heapq.heappop(heap)
        record = parents[record_id]
        size = record.size_bytes or 0
        if remaining - size < budget.reserved_bytes:
            held.add(record_id)
            continue
        selected[record_id] = None
        remaining -= size
        for parent_id in record.parents:
            parent = parents.get(parent_id)
            if parent is None:
                continue
            waiting[parent_id] -= 1
            if not waiting[parent_id] and _may_go(parent, budget, now):
                heapq.heappush(heap, _priority(parent))
    return CacheSelection(
        selected=selected,
        private_bytes=private,
        remaining_bytes=remaining,
        target_bytes=target,
        pinned_by=_pinning(records, selected),
        held_by_reserve=frozenset(held),
    )


def _pinning(records: Collection[BuildCacheRecord], selected: Collection[str]) -> dict[str, str]:
    """For each record that a child keeps, the first such child by id: the same in every look."""
    pinned: dict[str, str] = {}
    for record in records:
        if record.id in selected:
            continue
        for parent in record.parents:
            pinned[parent] = min(record.id, pinned.get(parent, record.id))
    return pinned


def _child_counts(records: Collection[BuildCacheRecord]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for record in records:
        for parent in record.parents:
            counts[parent] = counts.get(parent, 0) + 1
    return counts


def _may_go(record: BuildCacheRecord, budget: Budget, now: datetime) -> bool:
    touched = age_reference(record)
    return (
        not record.in_use
        and not record.shared
        and record.size_bytes is not None
        and record.type not in UNTOUCHED_TYPES
        and touched is not None
        and now - touched >= budget.min_age
    )


def _priority(record: BuildCacheRecord) -> tuple[float, int, str]:
    touched = age_reference(record)
    return (touched.timestamp() if touched else 0.0, record.usage_count or 0, record.id)
