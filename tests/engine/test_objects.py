"""Removing single objects on real Engines: only what is named, and only if it is as it was planned."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.host.actions.images import chain_ids
from hygiene_core.host.actions.objects import drift_of, exists, remove
from hygiene_core.model.act import Acted, Outcome, Why
from tests.engine.acting import (
    act,
    await_state,
    build,
    container,
    everything,
    hands_of,
    load,
    names,
    only,
    plan,
)
from tests.lab import images, registry
from tests.lab.api import ApiError
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test leaves the base image alone."""
    yield
    if "lab_host" not in request.fixturenames:
        return
    host: LabHost = request.getfixturevalue("lab_host")
    api = host.api()
    for one in api.get("/containers/json", all="1"):
        images.remove_container(api, one["Id"])
    for volume in api.get("/volumes")["Volumes"] or ():
        api.delete(f"/volumes/{volume['Name']}")
    while rest := [one["Id"] for one in api.get("/images/json", all="1") if images.BASE not in names(one)]:
        for image in rest:
            with contextlib.suppress(ApiError):  # a parent goes after its child, or with it
                api.delete(f"/images/{image}", force="1")


def ended(acted: Acted) -> tuple[Outcome, Why | None]:
    return acted.outcome, acted.why


# -- images --------------------------------------------------------------------------------------------------


def test_an_image_of_one_tag_goes_alone(lab_host: LabHost):
    made, _other = load(lab_host, "one:1"), load(lab_host, "two:1")
    step = plan(lab_host, made)
    with only(lab_host, "images", made) as told:
        acted = act(lab_host, step)
    assert acted == Acted(outcome=Outcome.REMOVED, removed=(made,))
    assert {(kind, action) for kind, action, _ in told.events} <= {("image", "untag"), ("image", "delete")}
    assert {identity for *_, identity in told.events} <= {made, "one:1"}
    assert ("image", "delete", made) in told.events


def test_a_dangling_image_goes_alone(lab_host: LabHost):
    made, _other = load(lab_host), load(lab_host)
    step = plan(lab_host, made)
    assert step.references == ()
    with only(lab_host, "images", made):
        assert act(lab_host, step).outcome is Outcome.REMOVED


def test_an_image_that_is_gone_is_absent(lab_host: LabHost):
    """F4."""
    made = load(lab_host, "one:1")
    step = plan(lab_host, made)
    lab_host.docker("image", "rm", "one:1")
    hands = hands_of(lab_host)
    assert ended(remove(step, hands)) == (Outcome.ALREADY_ABSENT, Why.GONE)
    acted = drift_of(step, hands)
    assert acted is not None
    assert ended(acted) == (Outcome.ALREADY_ABSENT, Why.GONE)
    assert exists(step, hands) is False


@pytest.mark.parametrize("state", ["created", "exited", "running"])
def test_an_image_that_a_container_took_stays(lab_host: LabHost, state):
    """F1. And without a look again the Engine refuses it too: nothing is forced."""
    made = build(lab_host, "one:1")
    step = plan(lab_host, made)
    container(lab_host, "one:1", state=state)
    with only(lab_host, "images"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.IN_USE)
        acted = remove(step, hands_of(lab_host))
    assert ended(acted) == (Outcome.KEPT, Why.CONFLICT)
    assert "image is being used by" in acted.detail


def test_an_image_whose_tag_moved_stays_and_so_does_the_new_one(lab_host: LabHost):
    """F2: by its tag the new image would go."""
    made = load(lab_host, "one:1")
    step = plan(lab_host, made)
    new = load(lab_host, "one:1")
    with only(lab_host, "images"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.CHANGED)
        assert ended(remove(step, hands_of(lab_host))) == (Outcome.SKIPPED, Why.CHANGED)
    assert new in everything(lab_host)["images"]


def test_an_image_with_a_second_tag_stays(lab_host: LabHost):
    """F3."""
    made = load(lab_host, "one:1")
    step = plan(lab_host, made)
    lab_host.docker("tag", "one:1", "precious:1")
    with only(lab_host, "images"):
        acted = act(lab_host, step)
        assert ended(acted) == (Outcome.SKIPPED, Why.NEW_REFERENCE)
        assert ended(remove(step, hands_of(lab_host))) == (Outcome.SKIPPED, Why.NEW_REFERENCE)
    assert "precious:1" in acted.detail


