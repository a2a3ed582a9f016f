"""How much a run may take."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hygiene_core.executor import limits
from hygiene_core.executor.limits import Limits
from hygiene_core.model.host_rules import Ceilings
from hygiene_core.model.policy import Bounds


@pytest.fixture
def clock(monkeypatch):
    """Seconds of a clock that only the test moves."""
    now = [100.0]
    monkeypatch.setattr(limits.time, "monotonic", lambda: now[0])
    return now


def made(free: int | None = None, **lower: object) -> Limits:
    bounds = {"max_items": 10, "max_bytes": 100, "max_time": timedelta(seconds=60)} | lower
    return Limits.of(Bounds(**bounds), Ceilings(), free)  # type: ignore[arg-type]


@pytest.mark.parametrize("which", ["bounds", "ceilings"])
def test_the_lower_of_both_counts(clock, which):
    low = {"max_items": 1, "max_bytes": 2, "max_time": timedelta(seconds=3)}
    high = {"max_items": 10, "max_bytes": 20, "max_time": timedelta(seconds=30)}
    bounds, ceilings = (low, high) if which == "bounds" else (high, low)
    found = Limits.of(Bounds(**bounds), Ceilings(**ceilings), None)  # type: ignore[arg-type]
    assert (found.max_items, found.max_bytes, found.max_time) == (1, 2, timedelta(seconds=3))


def test_what_fits_may_go(clock):
    found = made()
    assert found.reached(10, 100, 0) is None
    found.take(4, 40)
    assert found.reached(6, 60, 0) is None


def test_one_object_too_many(clock):
    found = made()
    found.take(4, 0)
    assert found.reached(7, 0, 0) == ("BOUNDS", "it has taken 4 objects of the 10 that it may")


def test_one_byte_too_many(clock):
    found = made()
    found.take(1, 40)
    assert found.reached(1, 61, 0) == ("BOUNDS", "it has taken 40 bytes of the 100 that it may")


def test_the_time_is_up(clock):
    found = made()
    found._since = clock[0]
    clock[0] += 59.9
    assert found.reached(1, 1, 0) is None
    clock[0] += 0.1
    assert found.reached(1, 1, 0) == ("BOUNDS", "it has gone on for the 60 s that it may")


@pytest.mark.parametrize(("free", "reached"), [(999, False), (1000, True), (1001, True)])
def test_enough_is_free(clock, free, reached):
    expected = ("FREE_TARGET", f"{free} bytes are free, and 1000 were asked for") if reached else None
    assert made(1000).reached(1, 1, free) == expected


def test_a_bound_goes_before_a_target(clock):
    assert made(1000).reached(11, 1, 5000) == ("BOUNDS", "it has taken 0 objects of the 10 that it may")
