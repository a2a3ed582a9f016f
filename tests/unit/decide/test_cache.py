"""Which records a budget lets go."""

from __future__ import annotations

from datetime import timedelta

from hygiene_core.decide.cache import age_reference, select_records
from hygiene_core.model.policy import Budget
from hygiene_core.testing import NOW, cache_record

DAY = timedelta(days=1)


def budget(maximum, reserved=0, min_age=timedelta(0)):
    return Budget(max_bytes=maximum, reserved_bytes=reserved, min_age=min_age)


def record(name, size=10, age=10, parents=(), **fields):
    fields = {"size_bytes": size, "last_used_at": NOW - age * DAY} | fields
    return cache_record(name, id=name, parents=tuple(parents), **fields)


def test_the_least_recently_used_go_first_until_the_budget_is_met():
    records = [record("new", age=1), record("old", age=9), record("older", age=10)]
    chosen = select_records(records, budget(10), NOW)
    assert tuple(chosen.selected) == ("older", "old")
    assert (chosen.private_bytes, chosen.remaining_bytes) == (30, 10)


def test_at_the_budget_nothing_goes():
    assert tuple(select_records([record("a"), record("b")], budget(20), NOW).selected) == ()


def test_a_chain_goes_from_its_leaf():
    records = [
        record("base", age=30),
        record("mid", age=20, parents=["base"]),
        record("top", parents=["mid"]),
    ]
    assert tuple(select_records(records, budget(0), NOW).selected) == ("top", "mid", "base")


def test_a_parent_waits_for_all_its_children():
    records = [record("base", age=30), record("a", parents=["base"]), record("b", age=1, parents=["base"])]
    chosen = select_records(records, budget(0, min_age=5 * DAY), NOW)
    assert tuple(chosen.selected) == ("a",)
    assert chosen.pinned_by == {"base": "b"}


def test_a_parent_that_may_not_go_stays():
    records = [record("base", shared=True), record("leaf", parents=["base"])]
    assert tuple(select_records(records, budget(0), NOW).selected) == ("leaf",)


def test_a_parent_elsewhere_is_nobodys_concern():
    assert tuple(select_records([record("leaf", parents=["gone"])], budget(0), NOW).selected) == ("leaf",)


def test_a_lost_parent_does_not_hide_the_others():
    records = [record("base", age=30), record("leaf", parents=["gone", "base"])]
    assert tuple(select_records(records, budget(0), NOW).selected) == ("leaf", "base")


def test_an_empty_record_counts_for_nothing():
    chosen = select_records([record("a", size=0), record("b", size=10, age=1)], budget(9), NOW)
    assert chosen.remaining_bytes == 0
    assert select_records([record("a", size=None), record("b", size=10)], budget(10), NOW).private_bytes == 10


def test_the_reserve_is_a_floor_that_a_smaller_record_may_still_reach():
    records = [record("big", size=50, age=10), record("small", size=5, age=9), record("kept", size=20, age=1)]
    chosen = select_records(records, budget(10, reserved=60), NOW)
    assert tuple(chosen.selected) == ("small",)
    assert chosen.remaining_bytes == 70
    exactly = select_records(records, budget(10, reserved=70), NOW)
    assert tuple(exactly.selected) == ("small",)


def test_what_may_not_go():
    held = [
        record("in use", in_use=True),
        record("shared", shared=True),
        record("internal", type="internal"),
        record("frontend", type="frontend"),
        record("unsized", size=None),
        record("ageless", last_used_at=None, created_at=None),
        record("young", age=4),
    ]
    chosen = select_records(held, budget(0, min_age=5 * DAY), NOW)
    assert tuple(chosen.selected) == ()
    assert chosen.private_bytes == 50


def test_the_age_bound_is_inclusive():
    assert tuple(select_records([record("a", age=5)], budget(0, min_age=5 * DAY), NOW).selected) == ("a",)


def test_fewer_uses_break_a_tie_then_the_id():
    records = [record("c", usage_count=1), record("b", usage_count=1), record("a", usage_count=2)]
    assert tuple(select_records(records, budget(0), NOW).selected) == ("b", "c", "a")
    assert (
        next(iter(select_records([record("z", usage_count=None), *records], budget(0), NOW).selected)) == "z"
    )


def test_age_runs_from_the_last_use_else_from_creation():
    assert age_reference(record("a", created_at=NOW - 30 * DAY)) == NOW - 10 * DAY
    assert age_reference(record("a", last_used_at=None, created_at=NOW - 30 * DAY)) == NOW - 30 * DAY


def test_an_empty_cache():
    chosen = select_records([], budget(10), NOW)
    assert (tuple(chosen.selected), chosen.private_bytes, chosen.remaining_bytes) == ((), 0, 0)
