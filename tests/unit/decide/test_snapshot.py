"""What the record of an apply keeps of a whole look."""

from __future__ import annotations

from hashlib import sha256

import pytest

from hygiene_core.decide.snapshot import snapshot, untouchable
from hygiene_core.model.journal import BuilderState, ClassTotal
from hygiene_core.model.policy import Protect
from hygiene_core.testing import (
    GIB,
    MIB,
    builder,
    cache_record,
    container,
    filesystem,
    image,
    observation,
    volume,
)
from tests.unit.plans import BUDGET, plan, prune, rules

EMBEDDED = builder(
    "embedded",
    driver="embedded",
    container_id=None,
    container_state=None,
    volume=None,
    records_read=False,
)


def test_the_figures_of_a_host():
    seen = observation(
        image("a:1", size_bytes=5),
        image("b:1", size_bytes=6),
        container("web", writable_bytes=7),
        volume("data", size_bytes=8),
        cache_record("RUN x", size_bytes=9),
        filesystems=(filesystem(role="other", free_bytes=1), filesystem(free_bytes=20 * GIB)),
    )
    made = snapshot(seen, plan(), rules())
    assert (made.free_bytes, made.used_bytes) == (20 * GIB, 480 * GIB)
    assert made.used_inodes == filesystem().used_inodes
    assert made.classes == (
        ClassTotal(kind="image", count=2, size_bytes=11),
        ClassTotal(kind="container", count=1, size_bytes=7),
        ClassTotal(kind="volume", count=1, size_bytes=8),
        ClassTotal(kind="build_cache", count=1, size_bytes=9),
    )
    assert made.incomplete == {}
    assert made.untouchable == ()


def test_what_was_not_seen_is_not_zero():
    seen = observation(
        image("a:1"),
        volume("data", size_bytes=None),
        volume("more", size_bytes=1),
        filesystems=(),
        unavailable={"build_cache": "no answer"},
        partial={"images": "deadline of 60 s"},
    )
    made = snapshot(seen, plan(), rules())
    assert (made.free_bytes, made.used_bytes, made.used_inodes) == (None, None, None)
    figures = {one.kind: (one.count, one.size_bytes) for one in made.classes}
    assert figures == {
        "image": (1, None),
        "container": (0, 0),
        "volume": (2, None),
        "build_cache": (None, None),
    }
    assert made.incomplete == {"build_cache": "no answer", "images": "deadline of 60 s"}


def test_a_section_without_a_reason_is_told_by_its_availability():
    made = snapshot(observation(unavailable={"volumes": ""}), plan(), rules())
    assert made.incomplete == {"volumes": "unavailable"}


def test_builders_in_the_order_of_their_names():
    warm = builder("warm0", version="v1")
    seen = observation(
        warm,
        EMBEDDED,
        cache_record("a", id="warm0/a", builder="warm0", size_bytes=5 * MIB),
        cache_record("b", id="warm0/b", builder="warm0", size_bytes=7 * MIB, shared=True),
        cache_record("c", builder="embedded", size_bytes=3),
    )
    made = snapshot(seen, plan(prune("warm0")), rules())
    assert made.builders == (
        BuilderState(id="embedded", version="v0.32.2", private_bytes=3, largest_record_bytes=3),
        BuilderState(
            id="warm0",
            container_id=warm.container_id,
            container_state="running",
            volume="buildx_buildkit_warm0_state",
            version="v1",
            private_bytes=5 * MIB,
            largest_record_bytes=7 * MIB,
            max_bytes=BUDGET.max_bytes,
            reserved_bytes=BUDGET.reserved_bytes,
        ),
    )


def test_a_cache_that_was_not_read_is_not_empty():
    seen = observation(builder("warm0", records_read=False), EMBEDDED, partial={"build_cache": "deadline"})
    made = snapshot(seen, plan(), rules())
    assert [(one.private_bytes, one.largest_record_bytes) for one in made.builders] == [(None, None)] * 2


def test_an_empty_cache_that_was_read():
    made = snapshot(observation(builder("warm0")), plan(), rules())
    assert [(one.private_bytes, one.largest_record_bytes) for one in made.builders] == [(0, 0)]


KEEP = {
    "images": (image("warm:1"), Protect(images=("warm",))),
    "containers": (container("web"), Protect(containers=("web",))),
    "volumes": (volume("data"), Protect(volumes=("da*",))),
    "labels": (volume("data", labels={"keep": "yes"}), Protect(labels=("keep=y*",))),
    "kit label": (image("a:1", labels={"hygiene.protect": ""}), Protect()),
}


@pytest.mark.parametrize(("kept", "protect"), KEEP.values(), ids=KEEP)
def test_what_the_host_never_lets_be_touched(kept, protect):
    seen = observation(kept, image("other:1"), volume("other"))
    assert untouchable(seen, plan(), rules(no_touch=protect)) == (f"{kept.kind.value} {kept.id}",)


def test_a_warm_builder_and_what_it_is_made_of():
    warm = builder("warm0")
    parts = (
        image("moby/buildkit:buildx-stable-1"),
        container("buildx_buildkit_warm0", id=warm.container_id),
        volume("buildx_buildkit_warm0_state"),
    )
    found = untouchable(observation(warm, *parts), plan(), rules(no_touch=Protect(builders=("warm",))))
    assert found == tuple(sorted(f"{one.kind.value} {one.id}" for one in parts))


def test_what_the_plan_keeps_counts_as_well_if_it_is_there():
    there, other = image("a:1"), image("b:1")
    made = plan(untouched=(f"image {there.id}", "volume gone"))
    kept = snapshot(observation(there, other), made, rules())
    assert kept.untouchable == (f"image {there.id}",)
    assert kept.untouchable_sha256 == sha256(f"image {there.id}".encode()).hexdigest()


def test_records_of_a_cache_are_never_in_the_set():
    """They come and go; the reserve guards them."""
    record = cache_record("x", builder="warm0", id="warm0/x")
    found = untouchable(
        observation(builder("warm0"), record), plan(), rules(no_touch=Protect(builders=("warm*",)))
    )
    assert found == ()


def test_a_name_that_no_utf8_can_hold():
    odd = volume("\udc80")
    made = snapshot(observation(odd), plan(), rules(no_touch=Protect(volumes=("*",))))
    assert made.untouchable == ("volume \udc80",)
    assert len(made.untouchable_sha256) == 64
