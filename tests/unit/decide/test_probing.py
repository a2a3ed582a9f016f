"""A probe is nobody's use: what it left is taken out of every look, until somebody uses the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hygiene_core.decide.probing import remembered, unprobed, unprobed_records
from hygiene_core.model.warmth import Probed, Stamp
from hygiene_core.testing import NOW, builder, cache_record, observation

LONG_AGO, PROBED, LATER = NOW - timedelta(days=9), NOW, NOW + timedelta(hours=1)
WARM = builder("warm0", last_build_at=LONG_AGO)


def record(name: str, used_at: Any = LONG_AGO, count: int | None = 3) -> Any:
    return cache_record(id=f"warm0/{name}", builder="warm0", last_used_at=used_at, usage_count=count)


def after_probe(
    before: list[Any], after: list[Any], probed: Probed | None = None, ended: Any = PROBED
) -> Probed:
    return remembered(probed or Probed(), (WARM, before), (replace(WARM, last_build_at=ended), after))


def test_the_use_of_a_probe_is_taken_out():
    before, after = [record("a"), record("b")], [record("a", PROBED, 4), record("b")]
    probed = after_probe(before, after)
    assert unprobed_records(after, probed) == tuple(before)
    seen = observation(replace(WARM, last_build_at=PROBED), *after)
    was = unprobed(seen, probed)
    assert (was.build_cache, was.builders) == (tuple(before), (WARM,))
    assert replace(was, build_cache=seen.build_cache, builders=seen.builders) == seen


def test_a_later_use_is_somebodys():
    probed = after_probe([record("a")], [record("a", PROBED, 4)])
    for used in (record("a", LATER, 5), record("a", PROBED, 5), record("a", LATER, 4)):
        assert unprobed_records([used], probed) == (used,)
    built = observation(replace(WARM, last_build_at=LATER))
    assert unprobed(built, probed) == built


def test_a_second_probe_keeps_the_use_from_before_the_first():
    first = after_probe([record("a")], [record("a", PROBED, 4)])
    second = after_probe([record("a", PROBED, 4)], [record("a", LATER, 5)], first, LATER)
    assert unprobed_records([record("a", LATER, 5)], second) == (record("a"),)
    again = remembered(
        first,
        (replace(WARM, last_build_at=PROBED), []),
        (replace(WARM, last_build_at=LATER), []),
    )
    assert again.builds["warm0"].was_at == LONG_AGO


def test_a_use_between_two_probes_counts():
    first = after_probe([record("a")], [record("a", PROBED, 4)])
    second = after_probe([record("a", LATER, 5)], [record("a", LATER + timedelta(1), 6)], first)
    assert unprobed_records([record("a", LATER + timedelta(1), 6)], second) == (record("a", LATER, 5),)


def test_a_record_that_the_probe_made_has_no_use_at_all():
    probed = after_probe([], [record("a", PROBED, 1)])
    assert probed.records == {
        "warm0/a": Stamp(left_at=PROBED, left_count=1, was_at=None, was_count=None),
    }
    assert unprobed_records([record("a", PROBED, 1)], probed) == (record("a", None, None),)


def test_what_the_probe_did_not_touch_keeps_its_stamp_or_has_none():
    first = after_probe([record("a"), record("b")], [record("a", PROBED, 4), record("b")])
    still = [record("a", PROBED, 4), record("b"), record("c", None, None)]
    assert after_probe(still, still, first).records == first.records


def test_a_record_that_is_gone_is_forgotten_and_one_of_another_builder_is_not():
    other = Stamp(left_at=PROBED, left_count=1, was_at=None, was_count=None)
    first = replace(after_probe([record("a")], [record("a", PROBED, 4)]))
    first = replace(first, records=first.records | {"other0/a": other}, builds={"other0": other})
    second = after_probe([record("a", PROBED, 4)], [], first, LONG_AGO)
    assert second == Probed(records={"other0/a": other}, builds={"other0": other})


def test_a_record_that_was_made_and_not_used_has_no_stamp():
    assert after_probe([], [record("a", None, None)], ended=None) == Probed()