def test_several_tags_need_an_approval_of_each(lab_host: LabHost):
    made = load(lab_host, "one:1", "one:2", "other:1")
    step = plan(lab_host, made)
    hands = hands_of(lab_host)
    with only(lab_host, "images"):
        assert drift_of(step, hands) is None
        for approved in ((), ("one:1", "one:2"), ("one:1", "one:2", "more:1")):
            acted = remove(step, hands, approved_references=approved)
            assert ended(acted) == (Outcome.SKIPPED, Why.MULTI_TAG)
    with only(lab_host, "images", made):
        acted = act(lab_host, step, approved_references=step.references)
    assert acted == Acted(outcome=Outcome.REMOVED, removed=(made,))


def test_a_tag_that_moves_before_its_turn_stops_the_removal(lab_host: LabHost, monkeypatch):
    made = load(lab_host, "one:1", "two:1", "three:1")
    step = plan(lab_host, made)
    _between_calls(monkeypatch, lambda: load(lab_host, "two:1"))
    acted = act(lab_host, step, approved_references=step.references)
    assert ended(acted) == (Outcome.REMOVED, None)  # `two:1` was not its own any more
    (left,) = [one for one, of in everything(lab_host)["images"].items() if "two:1" in of]
    assert left != made


def test_a_new_tag_between_two_calls_stops_the_removal(lab_host: LabHost, monkeypatch):
    made = load(lab_host, "one:1", "two:1", "three:1")
    step = plan(lab_host, made)
    _between_calls(monkeypatch, lambda: lab_host.docker("tag", made, "precious:1"))
    acted = act(lab_host, step, approved_references=step.references)
    assert ended(acted) == (Outcome.KEPT, Why.NEW_REFERENCE)
    assert acted.removed == ("two:1",)
    assert acted.detail.endswith("before that it lost two:1")
    assert {"one:1", "three:1", "precious:1"} <= set(everything(lab_host)["images"][made])


def test_a_container_made_between_two_calls_stops_the_removal(lab_host: LabHost, monkeypatch):
    made = build(lab_host, "one:1")
    for tag in ("two:1", "three:1"):
        lab_host.docker("tag", "one:1", tag)
    step = plan(lab_host, made)
    _between_calls(monkeypatch, lambda: container(lab_host, "one:1", state="created"))
    acted = act(lab_host, step, approved_references=step.references)
    assert ended(acted) == (Outcome.KEPT, Why.IN_USE)
    assert acted.removed == ("two:1",)
    assert {"one:1", "three:1"} <= set(everything(lab_host)["images"][made])


def test_parents_stay(lab_host: LabHost):
    """Nobody named them, whatever the Engine would do by itself."""
    images.import_base(lab_host)
    steps = f"FROM {images.BASE}\nRUN echo a > /a\nRUN echo b > /b\n"
    made = images.build(lab_host, steps, tag="old:1", legacy=True)
    parent = next(one["ParentId"] for one in lab_host.api().get("/images/json", all="1") if one["Id"] == made)
    assert parent
    step = plan(lab_host, made)
    with only(lab_host, "images", made):
        assert act(lab_host, step) == Acted(outcome=Outcome.REMOVED, removed=(made,))
    assert parent in everything(lab_host)["images"]


def test_an_image_that_others_are_built_on_keeps_all_its_names(lab_host: LabHost):
    images.import_base(lab_host)
    made = images.build(lab_host, f"FROM {images.BASE}\nRUN echo p > /p\n", tag="p:1", legacy=True)
    lab_host.docker("tag", "p:1", "p:2")
    images.build(lab_host, "FROM p:1\nRUN echo c > /c\n", tag="c:1", legacy=True)
    step = plan(lab_host, made)
    with only(lab_host, "images"):
        acted = act(lab_host, step, approved_references=step.references)
    assert ended(acted) == (Outcome.SKIPPED, Why.IN_USE)


