from __future__ import annotations

from dataclasses import fields
from datetime import UTC, timedelta

import pytest

from hygiene_core.model.judgement import Verdict
from hygiene_core.model.observation import Availability, SectionName
from hygiene_core.model.report import Status
from hygiene_core.testing import (
    NOW,
    FixedClock,
    builder,
    cache_record,
    container,
    finding,
    image,
    judged,
    observation,
    report,
    volume,
)

MAKERS = (image, container, volume, cache_record, builder)


@pytest.mark.parametrize("make", MAKERS)
def test_the_same_name_is_the_same_resource_and_another_is_not(make):
    assert make("one") == make("one")
    assert make("one").id != make("two").id


@pytest.mark.parametrize("make", [*MAKERS, observation, report, finding])
def test_a_field_that_does_not_exist_is_refused(make):
    with pytest.raises(TypeError, match="no_such_field"):
        make(no_such_field=1)


@pytest.mark.parametrize("make", MAKERS)
def test_every_field_can_be_given(make):
    made = make()
    for field in fields(made):
        mark = getattr(made, field.name)
        assert getattr(make(**{field.name: mark}), field.name) == mark


def test_an_observation_sorts_its_resources_and_names_what_is_missing():
    seen = observation(
        *(make() for make in MAKERS), partial={"volumes": "slow"}, unavailable={"build_cache": "broken"}
    )
    assert seen.images == (image(),)
    assert seen.containers == (container(),)
    assert seen.volumes == (volume(),)
    assert seen.build_cache == (cache_record(),)
    assert seen.builders == (builder(),)
    assert seen.availability(SectionName.VOLUMES) is Availability.PARTIAL
    assert seen.sections[SectionName.BUILD_CACHE].reason == "broken"
    assert seen.availability(SectionName.IMAGES) is Availability.COMPLETE


def test_a_report_follows_from_its_rows():
    rows = (judged(image(), Verdict.IN_USE), judged(volume(size_bytes=None)))
    told = report(*rows)
    assert told.status is Status.HEALTHY
    assert told.summary.classes["images"].active_count == 1
    assert told.summary.classes["volumes"].size_bytes is None
    assert told.summary.docker_reclaimable_bytes is None
    assert report(findings=[finding()]).status is Status.ATTENTION
    assert report(partial={"images": "slow"}).status is Status.INCOMPLETE


def test_the_clock_moves_only_when_told():
    clock = FixedClock()
    assert clock() == clock() == NOW
    assert NOW.tzinfo is UTC
    assert clock.advance(timedelta(hours=1)) == clock() == NOW + timedelta(hours=1)
