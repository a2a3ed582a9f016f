"""What two real versions of `buildctl` printed, read into the model; and what it may print one day."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hygiene_core.errors import EngineProtocol
from hygiene_core.host.buildkit_wire import parse_du, parse_histories, parse_workers
from hygiene_core.model.resource import GcRule

ANSWERS = Path(__file__).parents[1] / "data/buildkit"
VERSIONS = ("0.16.0", "0.32.2")


def answer(version: str, what: str) -> bytes:
    return (ANSWERS / version / f"{what}.json").read_bytes()


@pytest.mark.parametrize("version", VERSIONS)
def test_records(version: str):
    parsed = parse_du(answer(version, "du"), "warm0")
    assert parsed.problem is None
    assert {record.builder for record in parsed.rows} == {"warm0"}
    assert all(record.id.startswith("warm0/") for record in parsed.rows)
    assert {record.type for record in parsed.rows} == {"regular", "source.local", "exec.cachemount"}
    copied = next(record for record in parsed.rows if record.description.endswith("COPY data.txt /data.txt"))
    base = next(record for record in parsed.rows if record.description.endswith("COPY busybox /bin/sh"))
    assert copied.parents == (base.id,)
    assert base.size_bytes is not None
    assert base.size_bytes > 2_000_000
    assert base.last_used_at is not None
    assert base.last_used_at.tzinfo is UTC


@pytest.mark.parametrize("version", VERSIONS)
def test_builds(version: str):
    history = parse_histories(answer(version, "histories"))
    assert history.running == 0
    assert history.last_build_at is not None
    assert history.last_build_at.date() == datetime(2026, 11, 24, tzinfo=UTC).date()


def test_a_worker_of_an_old_version_has_one_bound_a_tier():
    worker = parse_workers(answer("0.16.0", "workers"))
    assert worker.version == "v0.16.0"
    assert worker.gc_policy[0] == GcRule(
        filters=("type==source.local,type==exec.cachemount,type==source.git.checkout",),
        keep_for=timedelta(hours=48),
        max_used_bytes=512_000_000,
    )
    assert worker.gc_policy[-1] == GcRule(everything=True, max_used_bytes=26_000_000_000)


def test_a_worker_of_a_new_version_has_three():
    worker = parse_workers(answer("0.32.2", "workers"))
    assert worker.version == "v0.32.2"
    assert worker.gc_policy[-1] == GcRule(
        everything=True,
        reserved_bytes=10_000_000_000,
        max_used_bytes=100_000_000_000,
        min_free_bytes=51_000_000_000,
    )


@pytest.mark.parametrize("created", ["2026-11-24T14:26:41.9Z", {"seconds": 1795530404, "nanos": 5}])
def test_a_build_that_has_not_ended_runs(created: object):
    started = {"record": {"Ref": "a", "CreatedAt": created}}
    ended = {"type": 1, "record": {"Ref": "b", "CreatedAt": created, "CompletedAt": created}}
    history = parse_histories("\n".join(map(json.dumps, (started, ended, started))).encode())
    assert history.running == 1
    assert history.last_build_at is not None
    assert history.oldest_started_at == history.last_build_at


def test_the_oldest_of_the_builds_that_run_and_one_without_a_time():
    times = {"a": "2026-11-24T14:26:41Z", "b": "2026-11-24T13:26:41Z", "c": None}
    started = [{"record": {"Ref": ref, "CreatedAt": at}} for ref, at in times.items()]
    history = parse_histories("\n".join(map(json.dumps, started)).encode())
    assert (history.running, history.last_build_at) == (3, None)
    assert history.oldest_started_at == datetime(2026, 11, 24, 13, 26, 41, tzinfo=UTC)


def test_nothing_at_all():
    assert parse_du(b"null", "b").rows == ()
    assert parse_histories(b"").running == 0
    assert parse_histories(b"\n\n").last_build_at is None


def test_a_bad_record_costs_that_record():
    parsed = parse_du(b'[{"id": "a", "size": 1}, {"id": ""}, {"size": 2}]', "b")
    assert [record.id for record in parsed.rows] == ["b/a"]
    assert parsed.problem is not None
    assert parsed.problem.startswith("2 of 3 cache records could not be read (row 2, id: ")


@pytest.mark.parametrize("bad", [b"", b"usage: buildctl", b"{}", b"[1", b"\xff\xfe"])
def test_garbage_is_refused(bad: bytes):
    with pytest.raises(EngineProtocol):
        parse_du(bad, "b")
    with pytest.raises(EngineProtocol):
        parse_workers(bad)


@pytest.mark.parametrize("bad", [b"nonsense", b'{"type": "x"}', b'{"record": {"CompletedAt": 5}}', b"\xff"])
def test_a_history_that_cannot_be_read_is_refused_as_a_whole(bad: bytes):
    with pytest.raises(EngineProtocol):
        parse_histories(bad)


def test_no_worker_is_refused():
    with pytest.raises(EngineProtocol, match="names no worker"):
        parse_workers(b"[]")


def test_the_arguments_of_a_build_are_not_captured():
    event = {"record": {"Ref": "a", "FrontendAttrs": {"build-arg:TOKEN": "hunter2"}}}
    assert "hunter2" not in repr(parse_histories(json.dumps(event).encode()))