def test_a_pulled_image_has_one_name_and_goes_by_its_id(lab_host: LabHost):
    """A tag and the digest of the same repository are one name to the Engine; those of two are not."""
    specs = {
        f"lab/{name}": images.ImageSpec((), (images.layer({f"{name}": bytes(99)}),), {"lab.name": name})
        for name in ("tagged", "digest", "both")
    }
    specs["lab/both-too"] = specs["lab/both"]
    with registry.serve(lab_host, specs) as digests:
        at = registry.ADDRESS
        for name in ("lab/tagged:1", f"lab/digest@{digests['lab/digest']}", "lab/both:1", "lab/both-too:1"):
            lab_host.docker("pull", "--quiet", f"{at}/{name}")
        ids = {
            name: lab_host.api().image(f"{at}/{name}")["Id"]
            for name in ("lab/tagged:1", "lab/both:1", f"lab/digest@{digests['lab/digest']}")
        }
    for name in ("lab/tagged:1", f"lab/digest@{digests['lab/digest']}"):
        step = plan(lab_host, ids[name])
        with only(lab_host, "images", ids[name]):
            assert act(lab_host, step) == Acted(outcome=Outcome.REMOVED, removed=(ids[name],))
    both = plan(lab_host, ids["lab/both:1"])
    assert len(both.references) == (3 if lab_host.store == "containerd" else 4)
    with only(lab_host, "images"):
        assert ended(act(lab_host, both)) == (Outcome.SKIPPED, Why.MULTI_TAG)
    with only(lab_host, "images", both.id):
        acted = act(lab_host, both, approved_references=both.references)
    assert acted == Acted(outcome=Outcome.REMOVED, removed=(both.id,))


def test_a_digest_beside_a_tag_of_another_repository_is_two_names(lab_host: LabHost):
    specs = {"lab/far": images.ImageSpec((), (images.layer({"far": bytes(99)}),), {"lab.name": "far"})}
    with registry.serve(lab_host, specs) as digests:
        name = f"{registry.ADDRESS}/lab/far@{digests['lab/far']}"
        lab_host.docker("pull", "--quiet", name)
    lab_host.docker("tag", name, "near:1")
    step = plan(lab_host, lab_host.api().image("near:1")["Id"])
    with only(lab_host, "images"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.MULTI_TAG)
    with only(lab_host, "images", step.id):
        acted = act(lab_host, step, approved_references=step.references)
    assert acted == Acted(outcome=Outcome.REMOVED, removed=(step.id,))


def test_the_layers_that_overlay2_lists_are_those_of_the_image(lab_host: LabHost):
    if lab_host.store == "containerd":
        pytest.skip("the containerd store lists no layers")
    made = load(lab_host, "one:1")
    api = lab_host.api()
    layers = chain_ids(api.image(made)["RootFS"]["Layers"])
    answer = api.call("DELETE", f"/images/{made}", query={"noprune": "1"}).json
    assert {one["Deleted"] for one in answer if "Deleted" in one} == {made, *layers}


def test_an_image_that_a_container_mounts_stays(lab_host: LabHost):
    """The Engine itself would remove it, also while the container runs."""
    made = build(lab_host, "one:1")
    unnamed = load(lab_host)
    step, other = plan(lab_host, made), plan(lab_host, unnamed)
    body = {
        "Image": images.BASE,
        "Cmd": ["true"],
        "HostConfig": {"Mounts": [{"Type": "image", "Source": "one:1", "Target": "/mnt"}]},
    }
    if lab_host.tree.name != "testing":
        pytest.skip("this Engine does not know mounts of images")
    lab_host.api().post("/containers/create", body)
    with only(lab_host, "images"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.IN_USE)
    # Once the name leads elsewhere, nobody can tell which image is mounted.
    load(lab_host, "one:1")
    with only(lab_host, "images"):
        assert ended(act(lab_host, other)) == (Outcome.KEPT, Why.UNREADABLE)
    lab_host.docker("image", "rm", "one:1")
    tagged = plan(lab_host, load(lab_host, "two:1"))
    with only(lab_host, "images"):
        assert ended(act(lab_host, tagged)) == (Outcome.KEPT, Why.UNREADABLE)


