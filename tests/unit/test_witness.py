"""What a ledger has lost is still told by the database files, until the loss is accepted."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from hygiene_core.evidence import files
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.testing import judged, volume
from tests.unit.evidence_scenes import HOST, hold_open, remembered, run

V = judged(volume("v"))


def record(store, first, last, host=HOST, prefix="run"):
    for number in range(first, last + 1):
        made = run(number, V, host=host, run_id=f"{prefix}-{number:04}")
        store.record(made, remembered(made, store.recall(host)))


def cut(store, keep: int) -> EvidenceStore:
    """The ledger without its newest runs, the index without its memory; as another process finds them."""
    for file in Ledger(store.directory, HOST).files()[keep:]:
        file.path.unlink()
    (store.directory / "known" / f"{HOST}.json").unlink()
    return EvidenceStore(store.directory)


def published(store) -> list[str]:
    with open_published(store.directory) as reader:
        return [
            row[0] for row in reader.query("SELECT run_id FROM run WHERE host = ? ORDER BY seq", [HOST]).rows
        ]


def kept(store, word: str = "kept") -> list[str]:
    return sorted(path.name for path in store.directory.glob(f"*.{word}-*"))


@pytest.fixture
def store(tmp_path) -> EvidenceStore:
    """Five published runs of one host, one of another."""
    made = EvidenceStore(tmp_path / "state")
    record(made, 1, 5)
    record(made, 1, 1, host="other")
    assert made.publish().warning is None
    assert {found.sentence.partition(",")[0] for found in made.verify().values()} == {"sound"}
    return made


@pytest.mark.parametrize("gone", [(), ("evidence.duckdb",), ("catalogue.duckdb",)])
def test_a_cut_ledger_without_its_index_is_broken(store, gone):
    for name in gone:
        (store.directory / name).unlink()
    found = cut(store, 3).verify()
    assert (found[HOST].ok, found[HOST].first_bad_seq) == (False, 4)
    assert found[HOST].problem == "the newest 2 runs are missing; run 5 was recorded as run-0005"
    assert found["other"].ok


def test_new_runs_after_the_cut_do_not_hide_it(store):
    """The finding itself: reports go on, the witness stays, and verify says so until it is accepted."""
    store = cut(store, 3)
    record(store, 4, 4, prefix="new")
    assert "EVIDENCE_BROKEN" in store.publish().warning
    assert (kept(store), published(store)[-1]) == ([], "run-0005")
    record(store, 5, 6, prefix="new")
    for _ in range(2):
        warning = store.publish().warning
        assert "EVIDENCE_BROKEN: run 5 of chris-testing is another one in the ledger." in warning
        assert "kept in catalogue.duckdb.kept-5. See: hygiene evidence verify" in warning
        assert kept(store) == ["catalogue.duckdb.kept-5"]
        assert published(store)[3:] == ["new-0004", "new-0005", "new-0006"]
    found = store.verify()
    assert (found[HOST].ok, found[HOST].first_bad_seq) == (False, 5)
    assert "not what was anchored as run 5" in found[HOST].problem
    assert found["other"].ok
    store.rebuild()
    assert (kept(store), kept(store, "accepted")) == ([], ["catalogue.duckdb.accepted-5"])
    assert store.verify()[HOST].ok
    record(store, 7, 7)
    assert store.publish().warning is None


def test_the_kept_file_is_what_it_was(store, tmp_path):
    before = shutil.copyfile(store.directory / "catalogue.duckdb", tmp_path / "before")
    store = cut(store, 3)
    record(store, 4, 5, prefix="new")
    store.publish()
    witness = store.directory / "catalogue.duckdb.kept-5"
    record(store, 6, 6)
    store.publish()
    (tmp_path / "old").mkdir()
    shutil.copyfile(witness, tmp_path / "old" / "evidence.duckdb")
    with open_published(tmp_path / "old") as old:
        assert old.query("SELECT run_id FROM run WHERE seq = 5").rows == (("run-0005",),)
    assert before.stat().st_size == witness.stat().st_size


def test_it_is_kept_once(store):
    store = cut(store, 3)
    record(store, 4, 5, prefix="new")
    store.publish()
    first = (store.directory / "catalogue.duckdb.kept-5").stat().st_ino
    store = cut(store, 3)
    record(store, 4, 5, prefix="newer")
    store.publish()
    assert kept(store) == ["catalogue.duckdb.kept-5"]
    assert (store.directory / "catalogue.duckdb.kept-5").stat().st_ino == first


@pytest.mark.parametrize("damage", [None, b"", b"this is no database\n" * 1000])
@pytest.mark.parametrize("new", [0, 2])
def test_the_published_file_is_a_witness_where_the_catalogue_is_none(store, damage, new):
    catalogue = store.directory / "catalogue.duckdb"
    catalogue.unlink()
    if damage is not None:
        catalogue.write_bytes(damage)
    store = cut(store, 3)
    if new:
        record(store, 4, 3 + new, prefix="new")
    assert "kept in catalogue.duckdb.kept-5" in store.publish().warning
    assert len(published(store)) == 3 + new
    assert not store.verify()[HOST].ok
    store.rebuild()
    assert store.verify()[HOST].ok


def test_a_ledger_that_is_gone_altogether(store):
    shutil.rmtree(store.directory / "ledger" / HOST)
    assert store.hosts() == ("other",)
    assert store.verify()[HOST].problem == "the newest 5 runs are missing; run 5 was recorded as run-0005"
    (store.directory / "known" / f"{HOST}.json").unlink()
    assert not store.verify()[HOST].ok
    assert f"the ledger of {HOST} ends at run 0, and run 5 was recorded" in store.publish().warning
    store.rebuild()
    assert list(store.verify()) == ["other"]
    assert store.publish().warning is None


@pytest.mark.parametrize("folder_too", [True, False])
def test_the_loss_of_a_whole_ledger_can_be_accepted(store, folder_too):
    for file in Ledger(store.directory, HOST).files():
        file.path.unlink()
    if folder_too:
        shutil.rmtree(store.directory / "ledger" / HOST)
    store.rebuild()
    again = EvidenceStore(store.directory)
    assert again.recall(HOST).last_sequence == 0
    record(again, 1, 1, prefix="new")
    assert again.verify()[HOST].ok


def test_a_segment_that_came_back_needs_no_acceptance(store, tmp_path):
    file = Ledger(store.directory, HOST).files()[3].path
    away = tmp_path / file.name
    file.rename(away)
    (store.directory / "catalogue.duckdb").unlink()
    assert "does not follow run 3" in store.publish().warning
    assert (kept(store), len(published(store))) == (["catalogue.duckdb.kept-5"], 3)
    away.rename(file)
    assert store.publish().warning is None
    assert store.verify()[HOST].ok
    assert len(published(store)) == 5


def test_without_duckdb_verify_says_what_was_not_compared(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    found = store.verify()[HOST]
    assert found.ok
    assert found.sentence.startswith("sound, 5 runs, head 5 ")
    assert "; evidence.duckdb was not compared: DuckDB cannot be loaded (" in found.sentence


@pytest.mark.parametrize("name", ["evidence.duckdb", "catalogue.duckdb"])
def test_a_database_that_cannot_be_read_is_said_and_no_failure(store, name):
    path = store.directory / name
    path.chmod(0o600)
    path.write_bytes(b"this is no database\n" * 1000)
    found = store.verify()[HOST]
    assert found.ok
    assert [note.partition(":")[0] for note in found.notes] == [f"{name} was not compared"]
    assert not cut(store, 3).verify()[HOST].ok


def test_a_database_that_another_writes_is_said(store):
    with hold_open(store.directory / "catalogue.duckdb") as holder:
        (note,) = store.verify()[HOST].notes
        assert note.startswith("catalogue.duckdb was not compared: ")
        assert f"PID {holder.pid}" in note
        holder.stdin.close()
    assert store.verify()[HOST].notes == ()


def test_an_ingester_at_work_is_not_disturbed(store, monkeypatch):
    monkeypatch.setattr("hygiene_core.evidence.witness.LOCK_WAIT_SECONDS", 0.05)
    with files.locked(store.directory / ".ingest.lock", 0):
        (note,) = store.verify()[HOST].notes
    assert note.startswith("catalogue.duckdb was not compared: ")
    assert f"was locked by process {os.getpid()}" in note


def test_verify_leaves_no_trace_where_nothing_was_published(tmp_path):
    store = EvidenceStore(tmp_path / "state")
    record(store, 1, 1)
    before = sorted(path.name for path in store.directory.rglob("*"))
    assert store.verify()[HOST].sentence.startswith("sound, 1 runs, head 1 ")
    assert sorted(path.name for path in store.directory.rglob("*")) == before
