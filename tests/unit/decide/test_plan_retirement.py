"""Phase two: which single objects are planned, whatever is asked for, and in which order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hygiene_core.decide.layers import ImageSizes, InTurn
from hygiene_core.decide.plan.retirement import retire_actions
from hygiene_core.decide.plan.room import Room
from hygiene_core.model.coverage import Followed, Span
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.observation import Observation
from hygiene_core.model.plan import Action, Mode, Selection, Verb
from hygiene_core.model.policy import Bounds, Protect
from hygiene_core.model.resource import Builder, Container, Image, Kind, Mount, Volume
from hygiene_core.testing import (
    MIB,
    NOW,
    builder,
    cache_record,
    image,
    observation,
    run_cache,
    runner,
    volume,
    workdir,
)
from tests.unit.decide.judging import LONG_AGO, WEEK, container, context_of, judge, memory_of, policy
from tests.unit.decide.planning import EVERY_VERDICT, planned, steps

COVERED = Followed(spans=(Span(LONG_AGO, NOW),))
EVERY = EVERY_VERDICT.verdicts


def dangling(name: str, **fields: Any) -> Image:
    return image(name, tags=(), **fields)


def gone(name: str, **fields: Any) -> Container:
    return container(name, **{"state": "exited"} | fields)


def orphan(state: str = "exited", **fields: Any) -> tuple[Builder, Container, Volume]:
    """A builder that nobody knows any more, with its parts."""
    made = builder(
        "leaked0", **{"container_state": state, "instances": (), "image_id": None, "sessions": 0} | fields
    )
    part = container(
        "buildx_buildkit_leaked0",
        id=made.container_id,
        state=state,
        mounts=(Mount(type="volume", name=made.volume, destination="/var/lib/buildkit"),),
        writable_bytes=3 * MIB,
    )
    kept = volume(made.volume or "", size_bytes=90 * MIB, created_at=LONG_AGO)
    return made, part, kept


# -- one step of each kind ----------------------------------------------------------------------------------


def only(seen: Observation, **selected: Any) -> Action:
    (action,) = planned(seen, **selected).actions
    return action


def test_a_container_has_the_facts_that_must_hold_again():
    web = gone("web", started_at=None)
    action = only(observation(web))
    assert (action.verb, action.kind, action.id, action.name) == (
        Verb.REMOVE_CONTAINER, Kind.CONTAINER, web.id, "web",
    )  # fmt: skip
    assert action.facts == {
        "state": "exited",
        "image_id": web.image_id,
        "created_at": LONG_AGO.isoformat(),
        "started_at": "",
        "finished_at": LONG_AGO.isoformat(),
    }
    assert (action.estimate_bytes, action.after, action.references) == (4 * MIB, (), ())
    assert action.reasons == ("release.stopped_container: exited, idle since 2026-03-05 03:02Z",)


def test_a_volume_has_the_facts_that_must_hold_again():
    data = volume("data", anonymous=True)
    action = only(observation(data))
    assert (action.verb, action.kind, action.id) == (Verb.REMOVE_VOLUME, Kind.VOLUME, data.id)
    assert action.facts == {"driver": "local", "created_at": (NOW - timedelta(days=20)).isoformat()}
    assert action.estimate_bytes == 50 * MIB


def test_an_image_has_every_reference():
    many = image("b:1", tags=("b:2", "b:1"), digests=(f"b@sha256:{'1' * 64}", f"a@sha256:{'1' * 64}"))
    seen = observation(many, followed=COVERED)
    action = only(seen)
    assert (action.verb, action.kind, action.id, action.name) == (
        Verb.REMOVE_IMAGE, Kind.IMAGE, many.id, "b:2",
    )  # fmt: skip
    assert action.references == (f"a@sha256:{'1' * 64}", "b:1", "b:2", f"b@sha256:{'1' * 64}")
    assert action.estimate_bytes == 100 * MIB


@pytest.mark.parametrize(("state", "verb"), [("exited", "remove"), ("running", "stop_and_remove")])
def test_a_builder_is_its_container_and_then_its_volume(state: str, verb: str):
    made, part, kept = orphan(state)
    first, second = planned(observation(made, part, kept)).actions
    assert (first.number, first.verb, first.id, first.after) == (1, f"{verb}_container", part.id, ())
    assert (second.number, second.verb, second.id, second.after) == (2, "remove_volume", kept.id, (1,))
    assert first.facts["state"] == state
    assert first.reasons == second.reasons
    assert first.reasons[0].startswith("release.abandoned_builder: ")
    assert (first.estimate_bytes, second.estimate_bytes) == (3 * MIB, 90 * MIB)


def test_a_builder_that_follows_another_waits_for_its_own_step():
    made, part, kept = orphan()
    plan = planned(observation(gone("web"), made, part, kept))
    assert [(one.number, one.name, one.after) for one in plan.actions] == [
        (1, "web", ()),
        (2, "buildx_buildkit_leaked0", ()),
        (3, kept.id, (2,)),
    ]


def test_a_state_volume_that_the_container_does_not_list_goes_with_it():
    made, part, kept = orphan()
    seen = observation(made, replace(part, mounts=()), kept)
    assert judge(seen)[kept.id].verdict is Verdict.RETAINED
    assert [one.id for one in planned(seen).actions] == [part.id, kept.id]


def test_a_row_with_the_facts_of_another_kind_is_no_step():
    seen = observation(gone("web"))
    rows = [replace(row, facts=cache_record("r")) for row in judge(seen).values()]
    context = context_of(seen)
    assert retire_actions(rows, context, Selection(), Room.of(Bounds())) == []


def test_a_builder_without_a_volume_is_its_container():
    made, part, _ = orphan(volume=None)
    assert steps(planned(observation(made, replace(part, mounts=())))) == [
        ("remove_container", "buildx_buildkit_leaked0")
    ]


def test_the_state_of_a_builder_without_container_is_a_volume_like_any_other():
    made, _, kept = orphan(container_id=None, container_state=None)
    assert made.container_id is None
    assert steps(planned(observation(made, kept))) == [("remove_volume", kept.id)]
    assert planned(observation(made, kept), kinds=("builder",)).actions == ()


def test_parts_of_a_builder_are_not_planned_twice():
    made, part, kept = orphan()
    plan = planned(observation(made, part, kept), verdicts=("candidate", "retained"))
    assert [one.id for one in plan.actions] == [part.id, kept.id]


# -- what holds a builder back ------------------------------------------------------------------------------


def test_a_builder_whose_container_was_not_listed_is_left_alone():
    made, _, kept = orphan()
    assert judge(observation(made, kept))[made.id].verdict is Verdict.CANDIDATE
    assert planned(observation(made, kept)).actions == ()


def test_a_builder_whose_volume_another_container_mounts_is_left_alone():
    made, part, kept = orphan()
    other = container("spy", mounts=part.mounts)
    seen = observation(made, part, kept, other)
    assert judge(seen)[made.id].verdict is Verdict.CANDIDATE
    assert planned(seen, verdicts=EVERY).actions == ()


@pytest.mark.parametrize("kind", ["builder", "container", "volume"])
def test_parts_of_a_builder_that_may_go_are_not_picked_one_by_one(kind: str):
    """What is selected only narrows: with another holder of its volume the builder stays whole."""
    made, part, kept = orphan()
    seen = observation(made, part, kept, container("spy", mounts=part.mounts))
    assert planned(seen, verdicts=EVERY, kinds=(kind,)).actions == ()


@pytest.mark.parametrize("which", ["container", "volume"])
def test_a_builder_with_a_protected_part_is_left_alone(which: str):
    made, part, kept = orphan()
    if which == "container":
        part = replace(part, labels={"hygiene.protect": "1"})
    else:
        kept = replace(kept, labels={"hygiene.protect": "1"})
    seen = observation(made, part, kept)
    assert planned(seen, verdicts=EVERY, kinds=("builder",)).actions == ()
    # A stopped container beside a protected volume is a stopped container; the volume stays.
    asked = [one.id for one in planned(seen, verdicts=EVERY).actions]
    assert asked == ([] if which == "container" else [part.id])


def test_a_builder_whose_container_stopped_lately_is_left_alone():
    """The grace of its container is not over, though the builder was idle before."""
    made, part, kept = orphan()
    seen = observation(made, replace(part, finished_at=NOW - timedelta(hours=1)), kept)
    assert judge(seen)[made.id].verdict is Verdict.CANDIDATE
    assert planned(seen).actions == ()


def test_a_builder_that_belongs_to_a_running_job_is_left_alone():
    made, part, kept = orphan("running")
    lane = runner(label="lane-1-label", busy=True)
    seen = observation(made, replace(part, labels={"lane-1-label": ""}), kept, lane)
    assert judge(seen)[made.id].verdict is Verdict.CANDIDATE
    assert planned(seen, verdicts=EVERY).actions == ()


def test_a_builder_that_a_rule_keeps_is_not_taken_apart_by_asking():
    made, part, kept = orphan("running", instances=("/root/.docker/buildx/instances/leaked",))
    assert planned(observation(made, part, kept), verdicts=EVERY).actions == ()


# -- what may go at all -------------------------------------------------------------------------------------


def held() -> dict[str, Observation]:
    used = image("used:1")
    data = volume("data")
    mount = (Mount(type="volume", name="data", destination="/d"),)
    return {
        "protected image": observation(dangling("kept", labels={"hygiene.protect": "1"})),
        "protected container": observation(gone("kept", labels={"hygiene.protect": "1"})),
        "protected volume": observation(volume("kept", anonymous=True, labels={"hygiene.protect": "1"})),
        "protected by name": observation(dangling("named"), gone("keeper"), volume("keeper")),
        "used image": observation(used, container("web", image_id=used.id)),
        "parent image": observation(
            dangling("base"),
            container("web", image_id=image("leaf").id),
            image("leaf", parent_id=image("base").id),
        ),
        "running container": observation(container("web")),
        "mounted volume": observation(data, container("web", mounts=mount)),
        "counted volume": observation(volume("v", anonymous=True, engine_references=1)),
        "unknown image": observation(dangling("a"), partial={"containers": "frozen"}),
        "odd container": observation(gone("odd", state="levitating")),
        "tagged image without coverage": observation(image("tagged:1")),
    }  # fmt: skip


@pytest.mark.parametrize("which", held())
def test_what_is_protected_in_use_or_unknown_is_never_planned(which: str):
    rules = policy(protect=Protect(images=("sha256:*",), containers=("keep*",), volumes=("keep*",)))
    seen = held()[which]
    plan = planned(seen, rules if which == "protected by name" else None, verdicts=EVERY)
    assert plan.actions == ()


def test_what_a_rule_keeps_is_planned_only_when_it_is_asked_for():
    seen = observation(volume("data"), gone("young", finished_at=NOW - timedelta(hours=1)), dangling("old"))
    assert steps(planned(seen)) == [("remove_image", dangling("old").id)]
    assert steps(planned(seen, verdicts=("retained",))) == [
        ("remove_container", "young"),
        ("remove_volume", "data"),
    ]
    both = planned(seen, verdicts=("candidate", "retained"))
    assert [verb for verb, _ in steps(both)] == ["remove_container", "remove_volume", "remove_image"]
    assert both.actions[1].reasons[0].startswith("keep.named_volume: ")


def test_kinds_that_are_not_retired_are_never_planned():
    seen = observation(cache_record(), run_cache(), workdir(), runner())
    assert planned(seen, policy(), verdicts=EVERY).actions == ()


# -- narrowing ----------------------------------------------------------------------------------------------


def mixed() -> Observation:
    return observation(
        gone("odoo-web", writable_bytes=MIB),
        volume("data", anonymous=True, size_bytes=2 * MIB),
        dangling("small", size_bytes=3 * MIB),
        dangling("large", size_bytes=4 * MIB),
    )


LARGE, SMALL, DATA = dangling("large").id, dangling("small").id, volume("data", anonymous=True).id


@pytest.mark.parametrize(
    ("selected", "names"),
    [
        ({}, ["odoo-web", DATA, LARGE, SMALL]),
        ({"kinds": ("image",)}, [LARGE, SMALL]),
        ({"kinds": ("volume", "container")}, ["odoo-web", DATA]),
        ({"kinds": ("run_cache",)}, []),
        ({"names": ("odoo-*",)}, ["odoo-web"]),
        ({"names": (DATA, "odoo-web")}, ["odoo-web", DATA]),
        ({"names": (LARGE,)}, [LARGE]),
        ({"names": ("odoo",)}, []),
        ({"min_bytes": 3 * MIB}, [LARGE, SMALL]),
        ({"min_bytes": 3 * MIB + 1}, [LARGE]),
        ({"kinds": ("image",), "names": ("odoo-*",)}, []),
    ],
)
def test_a_selection_narrows(selected: dict[str, Any], names: list[str]):
    assert [name for _, name in steps(planned(mixed(), **selected))] == names


def test_a_size_that_is_not_known_is_no_size():
    seen = observation(volume("v", anonymous=True, size_bytes=None))
    assert planned(seen, min_bytes=1).left_out == 0
    assert planned(seen).left_out == 1


# -- bounds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "names", "left_out"),
    [
        (Bounds(max_items=4), ["odoo-web", DATA, LARGE, SMALL], 0),
        (Bounds(max_items=2), ["odoo-web", DATA], 2),
        (Bounds(max_bytes=10 * MIB), ["odoo-web", DATA, LARGE, SMALL], 0),
        (Bounds(max_bytes=6 * MIB), ["odoo-web", DATA, SMALL], 1),
        (Bounds(max_bytes=1), [], 4),
    ],
)
def test_bounds_hold(bounds: Bounds, names: list[str], left_out: int):
    plan = planned(mixed(), policy(bounds=bounds))
    assert ([name for _, name in steps(plan)], plan.left_out) == (names, left_out)


def test_what_has_no_known_size_is_within_no_bound():
    seen = observation(gone("web", writable_bytes=None), volume("v", anonymous=True, size_bytes=None))
    plan = planned(seen)
    assert (plan.actions, plan.left_out) == ((), 2)


@pytest.mark.parametrize("bounds", [Bounds(max_items=1), Bounds(max_bytes=92 * MIB)])
def test_a_builder_goes_whole_or_not_at_all(bounds: Bounds):
    plan = planned(observation(*orphan()), policy(bounds=bounds))
    assert (plan.actions, plan.left_out) == ((), 2)


# -- estimates ----------------------------------------------------------------------------------------------


def layered(name: str, *own: str, size: int, shared: int = 0) -> Image:
    return dangling(name, layers=own, size_bytes=size, shared_bytes=shared)


def test_a_shared_layer_is_counted_once_with_the_last_that_holds_it():
    two = [layered("a", "base", "a", size=110, shared=100), layered("b", "base", "b", size=120, shared=100)]
    plan = planned(observation(*two))
    assert [one.estimate_bytes for one in plan.actions] == [20, 110]
    assert plan.estimate_bytes == 130


def test_a_layer_that_something_else_holds_is_not_counted():
    kept = image("kept:1", layers=("base", "k"), size_bytes=105, shared_bytes=100)
    one = layered("a", "base", "a", size=110, shared=100)
    assert planned(observation(kept, one)).estimate_bytes == 10


def test_an_image_that_found_no_room_still_holds_its_layers():
    big = layered("big", "base", "x", size=600, shared=100)
    small = layered("small", "base", "y", size=110, shared=100)
    plan = planned(observation(big, small), policy(bounds=Bounds(max_bytes=499)))
    assert [(one.id, one.estimate_bytes) for one in plan.actions] == [(small.id, 10)]


def test_without_layers_an_image_frees_its_own_bytes_if_they_are_known():
    unread = replace(layered("a", size=110, shared=100), layers=None)
    assert planned(observation(unread)).estimate_bytes == 10
    turns = InTurn(ImageSizes(None, shared_is_whole=False))
    assert turns.would_free(unread) is None
    turns.goes(unread)
    assert turns.would_free(unread) is None


def test_an_estimate_with_a_hole_is_no_estimate():
    plan = planned(mixed())
    holed = replace(plan, actions=(replace(plan.actions[0], estimate_bytes=None), *plan.actions[1:]))
    assert plan.estimate_bytes == 10 * MIB
    assert holed.estimate_bytes is None


def test_ages_are_those_of_the_memory():
    seen = mixed()
    assert planned(seen, memory=memory_of(seen, since=NOW - WEEK + timedelta(seconds=1))).actions == ()
    assert len(planned(seen, memory=memory_of(seen, since=NOW - WEEK), mode=Mode.RETIREMENT).actions) == 4
