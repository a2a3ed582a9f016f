"""The door to a state directory: what it keeps, finds and says."""

from __future__ import annotations

import os
import subprocess
import sys
import syslog
from contextlib import closing

import duckdb
import pytest

from hygiene_core.errors import EvidenceUnreadable, EvidenceUnwritable, UnknownRun, UsageProblem
from hygiene_core.evidence import anchor, files
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.testing import image, judged, volume
from tests.unit.evidence_scenes import HOST, hold_open, remembered, run

A, B = judged(image("a:1")), judged(volume("b"))


@pytest.fixture
def store(tmp_path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "state")


def record(store, *reports):
    return [store.record(made, remembered(made, store.recall(made.host.name))) for made in reports]


def published_runs(store) -> list[int]:
    with open_published(store.directory) as reader:
        return [row[0] for row in reader.query("SELECT seq FROM run ORDER BY seq").rows]


def test_what_recording_gives(store):
    first, second = record(store, run(1, A), run(2, A))
    head = Ledger(store.directory, HOST).head()
    assert (second.seq, second.chain) == (head.seq, head.chain)
    assert first.path.name == "0000000001-run-0001.jsonl.gz"
    assert store.recall(HOST).last_sequence == 2


@pytest.mark.parametrize(
    ("wanted", "number"),
    [(None, 3), (1, 1), ("2", 2), ("run-0001", 1), ("run-0003", 3), ("7", 3), ("7f3a", 3)],
)
def test_a_run_is_found(store, wanted, number):
    reports = [run(1, A), run(2, B), run(3, A, B)]
    if wanted in {"7", "7f3a"}:
        reports[2] = run(3, A, B, run_id="7f3a91")
    record(store, *reports)
    assert store.load(HOST, wanted) == reports[number - 1]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [("run", "2 runs of chris-testing answer to 'run'"), ("9", "no run of"), (9, "no run"), ("", "no run")],
)
def test_a_run_that_is_not_there_or_not_the_only_one(store, wanted, says):
    record(store, run(1), run(2))
    with pytest.raises(UnknownRun, match=says):
        store.load(HOST, wanted)


def test_a_host_without_runs(store):
    with pytest.raises(UnknownRun, match="no run of chris-testing is recorded"):
        store.load(HOST)
    assert store.hosts() == ()
    assert store.size_bytes() == 0
    assert store.verify() == {}


def test_hosts_and_their_size(store):
    record(store, run(1, A), run(1, A, host="b.example"), run(1, A, host="a_b"))
    assert store.hosts() == ("a_b", "b.example", HOST)
    assert {name: found.segments for name, found in store.verify().items()} == dict.fromkeys(store.hosts(), 1)
    assert list(store.verify(HOST)) == [HOST]
    told = subprocess.run(
        ["du", "--summarize", "--block-size=1", store.directory], capture_output=True, text=True, check=True
    )
    folders = [store.directory, *(path for path in store.directory.rglob("*") if path.is_dir())]
    in_folders = sum(path.stat().st_blocks * 512 for path in folders)
    assert store.size_bytes() == int(told.stdout.split()[0]) - in_folders


def test_two_stores_that_take_turns_land_one_after_the_other(store):
    """Both recalled before either recorded: the second is computed from what the first left."""
    other = EvidenceStore(store.directory)
    record(store, run(1, A, B))
    memory, same = store.recall(HOST), other.recall(HOST)
    reports = [run(2, A), run(3, A, B)]
    store.record(reports[0], memory)
    other.record(reports[1], same)
    assert [store.load(HOST, number) for number in (2, 3)] == reports
    assert EvidenceStore(store.directory).recall(HOST) == other.recall(HOST)


