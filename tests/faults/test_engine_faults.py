"""Faults of what answers at the socket: each is one error with its own words, never a hang."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.errors import EnginePermission, EngineProtocol, EngineTimeout, EngineUnreachable
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.observe import observe
from hygiene_core.model.event import Event, ProbeFinished, ProbeStarted
from hygiene_core.model.observation import Availability, SectionName
from hygiene_core.model.request import Deadlines, ObserveRequest
from tests.faults import fake_engine
from tests.faults.fake_engine import FakeEngine, plain, reply

SHORT = timedelta(seconds=0.3)
LONG = timedelta(seconds=30)
WHERE_NAMED = {
    SectionName.RUNNERS,
    SectionName.CREDENTIALS,
    SectionName.NETWORKS,
    SectionName.INSTANCES,
    SectionName.DATA_ROOT,
    SectionName.DAEMON_CONFIG,
    SectionName.RUN_CACHES,
}
"""The sections that are asked only where the configuration or the Engine names a place."""


def deadlines(limit: timedelta = LONG, **other: timedelta) -> Deadlines:
    named = dict.fromkeys(("engine", "images", "containers", "volumes", "build_cache"), limit)
    return Deadlines(**(named | other))


def look(fake: FakeEngine, **other: timedelta):
    return observe(ObserveRequest(docker_socket=fake.path, deadlines=deadlines(**other)))


@pytest.mark.parametrize("fault", [fake_engine.drip, fake_engine.drip_head, fake_engine.freeze])
def test_a_server_that_never_ends_costs_no_more_than_the_deadline(fault):
    with FakeEngine({"/slow": fault}) as engine, EngineClient(engine.path, Deadline.after(SHORT)) as client:
        with pytest.raises(EngineTimeout, match=r"GET /slow did not end within 0\.3 s") as raised:
            client.get_json("/slow")
        assert raised.value.captured_bytes == client.received_bytes
        with pytest.raises(EngineTimeout, match="Connecting"):
            client.get_json("/version")


def test_a_full_backlog_costs_no_more_than_the_deadline(tmp_path: Path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        with pytest.raises(EngineTimeout, match="Connecting to"):
            EngineClient(path, Deadline.after(SHORT)).get_json("/version")


@pytest.mark.parametrize(
    ("handler", "error", "said"),
    [
        (plain(b'[{"Id": "sha'), EngineProtocol, r"is not one JSON value \(application/json, 12 bytes\)"),
        (plain(b"[] []"), EngineProtocol, "is not one JSON value"),
        (plain(b""), EngineProtocol, "is not one JSON value"),
        (plain(b"[NaN]"), EngineProtocol, "is not one JSON value"),
        (plain(b'["\xff"]'), EngineProtocol, "is not one JSON value"),
        (plain(b"<html>busy</html>", kind="text/html"), EngineProtocol, r"not one JSON value \(text/html"),
        (plain(b"<html>", status=502, kind="text/html"), EngineProtocol, r"HTTP 502: \(no message\)"),
        (
            reply({"message": "a disk usage operation is already running"}, status=500),
            EngineProtocol,
            "already running",
        ),
        (reply({"message": "bad password=hunter2"}, status=500), EngineProtocol, r"password=\(masked\)"),
        (plain(b"", status=302, headers="Location: /x\r\n"), EngineProtocol, "HTTP 302"),
        (fake_engine.reset, EngineUnreachable, "went away while answering GET /x"),
        (fake_engine.not_http, EngineProtocol, "does not speak HTTP"),
    ],
)
def test_each_wrong_answer_is_one_error_with_its_own_words(handler, error, said):
    with (
        FakeEngine({"/x": handler}) as engine,
        EngineClient(engine.path, Deadline.after(LONG)) as client,
        pytest.raises(error, match=said),
    ):
        client.get_json("/x")


@pytest.mark.parametrize(
    "handler", [fake_engine.endless, fake_engine.huge, plain(b" " * 200_000)], ids=["endless", "huge", "long"]
)
def test_an_answer_is_read_up_to_a_cap(handler):
    with (
        FakeEngine({"/x": handler}) as engine,
        EngineClient(engine.path, Deadline.after(LONG), max_answer_bytes=100_000) as client,
    ):
        with pytest.raises(EngineProtocol, match="longer than 100000 bytes"):
            client.get_json("/x")
        assert client.received_bytes < 1_000_000


def test_a_socket_that_this_user_may_not_open_is_a_permission_error():
    me = os.geteuid()
    with FakeEngine() as engine:
        Path(engine.path).chmod(0)
        Path(engine.path).parent.chmod(0o755)
        if me == 0:
            os.seteuid(65534)  # root may open everything
        try:
            with pytest.raises(EnginePermission) as raised:
                EngineClient(engine.path, Deadline.after(LONG)).get_json("/version")
        finally:
            os.seteuid(me)
        assert str(raised.value) == (
            f"failed [ENGINE_PERMISSION]: This user may not open the Engine's socket {engine.path}. "
            f"See which group may: ls -l {engine.path}"
        )


def test_an_unreachable_engine_still_leaves_host_and_filesystems(tmp_path: Path):
    seen = observe(ObserveRequest(docker_socket=str(tmp_path / "none"), state_directory=str(tmp_path)))
    assert seen.engine_error == "ENGINE_UNREACHABLE"
    assert seen.engine is None
    assert seen.sections[SectionName.HOST].return_code in {0, 1}
    assert [row.role for row in seen.filesystems] == ["state"]
    for name in ("engine", "images", "containers", "volumes", "build_cache", "builders"):
        section = seen.sections[SectionName(name)]
        assert section.availability is Availability.UNAVAILABLE
        assert section.reason == f"There is no Engine socket at {tmp_path / 'none'}."


@pytest.mark.parametrize(
    ("version", "code", "next_step"),
    [
        (reply(fake_engine.VERSION | {"ApiVersion": "1.40"}), "API_TOO_OLD", "apt-get install docker.io"),
        (
            reply(fake_engine.VERSION, headers="Libpod-API-Version: 5.4\r\n"),
            "NOT_DOCKER",
            "hygiene config check",
        ),
        (plain(b"<html>", kind="text/html"), "ENGINE_PROTOCOL", None),
        (fake_engine.not_http, "ENGINE_PROTOCOL", None),
        (fake_engine.reset, "ENGINE_UNREACHABLE", "systemctl status docker"),
        (fake_engine.drip, "ENGINE_TIMEOUT", None),
    ],
)
def test_what_kept_the_engine_from_being_read_is_kept_with_its_code(version, code, next_step):
    with FakeEngine({"/version": version}) as engine:
        seen = look(engine, engine=SHORT if code == "ENGINE_TIMEOUT" else LONG)
        assert not [target for target in engine.asked if target != "/version"]
    assert seen.engine_error == code
    assert (next_step or "") in (seen.engine_next_step or "")
    assert (seen.engine_next_step is None) == (next_step is None)
    assert seen.sections[SectionName.ENGINE].return_code == (124 if code == "ENGINE_TIMEOUT" else 1)
    assert seen.builders == seen.images == ()


def test_ten_thousand_images_are_all_there():
    rows = [{"Id": f"sha256:{number:064x}", "Size": number, "Created": 1} for number in range(10_000)]
    known = {row["Id"]: () for row in rows}
    with FakeEngine({"/images/json": reply(rows)}) as engine:
        seen = observe(ObserveRequest(docker_socket=engine.path, known_layers=known))
    assert len(seen.images) == 10_000
    assert seen.sections[SectionName.IMAGES].availability is Availability.COMPLETE


def test_a_slow_volume_walk_leaves_the_list_and_everything_else_complete():
    volume = {"Name": "data", "Driver": "local", "Mountpoint": "/x", "CreatedAt": "2026-01-02T03:04:05Z"}
    slow = {"/v1.45/system/df?type=volume": fake_engine.drip}
    with FakeEngine({"/volumes": reply({"Volumes": [volume]})}, **slow) as engine:
        seen = look(engine, volumes=SHORT)
    section = seen.sections[SectionName.VOLUMES]
    assert (section.availability, section.return_code) == (Availability.PARTIAL, 124)
    assert section.captured_bytes is not None
    assert section.captured_bytes > 0
    assert "sizes are not known: GET /v1.45/system/df?type=volume did not end within 0.3 s" in (
        section.reason or ""
    )
    assert section.source == "GET /v1.45/volumes; GET /v1.45/system/df?type=volume"
    assert not section.rows_missing
    assert [(one.id, one.size_bytes) for one in seen.volumes] == [("data", None)]
    for name in ("engine", "images", "containers", "build_cache"):
        assert seen.sections[SectionName(name)].availability is Availability.COMPLETE


def test_on_api_1_41_all_classes_share_one_df_call_and_each_waits_its_own_time():
    old = fake_engine.VERSION | {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}
    with FakeEngine({"/version": reply(old), "/system/df": fake_engine.freeze}) as engine:
        seen = look(engine, limit=timedelta(seconds=0.5), images=SHORT)
        assert engine.asked.count("/v1.41/system/df") == 1
    assert seen.sections[SectionName.IMAGES].return_code == 124
    assert seen.sections[SectionName.IMAGES].availability is Availability.PARTIAL
    assert seen.sections[SectionName.BUILD_CACHE].availability is Availability.UNAVAILABLE
    assert seen.sections[SectionName.BUILD_CACHE].return_code == 124


def test_an_engine_restarted_between_two_reads_is_noticed():
    def restart(engine: FakeEngine, to: socket.socket) -> None:
        engine.drop_connections(0)  # the one that asked /version first
        reply([])(engine, to)

    with FakeEngine({"/images/json": restart}) as engine:
        seen = look(engine)
    for name in ("engine", "images", "containers", "volumes", "build_cache", "builders"):
        section = seen.sections[SectionName(name)]
        assert section.availability is Availability.PARTIAL
        assert "may have been restarted" in (section.reason or "")


def test_an_engine_that_dies_under_a_probe_costs_what_was_not_read():
    def die(engine: FakeEngine, _to: socket.socket) -> None:
        engine.drop_connections()

    with FakeEngine({"/system/df": die}) as engine:
        seen = look(engine)
    assert seen.sections[SectionName.BUILD_CACHE].availability is Availability.UNAVAILABLE
    assert "went away while answering" in (seen.sections[SectionName.BUILD_CACHE].reason or "")


def test_an_info_that_hangs_costs_the_identity_and_nothing_else():
    with FakeEngine({"/info": fake_engine.freeze}) as engine:
        seen = look(engine, engine=SHORT)
    assert seen.engine is not None
    assert (seen.engine.version, seen.engine.id, seen.engine.image_store) == ("26.1.5", None, None)
    assert seen.sections[SectionName.ENGINE].availability is Availability.PARTIAL
    assert seen.sections[SectionName.IMAGES].availability is Availability.COMPLETE


def test_a_container_that_vanishes_in_between_is_dropped():
    stays, gone = _container("a" * 64), _container("b" * 64)
    lists = iter([[stays, gone], [stays]])

    def listing(engine: FakeEngine, to: socket.socket) -> None:
        reply(next(lists))(engine, to)

    times = {"State": {"StartedAt": "2026-01-02T03:04:05.123456789Z", "FinishedAt": "0001-01-01T00:00:00Z"}}
    with FakeEngine({"/containers/json": listing, f"/containers/{'a' * 64}/json": reply(times)}) as engine:
        seen = look(engine)
    assert [one.id for one in seen.containers] == ["a" * 64]
    assert seen.sections[SectionName.CONTAINERS].availability is Availability.COMPLETE
    assert seen.containers[0].finished_at is None
    assert seen.containers[0].started_at is not None
    assert seen.containers[0].started_at.microsecond == 123456


@pytest.mark.parametrize("again", ["the same", "not readable", "no list"])
def test_a_container_that_is_still_listed_stays_whatever_its_inspect_says(again: str):
    row = _container("a" * 64) | {"Mounts": [{"Type": "volume", "Name": "data", "Destination": "/data"}]}
    bad = {"Id": "a" * 64, "State": 5}
    lists = iter([[row], {"the same": [row], "not readable": [bad], "no list": None}[again]])

    def listing(engine: FakeEngine, to: socket.socket) -> None:
        reply(next(lists))(engine, to)

    with FakeEngine({"/containers/json": listing}) as engine:
        seen = look(engine)
    assert [(one.id, one.started_at, one.mounts[0].name) for one in seen.containers] == [
        ("a" * 64, None, "data")
    ]
    section = seen.sections[SectionName.CONTAINERS]
    assert section.availability is Availability.PARTIAL
    assert not section.rows_missing
    assert (section.reason or "").startswith("start and stop times are not known of every container: ")


@pytest.mark.parametrize(("route", "name"), [("/images/json", "images"), ("/containers/json", "containers")])
def test_null_is_not_an_empty_list(route: str, name: str):
    with FakeEngine({route: reply(None)}) as engine:
        seen = look(engine)
    section = seen.sections[SectionName(name)]
    assert section.availability is Availability.UNAVAILABLE
    assert section.reason == f"The list of {name} is not a list."


def test_an_image_that_vanishes_in_between_is_dropped_and_one_that_stays_is_unknown():
    gone, stays, good = (f"sha256:{letter * 64}" for letter in "abc")
    lists = iter([[gone, stays, good], [stays, good]])

    def listing(engine: FakeEngine, to: socket.socket) -> None:
        reply([{"Id": one, "Size": 5, "Created": 1} for one in next(lists)])(engine, to)

    layers = {"RootFS": {"Type": "layers", "Layers": ["sha256:1", "sha256:2"]}}
    with FakeEngine({"/images/json": listing, f"/images/{good}/json": reply(layers)}) as engine:
        seen = look(engine)
    assert {one.id: one.layers for one in seen.images} == {stays: None, good: ("sha256:1", "sha256:2")}
    assert seen.sections[SectionName.IMAGES].reason == "layers of 1 of 2 images are not known"


def test_layers_known_from_before_are_not_asked_for_again():
    image = f"sha256:{'a' * 64}"
    with FakeEngine({"/images/json": reply([{"Id": image, "Size": 5, "Created": 1}])}) as engine:
        request = ObserveRequest(docker_socket=engine.path, known_layers={image: ("sha256:1",)})
        seen = observe(request)
        assert not [target for target in engine.asked if image in target]
    assert seen.images[0].layers == ("sha256:1",)
    assert seen.sections[SectionName.IMAGES].availability is Availability.COMPLETE


def _container(number: str) -> dict[str, object]:
    return {
        "Id": number,
        "Names": ["/x"],
        "Image": "i",
        "ImageID": "sha256:1",
        "State": "exited",
        "Created": 1,
    }


@pytest.mark.parametrize(
    "route", ["/version", "/info", "/images/json", "/containers/json", "/volumes", "/system/df"]
)
def test_the_process_ends_by_itself_whatever_call_is_frozen(route: str):
    code = (
        "import sys\n"
        "from datetime import timedelta as t\n"
        "from hygiene_core.transport.local import LocalTransport\n"
        "from hygiene_core.model.request import ObserveRequest, Deadlines\n"
        "s = t(seconds=0.3)\n"
        "d = Deadlines(engine=s, images=s, containers=s, volumes=s, build_cache=s)\n"
        "seen = LocalTransport().observe(ObserveRequest(docker_socket=sys.argv[1], deadlines=d))\n"
        "print(sorted({x.return_code for x in seen.sections.values()})[-1])\n"
    )
    with FakeEngine({route: fake_engine.freeze}) as engine:
        done = subprocess.run(
            [sys.executable, "-c", code, engine.path], capture_output=True, text=True, check=True, timeout=60
        )
    assert done.stdout == "124\n"
    assert done.stderr == ""


@pytest.mark.parametrize("reachable", [True, False])
def test_each_section_is_told_once_when_it_starts_and_once_when_it_ends(reachable: bool):
    told: list[Event] = []
    with FakeEngine() as engine:
        path = engine.path if reachable else engine.path + "-not"
        observe(ObserveRequest(docker_socket=path), emit=told.append)
    started = [event.section for event in told if isinstance(event, ProbeStarted)]
    finished = [event.section.name for event in told if isinstance(event, ProbeFinished)]
    assert sorted(started) == sorted(finished) == sorted(set(SectionName) - WHERE_NAMED)


def test_a_listener_that_fails_ends_the_pass_and_leaves_no_thread_behind():
    def listener(event: Event) -> None:
        if isinstance(event, ProbeFinished) and event.section.name is SectionName.ENGINE:
            raise BrokenPipeError

    with FakeEngine({"/images/json": fake_engine.freeze}) as engine, pytest.raises(BrokenPipeError):
        observe(ObserveRequest(docker_socket=engine.path), emit=listener)
    for thread in threading.enumerate():
        if thread.name.startswith("probe-"):
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_a_defect_in_a_probe_costs_its_section_only(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("hygiene_core.host.observe.read_volumes", broken)
    with FakeEngine() as engine:
        seen = look(engine)
    assert seen.sections[SectionName.VOLUMES].reason == "a defect of this kit: RuntimeError: a bug"
    assert seen.sections[SectionName.IMAGES].availability is Availability.COMPLETE
    assert seen.sections[SectionName.BUILDERS].availability is Availability.UNAVAILABLE


def test_a_bad_row_makes_its_section_partial_and_no_volume_an_orphan():
    state = {"Name": "buildx_buildkit_one0_state", "Driver": "local"}
    lists = {"/containers/json": reply([{"Id": "x"}]), "/volumes": reply({"Volumes": [state]})}
    with FakeEngine(lists) as engine:
        seen = look(engine)
    assert seen.sections[SectionName.CONTAINERS].availability is Availability.PARTIAL
    assert [builder.id for builder in seen.builders] == ["embedded"]
    assert seen.sections[SectionName.BUILDERS].availability is Availability.PARTIAL
    assert (seen.sections[SectionName.BUILDERS].reason or "").startswith(
        "containers: 1 of 1 containers could not be"
    )


def test_a_builder_whose_node_is_called_embedded_is_not_the_engines_own():
    names = ("buildx_buildkit_embedded", "buildx_buildkit_buildx_buildkit_embedded", "buildx_buildkit_one0")
    running = [
        _container(digit * 64) | {"Names": [f"/{name}"]} for digit, name in zip("abc", names, strict=True)
    ]
    state = {"Name": "buildx_buildkit_embedded_state", "Driver": "local"}
    routes = {f"/containers/{row['Id']}/json": reply({"State": {}}) for row in running}
    routes |= {"/containers/json": reply(running), "/volumes": reply({"Volumes": [state]})}
    with FakeEngine(routes) as engine:
        seen = look(engine)
    assert {one.id: (one.driver, one.container_id, one.volume) for one in seen.builders} == {
        "embedded": ("embedded", None, None),
        "buildx_buildkit_embedded": ("docker-container", "a" * 64, state["Name"]),
        "buildx_buildkit_buildx_buildkit_embedded": ("docker-container", "b" * 64, None),
        "one0": ("docker-container", "c" * 64, None),
    }
    assert len(seen.builders) == 4


def test_a_state_volume_left_of_a_node_called_embedded_is_not_the_engines_own():
    state = {"Name": "buildx_buildkit_embedded_state", "Driver": "local"}
    with FakeEngine({"/volumes": reply({"Volumes": [state]})}) as engine:
        seen = look(engine)
    assert [(one.id, one.volume) for one in seen.builders] == [
        ("embedded", None),
        ("buildx_buildkit_embedded", state["Name"]),
    ]


IMAGE = {"Id": f"sha256:{'a' * 64}", "Size": 5, "Created": 1}
VOLUME = {"Name": "data", "Driver": "local"}
RECORD = {"ID": "r", "InUse": False, "Shared": False, "Size": 7}


@pytest.mark.parametrize(
    ("name", "route", "answer"),
    [
        ("images", "/images/json", lambda row, other: [row, row | other]),
        ("containers", "/containers/json", lambda row, other: [row, row | other]),
        ("volumes", "/volumes", lambda row, other: {"Volumes": [row, row | other]}),
        ("build_cache", "/system/df", lambda row, other: {"BuildCache": [row, row | other]}),
    ],
)
@pytest.mark.parametrize("same", [True, False], ids=["same", "other"])
def test_a_row_that_stands_twice_is_kept_once_and_makes_its_section_partial(name, route, answer, same: bool):
    row, other = {
        "images": (IMAGE, {"Size": 6}),
        "containers": (_container("a" * 64), {"State": "running"}),
        "volumes": (VOLUME, {"Mountpoint": "/elsewhere"}),
        "build_cache": (RECORD, {"Size": 8}),
    }[name]
    layers = {f"/images/{IMAGE['Id']}/json": reply({"RootFS": {"Type": "layers", "Layers": []}})}
    times = {f"/containers/{'a' * 64}/json": reply({"State": {}})}
    routes = layers | times | {route: reply(answer(row, {} if same else other))}
    with FakeEngine(routes) as engine:
        seen = look(engine)
    rows = getattr(seen, name)
    assert len(rows) == 1
    assert "Size" not in row or rows[0].size_bytes == row["Size"]
    assert getattr(rows[0], "state", "exited") == "exited"
    assert getattr(rows[0], "mountpoint", None) is None
    section = seen.sections[SectionName(name)]
    assert section.availability is Availability.PARTIAL
    assert (section.reason or "").startswith("1 row stood twice")
    assert section.rows_missing is not same


def test_a_report_of_rows_that_stand_twice_can_be_made():
    rows = [IMAGE, IMAGE, IMAGE]
    routes = {
        "/images/json": reply(rows),
        "/volumes": reply({"Volumes": [VOLUME | {"Name": "buildx_buildkit_embedded_state"}, VOLUME, VOLUME]}),
        "/system/df": reply({"BuildCache": [RECORD, RECORD]}),
    }
    with FakeEngine(routes) as engine:
        seen = look(engine)
    kinds = (seen.images, seen.containers, seen.volumes, seen.build_cache, seen.builders)
    ids = [(one.kind, one.id) for rows_of_kind in kinds for one in rows_of_kind]
    assert len(ids) == len(set(ids)) == 6
    assert (seen.sections[SectionName.IMAGES].reason or "").startswith("2 rows stood twice")


@pytest.mark.parametrize(
    ("route", "answer", "blind"),
    [
        ("/images/json", [{"Id": "x"}], {"images"}),
        ("/containers/json", [{"Id": "x"}], {"containers", "builders"}),
        ("/volumes", {"Volumes": [{"Name": ""}]}, {"volumes", "builders"}),
        ("/volumes", {"Volumes": [], "Warnings": ["plugin x is gone"]}, {"volumes", "builders"}),
        ("/system/df", {"BuildCache": [{"ID": "x"}]}, {"build_cache"}),
        ("/system/df", {"Images": [{"Id": "x"}]}, set()),
        ("/system/df", {"Volumes": [{"Name": ""}]}, set()),
        ("/images/json", [IMAGE], set()),
    ],
)
def test_a_section_says_whether_rows_are_missing_or_only_figures(route: str, answer, blind: set[str]):
    with FakeEngine({route: reply(answer)}) as engine:
        seen = look(engine)
    assert {name for name, section in seen.sections.items() if section.rows_missing} == blind
    partial = {name for name in seen.sections if seen.availability(name) is Availability.PARTIAL}
    partial -= {SectionName.HOST, SectionName.FILESYSTEMS}
    assert partial
    assert partial >= blind


@pytest.mark.parametrize(("api", "anonymous"), [("1.41", True), ("1.42", False), ("1.45", False)])
def test_a_made_up_name_is_anonymous_only_where_the_engine_sets_no_label(api: str, anonymous: bool):
    version = fake_engine.VERSION | {"ApiVersion": api}
    volumes = {"Volumes": [VOLUME | {"Name": "a" * 64}]}
    with FakeEngine({"/version": reply(version), "/volumes": reply(volumes)}) as engine:
        seen = look(engine)
    assert [one.anonymous for one in seen.volumes] == [anonymous]


def test_a_snapshot_that_ends_while_it_is_counted_is_counted_again():
    answers = iter((reply({"message": "snapshot x-view does not exist"}, status=404), reply({"Images": []})))

    def once_missing(engine: FakeEngine, to: socket.socket) -> None:
        next(answers)(engine, to)

    target = "/v1.45/system/df?type=image"
    with FakeEngine(**{target: once_missing}) as engine:
        seen = observe(ObserveRequest(docker_socket=engine.path))
        assert engine.asked.count(target) == 2
    assert seen.sections[SectionName.IMAGES].availability is Availability.COMPLETE
