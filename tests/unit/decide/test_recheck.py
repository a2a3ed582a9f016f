"""What of a planned prune still holds right before the call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hygiene_core.decide.recheck import recheck_records
from hygiene_core.model.act import Why
from hygiene_core.model.plan import PlannedRecord
from hygiene_core.model.resource import BuildCacheRecord
from hygiene_core.testing import NOW, cache_record


def seen(name: str, size_bytes: int | None = 10, **fields: Any) -> BuildCacheRecord:
    return cache_record(name, **{"id": name, "size_bytes": size_bytes, "parents": ()} | fields)


def planned(record: BuildCacheRecord, **fields: Any) -> PlannedRecord:
    made: dict[str, Any] = {
        "id": record.id,
        "size_bytes": record.size_bytes,
        "last_used_at": record.last_used_at,
        "usage_count": record.usage_count,
        "parents": record.parents,
    }
    return PlannedRecord(**made | fields)


BASE = seen("base")
MIDDLE = seen("middle", parents=("base",))
LEAF = seen("leaf", parents=("middle",))
CHAIN = (LEAF, MIDDLE, BASE)
KEPT = seen("kept", 70)
PLAN = tuple(map(planned, CHAIN))


def recheck(*records: BuildCacheRecord, plan: Any = PLAN, target: int = 70, reserve: int = 70) -> Any:
    return recheck_records(plan, records, target_bytes=target, reserved_bytes=reserve)


def names(found: Any) -> list[str]:
    return [one.id for one in found.going]


def test_what_is_as_it_was_goes_in_the_order_of_the_plan():
    found = recheck(KEPT, BASE, MIDDLE, LEAF)
    assert names(found) == ["leaf", "middle", "base"]
    assert (found.dropped, found.private_bytes, found.cap_bytes) == ({}, 100, 71)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"in_use": True}, Why.IN_USE),
        ({"shared": True}, Why.IN_USE),
        ({"size_bytes": 11}, Why.CHANGED),
        ({"size_bytes": None}, Why.CHANGED),
        ({"last_used_at": NOW}, Why.CHANGED),
        ({"last_used_at": None}, Why.CHANGED),
        ({"usage_count": 4}, Why.CHANGED),
        ({"parents": ("middle", "kept")}, Why.CHANGED),
    ],
)
def test_what_changed_stays_and_so_do_its_parents(change, why):
    found = recheck(KEPT, BASE, MIDDLE, replace(LEAF, **change), target=0, reserve=0)
    assert found.dropped["leaf"] is why
    assert found.dropped["middle"] is Why.DEPENDS
    assert names(found) == [], "its own parent is a child of the base, and stays"


def test_a_record_that_is_gone_keeps_no_other():
    found = recheck(KEPT, BASE, MIDDLE)
    assert found.dropped == {"leaf": Why.GONE}
    assert names(found) == ["middle", "base"]


def test_a_new_child_keeps_its_parents():
    found = recheck(KEPT, *CHAIN, seen("new", parents=("middle",)), target=0, reserve=0)
    assert names(found) == ["leaf"]
    assert found.dropped == {"middle": Why.DEPENDS, "base": Why.DEPENDS}


def test_the_order_of_parents_does_not_matter():
    one = seen("one", parents=("kept", "base"))
    plan = (planned(one, parents=("base", "kept")),)
    assert names(recheck(KEPT, BASE, one, plan=plan, target=0, reserve=0)) == ["one"]


def test_no_more_goes_once_the_budget_is_met():
    found = recheck(KEPT, *CHAIN, target=90, reserve=0)
    assert names(found) == ["leaf"]
    assert found.dropped == {"middle": Why.BUDGET_MET, "base": Why.DEPENDS}
    assert found.cap_bytes == 91


def test_nothing_goes_below_the_reserve():
    found = recheck(KEPT, *CHAIN, target=0, reserve=81)
    assert names(found) == ["leaf"]
    assert found.dropped == {"middle": Why.BOUNDS, "base": Why.DEPENDS}


def test_shared_records_count_nothing():
    found = recheck(replace(KEPT, shared=True), *CHAIN, target=0, reserve=0)
    assert found.private_bytes == 30
    assert found.cap_bytes == 1


def test_a_cache_that_cannot_be_measured_is_taken_for_smaller():
    """The cap is then lower than it has to be, and the ids are the bound; less goes, never more."""
    found = recheck(replace(KEPT, size_bytes=None), *CHAIN, target=0, reserve=5)
    assert (found.private_bytes, names(found)) == (30, ["leaf", "middle"])
    assert found.dropped == {"base": Why.BOUNDS}


def test_an_empty_cache():
    found = recheck()
    assert found.dropped == dict.fromkeys(("leaf", "middle", "base"), Why.GONE)
    assert (found.going, found.private_bytes, found.cap_bytes) == ((), 0, 1)


def test_nothing_planned():
    assert recheck(KEPT, plan=()).going == ()