def test_an_index_that_cannot_be_saved_is_a_note(store, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    record(store, run(1, A))
    with monkeypatch.context() as patched:
        patched.setattr(files, "replace_file", full)
        (recorded,) = record(store, run(2, A, B))
    assert recorded.notes == (
        "The index of known resources could not be saved (No space left on device); the next run remakes it.",
        "The index of the newest run could not be saved (No space left on device); the next run makes one.",
    )
    with store.latest(HOST) as kept:
        assert (kept.seq, kept.runs_behind()) == (1, 1)
    assert EvidenceStore(store.directory).recall(HOST) == store.recall(HOST)
    assert store.load(HOST) == run(2, A, B)


def test_the_head_of_each_run_goes_to_the_log(tmp_path):
    lines: list[str] = []
    store = EvidenceStore(tmp_path / "state", log=lines.append)
    recorded = record(store, run(1, A), run(1, A, host="other"), run(2, B))
    assert lines == [
        f"run run-0001 host {HOST} seq 1 chain {recorded[0].chain}",
        f"run run-0001 host other seq 1 chain {recorded[1].chain}",
        f"run run-0002 host {HOST} seq 2 chain {recorded[2].chain}",
    ]


def test_what_is_not_recorded_is_not_logged(store):
    def unexpected(line):
        raise AssertionError(line)

    record(store, run(1, A))
    again = EvidenceStore(store.directory, log=unexpected)
    with pytest.raises(EvidenceUnwritable, match="recorded already"):
        again.record(run(1, A), again.recall(HOST))


@pytest.mark.parametrize("error", [OSError("no such device"), ImportError("no such device")])
def test_a_log_that_cannot_be_written_is_a_note(tmp_path, error):
    def broken(_line):
        raise error

    store = EvidenceStore(tmp_path / "state", log=broken)
    (recorded,) = record(store, run(1, A))
    assert (
        recorded.notes[-1] == "The head of this run could not be written to the system log (no such device)."
    )
    assert store.load(HOST) == run(1, A)


def test_the_system_log_is_told_who_speaks(monkeypatch):
    calls: list[tuple] = []
    for name in ("openlog", "syslog", "closelog"):
        monkeypatch.setattr(syslog, name, lambda *told, name=name: calls.append((name, *told)))
    anchor.to_system_log("run r")
    assert calls == [
        ("openlog", "hygiene", 0, syslog.LOG_USER),
        ("syslog", syslog.LOG_INFO, "run r"),
        ("closelog",),
    ]


def test_recall_and_record_never_load_duckdb(store):
    code = (
        "import sys; from pathlib import Path\n"
        "from hygiene_core.evidence.store import EvidenceStore\n"
        "from tests.unit.evidence_scenes import run\n"
        "store = EvidenceStore(Path(sys.argv[1])); store.record(run(1), store.recall('chris-testing'))\n"
        "assert 'duckdb' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, store.directory], check=True)
    assert store.recall(HOST).last_sequence == 1


def test_without_duckdb_runs_are_kept_and_wait(store, monkeypatch):
    record(store, run(1, A))
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "duckdb", None)
        found = store.publish()
    assert found.pending_segments == 1
    assert found.warning.startswith("evidence.duckdb was not brought up to date: DuckDB cannot be loaded")
    assert store.publish().pending_segments == 0
    assert published_runs(store) == [1]


def test_a_locked_catalogue_names_its_holder(store):
    record(store, run(1, A))
    store.publish()
    with hold_open(store.directory / "catalogue.duckdb") as holder:
        record(store, run(2, A))
        found = store.publish()
        assert found.pending_segments == 1
        assert f"PID {holder.pid}" in found.warning
        assert "1 runs are not in the published database yet." in found.warning
        assert published_runs(store) == [1]
        holder.stdin.close()
    assert store.publish().warning is None
    assert published_runs(store) == [1, 2]


def test_a_published_file_that_somebody_writes_to_is_replaced(store):
    record(store, run(1, A))
    store.publish()
    with hold_open(store.directory / "evidence.duckdb") as holder:
        record(store, run(2, A))
        assert store.publish().pending_segments == 0
        assert published_runs(store) == [1, 2]
        holder.stdin.close()


def _zero(path):
    path.write_bytes(b"")


def _text(path):
    path.write_bytes(b"this is no database\n" * 1000)


def _flip(path):
    content = bytearray(path.read_bytes())
    for position in range(0, len(content), 512):
        content[position] ^= 0xFF
    path.write_bytes(content)


def _cut(path):
    path.write_bytes(path.read_bytes()[:5000])


def _gone(path):
    path.unlink()


def _other_version(path):
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("UPDATE meta SET schema_version = 99")


def _foreign(path):
    path.unlink()
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("CREATE TABLE run (i INT)")


def _torn_log(path):
    """A log beside the file that belongs to another state of it."""
    path.with_name(f"{path.name}.wal").write_bytes(b"\x00torn")


@pytest.mark.parametrize("fault", [_zero, _text, _flip, _cut, _gone, _other_version, _foreign, _torn_log])
def test_a_catalogue_that_is_no_good_is_made_again(store, fault):
    record(store, run(1, A))
    store.publish()
    catalogue = store.directory / "catalogue.duckdb"
    fault(catalogue)
    record(store, run(2, A))
    found = store.publish()
    assert found.pending_segments == 0
    silent = fault in {_gone, _torn_log}  # DuckDB itself drops a log that it cannot read, without a word
    assert silent or "The catalogue was made again from the ledger: " in found.warning
    assert published_runs(store) == [1, 2]
    assert store.publish().warning is None
    assert not list(store.directory.glob("*.wal"))


def test_rows_that_duckdb_lost_with_its_log_come_from_the_ledger_again(store):
    """An ingester killed after its commit, and its log torn: DuckDB opens the rest without a word."""
    record(store, run(1, A))
    store.publish()
    catalogue = store.directory / "catalogue.duckdb"
    log = catalogue.with_name("catalogue.duckdb.wal")
    code = (
        "import os, sys; from pathlib import Path\n"
        "from hygiene_core.evidence import catalogue, ingest\n"
        "directory = Path(sys.argv[1]); file = catalogue.Ledger(directory, 'chris-testing').files()[1]\n"
        "connection = catalogue.duck.connect(directory / catalogue.PRIVATE, read_only=False)\n"
        "head = catalogue.heads(connection)['chris-testing']\n"
        "ingest._take(connection, 'chris-testing', [file], head)\n"
        "os._exit(9)"
    )
    record(store, run(2, A, B))
    ended = subprocess.run([sys.executable, "-c", code, store.directory], check=False)
    assert ended.returncode == 9
    os.truncate(log, log.stat().st_size - 7)
    assert store.publish().pending_segments == 0
    assert published_runs(store) == [1, 2]
    assert not log.exists()


@pytest.mark.parametrize("fault", [_zero, _text, _flip, _cut, _gone, _foreign, _torn_log])
def test_a_published_file_that_is_no_good_is_replaced(store, fault):
    record(store, run(1, A))
    store.publish()
    published = store.directory / "evidence.duckdb"
    published.chmod(0o600)
    fault(published)
    found = store.publish()
    assert (found.pending_segments, found.warning) == (0, None)
    assert published_runs(store) == [1]


def test_a_full_disk_while_publishing_is_a_warning(store, monkeypatch):
    record(store, run(1, A))
    store.publish()
    record(store, run(2, A))

    def full(*_, **__):
        raise OSError(28, "No space left on device", "evidence.duckdb")

    with monkeypatch.context() as patched:
        patched.setattr("shutil.copyfile", full)
        found = store.publish()
    assert found.pending_segments == 1
    assert "No space left on device" in found.warning
    assert published_runs(store) == [1]
    assert store.publish().warning is None


def test_another_process_that_ingests_is_waited_for_and_then_told(store, monkeypatch):
    record(store, run(1, A))
    monkeypatch.setattr("hygiene_core.evidence.catalogue.LOCK_WAIT_SECONDS", 0.05)
    with files.locked(store.directory / ".ingest.lock", 0):
        found = store.publish()
    assert found.pending_segments == 1
    assert f"was locked by process {os.getpid()}" in found.warning
    assert store.publish().warning is None


def test_export_into_a_folder_that_holds_something(store, tmp_path):
    record(store, run(1, A))
    with pytest.raises(UsageProblem, match="is not an empty directory"):
        store.export(tmp_path)
    with pytest.raises(UsageProblem, match="cannot be exported as 'csv'; use parquet or jsonl"):
        store.export(tmp_path / "out", "csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceUnreadable, match="Not a directory"):
        store.export(tmp_path / "file" / "out")


def test_rebuild_says_when_it_could_not(store, monkeypatch):
    record(store, run(1, A))
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(EvidenceUnreadable, match="DuckDB cannot be loaded"):
        store.rebuild()
