"""Run caches by age, at and beside every edge."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.decide.run_caches import run_caches
from hygiene_core.model.policy import RunCacheRoot
from hygiene_core.testing import NOW, observation, run_cache
from tests.unit.decide.judging import policy

PLACES = policy(run_caches=(RunCacheRoot(name="builds", path="/srv/builds", prefix="run-"),))


def summary(*rows, **seen):
    (one,) = run_caches(observation(*rows, **seen), PLACES, NOW)
    return one


@pytest.mark.parametrize(
    ("age", "place"),
    [
        (timedelta(hours=-1), 0),
        (timedelta(0), 0),
        (timedelta(minutes=59), 0),
        (timedelta(hours=1), 1),
        (timedelta(hours=23), 1),
        (timedelta(days=1), 2),
        (timedelta(days=7, seconds=-1), 2),
        (timedelta(days=7), 3),
        (timedelta(days=30, seconds=-1), 3),
        (timedelta(days=30), 4),
        (timedelta(days=3000), 4),
    ],
)
def test_each_age_has_one_place(age, place):
    made = summary(run_cache(changed_at=NOW - age, size_bytes=7))
    assert [bucket.count for bucket in made.ages] == [int(at == place) for at in range(5)]
    assert made.ages[place].size_bytes == 7


def test_the_ages_follow_each_other():
    ages = summary(run_cache()).ages
    assert [one.over for one in ages[1:]] == [one.under for one in ages[:-1]]
    assert (ages[0].over, ages[-1].under) == (timedelta(0), None)


def test_figures_are_sums_and_the_oldest_change():
    old = run_cache("builds/run-2", changed_at=NOW - timedelta(days=9), size_bytes=5, apparent_bytes=4)
    blind = run_cache("builds/run-3", changed_at=None, size_bytes=None, apparent_bytes=None)
    other = run_cache("other/run-1")
    made = summary(run_cache(size_bytes=1, apparent_bytes=2), old, blind, other)
    assert (made.count, made.size_bytes, made.apparent_bytes) == (3, 6, 6)
    assert (made.oldest_at, made.whole) == (old.changed_at, True)
    assert sum(bucket.count for bucket in made.ages) == 2


def test_an_empty_place_is_told_and_an_unread_one_is_not():
    assert (summary(run_cache("other/run-1")).count, summary(run_cache("other/run-1")).oldest_at) == (0, None)
    assert not summary(run_cache(), partial={"run_caches": "a directory could not be read"}).whole
    seen = observation(unavailable={"run_caches": "none could be listed"})
    assert run_caches(seen, PLACES, NOW) == ()
    assert run_caches(observation(run_cache()), replace(PLACES, run_caches=()), NOW) == ()