# -- containers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["created", "exited"])
def test_a_container_goes_alone_and_leaves_its_volumes(lab_host: LabHost, state):
    images.import_base(lab_host)
    made = container(lab_host, images.BASE, state=state, anonymous=["/data"], binds=["named:/named"])
    container(lab_host, images.BASE, state=state)
    step = plan(lab_host, made)
    with only(lab_host, "containers", made) as told:
        assert act(lab_host, step) == Acted(outcome=Outcome.REMOVED, removed=(made,))
    assert told.events == [("container", "destroy", made)]
    assert ended(act(lab_host, step)) == (Outcome.ALREADY_ABSENT, Why.GONE)
    assert ended(remove(step, hands_of(lab_host))) == (Outcome.ALREADY_ABSENT, Why.GONE)
    assert exists(step, hands_of(lab_host)) is False


def test_a_container_that_was_started_stays(lab_host: LabHost):
    """F5. And without a look again the Engine refuses it too."""
    images.import_base(lab_host)
    api = lab_host.api()
    made = container(lab_host, images.BASE, state="created", command=images.FOREVER)
    step = plan(lab_host, made)
    api.post(f"/containers/{made}/start")
    with only(lab_host, "containers"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.IN_USE)
        assert ended(remove(step, hands_of(lab_host))) == (Outcome.KEPT, Why.CONFLICT)


def test_a_container_that_ran_again_stays(lab_host: LabHost):
    images.import_base(lab_host)
    api = lab_host.api()
    made = container(lab_host, images.BASE, state="exited")
    step = plan(lab_host, made)
    api.post(f"/containers/{made}/start")
    api.post(f"/containers/{made}/wait")
    await_state(lab_host, made, "exited")
    acted = act(lab_host, step)
    assert ended(acted) == (Outcome.SKIPPED, Why.CHANGED)
    assert acted.detail.startswith("its started_at was ")


def test_a_running_container_that_was_stopped_is_not_what_was_planned(lab_host: LabHost):
    images.import_base(lab_host)
    made = container(lab_host, images.BASE)
    step = plan(lab_host, made, stop=True)
    lab_host.api().post(f"/containers/{made}/stop")
    await_state(lab_host, made, "exited")
    acted = act(lab_host, step)
    assert ended(acted) == (Outcome.SKIPPED, Why.CHANGED)
    assert acted.detail == "its state was running and is exited"


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_container_is_stopped_and_removed(lab_host: LabHost, state):
    images.import_base(lab_host)
    made = container(lab_host, images.BASE, state=state, anonymous=["/data"], binds=["named:/named"])
    container(lab_host, images.BASE)
    step = plan(lab_host, made, stop=True)
    with only(lab_host, "containers", made) as told:
        assert act(lab_host, step) == Acted(outcome=Outcome.REMOVED, removed=(made,))
    assert {identity for kind, _, identity in told.events if kind == "container"} == {made}
    assert {"stop", "destroy"} <= {action for _, action, _ in told.events}


def test_a_container_that_is_worked_in_is_not_stopped(lab_host: LabHost):
    images.import_base(lab_host)
    made = container(lab_host, images.BASE)
    step = plan(lab_host, made, stop=True)
    lab_host.docker("exec", "--detach", made, *images.FOREVER)
    with only(lab_host, "containers"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.IN_USE)


def test_a_container_that_takes_its_volumes_with_it_is_not_stopped(lab_host: LabHost):
    images.import_base(lab_host)
    command = ("run", "--detach", "--rm", "--volume", "/data", images.BASE, *images.FOREVER)
    made = lab_host.docker(*command).stdout.strip()
    step = plan(lab_host, made, stop=True)
    with only(lab_host, "containers"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.CONFLICT)


def test_a_container_that_comes_back_after_its_stop_stays(lab_host: LabHost, monkeypatch):
    images.import_base(lab_host)
    api = lab_host.api()
    made = container(lab_host, images.BASE)
    step = plan(lab_host, made, stop=True)
    _between_calls(monkeypatch, lambda: api.post(f"/containers/{made}/start"))
    with only(lab_host, "containers"):
        acted = act(lab_host, step)
    assert ended(acted) == (Outcome.KEPT, Why.IN_USE)
    assert acted.detail == "it was stopped; it is running again"


