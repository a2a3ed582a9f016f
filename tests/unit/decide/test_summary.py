"""The figures of a run: computed from the objects, and `None` where they cannot be had."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hygiene_core.decide.classify import classify
from hygiene_core.decide.summary import summarise
from hygiene_core.model.observation import EngineFigure, SectionName
from hygiene_core.model.policy import Budget, Protect
from hygiene_core.model.report import WarmBuilder, WarmImage
from hygiene_core.model.resource import Mount
from hygiene_core.testing import (
    GIB,
    NOW,
    builder,
    cache_record,
    filesystem,
    image,
    judged,
    observation,
    runner,
    volume,
    workdir,
)
from tests.unit.decide.judging import BUDGET, WEEK, container, context_of, policy

BASE = image("base:1", layers=("x",), size_bytes=20, shared_bytes=20)
USED = image("used:1", layers=("x", "u"), size_bytes=30, shared_bytes=20)
LEFT = image("left", tags=(), layers=("x", "l"), size_bytes=27, shared_bytes=20)


def summary_of(seen, rules=None):
    context = context_of(seen, rules)
    return summarise(seen, classify(seen, context), context)


def figures(one):
    return one.count, one.active_count, one.size_bytes, one.reclaimable_bytes


@pytest.mark.parametrize(
    ("found", "lost", "total"),
    [
        ((), {}, None),
        ((runner(),), {}, 0),
        ((runner(),), {"runners": "a root is not there"}, None),
        ((runner(), workdir(), workdir("lane-1/_work/b", size_bytes=None)), {}, 2 * GIB),
        ((runner(), workdir(), workdir("lane-1/_work/b")), {"runners": "a file vanished"}, 4 * GIB),
    ],
)
def test_work_directories_are_summed_where_any_was_seen(found, lost, total):
    assert summary_of(observation(*found, partial=lost)).runner_workdir_bytes == total


def test_an_empty_host_is_all_zeroes_and_not_unknown():
    made = summary_of(observation())
    assert {name: figures(one) for name, one in made.classes.items()} == dict.fromkeys(
        ("images", "containers", "volumes", "build_cache"), (0, 0, 0, 0)
    )
    assert (made.docker_reclaimable_bytes, made.candidate_bytes) == (0, 0)
    assert (made.orphan_buildkit_containers, made.orphan_buildkit_volumes) == (0, 0)
    assert made.free_disk_bytes == filesystem().free_bytes


def test_shared_layers_are_reclaimable_only_with_their_last_holder():
    web = container(image_id=USED.id, writable_bytes=1)
    made = summary_of(observation(BASE, USED, LEFT, web))
    assert figures(made.classes["images"]) == (3, 1, 37, 7)
    assert figures(summary_of(observation(BASE, USED, LEFT)).classes["images"]) == (3, 0, 37, 37)


def test_without_layers_the_formula_says_so():
    web = container(image_id=USED.id)
    images = (replace(USED, layers=None), replace(LEFT, layers=None))
    made = summary_of(observation(*images, web)).classes["images"]
    assert figures(made) == (2, 1, None, 7)
    assert summary_of(observation()).classes["images"].formula.startswith("layers held only by images")
    assert made.formula == "size minus shared size of images that no container uses; layers were not had"
    for unknown in ({"shared_bytes": None}, {"size_bytes": None}):
        images = (replace(LEFT, layers=None, **unknown),)
        assert figures(summary_of(observation(*images)).classes["images"]) == (1, 0, None, None)


def test_an_image_without_bytes_of_its_own_frees_none():
    one = replace(LEFT, layers=None, size_bytes=4, shared_bytes=4)
    assert summary_of(observation(one)).classes["images"].reclaimable_bytes == 0


def test_containers_that_are_not_active_are_reclaimable():
    seen = observation(
        container("a", writable_bytes=5),
        container("b", state="exited", writable_bytes=7),
        container("c", state="paused", writable_bytes=11),
    )
    assert figures(summary_of(seen).classes["containers"]) == (3, 2, 23, 7)
    unsized = replace(seen, containers=(*seen.containers, container("d", writable_bytes=None)))
    assert figures(summary_of(unsized).classes["containers"]) == (4, 3, None, 7)


def test_volumes_that_live_elsewhere_do_not_spoil_the_sum():
    mount = Mount(type="volume", name="used", destination="/d")
    seen = observation(
        container(mounts=(mount,)),
        volume("used", size_bytes=5),
        volume("free", size_bytes=7),
        volume("counted", size_bytes=9, engine_references=1),
        volume("tmpfs", options={"type": "tmpfs"}, size_bytes=None),
        volume("nfs", driver="nfs", size_bytes=None),
    )
    assert figures(summary_of(seen).classes["volumes"]) == (5, 2, 21, 7)


def test_one_unmeasured_local_volume_makes_the_sum_unknown():
    seen = observation(volume("a"), volume("b", size_bytes=None), partial={"volumes": "deadline of 3 s"})
    made = summary_of(seen)
    assert figures(made.classes["volumes"]) == (2, 0, None, None)
    assert made.classes["volumes"].reason == "deadline of 3 s"
    assert made.docker_reclaimable_bytes is None


def test_cache_that_is_private_and_idle_is_reclaimable():
    seen = observation(
        cache_record("a", size_bytes=5),
        cache_record("b", size_bytes=7, in_use=True),
        cache_record("c", size_bytes=100, shared=True),
    )
    assert figures(summary_of(seen).classes["build_cache"]) == (3, 1, 12, 5)


@pytest.mark.parametrize("name", ["images", "containers", "volumes", "build_cache"])
def test_an_unavailable_class_is_unknown_and_never_zero(name):
    made = summary_of(observation(unavailable={name: "the socket is frozen"}))
    assert figures(made.classes[name]) == (None, None, None, None)
    assert (made.classes[name].availability, made.classes[name].reason) == (
        "unavailable",
        "the socket is frozen",
    )
    assert made.docker_reclaimable_bytes is None


@pytest.mark.parametrize("name", ["images", "containers", "volumes", "build_cache"])
def test_a_class_with_rows_that_nobody_saw_is_unknown(name):
    seen = observation(BASE, container(), volume(), cache_record(), partial={name: "1 row could not be read"})
    section = SectionName(name)
    seen = replace(
        seen, sections={**seen.sections, section: replace(seen.sections[section], rows_missing=True)}
    )
    assert figures(summary_of(seen).classes[name]) == (None, None, None, None)
    if name == "images":
        (row,) = (row for row in classify(seen, context_of(seen)) if row.id == BASE.id)
        assert row.unique_bytes is None


def test_a_protected_state_volume_is_no_orphan():
    leaked = builder("l0", container_id=None, container_state=None)
    stopped = builder("s0", container_state="exited")
    kept = volume(leaked.volume, labels={"hygiene.protect": ""})
    rules = policy(protect=Protect(builders=("s",)))
    made = summary_of(observation(leaked, stopped, kept), rules)
    assert (made.orphan_buildkit_containers, made.orphan_buildkit_volumes) == (0, 0)


def test_a_class_that_was_never_asked_says_so():
    seen = replace(observation(), sections={})
    assert summary_of(seen).classes["images"].reason == "it was not asked"


@pytest.mark.parametrize("how", ["partial", "unavailable"])
def test_without_all_containers_nothing_counts_as_unused(how):
    seen = observation(BASE, USED, volume(size_bytes=3), **{how: {"containers": "frozen"}})
    made = summary_of(seen)
    assert figures(made.classes["images"]) == (2, None, 30, None)
    assert figures(made.classes["volumes"]) == (1, None, 3, None)
    without_layers = replace(seen, images=(replace(USED, layers=None),))
    assert figures(summary_of(without_layers).classes["images"]) == (1, None, None, None)


def test_the_engines_own_figure_stands_beside_ours():
    figure = EngineFigure(name="LayersSize", size_bytes=99)
    seen = observation(BASE, engine_figures={"images": figure})
    assert summary_of(seen).classes["images"].engine == figure


def test_free_disk_is_unknown_without_a_proven_data_root():
    seen = observation(filesystems=(filesystem("state", "/var/lib/hygiene"),))
    assert summary_of(seen).free_disk_bytes is None


def test_candidate_bytes_count_shared_layers_once_and_a_leaked_builder_once():
    left = replace(LEFT, layers=("x", "l"))
    other = image("other", tags=(), layers=("x", "o"), size_bytes=26, shared_bytes=20)
    leaked = builder("b0", container_id=None, container_state=None, size_bytes=5)
    state = volume(leaked.volume, size_bytes=5)
    seen = observation(left, other, leaked, state)
    assert summary_of(seen).candidate_bytes == 20 + 7 + 6 + 5
    assert summary_of(replace(seen, images=())).candidate_bytes == 5


def test_candidate_bytes_are_unknown_with_one_unknown_part():
    assert summary_of(observation(container(state="exited", writable_bytes=None))).candidate_bytes is None
    without_layers = replace(LEFT, layers=None)
    assert summary_of(observation(without_layers)).candidate_bytes == 7
    assert summary_of(observation(replace(without_layers, shared_bytes=None))).candidate_bytes is None
    unsized = container(state="exited", writable_bytes=None)
    assert summary_of(observation(LEFT, unsized)).candidate_bytes is None


@pytest.mark.parametrize(
    "name", ["images", "containers", "volumes", "build_cache", "builders", "builder_cache"]
)
@pytest.mark.parametrize("how", ["partial", "unavailable"])
def test_candidate_bytes_are_unknown_unless_everything_was_seen(name, how):
    assert summary_of(observation(**{how: {name: "frozen"}})).candidate_bytes is None


def candidates(seen, *rows):
    context = context_of(seen)
    classes = summarise(seen, rows, context).classes
    return {name: one.candidate_bytes for name, one in classes.items()}


def test_the_candidates_of_a_class_are_a_part_of_what_its_size_counts():
    left, other = (image(name, tags=(), layers=("x", name), size_bytes=26) for name in "lo")
    left, other = (replace(one, shared_bytes=20) for one in (left, other))
    stopped = container(state="exited", writable_bytes=3)
    here, elsewhere = volume("a", size_bytes=5), volume("b", options={"type": "nfs"}, size_bytes=None)
    kept = volume("c", size_bytes=50)
    embedded, own = cache_record("e", size_bytes=7), cache_record("o", builder="warm0", size_bytes=70)
    seen = observation(left, other, stopped, here, elsewhere, kept, embedded, own)
    going = (left, other, stopped, here, elsewhere, embedded, own)
    made = candidates(seen, *(judged(one) for one in going), judged(kept, "retained"))
    # The layer that both images stand on goes with the second of them.
    assert made == {"images": 32, "containers": 3, "volumes": 5, "build_cache": 7}
    assert candidates(seen)["images"] == 0


@pytest.mark.parametrize(
    ("how", "lost", "unknown"),
    [
        ("partial", "volumes", {"volumes"}),
        ("unavailable", "build_cache", {"build_cache"}),
        ("partial", "containers", {"images", "containers", "volumes"}),
        ("partial", "builders", set()),
    ],
)
def test_the_candidates_of_a_class_that_was_not_seen_whole_are_unknown(how, lost, unknown):
    made = candidates(observation(**{how: {lost: "frozen"}}))
    assert {name for name, figure in made.items() if figure is None} == unknown


def test_one_candidate_of_unknown_size_makes_its_class_unknown():
    found = container(state="exited", writable_bytes=None)
    other = container("b", state="exited", writable_bytes=1)
    assert candidates(observation(found, other), judged(found), judged(other))["containers"] is None


def test_orphans_of_buildkit():
    stopped = builder("s0", container_state="exited")
    leaked = builder("l0", container_id=None, container_state=None)
    bare = builder("n0", container_id=None, container_state=None, volume=None)
    mounted = builder("m0", container_id=None, container_state=None)
    mount = Mount(type="volume", name=mounted.volume, destination="/d")
    warm = builder("w0", container_state="exited")
    warm_left = builder("w1", container_id=None, container_state=None)
    seen = observation(
        stopped, leaked, bare, mounted, builder("running0"), warm, warm_left, container(mounts=(mount,))
    )
    made = summary_of(seen, policy(protect=Protect(builders=("w",))))
    assert (made.orphan_buildkit_containers, made.orphan_buildkit_volumes) == (1, 1)
    made = summary_of(observation(stopped, partial={"builders": "no volumes"}))
    assert (made.orphan_buildkit_containers, made.orphan_buildkit_volumes) == (None, None)


def test_warm_builders_with_their_budgets():
    here = builder("here0")
    rules = policy(protect=Protect(builders=("here", "gone", "he*", "none*")), budgets={"here": BUDGET})
    made = summary_of(observation(here), rules).warm_builders
    assert made == (
        WarmBuilder(
            name="here",
            state="running",
            node="here0",
            volume=here.volume,
            reserved_bytes=4 * GIB,
            max_bytes=8 * GIB,
        ),
        WarmBuilder(name="gone", state="missing"),
        WarmBuilder(name="here0", state="running", node="here0", volume=here.volume),
    )
    left = builder("here0", container_id=None, container_state=None)
    assert summary_of(observation(left), rules).warm_builders[0].state == "no container"
    rules = policy(
        protect=Protect(builders=("gone",)),
        budgets={"gone": Budget(max_bytes=5, reserved_bytes=2, min_age=WEEK)},
    )
    seen = observation(unavailable={"builders": "frozen"})
    assert summary_of(seen, rules).warm_builders == (
        WarmBuilder(name="gone", state="unknown", reserved_bytes=2, max_bytes=5),
    )


def test_warm_images():
    rules = policy(protect=Protect(images=("base:1", "gone:1", "ba*", "none*")))
    made = summary_of(observation(BASE), rules).warm_images
    assert made == (
        WarmImage(name="base:1", present=True, id=BASE.id),
        WarmImage(name="gone:1", present=False),
        WarmImage(name="base:1", present=True, id=BASE.id),
    )
    seen = observation(partial={"images": "deadline"})
    several = image("x:1", tags=("x:1", "base:2"))
    (warm,) = summary_of(observation(several), policy(protect=Protect(images=("base:2",)))).warm_images
    assert warm.name == "base:2"
    assert summary_of(seen, rules).warm_images[0] == WarmImage(name="base:1", present=None)


def test_the_time_of_the_run_plays_no_part():
    seen = observation(BASE)
    assert context_of(seen, now=NOW).now == NOW


def test_an_abandoned_builder_counts_with_its_volume():
    left = builder("left0", instances=(), size_bytes=9)
    seen = observation(left, volume(left.volume, size_bytes=9, engine_references=1))
    assert summary_of(seen).candidate_bytes == 9
