"""The one figure of the pruning bench that is not read but worked out."""

from __future__ import annotations

from datetime import UTC, datetime

from hygiene_core.model.resource import BuildCacheRecord
from tests.bench.pruning import passed_over


def record(identity: str, used: int, *parents: str, shared: bool = False) -> BuildCacheRecord:
    return BuildCacheRecord(
        id=identity, last_used_at=datetime(2026, 5, 1, 8, used, tzinfo=UTC), parents=parents, shared=shared
    )


def test_the_least_lately_used_first_passes_nothing_over():
    rows = [record("a", 1), record("b", 2), record("c", 3)]
    assert [passed_over(rows, gone) for gone in (set(), {"a"}, {"a", "b"}, {"a", "b", "c"})] == [0, 0, 0, 0]


def test_a_later_one_that_went_passed_an_earlier_one_over():
    rows = [record("a", 1), record("b", 2), record("c", 3)]
    assert passed_over(rows, {"c"}) == 1
    assert passed_over(rows, {"b", "c"}) == 2


def test_a_parent_counts_as_used_as_lately_as_its_latest_child():
    rows = [record("base", 1), record("a", 2, "base"), record("b", 5, "base"), record("c", 3)]
    assert passed_over(rows, {"a", "c"}) == 0
    assert passed_over(rows, {"b", "a", "base"}) == 2  # `c` stayed, and the base could go after `b` only


def test_one_that_could_not_have_gone_was_not_passed_over():
    assert passed_over([record("a", 1, shared=True), record("b", 2)], {"b"}) == 0
