"""What is kept once for each host is root's alone, and of this machine."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from hygiene_core.errors import EvidenceUnwritable, SecondState
from hygiene_core.executor.places import Places, all_places, open_places
from tests.unit.plans import ENGINE, MACHINE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what is kept has to be root's")

FOLDERS = ("", "plans", "approvals", "runs", "spent", "outbox")


def opened(tmp_path: Path, engine: str = ENGINE, machine: str = MACHINE) -> Places:
    return open_places(engine, machine, tmp_path / "state", tmp_path / "run")


def refused(tmp_path: Path, **more: str) -> SecondState:
    with pytest.raises(SecondState) as caught:
        opened(tmp_path, **more)
    assert (caught.value.code, caught.value.exit_status) == ("SECOND_STATE", 3)
    assert caught.value.message.endswith("Nothing was removed.")
    return caught.value


def test_everything_is_made_once(tmp_path):
    first = opened(tmp_path)
    assert first.state == tmp_path / "state" / ENGINE
    assert first.lock == tmp_path / "run" / f"{ENGINE}.lock"
    assert {path.name for path in first.state.iterdir()} == {*FOLDERS[1:], "host.json"}
    for folder in (first.plans, first.runs, first.spent, first.outbox, first.approvals("x").parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750
        assert folder.stat().st_uid == 0
    owner = json.loads((first.state / "host.json").read_text())
    assert owner == {"machine_id": MACHINE, "engine_id": ENGINE}
    assert first.ballast.parent == first.state
    assert first.ledger("lab").files() == []
    before = (first.state / "host.json").stat().st_ino
    assert opened(tmp_path) == first
    assert (first.state / "host.json").stat().st_ino == before


def test_what_was_copied_from_another_machine(tmp_path):
    made = opened(tmp_path)
    error = refused(tmp_path, machine="f" * 32)
    assert error.message.startswith(f"{made.state} was kept by another machine or Engine: ")
    assert MACHINE in error.message
    assert error.next_step == f"If it was copied here, move it away: mv {made.state} {made.state}.old"


def test_what_was_renamed_from_another_engine(tmp_path):
    made = opened(tmp_path, engine="other-engine")
    made.state.rename(tmp_path / "state" / ENGINE)
    assert "was kept by another machine or Engine" in refused(tmp_path).message


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b"\xff", b"null", b'{"machine_id": "x"}'])
def test_an_owner_that_cannot_be_read(tmp_path, stored):
    made = opened(tmp_path)
    (made.state / "host.json").unlink()
    (made.state / "host.json").write_bytes(stored)
    assert "was kept by another machine or Engine" in refused(tmp_path).message


@pytest.mark.parametrize("folder", ["state", "run", *(f"state/{ENGINE}/{name}" for name in FOLDERS)])
def test_a_link_in_place_of_a_folder(tmp_path, folder):
    opened(tmp_path)
    path = tmp_path / folder.rstrip("/")
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert refused(tmp_path).message == f"{path} is a link or no folder. Nothing was removed."


@pytest.mark.parametrize("folder", ["state", "run", *(f"state/{ENGINE}/{name}" for name in FOLDERS)])
@pytest.mark.parametrize("how", ["owner", 0o770, 0o757])
def test_a_folder_that_others_may_change(tmp_path, folder, how):
    opened(tmp_path)
    path = tmp_path / folder.rstrip("/")
    if how == "owner":
        os.chown(path, 1000, -1)
    else:
        path.chmod(how)
    error = refused(tmp_path)
    assert error.message == f"{path} may be changed by others than root. Nothing was removed."
    assert error.next_step == f"Give it back to root: chown root {path}; chmod go-w {path}"


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(EvidenceUnwritable, match="what is kept of this host could not be written"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "engine", ["", ".", "..", "../../etc", "a/b", "-x", "a\nb", "short", "e" * 129, "é" * 9]
)
def test_an_engine_whose_id_cannot_name_a_folder(tmp_path, engine):
    assert "cannot name a folder" in refused(tmp_path, engine=engine).message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", [ENGINE, "ABCD:EFGH:IJKL:MNOP:QRST:UVWX:YZ23:4567:ABCD:EFGH:IJKL:MNOP"])
def test_the_ids_that_engines_have(tmp_path, engine):
    assert opened(tmp_path, engine=engine).state.name == engine


def test_the_places_of_every_engine(tmp_path):
    assert all_places(tmp_path / "state", tmp_path / "run") == ()
    made = [opened(tmp_path, engine=name) for name in ("engine-b", "engine-a")]
    (tmp_path / "state/ledger").mkdir()
    (tmp_path / "state/evidence.duckdb").write_text("")
    assert all_places(tmp_path / "state", tmp_path / "run") == tuple(reversed(made))
    shutil.rmtree(tmp_path / "state")
    assert all_places(tmp_path / "state", tmp_path / "run") == ()