# -- volumes -------------------------------------------------------------------------------------------------


def test_a_volume_goes_alone(lab_host: LabHost):
    api = lab_host.api()
    for name in ("data", "data-2"):
        images.volume(api, name)
    step = plan(lab_host, "data")
    with only(lab_host, "volumes", "data") as told:
        assert act(lab_host, step) == Acted(outcome=Outcome.REMOVED, removed=("data",))
    assert told.events == [("volume", "destroy", "data")]
    assert ended(act(lab_host, step)) == (Outcome.ALREADY_ABSENT, Why.GONE)
    assert ended(remove(step, hands_of(lab_host))) == (Outcome.ALREADY_ABSENT, Why.GONE)


@pytest.mark.parametrize("state", ["created", "exited", "running"])
def test_a_volume_that_a_container_took_stays(lab_host: LabHost, state):
    """F6. And without a look again the Engine refuses it too."""
    images.import_base(lab_host)
    api = lab_host.api()
    images.volume(api, "data")
    step = plan(lab_host, "data")
    container(lab_host, images.BASE, state=state, binds=["data:/data"])
    with only(lab_host, "volumes"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.IN_USE)
        acted = remove(step, hands_of(lab_host))
    assert ended(acted) == (Outcome.KEPT, Why.CONFLICT)
    assert "volume is in use" in acted.detail
    assert exists(step, hands_of(lab_host)) is True


def test_a_volume_whose_directory_is_bound_stays(lab_host: LabHost):
    """The Engine itself would remove it."""
    images.import_base(lab_host)
    api = lab_host.api()
    images.volume(api, "data")
    step = plan(lab_host, "data")
    place = api.get("/volumes/data")["Mountpoint"]
    container(lab_host, images.BASE, state="created", binds=[f"{place}:/data"])
    with only(lab_host, "volumes"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.IN_USE)


def test_a_volume_that_was_made_anew_stays(lab_host: LabHost):
    api = lab_host.api()
    images.volume(api, "data")
    step = plan(lab_host, "data")
    api.delete("/volumes/data")
    time.sleep(1.1)  # the Engine tells whole seconds
    images.volume(api, "data")
    with only(lab_host, "volumes"):
        assert ended(act(lab_host, step)) == (Outcome.SKIPPED, Why.CHANGED)


# -- faults --------------------------------------------------------------------------------------------------


def test_a_frozen_engine_keeps_what_is_looked_at_and_leaves_a_removal_unknown(lab_host: LabHost):
    """F8. The call was taken and may still be done: only a look afterwards tells."""
    images.volume(lab_host.api(), "data")
    step = plan(lab_host, "data")
    hands = hands_of(lab_host, timedelta(seconds=1))
    lab_host.freeze()
    try:
        before = time.monotonic()
        looked, acted, there = drift_of(step, hands), remove(step, hands), exists(step, hands)
        assert time.monotonic() - before < 8
    finally:
        lab_host.thaw()
    assert looked is not None
    assert ended(looked) == (Outcome.KEPT, Why.UNREADABLE)
    assert ended(acted) == (Outcome.UNKNOWN, Why.TIMEOUT)
    assert there is None
    time.sleep(1)  # an Engine that woke up may do it now
    api = lab_host.api()
    now = {one["Name"] for one in api.get("/volumes")["Volumes"] or ()}
    assert exists(step, hands_of(lab_host)) is ("data" in now)


