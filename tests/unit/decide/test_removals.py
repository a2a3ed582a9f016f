"""Which of the removals that the Engine told are of what was remembered."""

from __future__ import annotations

from datetime import datetime, timedelta

from hygiene_core.decide.coverage import merged
from hygiene_core.decide.removals import removals_of
from hygiene_core.model.coverage import Followed, Removal
from hygiene_core.model.known import Known, Memory
from hygiene_core.testing import NOW, observation, volume

BEFORE = NOW - timedelta(days=1)
MEMORY = Memory(
    entries={("volume", name): Known(first_seen_at=BEFORE) for name in ("v", "w", "x")}, last_run_at=BEFORE
)


def at(seconds: int) -> datetime:
    return BEFORE + timedelta(hours=1, seconds=seconds)


def gone(name: str | None, seconds: int = 0, *, pruned: bool = False, kind: str = "volume") -> Removal:
    return Removal(kind=kind, id=name, removed_at=at(seconds), pruned=pruned)


def test_what_was_remembered_and_is_not_there_was_removed():
    assert removals_of(observation(), MEMORY, [gone("v")]) == (gone("v"),)


def test_the_last_of_several_counts():
    assert removals_of(observation(), MEMORY, [gone("v"), gone("v", 60)]) == (gone("v", 60),)


def test_what_is_there_again_nobody_knew_or_is_older_than_our_memory_is_left_out():
    seen = observation(volumes=(volume("v"),))
    early = Removal(kind="volume", id="x", removed_at=BEFORE)
    assert removals_of(seen, MEMORY, [early, gone("v"), gone("other"), gone("w", kind="image")]) == ()


def test_a_prune_marks_what_went_right_before_it_and_nothing_else():
    told = [gone("v"), gone("w", 30), gone("x", 40), gone(None, 50), gone("w", 55)]
    made = removals_of(observation(), MEMORY, told)
    assert made == (gone("v"), gone("x", 40, pruned=True), gone(None, 50), gone("w", 55))
    chain = removals_of(observation(), MEMORY, told[:-1])
    assert chain == (gone("v"), gone("w", 30, pruned=True), gone("x", 40, pruned=True), gone(None, 50))


def test_a_pause_ends_a_prune_for_all_that_is_older():
    told = [gone("v", 0), gone("w", 5), gone("x", 16), gone(None, 20)]
    pruned = {one.id: one.pruned for one in removals_of(observation(), MEMORY, told)}
    assert pruned == {"v": False, "w": False, "x": True, None: False}


def test_a_prune_of_another_kind_marks_nothing():
    told = [gone("v"), gone(None, 1, kind="image")]
    assert removals_of(observation(), MEMORY, told) == tuple(told)


def test_prunes_of_earlier_runs_are_not_told_again():
    early = Removal(kind="image", id=None, removed_at=BEFORE)
    assert removals_of(observation(), MEMORY, [early]) == ()
    assert removals_of(observation(), Memory(), [gone(None)]) == ()


def test_two_followers_tell_each_removal_once_in_the_order_of_time():
    one, two = Followed(removals=(gone("w", 9),)), Followed(removals=(gone("v"), gone("w", 9)))
    assert merged(one, two).removals == (gone("v"), gone("w", 9))
    prune = gone(None, 9)
    assert merged(Followed(removals=(prune,)), two).removals == (gone("v"), gone("w", 9), prune)
