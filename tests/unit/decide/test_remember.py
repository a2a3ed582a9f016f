"""How memory moves on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.decide.remember import gather
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.policy import Protect
from hygiene_core.testing import NOW, builder, cache_record, image, observation, volume
from tests.unit.decide.judging import container, policy

BEFORE = NOW - timedelta(days=30)
UNTAGGED = image("left", tags=(), layers=("x",))


def after(seen, memory=None, rules=None, now=NOW):
    return gather(seen, memory or Memory(), rules or policy(), now).memory


def entry(memory, resource):
    return memory.entries[resource.kind.value, resource.id]


@pytest.mark.parametrize(
    "resource",
    [UNTAGGED, container(state="exited"), volume(), cache_record(), builder("b0", container_state="exited")],
    ids=lambda r: r.kind.value,
)
def test_the_first_sight_of_something_idle(resource):
    known = entry(after(observation(resource)), resource)
    assert (known.first_seen_at, known.idle_since_at, known.changed_at) == (NOW, NOW, None)
    later = after(observation(resource), after(observation(resource)), now=NOW + timedelta(days=1))
    assert entry(later, resource) == known
    assert later.last_run_at == NOW + timedelta(days=1)


@pytest.mark.parametrize(
    "resource",
    [
        image("a:1"),
        image("x", tags=(), digests=("r@sha256:0",)),
        image("y", tags=(), labels={"hygiene.protect": ""}),
        container(),
        volume(engine_references=1),
        volume(labels={"hygiene.protect": ""}),
        cache_record(in_use=True),
        builder(),
    ],
    ids=lambda r: r.kind.value,
)
def test_something_held_is_not_idle(resource):
    assert entry(after(observation(resource)), resource).idle_since_at is None


def test_use_ends_idleness_and_idleness_begins_anew():
    resting = container(state="exited")
    memory = after(observation(resting), now=BEFORE)
    memory = after(observation(replace(resting, state="running")), memory, now=BEFORE + timedelta(days=1))
    assert entry(memory, resting).idle_since_at is None
    memory = after(observation(resting), memory)
    assert entry(memory, resting) == Known(first_seen_at=BEFORE, idle_since_at=NOW, names=("web",))


def test_an_image_that_lost_its_tag_is_not_old():
    tagged = image("a:1")
    memory = after(observation(tagged), now=BEFORE)
    known = entry(after(observation(replace(tagged, tags=())), memory), tagged)
    assert (known.first_seen_at, known.idle_since_at, known.changed_at) == (BEFORE, NOW, NOW)


def test_protection_that_ends_starts_the_clock():
    rules = policy(protect=Protect(volumes=("data",)))
    memory = after(observation(volume()), rules=rules, now=BEFORE)
    assert entry(after(observation(volume()), memory), volume()).idle_since_at == NOW


def test_a_shared_record_in_use_is_held_by_buildkit_alone():
    assert entry(after(observation(cache_record(shared=True))), cache_record()).idle_since_at == NOW


def test_layers_once_read_are_kept():
    memory = after(observation(UNTAGGED), now=BEFORE)
    known = entry(after(observation(replace(UNTAGGED, layers=None)), memory), UNTAGGED)
    assert known.layers == ("x",)
    memory = after(observation(replace(UNTAGGED, layers=None)), now=BEFORE)
    assert entry(after(observation(UNTAGGED), memory), UNTAGGED).layers == ("x",)


def test_what_left_a_complete_section_is_forgotten():
    memory = after(observation(UNTAGGED, volume()), now=BEFORE)
    assert set(after(observation(volume()), memory).entries) == {("volume", "data")}


@pytest.mark.parametrize("how", ["partial", "unavailable"])
def test_what_could_not_be_seen_is_kept(how):
    memory = after(observation(UNTAGGED), now=BEFORE)
    assert after(observation(**{how: {"images": "frozen"}}), memory).entries == memory.entries


@pytest.mark.parametrize("kind", ["runner_workdir", "a kind of a later version"])
def test_kinds_of_another_version_are_kept(kind):
    memory = Memory(entries={(kind, "x"): Known(first_seen_at=BEFORE)})
    assert after(observation(), memory).entries == memory.entries


def test_the_sequence_is_the_ledgers_business():
    assert after(observation(), Memory(last_sequence=7)).last_sequence == 7


@pytest.mark.parametrize(
    "resource", [image("y", tags=()), volume(anonymous=True)], ids=lambda r: r.kind.value
)
def test_what_could_not_be_told_begins_no_idleness_and_ends_none(resource):
    """Used on the first day, then the containers could not be read: nobody saw it idle."""
    blind = observation(resource, unavailable={"containers": "frozen"})
    assert entry(after(blind), resource).idle_since_at is None
    used = Memory(entries={(resource.kind.value, resource.id): Known(first_seen_at=BEFORE)})
    assert entry(after(blind, used), resource).idle_since_at is None
    idle = after(observation(resource), now=BEFORE)
    assert entry(after(blind, idle), resource).idle_since_at == BEFORE


def test_memory_never_goes_back_in_time():
    wrong = NOW - timedelta(days=400)
    memory = after(observation(volume()), Memory(last_run_at=NOW), now=wrong)
    assert memory.last_run_at == NOW
    assert entry(memory, volume()).first_seen_at == NOW


def test_memory_knows_its_engine():
    seen = observation()
    assert after(seen).engine_id == seen.engine.id
    assert after(replace(seen, engine=None), Memory(engine_id="e")).engine_id == "e"
    nameless = replace(seen, engine=replace(seen.engine, id=None))
    assert after(nameless, Memory(engine_id="e")).engine_id == "e"