def test_an_engine_that_is_killed_during_the_call_leaves_it_unknown(lab_host: LabHost):
    made = load(lab_host, "one:1")
    step = plan(lab_host, made)
    hands = hands_of(lab_host)
    assert drift_of(step, hands) is None
    lab_host.freeze()  # so that the call is in it when it dies
    taken: list[Acted] = []
    caller = threading.Thread(target=lambda: taken.append(_call_only(step, hands)))
    caller.start()
    time.sleep(0.5)
    lab_host.kill_engine()
    caller.join(30)
    assert ended(taken[0]) == (Outcome.UNKNOWN, Why.ENGINE)
    assert exists(step, hands) is None
    acted = _call_only(step, hands)  # and with nobody there nothing was sent at all
    assert ended(acted) == (Outcome.FAILED, Why.ENGINE)
    assert acted.detail.startswith("nothing was sent: ")
    lab_host.start_engine()
    assert exists(step, hands) is True
    assert act(lab_host, step).outcome is Outcome.REMOVED


def test_a_file_that_cannot_be_deleted_is_absent_and_not_freed(lab_host: LabHost):
    """F12."""
    if lab_host.store == "containerd":
        pytest.skip("the containerd store deletes files later, by itself")
    made = load(lab_host, "one:1")
    step = plan(lab_host, made)
    upper = lab_host.api().image(made)["GraphDriver"]["Data"]["UpperDir"]
    (held,) = (lab_host.data_root / Path(upper).relative_to("/var/lib/docker")).iterdir()
    if subprocess.run(["chattr", "+i", held], check=False, capture_output=True).returncode != 0:
        pytest.skip("this machine has no immutable files below the lab's folder")
    try:
        acted = act(lab_host, step)
        assert list(lab_host.data_root.rglob(held.name))
    finally:
        for left in lab_host.data_root.rglob(held.name):
            subprocess.run(["chattr", "-i", left], check=True)
    assert ended(acted) == (Outcome.FAILED, Why.ENGINE)
    assert acted.detail.startswith("absent, bytes not freed: ")
    assert acted.removed == (made,)
    assert exists(step, hands_of(lab_host)) is False


def test_a_data_root_that_is_read_only_fails_what_is_asked(lab_host: LabHost):
    """F14."""
    images.volume(lab_host.api(), "data")
    step = plan(lab_host, "data")
    volumes = "/var/lib/docker/volumes"  # the whole root cannot be remounted while the Engine writes to it
    lab_host.run("sh", "-c", f"mount --bind {volumes} {volumes} && mount -o remount,bind,ro {volumes}")
    try:
        with only(lab_host, "volumes"):
            acted = act(lab_host, step)
    finally:
        lab_host.run("umount", volumes)
    assert ended(acted) == (Outcome.FAILED, Why.ENGINE)
    assert "read-only file system" in acted.detail


def test_a_prune_of_somebody_else_at_the_same_time(lab_host: LabHost):
    """F15. Whoever comes first: each ends as what it is, and what is named stays nobody else's."""
    steps = [plan(lab_host, load(lab_host)) for _ in range(6)]
    kept = load(lab_host, "kept:1")
    over = threading.Event()

    def prune() -> None:
        while not over.is_set():
            lab_host.docker("image", "prune", "--force", check=False)

    other = threading.Thread(target=prune)
    other.start()
    try:
        outcomes = [act(lab_host, step) for step in steps]
    finally:
        over.set()
        other.join()
    allowed = {Outcome.REMOVED, Outcome.ALREADY_ABSENT, Outcome.KEPT}
    assert {one.outcome for one in outcomes} <= allowed, outcomes
    assert all(one.foreign == () for one in outcomes)
    assert kept in everything(lab_host)["images"]


def _call_only(step, hands):
    """The call without the look that `remove` begins with: that one would end at the frozen Engine."""
    from hygiene_core.host.actions import images as actions  # noqa: PLC0415

    chosen = actions._Step(step.id, frozenset())
    went = actions._Went()
    return actions._take(chosen, step, hands, went)


def _between_calls(monkeypatch, meddle) -> None:
    """Somebody does something after the first call of a removal."""
    from hygiene_core.host.actions import containers as of_containers  # noqa: PLC0415
    from hygiene_core.host.actions import images as of_images  # noqa: PLC0415

    for module in (of_containers, of_images):
        real, calls = module.call, []

        def call(*args, real=real, calls=calls):
            answer = real(*args)
            if not calls:
                calls.append(1)
                meddle()
            return answer

        monkeypatch.setattr(module, "call", call)
