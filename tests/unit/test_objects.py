"""Removing single objects: what is refused unasked, and answers that a real Engine cannot be made to give."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from hygiene_core.host.actions import images
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.actions.objects import drift_of, exists, remove
from hygiene_core.host.mask import MASKED
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action, Verb
from hygiene_core.model.resource import Kind
from tests.faults.fake_engine import FakeEngine, drip_head, freeze, not_http, plain, reply, reset
from tests.lab.images import layer

IMAGE = f"sha256:{'1' * 64}"
OTHER = f"sha256:{'2' * 64}"
LAYER = f"sha256:{'3' * 64}"
CONTAINER = "a4" * 32
CREATED = "2026-05-04T08:00:00.123456789Z"
FACTS = {
    "state": "exited",
    "image_id": IMAGE,
    "created_at": "2026-05-04T08:00:00+00:00",
    "started_at": "2026-05-04T08:00:01+00:00",
    "finished_at": "",
}
STATE = {
    "Status": "exited",
    "StartedAt": "2026-05-04T08:00:01Z",
    "FinishedAt": "0001-01-01T00:00:00Z",
}
INSPECT = {"Id": CONTAINER, "Image": IMAGE, "Created": CREATED, "State": STATE, "HostConfig": {}}


def step(verb: Verb = Verb.REMOVE_IMAGE, identity: str = IMAGE, **fields: Any) -> Action:
    kind = {Verb.REMOVE_IMAGE: Kind.IMAGE, Verb.REMOVE_VOLUME: Kind.VOLUME}.get(verb, Kind.CONTAINER)
    made: dict[str, Any] = {"number": 1, "name": "it", "estimate_bytes": None, "reasons": ()}
    return Action(**made | {"verb": verb, "kind": kind, "id": identity} | fields)


def container(**fields: Any) -> Action:
    made: dict[str, Any] = {"verb": Verb.REMOVE_CONTAINER, "identity": CONTAINER, "facts": FACTS}
    return step(**made | fields)


def inspected(*tags: str, layers: tuple[str, ...] = (LAYER,), digests: tuple[str, ...] = ()) -> Any:
    root_fs = {"Type": "layers", "Layers": list(layers)}
    return reply({"Id": IMAGE, "RepoTags": list(tags), "RepoDigests": list(digests), "RootFS": root_fs})


def hands(engine: FakeEngine, seconds: float = 5) -> Hands:
    return Hands(socket_path=engine.path, api_version="1.45", call_limit=timedelta(seconds=seconds))


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """One image of one tag and one stopped container, which nothing holds."""
    routes = {
        f"/images/{IMAGE}/json": inspected("one:1"),
        "/images/json": reply([{"Id": IMAGE}]),
        f"/containers/{CONTAINER}/json": reply(INSPECT),
        "/volumes/data": reply({"Name": "data", "Driver": "local", "CreatedAt": "2026-05-04T08:00:00Z"}),
    }
    with FakeEngine(routes) as made:
        yield made


def ended(acted: Acted | None) -> tuple[Outcome, Why | None]:
    assert acted is not None
    return acted.outcome, acted.why


# -- what is refused before anything is asked ----------------------------------------------------------------

NO_IMAGES = (
    *("", "-f", "a;rm", "../x", "UPPER:1", "one:1", "1" * 64, "sha256:", IMAGE.upper(), IMAGE[:-1]),
    *(
        f"{IMAGE}\n",
        f"{IMAGE}0",
        f" {IMAGE}",
        f"{IMAGE}/../{OTHER}",
        "sha256:" + "\N{FULLWIDTH DIGIT ONE}" * 64,
        "sha512:" + "1" * 64,
    ),
)
NO_CONTAINERS = (
    "",
    "web",
    CONTAINER[:12],
    CONTAINER.upper(),
    f"{CONTAINER}\n",
    f"{CONTAINER}?force=1",
    IMAGE,
    "*",
)
NO_VOLUMES = (
    *("", "-f", ".", "..", "../x", "a/b", "a b", "a;rm", "a\n", "a?force=1", "a%2Fb", "_x", "ä", "a" * 256),
    "\x1b[2J",
)


@pytest.mark.parametrize(
    ("verb", "identity"),
    [
        *((Verb.REMOVE_IMAGE, one) for one in NO_IMAGES),
        *((Verb.REMOVE_CONTAINER, one) for one in NO_CONTAINERS),
        *((Verb.STOP_AND_REMOVE_CONTAINER, one) for one in NO_CONTAINERS),
        *((Verb.REMOVE_VOLUME, one) for one in NO_VOLUMES),
    ],
)
def test_what_is_no_identity_is_refused_unasked(engine, verb, identity):
    """B20."""
    for acted in (drift_of(step(verb, identity), hands(engine)), remove(step(verb, identity), hands(engine))):
        assert acted is not None
        assert acted.outcome is Outcome.REFUSED
        assert "\x1b" not in acted.detail
    assert engine.asked == []


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        (Verb.PRUNE_RECORDS, Kind.BUILDER),
        (Verb.REMOVE_IMAGE, Kind.VOLUME),
        (Verb.REMOVE_VOLUME, Kind.IMAGE),
        (Verb.REMOVE_CONTAINER, Kind.BUILDER),
    ],
)
def test_a_verb_of_another_kind_is_refused_unasked(engine, verb, kind):
    for identity in (IMAGE, CONTAINER, "data"):
        wrong = step(verb, identity, kind=kind)
        assert ended(drift_of(wrong, hands(engine)))[0] is Outcome.REFUSED
        assert ended(remove(wrong, hands(engine)))[0] is Outcome.REFUSED
    assert engine.asked == []


@pytest.mark.parametrize("name", ["-f:1", "one", "a b:1", "one:1?force=1", "one:1\n", "", "x:1;rm"])
def test_what_is_no_name_of_an_image_is_refused_unasked(engine, name):
    odd = step(references=("one:1", name))
    acted = remove(odd, hands(engine), approved_references=odd.references)
    assert acted.outcome is Outcome.REFUSED
    assert engine.asked == []


# -- looking again -------------------------------------------------------------------------------------------


BROKEN = (reset, not_http, plain(b"<html>"), reply({}), reply({"Id": OTHER}), reply({}, status=500))


@pytest.mark.parametrize("answer", [*BROKEN, reply([])])
def test_an_object_that_cannot_be_read_is_kept(engine, answer):
    engine.routes[f"/images/{IMAGE}/json"] = answer
    assert ended(drift_of(step(references=("one:1",)), hands(engine))) == (Outcome.KEPT, Why.UNREADABLE)


@pytest.mark.parametrize("answer", [*BROKEN, reply(None)])
def test_an_object_whose_users_cannot_be_read_is_kept(engine, answer):
    engine.routes["/containers/json"] = answer
    assert ended(drift_of(step(references=("one:1",)), hands(engine))) == (Outcome.KEPT, Why.UNREADABLE)


@pytest.mark.parametrize("answer", [freeze, drip_head])
def test_what_does_not_answer_in_time_is_kept(engine, answer):
    engine.routes["/containers/json"] = answer
    acted = drift_of(step(references=("one:1",)), hands(engine, 0.3))
    assert ended(acted) == (Outcome.KEPT, Why.UNREADABLE)


def test_one_container_that_cannot_be_read_may_hold_anything(engine):
    row = {"Id": CONTAINER, "ImageID": OTHER, "State": "exited"}
    engine.routes["/containers/json"] = reply([row, {"Id": "odd"}])
    assert ended(drift_of(step(references=("one:1",)), hands(engine))) == (Outcome.KEPT, Why.UNREADABLE)


def test_what_is_listed_and_not_found_is_not_absent(engine):
    engine.routes[f"/images/{IMAGE}/json"] = reply({"message": "no such image"}, status=404)
    one = step(references=("one:1",))
    assert ended(drift_of(one, hands(engine))) == (Outcome.KEPT, Why.UNREADABLE)
    assert exists(one, hands(engine)) is None
    engine.routes["/images/json"] = reply([])
    assert ended(drift_of(one, hands(engine))) == (Outcome.ALREADY_ABSENT, Why.GONE)
    assert exists(one, hands(engine)) is False


def test_a_volume_is_not_absent_where_a_driver_did_not_answer(engine):
    gone = step(Verb.REMOVE_VOLUME, "gone", facts={"driver": "local", "created_at": ""})
    assert exists(gone, hands(engine)) is False
    engine.routes["/volumes"] = reply({"Volumes": [], "Warnings": ["nfs: no answer"]})
    assert exists(gone, hands(engine)) is None
    assert ended(drift_of(gone, hands(engine))) == (Outcome.KEPT, Why.UNREADABLE)


@pytest.mark.parametrize("name", list(FACTS))
def test_a_fact_that_differs_or_was_not_planned_skips_a_container(engine, name):
    assert drift_of(container(), hands(engine)) is None
    for facts in (FACTS | {name: "another"}, {key: FACTS[key] for key in FACTS if key != name}):
        assert ended(drift_of(container(facts=facts), hands(engine))) == (Outcome.SKIPPED, Why.CHANGED)


@pytest.mark.parametrize("name", ["driver", "created_at"])
def test_a_fact_that_differs_or_was_not_planned_skips_a_volume(engine, name):
    facts = {"driver": "local", "created_at": "2026-05-04T08:00:00+00:00"}
    assert drift_of(step(Verb.REMOVE_VOLUME, "data", facts=facts), hands(engine)) is None
    for changed in (facts | {name: "another"}, {key: facts[key] for key in facts if key != name}):
        acted = drift_of(step(Verb.REMOVE_VOLUME, "data", facts=changed), hands(engine))
        assert ended(acted) == (Outcome.SKIPPED, Why.CHANGED)


@pytest.mark.parametrize("status", ["running", "paused", "restarting", "removing"])
def test_a_container_that_does_not_rest_is_in_use(engine, status):
    engine.routes[f"/containers/{CONTAINER}/json"] = reply(INSPECT | {"State": STATE | {"Status": status}})
    planned = container(facts=FACTS | {"state": status})
    assert ended(drift_of(planned, hands(engine))) == (Outcome.SKIPPED, Why.IN_USE)


@pytest.mark.parametrize(
    "held",
    [
        {"ImageID": IMAGE},
        {"ImageID": OTHER, "ImageManifestDescriptor": {"digest": IMAGE}},
        {"ImageID": OTHER, "ImageManifestDescriptor": {"digest": LAYER}},
        {"ImageID": OTHER, "Mounts": [{"Type": "image", "Name": IMAGE, "Destination": "/m"}]},
    ],
)
def test_a_container_holds_an_image_in_several_ways(engine, held):
    engine.routes[f"/images/{IMAGE}/json"] = reply(
        {"Id": IMAGE, "RepoTags": ["one:1"], "Manifests": [{"ID": LAYER, "Available": True}]}
    )
    one = step(references=("one:1",))
    row = {"Id": CONTAINER, "State": "created", "Names": ["/web"], "Mounts": []}
    engine.routes["/containers/json"] = reply([row | {"ImageID": OTHER}])
    assert drift_of(one, hands(engine)) is None
    engine.routes["/containers/json"] = reply([row | held])
    acted = drift_of(one, hands(engine))
    assert ended(acted) == (Outcome.SKIPPED, Why.IN_USE)
    assert acted is not None
    assert "container web" in acted.detail


# -- what the Engine answers ---------------------------------------------------------------------------------


def test_a_conflict_is_kept_in_masked_words_and_never_asked_again(engine):
    said = "conflict: container with\nlabel TOKEN=abcdef0123456789 uses it"
    engine.routes[f"/images/{IMAGE}"] = reply({"message": said}, status=409)
    acted = remove(step(references=("one:1",)), hands(engine))
    assert ended(acted) == (Outcome.KEPT, Why.CONFLICT)
    assert "abcdef" not in acted.detail
    assert MASKED in acted.detail
    assert "\n" not in acted.detail
    calls = [one for one in engine.asked if one.startswith(f"/v1.45/images/{IMAGE}?")]
    assert calls == [f"/v1.45/images/{IMAGE}?force=False&noprune=True"]


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_an_error_is_a_failure_and_the_object_is_looked_for(engine, status):
    engine.routes[f"/containers/{CONTAINER}"] = reply({"message": "driver failed"}, status=status)
    acted = remove(container(), hands(engine))
    assert acted == Acted(outcome=Outcome.FAILED, why=Why.ENGINE, detail="driver failed")
    engine.routes[f"/containers/{CONTAINER}/json"] = reply({"message": "no such"}, status=404)
    acted = remove(container(), hands(engine))
    assert ended(acted) == (Outcome.FAILED, Why.ENGINE)
    assert acted.detail == "absent, bytes not freed: driver failed"
    assert acted.removed == (CONTAINER,)
    engine.routes[f"/containers/{CONTAINER}/json"] = reply({"message": "busy"}, status=500)
    assert ended(remove(container(), hands(engine))) == (Outcome.UNKNOWN, Why.ENGINE)


def test_a_404_is_believed_only_if_the_object_is_gone(engine):
    engine.routes[f"/containers/{CONTAINER}"] = reply({"message": "page not found"}, status=404)
    assert ended(remove(container(), hands(engine))) == (Outcome.KEPT, Why.CHANGED)
    engine.routes[f"/containers/{CONTAINER}/json"] = reply({"message": "no such"}, status=404)
    assert ended(remove(container(), hands(engine))) == (Outcome.ALREADY_ABSENT, Why.GONE)


@pytest.mark.parametrize(
    ("answer", "why"), [(freeze, Why.TIMEOUT), (reset, Why.ENGINE), (not_http, Why.ENGINE)]
)
@pytest.mark.parametrize("verb", [Verb.REMOVE_CONTAINER, Verb.STOP_AND_REMOVE_CONTAINER])
def test_an_answer_that_does_not_come_leaves_it_unknown(engine, verb, answer, why):
    path = f"/containers/{CONTAINER}" + ("/stop" if verb is Verb.STOP_AND_REMOVE_CONTAINER else "")
    engine.routes[path] = answer
    acted = remove(container(verb=verb), hands(engine, 1))
    assert ended(acted) == (Outcome.UNKNOWN, why)
    assert acted.removed == ()
    sent = [one for one in engine.asked if one.partition("?")[0] == f"/v1.45{path}"]
    assert len(sent) == 1  # and nothing that has begun is asked for again


def test_an_image_whose_answer_cannot_be_read_is_unknown(engine):
    for odd in (plain(b"<html>"), reply({"Deleted": IMAGE}), reply(["Deleted"])):
        engine.routes[f"/images/{IMAGE}"] = odd
        assert ended(remove(step(references=("one:1",)), hands(engine))) == (Outcome.UNKNOWN, Why.ENGINE)


def test_nobody_there_means_that_nothing_was_sent(tmp_path):
    nobody = Hands(socket_path=str(tmp_path / "none.sock"), api_version="1.45")
    acted = remove(container(), nobody)
    assert ended(acted) == (Outcome.FAILED, Why.ENGINE)
    assert acted.detail.startswith("nothing was sent: ")
    assert exists(container(), nobody) is None


def test_no_setting_of_the_environment_leads_elsewhere(engine, monkeypatch):
    for name in ("DOCKER_HOST", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "tcp://203.0.113.9:1")
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    engine.routes[f"/containers/{CONTAINER}"] = plain(b"")
    assert remove(container(), hands(engine)) == Acted(outcome=Outcome.REMOVED, removed=(CONTAINER,))
    assert f"/v1.45/containers/{CONTAINER}?v=False&link=False&force=False" in engine.asked


# -- what else went ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "foreign"),
    [
        ([{"Untagged": "one:1"}, {"Deleted": IMAGE}, {"Deleted": LAYER}], ()),
        ([{"Untagged": "one:1"}, {"Deleted": IMAGE}, {"Deleted": OTHER}], (OTHER,)),
        ([{"Untagged": "two:1"}, {"Deleted": IMAGE}], ("two:1",)),
    ],
)
def test_whatever_went_and_was_not_named_is_foreign(engine, answer, foreign):
    engine.routes[f"/images/{IMAGE}"] = reply(answer)
    acted = remove(step(references=("one:1",)), hands(engine))
    assert acted == Acted(outcome=Outcome.REMOVED, removed=(IMAGE,), foreign=foreign)


def test_a_removal_stops_as_soon_as_another_image_went(engine):
    """The tag moved between the look and the call: the one race that is left."""
    engine.routes[f"/images/{IMAGE}/json"] = inspected("a:1", "b:1", "c:1")
    engine.routes["/images/c:1/json"] = inspected("a:1", "b:1", "c:1")
    engine.routes["/images/c:1"] = reply([{"Untagged": "c:1"}, {"Deleted": OTHER}])
    one = step(references=("a:1", "b:1", "c:1"))
    acted = remove(one, hands(engine), approved_references=one.references)
    assert ended(acted) == (Outcome.KEPT, Why.CHANGED)
    assert acted.foreign == (OTHER,)
    assert acted.removed == ("c:1",)


def test_a_tag_that_leads_elsewhere_is_not_taken_off(engine):
    engine.routes[f"/images/{IMAGE}/json"] = inspected("a:1", "b:1")
    engine.routes["/images/b:1/json"] = reply({"Id": OTHER})
    one = step(references=("a:1", "b:1"))
    acted = remove(one, hands(engine), approved_references=one.references)
    assert ended(acted) == (Outcome.SKIPPED, Why.CHANGED)
    assert not [target for target in engine.asked if "noprune" in target]


def test_names_that_never_come_off_end_the_removal(engine):
    engine.routes[f"/images/{IMAGE}/json"] = inspected("a:1", "b:1")
    engine.routes["/images/b:1/json"] = inspected("a:1", "b:1")
    engine.routes["/images/b:1"] = reply([{"Untagged": "b:1"}])
    one = step(references=("a:1", "b:1"))
    acted = remove(one, hands(engine), approved_references=one.references)
    assert ended(acted) == (Outcome.KEPT, Why.CONFLICT)


def test_chain_ids_are_those_of_the_specification():
    """`upper` is what 26.1 called the second of these two layers when it deleted them."""
    layers = [
        f"sha256:{hashlib.sha256(layer({name: name.encode() * 100})).hexdigest()}" for name in ("a", "b")
    ]
    upper = "sha256:8116a7b9f5a23aa6314b3114e2c12ba25d38888b698b1ccad4cff8ac499e89d5"
    assert images.chain_ids(()) == frozenset()
    assert images.chain_ids(layers) == {layers[0], upper}


@pytest.mark.parametrize(
    ("references", "one"),
    [
        ((), True),
        (("a:1",), True),
        (("host:5000/a:1", "host:5000/a@sha256:1"), True),
        (("a@sha256:1",), True),
        (("a@sha256:1", "a@sha256:2"), True),
        (("a:1", "a:2"), False),
        (("a:1", "b@sha256:1"), False),
        (("host:5000/a:1", "host/a@sha256:1"), False),
        (("a@sha256:1", "b@sha256:1"), False),
        (("a:1", "a@sha256:1", "b@sha256:1"), False),
    ],
)
def test_what_is_one_name_to_the_engine(references, one):
    assert images.is_one_name(references) is one


def test_names_that_only_repeat_the_id_tell_nothing():
    names = ("a:1", f"a@{IMAGE}", f"b@{IMAGE}", f"a@{OTHER}")
    assert images.telling(names, IMAGE) == {"a:1", f"b@{IMAGE}", f"a@{OTHER}"}
