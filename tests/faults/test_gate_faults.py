"""The activity gate and an Engine that answers as a real one does only now and then."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.gate import Source, sample
from hygiene_core.model.activity import Activity, Signal, busy
from tests.faults.fake_engine import (
    FakeEngine,
    Handler,
    drip,
    endless,
    frames,
    freeze,
    not_http,
    plain,
    reply,
    reset,
)

NOW = "2026-05-04T08:00:00Z"
BUILDER = "b" * 64


def record(**facts: Any) -> dict[str, Any]:
    return {"ID": "r", "InUse": True, "Shared": False, "LastUsedAt": None, "UsageCount": 0, **facts}


def df(*rows: Any) -> Handler:
    return reply({"BuildCache": list(rows)})


def container(state: str = "running", **facts: Any) -> dict[str, Any]:
    return {
        "Id": BUILDER,
        "Names": ["/buildx_buildkit_b0"],
        "ImageID": "sha256:" + "0" * 64,
        "Image": "moby/buildkit:buildx-stable-1",
        "State": state,
        "Created": 1700000000,
        **facts,
    }


def builder(answers: dict[str, Handler]) -> dict[str, Handler]:
    """A running builder, which has `answers` by path; its clients can be listed, and there are none."""
    inspected = reply({"Id": BUILDER, "ExecIDs": None})
    listed = reply([container()])
    return {"/containers/json": listed, f"/containers/{BUILDER}/json": inspected, **answers}


def look(routes: dict[str, Handler], tmp_path: Path, seconds: float = 5) -> tuple[Signal, ...]:
    proc = tmp_path / "proc"
    (proc / "1/fd").mkdir(parents=True, exist_ok=True)
    (proc / "1/stat").write_text("1 (init) S 0 " + " ".join(["1"] * 18))
    (proc / "1/cmdline").write_text("")
    with FakeEngine(routes) as engine:
        within = Deadline.after(timedelta(seconds=seconds))
        return sample(engine.path, "1.45", data_root=None, exclude=(), within=within, proc=proc)


def held(signals: tuple[Signal, ...]) -> dict[str, tuple[Activity, str]]:
    return {one.source: (one.activity, one.detail) for one in busy(signals)}


def test_an_engine_that_holds_nothing_is_idle(tmp_path: Path):
    signals = look({}, tmp_path)
    assert busy(signals) == ()
    assert {one.source for one in signals} == {source.value for source in Source}


@pytest.mark.parametrize(
    "row",
    [
        record(LastUsedAt=NOW),  # stuck in use: seen on an idle 20.10
        record(LastUsedAt=NOW, UsageCount=3),
        record(UsageCount=1),
        record(InUse=False),  # left behind by an Engine that was killed in a build
    ],
)
def test_records_that_no_build_is_making(tmp_path: Path, row: dict[str, Any]):
    assert held(look({"/system/df": df(row)}, tmp_path)) == {}


@pytest.mark.parametrize("row", [record(), record(UsageCount=-1), record(LastUsedAt="0001-01-01T00:00:00Z")])
def test_a_record_that_a_build_is_making(tmp_path: Path, row: dict[str, Any]):
    assert held(look({"/system/df": df(row, record(ID="s", LastUsedAt=NOW))}, tmp_path)) == {
        Source.BUILD_RECORDS: (Activity.ACTIVE, "the embedded builder is making 1 record")
    }


def test_a_record_that_cannot_be_read_may_be_a_build(tmp_path: Path):
    (told,) = held(look({"/system/df": df(record(LastUsedAt=NOW), {"ID": "x"})}, tmp_path)).values()
    assert told[0] is Activity.UNKNOWN
    assert "1 of 2 build cache records could not be read" in told[1]


def test_a_snapshot_that_ends_while_it_is_counted_costs_a_second_question(tmp_path: Path):
    answers = [reply({"message": "not found"}, status=404), df()]

    def once(engine: FakeEngine, to: Any) -> None:
        answers.pop(0)(engine, to)

    assert held(look({"/system/df": once}, tmp_path)) == {}
    assert answers == []


@pytest.mark.parametrize(
    "fault",
    [
        freeze,
        drip,
        reset,
        endless,
        not_http,
        plain(b"<html>"),
        reply([]),
        reply({"message": "no"}, status=500),
        reply({"message": "no"}, status=404),
    ],
)
def test_a_build_cache_that_cannot_be_read_is_unknown_alone(tmp_path: Path, fault: Handler):
    began = time.monotonic()
    told = held(look({"/system/df": fault}, tmp_path, seconds=1))
    assert {source: one[0] for source, one in told.items()} == {Source.BUILD_RECORDS: Activity.UNKNOWN}
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "fault", [freeze, reset, not_http, reply({}), reply([{"Id": "x"}]), reply({"message": "no"}, status=500)]
)
def test_containers_that_cannot_be_listed_are_unknown_builders(tmp_path: Path, fault: Handler):
    told = held(look({"/containers/json": fault}, tmp_path, seconds=1))
    assert {source: one[0] for source, one in told.items()} == dict.fromkeys(
        (Source.BUILD_HISTORY, Source.BUILD_SESSION, Source.BUILD_RECORDS), Activity.UNKNOWN
    )
    assert all(one[1].startswith("the container builders: ") for one in told.values())


@pytest.mark.parametrize(
    ("state", "expected"),
    [("exited", False), ("created", False), ("paused", True), ("restarting", True), ("removing", True)],
)
def test_a_builder_that_does_not_run(tmp_path: Path, state: str, expected: bool):
    told = held(look({"/containers/json": reply([container(state)])}, tmp_path))
    assert bool(told) is expected
    assert all(one == (Activity.UNKNOWN, f"b0 is {state} and cannot be asked") for one in told.values())


@pytest.mark.parametrize("fault", [freeze, reset, reply({"message": "gone"}, status=404)])
def test_a_builder_whose_clients_cannot_be_listed_is_unknown(tmp_path: Path, fault: Handler):
    told = held(look(builder({f"/containers/{BUILDER}/json": fault}), tmp_path, seconds=1))
    assert set(told) == {Source.BUILD_HISTORY, Source.BUILD_SESSION, Source.BUILD_RECORDS}
    assert all(one[0] is Activity.UNKNOWN and "b0 did not" in one[1] for one in told.values())


@pytest.mark.parametrize(
    "fault",
    [
        reply({"message": "not running"}, status=409),
        freeze,
        reset,
    ],
)
def test_a_builder_that_takes_no_command_is_unknown(tmp_path: Path, fault: Handler):
    told = held(look(builder({f"/containers/{BUILDER}/exec": fault}), tmp_path, seconds=1))
    assert {source: one[0] for source, one in told.items()} == dict.fromkeys(
        (Source.BUILD_HISTORY, Source.BUILD_RECORDS), Activity.UNKNOWN
    )


def test_an_answer_of_a_builder_that_was_cut_short_is_unknown(tmp_path: Path):
    routes = builder(
        {
            f"/containers/{BUILDER}/exec": reply({"Id": "e"}, status=201),
            "/exec/e/start": frames(b'[{"id": "r", "inU'),
            "/exec/e/json": reply({"ExitCode": 0, "Running": False}),
        }
    )
    told = held(look(routes, tmp_path))
    assert {source: one[0] for source, one in told.items()} == dict.fromkeys(
        (Source.BUILD_HISTORY, Source.BUILD_RECORDS), Activity.UNKNOWN
    )
