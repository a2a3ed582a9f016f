from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.errors import EngineProtocol, EngineTooOld, EngineUnreachable, NotDockerEngine
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient, negotiate
from tests.faults.fake_engine import VERSION, FakeEngine, reply


def client(path: str, seconds: float = 10, api: str | None = None) -> EngineClient:
    return EngineClient(path, Deadline.after(timedelta(seconds=seconds)), api)


def test_one_connection_serves_many_requests_and_counts_what_it_received():
    with FakeEngine({"/a": reply([1, 2])}) as engine, client(engine.path, api="1.45") as asking:
        assert asking.get_json("/a") == [1, 2]
        first = asking.received_bytes
        assert asking.get_json("/a", {"type": "image", "x": "a b"}) == [1, 2]
        assert asking.received_bytes == 2 * first
        assert len(engine.connections) == 1
    assert engine.asked == ["/v1.45/a", "/v1.45/a?type=image&x=a+b"]


def test_received_bytes_outlive_the_connection():
    with FakeEngine() as engine, client(engine.path) as asking:
        asking.get_json("/version")
        before = asking.received_bytes
        asking.close()
        assert asking.received_bytes == before > 0


def test_a_path_longer_than_an_address_holds_is_reached(tmp_path: Path):
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    with FakeEngine() as engine:
        link = folder / "docker.sock"
        os.link(engine.path, link)
        with client(str(link)) as asking:
            assert asking.get_json("/version")["Version"] == "26.1.5"


def test_a_name_that_no_address_holds_is_an_error(tmp_path: Path):
    with pytest.raises(EngineUnreachable, match="cannot be opened"):
        client(str(tmp_path / ("s" * 200))).get_json("/version")


def test_no_socket_and_a_socket_without_a_listener_are_told_apart(tmp_path: Path):
    path = tmp_path / "s"
    with pytest.raises(EngineUnreachable, match="There is no Engine socket at"):
        client(str(path)).get_json("/version")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(EngineUnreachable, match="Nothing listens at the socket") as raised:
        client(str(path)).get_json("/version")
    assert raised.value.next_step == "See whether the Engine runs: systemctl status docker"


def test_a_held_connection_tells_that_the_other_side_went_away():
    with FakeEngine() as engine, client(engine.path) as asking:
        asking.get_json("/version")
        assert asking.still_connected()
        engine.drop_connections()
        assert not asking.still_connected()


@pytest.mark.parametrize(
    ("newest", "oldest", "used"),
    [("1.41", "1.12", "1.41"), ("1.45", "1.24", "1.45"), ("1.51", "1.24", "1.51"), ("1.55", "1.40", "1.51")],
)
def test_the_newest_version_that_both_know_is_used(newest: str, oldest: str, used: str):
    answer = VERSION | {"ApiVersion": newest, "MinAPIVersion": oldest}
    with FakeEngine({"/version": reply(answer)}) as engine, client(engine.path) as asking:
        version = negotiate(asking)
        assert (version.api_used, version.api_version, version.api_minimum) == (used, newest, oldest)
        assert asking.url("/info") == f"/v{used}/info"
        assert version.at_least(1, 41)
        assert version.at_least(1, 42) == (used != "1.41")


@pytest.mark.parametrize(
    ("change", "headers", "error", "said"),
    [
        ({"ApiVersion": "1.40"}, "", EngineTooOld, "speaks API 1.40 at most; 1.41 is the oldest"),
        ({"MinAPIVersion": "1.60", "ApiVersion": "1.61"}, "", EngineProtocol, "no API older than 1.60"),
        ({"ApiVersion": "new"}, "", EngineProtocol, "API version that is none"),
        ({"ApiVersion": 1.45}, "", EngineProtocol, "ApiVersion"),
        (
            {"Components": [{"Name": "Podman Engine", "Version": "5.0"}]},
            "",
            NotDockerEngine,
            "Podman answers",
        ),
        ({}, "Libpod-API-Version: 5.0.0\r\n", NotDockerEngine, "Podman answers"),
    ],
)
def test_what_cannot_be_read_is_refused(change, headers, error, said):
    with (
        FakeEngine({"/version": reply(VERSION | change, headers=headers)}) as engine,
        client(engine.path) as asking,
        pytest.raises(error, match=said),
    ):
        negotiate(asking)
