from __future__ import annotations

import os
from pathlib import Path

import pytest

from hygiene_core.host.probes import filesystems
from hygiene_core.host.probes.filesystems import DataRoot, prove_data_root, read_filesystems
from hygiene_core.model.request import ObserveRequest


def root(at: Path, engine_id: str | None) -> str:
    if engine_id is not None:
        (at / "engine-id").write_text(engine_id, encoding="ascii")
    return str(at)


def test_the_engines_own_path_is_proven_by_its_id(tmp_path: Path):
    path = root(tmp_path, "E1\n")
    assert prove_data_root("E1", path, None) == DataRoot(path, f"{path}/engine-id holds this Engine's id")


def test_a_configured_path_is_proven_by_its_id_and_stands_before_the_named_one(tmp_path: Path):
    path = root(tmp_path, "E1")
    assert prove_data_root("E1", "/var/lib/elsewhere", path).path == path


@pytest.mark.parametrize("configured", [False, True])
def test_another_engines_folder_is_never_taken(tmp_path: Path, configured: bool):
    path = root(tmp_path, "E2")
    proof = prove_data_root("E1", path, path if configured else None)
    assert proof == DataRoot(None, f"{path}/engine-id belongs to another Engine")


def test_without_the_file_only_the_configuration_proves(tmp_path: Path):
    path = root(tmp_path, None)
    assert prove_data_root("E1", path, None) == DataRoot(
        None, f"there is no {path}/engine-id, and no data_root is configured"
    )
    assert prove_data_root("E1", "/elsewhere", path) == DataRoot(
        path, f"the configuration names it; there is no {path}/engine-id"
    )


def test_a_configured_folder_must_be_there(tmp_path: Path):
    assert prove_data_root("E1", None, str(tmp_path / "none")) == DataRoot(
        None, f"the configured data_root {tmp_path}/none is not a folder here"
    )


def test_an_engine_without_an_id_proves_nothing(tmp_path: Path):
    path = root(tmp_path, "E1")
    assert prove_data_root(None, path, path).path is None
    assert prove_data_root(None, None, None) == DataRoot(None, "the Engine names no data root")


@pytest.mark.parametrize("content", [b"\xff\xfe", b""])
def test_a_file_that_holds_no_id_does_not_prove(tmp_path: Path, content: bytes):
    (tmp_path / "engine-id").write_bytes(content)
    assert prove_data_root("E1", str(tmp_path), None).path is None


def test_every_role_is_measured_as_statvfs_tells_it(tmp_path: Path):
    request = ObserveRequest(docker_socket="x", state_directory=str(tmp_path), roots={"runner_root:one": "/"})
    rows, problems = read_filesystems(request, DataRoot(str(tmp_path), "proven"))
    assert [row.role for row in rows] == ["data_root", "state", "runner_root:one"]
    assert problems == ()
    told = os.statvfs(tmp_path)
    assert rows[0].total_bytes == told.f_blocks * told.f_frsize
    assert rows[0].device == tmp_path.stat().st_dev
    assert 0 <= rows[0].free_bytes <= rows[0].total_bytes


def test_reserved_blocks_are_neither_free_nor_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    told = os.statvfs_result((4096, 4096, 1000, 400, 300, 0, 0, 0, 0, 255))
    monkeypatch.setattr(filesystems.os, "statvfs", lambda _: told)
    row = filesystems.measure("state", str(tmp_path))
    assert (row.total_bytes, row.used_bytes, row.free_bytes) == (4096000, 2457600, 1228800)
    assert (row.total_inodes, row.used_inodes, row.free_inodes) == (None, None, None)


def test_a_role_that_cannot_be_measured_has_its_reason_and_the_others_stay(tmp_path: Path):
    roots = {"runner_root:a": "a\0b", "runner_root:b": str(tmp_path / "no")}
    rows, problems = read_filesystems(
        ObserveRequest(docker_socket="x", roots=roots), DataRoot(str(tmp_path), "proven")
    )
    assert [row.role for row in rows] == ["data_root"]
    strange, missing = problems  # Python's words for a NUL in a path differ between its versions
    assert strange.startswith("runner_root:a: a\0b cannot be measured (")
    assert missing == f"runner_root:b: {tmp_path}/no cannot be measured (No such file or directory)"


def test_an_unproven_data_root_is_not_measured(tmp_path: Path):
    request = ObserveRequest(docker_socket="x", state_directory=str(tmp_path))
    rows, problems = read_filesystems(request, DataRoot(None, "another Engine's"))
    assert [row.role for row in rows] == ["state"]
    assert problems == ("data_root: not proven, another Engine's",)


def test_before_the_first_run_the_state_is_measured_where_it_will_be(tmp_path: Path):
    request = ObserveRequest(docker_socket="/x", state_directory=str(tmp_path / "not" / "yet"))
    rows, _ = read_filesystems(request, DataRoot(None, "test"))
    assert [(row.role, row.path) for row in rows] == [("state", str(tmp_path))]
