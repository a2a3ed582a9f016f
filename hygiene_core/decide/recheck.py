"""What of a planned prune still holds right before the call. What changed stays, and so do its parents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hygiene_core.model.act import Why
from hygiene_core.model.plan import PlannedRecord
from hygiene_core.model.resource import BuildCacheRecord

__all__ = ["Rechecked", "recheck_records"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rechecked:
    """`going` still hold, in the order of the plan; `dropped` says by id why each of the others does not.

    `private_bytes` is the builder's unshared cache now.
    """

    going: tuple[PlannedRecord, ...]
    dropped: dict[str, Why]
    private_bytes: int

    @property
    def cap_bytes(self) -> int:
        """The size above which the builder may remove anything: one byte more than what is to stay."""
        return self.private_bytes - sum(one.size_bytes for one in self.going) + 1


def recheck_records(
    planned: Sequence[PlannedRecord],
    records: Collection[BuildCacheRecord],
    *,
    target_bytes: int,
    reserved_bytes: int,
) -> Rechecked:
    """Compare planned records with the records of their builder as they are now.

    Args:
        planned: leaf first, as the plan has them.
        records: every record of the builder.
        target_bytes: once the cache is down to this, the rest of the plan stays.
        reserved_bytes: the cache is not to fall below this.
    """
    by_id = {record.id: record for record in records}
    children: dict[str, list[str]] = {}
    for record in records:
        for parent in record.parents:
            children.setdefault(parent, []).append(record.id)
    private = sum(record.size_bytes or 0 for record in records if not record.shared)
    going: dict[str, PlannedRecord] = {}
    dropped: dict[str, Why] = {}
    remaining = private
    for one in planned:
        why = _drift(one, by_id.get(one.id))
        if why is None and any(child not in going for child in children.get(one.id, ())):
            why = Why.DEPENDS
        if why is None and remaining <= target_bytes:
            why = Why.BUDGET_MET
        if why is None and remaining - one.size_bytes < reserved_bytes:
            why = Why.BOUNDS
        if why is None:
            going[one.id] = one
            remaining -= one.size_bytes
        else:
            dropped[one.id] = why
    return Rechecked(going=tuple(going.values()), dropped=dropped, private_bytes=private)


def _drift(planned: PlannedRecord, record: BuildCacheRecord | None) -> Why | None:
    """Why a record is not what it was when it was planned."""
    if record is None:
        return Why.GONE
    if record.in_use or record.shared:
        return Why.IN_USE
    was = (planned.size_bytes, planned.last_used_at, planned.usage_count, frozenset(planned.parents))
    now = (record.size_bytes, record.last_used_at, record.usage_count, frozenset(record.parents))
    return Why.CHANGED if was != now else None
