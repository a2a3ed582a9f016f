"""The Engine's events as a look and a follower read them: gaps, garbage and an Engine that comes and goes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.errors import EvidenceUnwritable, Terminated, Unreachable
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.follow import Follower
from hygiene_core.host.observe import observe
from hygiene_core.model.coverage import Followed, Removal, Span
from hygiene_core.model.host import Host
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.policy import Ages, Policy
from hygiene_core.model.request import ObserveRequest
from hygiene_core.transport.local import LocalTransport
from tests.faults.fake_engine import FakeEngine, Handler, plain, reset

START = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)
POLICY = Policy(source=None, digest="0" * 64, ages=Ages(grace=timedelta(0)))


def event(minute: int, action: str = "start", kind: str = "container", **attributes: Any) -> dict[str, Any]:
    at = int((START + timedelta(minutes=minute)).timestamp())
    actor = {"ID": "0" * 64, "Attributes": {"image": "app:1", "name": "job", **attributes}}
    return {"Type": kind, "Action": action, "Actor": actor, "time": at, "timeNano": at * 10**9}


def ring(*events: Any) -> Handler:
    return plain("".join(f"{json.dumps(one)}\n" for one in events).encode())


def look(handler: Handler) -> Observation:
    with FakeEngine({"/events": handler}) as engine:
        return observe(ObserveRequest(docker_socket=engine.path))


def test_what_is_use_and_what_is_none():
    seen = look(
        ring(
            event(0, "pull", "image"),
            event(1, "create", image="a"),
            event(2, "start", image="b"),
            event(3, "die", image="c"),
            event(4, "exec_start: buildctl du", image="d"),
            event(5, "destroy", image="e"),
            event(6, "health_status: healthy", image="f"),
            event(7, "start", image="a"),
        )
    )
    assert seen.followed.uses == {
        "a": START + timedelta(minutes=7),
        "b": START + timedelta(minutes=2),
        "c": START + timedelta(minutes=3),
    }
    (covered,) = seen.followed.spans
    assert covered.since_at == START
    assert covered.until_at >= seen.started_at
    assert seen.sections[SectionName.EVENTS].availability is Availability.COMPLETE


def test_what_is_removed_and_by_a_prune():
    seen = look(
        ring(
            event(0, "untag", "image"),
            event(1, "delete", "image"),
            event(2, "destroy", "volume"),
            event(3, "destroy", name="buildx_buildkit_b0"),
            event(4, "prune", "image", reclaimed="12"),
            event(5, "prune", "builder", reclaimed="1e3"),
            event(6, "prune", "network"),
        )
    )
    own_id = "0" * 64

    def gone(kind: str, minute: int, one: str | None, claimed: int | None = None) -> Removal:
        at = START + timedelta(minutes=minute)
        return Removal(kind=kind, id=one, removed_at=at, claimed_bytes=claimed)

    assert seen.followed.removals == (
        gone("image", 1, own_id),
        gone("volume", 2, own_id),
        gone("container", 3, own_id),
        gone("builder", 3, "b0"),
        gone("image", 4, None, 12),
        gone("build_cache", 5, None),
    )


def test_an_empty_ring_covers_nothing():
    assert look(plain(b"")).followed == Followed()


@pytest.mark.parametrize(
    "broken",
    [
        plain(b"nonsense"),
        ring([]),
        ring({"Type": "container"}),
        ring({"Type": "container", "timeNano": -1}),
        ring(event(1, image="")),
        ring({**event(1), "Actor": None}),
        ring({**event(1, "destroy", "volume"), "Actor": None}),
        ring({**event(1, "delete", "image"), "Actor": {"ID": 7}}),
        reset,
    ],
)
def test_events_that_cannot_be_read_cover_nothing_and_stop_nothing(broken: Handler):
    seen = look(broken)
    assert seen.followed == Followed()
    assert seen.sections[SectionName.EVENTS].availability is Availability.UNAVAILABLE
    assert seen.sections[SectionName.IMAGES].availability is Availability.COMPLETE


class Stage:
    """A follower of a fake Engine, turn by turn."""

    def __init__(self, folder: Path, engine: FakeEngine) -> None:
        self.engine = engine
        self.store = EvidenceStore(folder / "state")
        self.told: list[str] = []
        self.now = START
        host = Host(name="lab", docker_socket=engine.path, policy=POLICY)
        self.follower = Follower(host, LocalTransport(), self.store, lambda: self.now, self.told.append)

    def turns(self, *rings: Handler) -> None:
        """Read once for each ring; then the follower is stopped, as by a signal."""
        left = list(rings)
        self.engine.routes["/events"] = left.pop(0)

        def wait() -> None:
            if not left:
                raise Terminated("by SIGTERM")
            self.engine.routes["/events"] = left.pop(0)
            self.now += timedelta(seconds=5)

        with pytest.raises(Terminated):
            self.follower.run(wait)


@pytest.fixture
def stage(tmp_path: Path):
    with FakeEngine() as engine:
        yield Stage(tmp_path, engine)


def test_what_was_followed_is_stored_when_it_is_stopped(stage: Stage):
    stage.turns(ring(event(0)), ring(event(0), event(7, "destroy", "volume"), event(9, image="b")))
    seen = stage.store.watched("lab")
    assert seen.removals == (Removal(kind="volume", id="0" * 64, removed_at=START + timedelta(minutes=7)),)
    assert seen.uses == {"app:1": START, "b:latest": START + timedelta(minutes=9)}
    assert len(seen.spans) == 1
    assert seen.spans[0].since_at == START
    assert stage.told == []


def test_it_goes_on_where_it_was(stage: Stage):
    stage.turns(ring(event(0)))
    stage.turns(ring(event(0), event(5)))
    assert len(stage.store.watched("lab").spans) == 1


def test_a_ring_that_was_overrun_is_a_gap_and_is_told(stage: Stage):
    later = datetime.now(UTC) + timedelta(days=1)
    minutes = (later - START) // timedelta(minutes=1)
    stage.turns(ring(event(0)), ring(event(int(minutes))))
    assert stage.told == ["Some events were missed: coverage begins anew."]
    assert len(stage.store.watched("lab").spans) == 2


def test_an_engine_that_goes_and_comes_is_told_once_each(stage: Stage):
    stage.turns(ring(event(0)), reset, reset, ring(event(0)), reset)
    assert [text.partition(":")[0] for text in stage.told] == [
        "The Engine does not answer",
        "The Engine answers again.",
        "The Engine does not answer",
    ]


def test_there_is_one_follower_of_a_host(stage: Stage):
    with stage.store.watching("lab"), pytest.raises(EvidenceUnwritable, match="follows lab already"):
        stage.follower.run(None)


def test_an_engine_that_is_not_there_is_no_reason_to_end(tmp_path: Path):
    store, told = EvidenceStore(tmp_path), []
    host = Host(name="lab", docker_socket=str(tmp_path / "none"), policy=POLICY)
    Follower(host, LocalTransport(), store, lambda: START, told.append).run(None)
    assert len(told) == 1
    assert store.watched("lab") == Followed()
    with pytest.raises(Unreachable):
        LocalTransport().follow(ObserveRequest(docker_socket=host.docker_socket))


def test_a_file_of_an_earlier_version_has_no_removals(tmp_path: Path):
    store = EvidenceStore(tmp_path)
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch/lab.json").write_text(
        '{"v": 1, "spans": [], "uses": {"a:1": "2026-05-04T03:00:00+00:00"}}'
    )
    assert store.watched("lab") == Followed(uses={"a:1": START})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"v": 2}', '{"v": 1, "spans": [["x"]], "uses": {}}',
                                  '{"v": 1, "spans": [], "uses": {"a": "2026-05-04T03:00:00"}}',
                                  '{"v": 1, "spans": [], "uses": {}, "removals": [["image"]]}'])  # fmt: skip
def test_a_broken_file_is_no_coverage(tmp_path: Path, text: str):
    store = EvidenceStore(tmp_path)
    store.keep_watched("lab", Followed(spans=(Span(START, START),)))
    assert store.watched("lab").spans
    (tmp_path / "watch/lab.json").write_text(text)
    assert store.watched("lab") == Followed()
