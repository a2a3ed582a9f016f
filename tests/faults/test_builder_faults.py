"""Builders that do not answer as they should: faults that a real BuildKit will not commit on demand.

The Engine is a fake one, because a real one cannot be made to cut an exec short.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.host.observe import observe
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.request import Deadlines, ObserveRequest
from tests.faults.fake_engine import FakeEngine, Handler, drip, frames, freeze, plain, reply, reset

ANSWERS = Path(__file__).parents[1] / "data/buildkit/0.32.2"
COMMANDS = {"du": "du", "debug workers": "workers", "debug histories": "histories"}
SHORT = Deadlines(builder_cache=timedelta(seconds=0.5))


def container(name: str, number: int, state: str = "running") -> dict[str, Any]:
    return {
        "Id": f"{number:064x}",
        "Names": [f"/buildx_buildkit_{name}"],
        "ImageID": "sha256:" + "0" * 64,
        "Image": "moby/buildkit:buildx-stable-1",
        "State": state,
        "Created": 1700000000,
        "Mounts": [],
        "Labels": {},
    }


def routes(*containers: dict[str, Any], **faults: Handler) -> dict[str, Handler]:
    """An Engine whose builders answer as a real BuildKit did, but for the commands named in `faults`."""
    made: dict[str, Handler] = {"/containers/json": reply(list(containers))}
    for one in containers:
        identity = one["Id"]
        made[f"/containers/{identity}/json"] = faults.get(
            "inspect",
            reply({"Id": identity, "ExecIDs": None, "State": {"Status": one["State"]}, "Mounts": []}),
        )
        # The order of the questions is workers, du, histories: each exec is named after its question.
        order = iter(("debug workers", "du", "debug histories"))

        def create(engine: FakeEngine, to: Any, identity: str = identity, order: Any = order) -> None:
            if "create" in faults:
                faults["create"](engine, to)
                return
            reply({"Id": f"{identity[-2:]}-{COMMANDS[next(order)]}"}, status=201)(engine, to)

        made[f"/containers/{identity}/exec"] = create
        for what in COMMANDS.values():
            answer = (ANSWERS / f"{what}.json").read_bytes()
            made[f"/exec/{identity[-2:]}-{what}/start"] = faults.get(what, frames(answer))
            made[f"/exec/{identity[-2:]}-{what}/json"] = faults.get(
                f"{what}_end", reply({"ExitCode": 0, "Running": False})
            )
    return made


def look(made: dict[str, Handler], deadlines: Deadlines | None = None) -> Observation:
    with FakeEngine(made) as engine:
        return observe(ObserveRequest(docker_socket=engine.path, deadlines=deadlines or Deadlines()))


def reason_of(seen: Observation) -> str:
    section = seen.sections[SectionName.BUILDER_CACHE]
    assert section.availability is Availability.PARTIAL
    return section.reason or ""


def test_a_builder_that_answers():
    seen = look(routes(container("b0", 1)))
    assert seen.sections[SectionName.BUILDER_CACHE].availability is Availability.COMPLETE
    (builder,) = (one for one in seen.builders if one.driver == "docker-container")
    assert (builder.version, builder.sessions, builder.running_builds) == ("v0.32.2", 0, 0)
    assert builder.records_read
    assert builder.gc_policy
    assert {record.builder for record in seen.build_cache} == {"b0"}


def test_one_that_hangs_costs_the_other_nothing():
    made = routes(container("good0", 1), container("hung0", 2))
    made["/exec/02-du/start"] = freeze
    seen = look(made, SHORT)
    assert {record.builder for record in seen.build_cache} == {"good0"}
    assert {one.id: one.records_read for one in seen.builders} == {
        "embedded": False,
        "good0": True,
        "hung0": False,
    }
    assert reason_of(seen).startswith("hung0 did not ")
    assert "within 0.5 s" in reason_of(seen)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"du": drip}, "within 0.5 s"),
        ({"du": reset}, "went away"),
        ({"du": frames(b"not json")}, "not one JSON value (8 bytes)"),
        ({"du": frames(b"")}, "not one JSON value (0 bytes)"),
        ({"du": plain(b"\x01\x00\x00", kind="application/vnd.docker.raw-stream")}, "cut the answer"),
        ({"du": plain(b"\x01\0\0\0\0\0\0\x09abc")}, "no whole stream of frames"),
        ({"du": plain(b"\x07\0\0\0\0\0\0\x01a")}, "no whole stream of frames"),
        ({"du": frames(b'[{"id": ""}]')}, "told records that cannot be read: 1 of 1 cache records"),
        ({"du_end": reply({"ExitCode": 1})}, "`buildctl` ended with exit code 1"),
        ({"du_end": reply({"ExitCode": None})}, "ended with exit code None"),
        ({"create": reply({"message": "container is paused"}, status=409)}, "container is paused"),
        ({"create": reply({})}, "did not name the exec"),
    ],
)
def test_a_fault_costs_the_records_and_says_so(fault: dict[str, Handler], said: str):
    seen = look(routes(container("b0", 1), **fault), SHORT)
    assert not any(one.records_read for one in seen.builders)
    assert said in reason_of(seen)
    assert seen.sections[SectionName.CONTAINERS].availability is Availability.COMPLETE


def test_a_program_that_is_not_there_says_so_in_the_engines_words():
    said = b'OCI runtime exec failed: exec: "buildctl": executable file not found in $PATH'
    faults: dict[str, Handler] = {}
    for what in COMMANDS.values():
        faults |= {what: frames(said), f"{what}_end": reply({"ExitCode": 127})}
    reason = reason_of(look(routes(container("b0", 1), **faults)))
    assert reason.startswith(
        "b0 did not tell its version, records, builds: `buildctl` ended with exit code 127: "
    )
    assert "executable file not found" in reason


@pytest.mark.parametrize("state", ["paused", "restarting", "removing", "new"])
def test_one_that_cannot_be_asked_is_named(state: str):
    with FakeEngine(routes(container("b0", 1, state))) as engine:
        seen = observe(ObserveRequest(docker_socket=engine.path))
        assert not any("exec" in target for target in engine.asked)
    assert reason_of(seen) == f"b0 is {state} and cannot be asked"


@pytest.mark.parametrize("state", ["created", "exited", "dead"])
def test_that_one_is_stopped_is_its_state_and_no_fault(state: str):
    seen = look(routes(container("b0", 1, state)))
    assert seen.sections[SectionName.BUILDER_CACHE].availability is Availability.COMPLETE
    (builder,) = (one for one in seen.builders if one.id == "b0")
    assert (builder.container_state, builder.records_read) == (state, False)


def exec_of(program: str, *arguments: str, is_running: bool = True) -> Handler:
    process = {"entrypoint": program, "arguments": list(arguments)}
    return reply({"Running": is_running, "ProcessConfig": process})


def inspected(*execs: str) -> Handler:
    return reply({"ExecIDs": list(execs), "State": {"Status": "running"}, "Mounts": []})


def test_a_look_that_still_runs_there_is_not_joined_by_another():
    made = routes(container("b0", 1), inspect=inspected("old"))
    made["/exec/old/json"] = exec_of("buildctl", "du", "--format", "{{json .}}")
    with FakeEngine(made) as engine:
        seen = observe(ObserveRequest(docker_socket=engine.path))
        assert not any(target.endswith("/exec") for target in engine.asked)
    assert "still runs the `buildctl` of an earlier look" in reason_of(seen)


def test_sessions_are_the_clients_that_are_attached_now():
    made = routes(container("b0", 1), inspect=inspected("a", "b", "c", "gone", "shell"))
    made["/exec/a/json"] = exec_of("buildctl", "dial-stdio")
    made["/exec/b/json"] = exec_of("buildctl", "dial-stdio")
    made["/exec/c/json"] = exec_of("buildctl", "dial-stdio", is_running=False)
    made["/exec/shell/json"] = exec_of("sh")
    seen = look(made)
    assert [one.sessions for one in seen.builders if one.id == "b0"] == [2]


@pytest.mark.parametrize("broken", [reply([]), reply({"ExecIDs": 5}), reply({"ExecIDs": ["x"]})])
def test_an_odd_inspect_is_no_session(broken: Handler):
    made = routes(container("b0", 1), inspect=broken)
    made["/exec/x/json"] = reply({"Running": True})
    assert [one.sessions for one in look(made).builders if one.id == "b0"] == [0]


def test_without_containers_no_builder_can_be_asked():
    made = routes(container("b0", 1)) | {"/containers/json": reply({}, status=500)}
    seen = look(made)
    assert seen.sections[SectionName.BUILDER_CACHE].availability is Availability.UNAVAILABLE


@pytest.mark.parametrize(
    ("files", "expected"),
    [({"b": "b0"}, 1), ({"other": "x0"}, 0), ({"other": "x0", "broken": None}, None)],
)
def test_instance_files_name_builders(tmp_path: Path, files: dict[str, str | None], expected: int | None):
    folder = tmp_path / "instances"
    folder.mkdir()
    for name, node in files.items():
        text = "{" if node is None else json.dumps({"Nodes": [{"Name": node}]})
        (folder / name).write_text(text)
    with FakeEngine(routes(container("b0", 1))) as engine:
        seen = observe(ObserveRequest(docker_socket=engine.path, homes=(str(tmp_path),)))
    (builder,) = (one for one in seen.builders if one.id == "b0")
    assert (None if builder.instances is None else len(builder.instances)) == expected
