"""buildx instance files in homes of every kind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hygiene_core.host.probes.instances import read_instances


def instance(place: Path, name: str, *nodes: str, **more: object) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    path = place / name
    made = {"Name": name, "Driver": "docker-container", "Nodes": [{"Name": node} for node in nodes]}
    path.write_text(json.dumps(made | more))
    return path


def test_the_three_places(tmp_path: Path):
    home, config, buildx = tmp_path / "home", tmp_path / "config", tmp_path / "buildx"
    paths = [
        instance(home / ".docker/buildx/instances", "a", "a0", "a1"),
        instance(config / "buildx/instances", "b", "b0"),
        instance(buildx / "instances", "c", "a0"),
    ]
    seen = read_instances((str(home), str(config), str(buildx)))
    assert seen.problems == ()
    assert seen.by_node == {
        "a0": (str(paths[0]), str(paths[2])),
        "a1": (str(paths[0]),),
        "b0": (str(paths[1]),),
    }


def test_a_home_without_buildx_names_nothing(tmp_path: Path):
    assert read_instances((str(tmp_path),)) == read_instances(())


def test_a_home_that_is_not_there_is_a_problem(tmp_path: Path):
    assert read_instances((str(tmp_path / "gone"),)).problems == (
        f"{tmp_path}/gone: No such file or directory",
    )


def test_a_remote_driver_that_points_at_a_container_names_its_node(tmp_path: Path):
    node = {"Name": "far0", "Endpoint": "docker-container://buildx_buildkit_near0?x=1"}
    instance(tmp_path / "instances", "far", Nodes=[node])
    assert set(read_instances((str(tmp_path),)).by_node) == {"far0", "near0"}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"{}", b'{"Nodes": [1]}', b'{"Nodes": {}}', b"\xff", b"[" * 100_000]
)
def test_a_broken_file_is_a_problem_and_is_not_repeated(tmp_path: Path, text: bytes):
    good = instance(tmp_path / "instances", "a", "a0")
    (tmp_path / "instances/broken").write_bytes(text)
    seen = read_instances((str(tmp_path),))
    assert seen.by_node == {"a0": (str(good),)}
    (problem,) = seen.problems
    assert problem.startswith(f"{tmp_path}/instances/broken is no instance file: ")


def test_a_key_in_a_file_is_never_shown(tmp_path: Path):
    path = instance(tmp_path / "instances", "a", "a0", Files={"ca.pem": "LS0tSECRET"})
    assert "SECRET" not in repr(read_instances((str(tmp_path),)))
    path.write_text('{"Files": "LS0tSECRET"')
    assert "SECRET" not in repr(read_instances((str(tmp_path),)))


def test_what_is_no_file_is_a_problem_and_does_not_hang(tmp_path: Path):
    (tmp_path / "instances").mkdir()
    os.mkfifo(tmp_path / "instances/pipe")
    (tmp_path / "instances/folder").mkdir()
    (tmp_path / "instances/loop").symlink_to("loop")
    (tmp_path / "instances/long").write_bytes(b" " * (1024 * 1024 + 1))
    seen = read_instances((str(tmp_path),))
    assert seen.by_node == {}
    assert len(seen.problems) == 4
