"""For how long the use of images was followed, and what that makes of tagged images."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.decide.classify import classify
from hygiene_core.decide.coverage import canonical, joined, last_use, merged, newest_span
from hygiene_core.decide.remember import gather
from hygiene_core.model.coverage import Followed, Span
from hygiene_core.model.judgement import Judged
from hygiene_core.model.known import Memory
from hygiene_core.model.policy import Ages
from hygiene_core.testing import NOW, digest, image, observation
from tests.unit.decide.judging import WEEK, container, policy, rules_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TAGGED = policy(ages=Ages(grace=timedelta(0), tagged_image=WEEK))


def span(since: int, until: int) -> Span:
    """Hours before NOW."""
    return Span(NOW - since * HOUR, NOW - until * HOUR)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([span(5, 3)], [span(5, 3)]),
        ([span(3, 1), span(5, 3)], [span(5, 1)]),
        ([span(9, 1), span(5, 3)], [span(9, 1)]),
        ([span(9, 6), span(5, 3), span(4, 1)], [span(9, 6), span(5, 1)]),
    ],
)
def test_spans_that_touch_are_one(spans, expected):
    assert list(joined(spans)) == expected
    assert newest_span(spans) == (expected[-1] if expected else None)


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("busybox", "busybox:latest"),
        ("busybox:1", "busybox:1"),
        ("library/busybox:1", "busybox:1"),
        ("docker.io/library/busybox", "busybox:latest"),
        ("index.docker.io/library/busybox:1", "busybox:1"),
        ("docker.io/odoo/base:2", "odoo/base:2"),
        ("ghcr.io/library/x/y", "ghcr.io/library/x/y:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("localhost:5000/x:3", "localhost:5000/x:3"),
        ("x:1@sha256:ab", "x@sha256:ab"),
        ("x@sha256:ab", "x@sha256:ab"),
        ("sha256:0123abcd", "0123abcd"),
        ("0123abcd4567", "0123abcd4567"),
    ],
)
def test_every_spelling_of_an_image_is_one(spelled, meant):
    assert canonical(spelled) == meant
    assert canonical(meant) == meant


def test_the_latest_use_by_any_name_or_id_counts():
    mine = image("docker.io/library/app:latest", id=digest("app"))
    names = {"app": NOW - 3 * HOUR, "app:2": NOW, "other": NOW}
    assert last_use(mine, merged(Followed(uses=names))) == NOW - 3 * HOUR
    by_id = {mine.id: NOW - 2 * HOUR, mine.id.removeprefix("sha256:")[:12]: NOW - HOUR}
    assert last_use(mine, merged(Followed(uses=names), Followed(uses=by_id))) == NOW - HOUR
    assert last_use(image("untold:1"), merged(Followed(uses=names))) is None


def runs(*steps, rules=TAGGED) -> list[dict[str, Judged]]:
    """Reports of one host after each other: (hours before NOW, resources, followed, watched)."""
    memory, made = Memory(), []
    for hours, resources, followed, watched in steps:
        at = NOW - hours * HOUR
        seen = replace(observation(*resources), started_at=at, ended_at=at, followed=followed)
        context = gather(seen, memory, rules, at, watched)
        memory = context.memory
        made.append({row.id: row for row in classify(seen, context)})
    return made


IMAGE = image("app:1")
WEEKS = 24 * 14


def test_an_image_that_nothing_uses_goes_once_its_window_is_covered():
    first = Followed(spans=(span(WEEKS + 1, WEEKS),))
    second = Followed(spans=(span(WEEKS + 1, 0),))
    before, after = runs((WEEKS, (IMAGE,), first, None), (0, (IMAGE,), second, None))
    assert rules_of(before[IMAGE.id]) == ("unknown.coverage",)
    assert "since 2026-04-20 02:02Z only" in before[IMAGE.id].reasons[0].detail
    assert rules_of(after[IMAGE.id]) == ("release.tagged_image",)
    assert after[IMAGE.id].unused_since_at == NOW - WEEKS * HOUR


def test_the_time_between_two_runs_is_covered_if_the_ring_reaches_back():
    """Each ring alone is an hour; together with what is remembered they cover weeks."""
    steps = [(h, (IMAGE,), Followed(spans=(span(h + 25, h),)), None) for h in range(WEEKS, -1, -24)]
    assert rules_of(runs(*steps)[-1][IMAGE.id]) == ("release.tagged_image",)


def test_a_gap_begins_coverage_anew():
    steps = [(h, (IMAGE,), Followed(spans=(span(h + 25, h),)), None) for h in range(WEEKS, 24, -24)]
    overrun = (0, (IMAGE,), Followed(spans=(span(1, 0),)), None)
    assert rules_of(runs(*steps, overrun)[-1][IMAGE.id]) == ("unknown.coverage",)


def test_a_run_that_could_not_read_events_leaves_what_was_covered_as_it_was():
    whole = Followed(spans=(span(WEEKS + 1, 30),))
    nothing, back = Followed(), Followed(spans=(span(40, 0),))
    first, lost, last = runs(
        (30, (IMAGE,), whole, None), (24, (IMAGE,), nothing, None), (0, (IMAGE,), back, None),
    )  # fmt: skip
    assert rules_of(lost[IMAGE.id]) == ("unknown.coverage",)
    assert "nothing has followed" in lost[IMAGE.id].reasons[0].detail
    del first
    # Covered for weeks, but seen unused for thirty hours only.
    assert rules_of(last[IMAGE.id]) == ("keep.idle_age",)


def test_a_follower_between_the_runs_covers_and_keeps():
    watched = Followed(spans=(span(WEEKS + 1, 0),), uses={"app:1": NOW - DAY})
    steps = ((WEEKS, (IMAGE,), Followed(spans=(span(WEEKS + 1, WEEKS),)), None),)
    kept = runs(*steps, (0, (IMAGE,), Followed(spans=(span(1, 0),)), watched))[-1][IMAGE.id]
    assert rules_of(kept) == ("keep.idle_age",)
    assert kept.unused_since_at == NOW - DAY


def test_a_container_ends_being_unused_and_begins_it_again_when_it_is_gone():
    covered = Followed(spans=(span(WEEKS + 1, 0),))
    user = container("job", image_id=IMAGE.id)
    rows = runs(
        (WEEKS, (IMAGE,), covered, None),
        (24, (IMAGE, user), covered, None),
        (0, (IMAGE,), covered, None),
    )
    assert [row[IMAGE.id].unused_since_at for row in rows] == [NOW - WEEKS * HOUR, None, NOW]


def test_what_a_new_image_was_built_on_was_used():
    base = image("base:1", layers=("a", "b"))
    other = image("other:1", layers=("x",))
    built = image("built:1", layers=("a", "b", "c"))
    covered = Followed(spans=(span(WEEKS + 1, 0),))
    rows = runs((WEEKS, (base, other), covered, None), (1, (base, other, built), covered, None))[-1]
    assert rows[base.id].unused_since_at == NOW - HOUR
    assert rows[other.id].unused_since_at == NOW - WEEKS * HOUR
    again = runs(
        (WEEKS, (base, built), covered, None), (1, (base, built), covered, None)
    )[-1]  # fmt: skip
    assert again[base.id].unused_since_at == NOW - WEEKS * HOUR


def test_without_all_containers_nothing_begins_to_be_unused():
    seen = observation(IMAGE, unavailable={"containers": "frozen"})
    context = gather(seen, Memory(), TAGGED, NOW)
    assert context.known(IMAGE) is not None
    assert context.known(IMAGE).unused_since_at is None


def test_a_use_in_the_future_is_now():
    ahead = Followed(uses={"app:1": NOW + DAY})
    assert runs((0, (IMAGE,), ahead, None))[0][IMAGE.id].unused_since_at == NOW
