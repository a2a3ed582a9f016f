"""Who asks the published evidence can read it, and nothing else of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import duckdb
import pytest

from hygiene_core.errors import EvidenceUnreadable, QueryProblem, UnknownResource, UnknownRun
from hygiene_core.evidence import reader as reader_module
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.known import Memory
from hygiene_core.testing import NOW, cache_record, image, judged, volume
from tests.unit.evidence_scenes import HOST, hold_open, run

IMAGE = judged(image("odoo:1"))
REPORTS = (
    run(1, IMAGE, judged(volume("v"))),
    run(2, IMAGE, judged(cache_record("c"))),
    run(3, replace(IMAGE, size_bytes=7), judged(cache_record("c"))),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    store = EvidenceStore(tmp_path_factory.mktemp("state"))
    for made in REPORTS:
        store.record(made, Memory())
    store.record(run(1, host="other"), Memory())
    assert store.publish().warning is None
    return store.directory


@pytest.fixture
def reader(directory):
    with open_published(directory) as opened:
        yield opened


def test_an_answer_has_columns_and_rows(reader):
    table = reader.query("SELECT seq, run_id FROM run WHERE host = ? AND seq < ? ORDER BY seq", [HOST, 3])
    assert table.columns == ("seq", "run_id")
    assert table.rows == ((1, "run-0001"), (2, "run-0002"))


def test_times_are_aware_and_utc(reader, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    ((at, both, naive),) = reader.query(
        "SELECT max(started_at), [max(started_at)], TIMESTAMP '2026-05-04 03:02:01' FROM run"
    ).rows
    assert at == REPORTS[-1].started_at
    assert at.tzinfo is UTC
    assert both == [REPORTS[-1].started_at]
    assert naive == datetime(2026, 5, 4, 3, 2, 1)  # noqa: DTZ001 - what SQL says is shown as it is
    assert reader.query("SELECT strftime(min(started_at), '%H') FROM run").rows == (("09",),)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("selec 1", "syntax error"),
        ("SELECT nothing FROM run", "nothing"),
        ("", "0 statements"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("INSERT INTO meta VALUES (2, 'x')", "read-only"),
        ("DELETE FROM run", "read-only"),
        ("CREATE TABLE mine (i INT)", "read-only"),
        ("COPY run TO '/tmp/run.csv'", "file system operations are disabled"),
        ("SELECT * FROM read_text('/etc/passwd')", "file system operations are disabled"),
        ("SELECT * FROM '/etc/passwd'", "passwd"),
        ("ATTACH '/tmp/other.duckdb'", "file system operations are disabled"),
        ("EXPORT DATABASE '/tmp/out'", "disabled"),
        ("SET threads = 8", "locked"),
        ("SET enable_external_access = true", "Cannot"),
        ("RESET lock_configuration", "locked"),
        ("INSTALL httpfs", "disabled"),
        ("LOAD httpfs", "disabled"),
        ("SELECT 1 / 'x'", "Could not convert"),
        ("SELECT ? + 1", "parameter"),
    ],
)
def test_what_is_refused(reader, sql, says):
    with pytest.raises(QueryProblem) as caught:
        reader.query(sql)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert "duckdb.org" not in caught.value.message
    assert reader.query("SELECT 1").rows == ((1,),)


def test_an_answer_that_is_too_long(reader, monkeypatch):
    monkeypatch.setattr(reader_module, "MAX_ROWS", 10)
    with pytest.raises(QueryProblem, match=r"more than 10 rows\. Add a LIMIT"):
        reader.query("SELECT * FROM range(11)")
    assert len(reader.query("SELECT * FROM range(10)").rows) == 10


def test_memory_is_bounded_and_nothing_is_spilled(reader, directory):
    with pytest.raises(QueryProblem, match="Out of Memory"):
        reader.query("SELECT i FROM range(80000000) t(i) ORDER BY hash(i), i")
    assert reader.query("SELECT current_setting('temp_directory')").rows == (("",),)
    assert [path.name for path in directory.iterdir() if path.name.endswith(".tmp")] == []


def test_a_question_can_be_cancelled(reader):
    problems = []
    asked = threading.Event()

    def ask():
        asked.set()
        try:
            reader.query(
                "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range % 7 = b.range % 5"
            )
        except QueryProblem as error:
            problems.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(10)
    # The statement may not have begun yet: an interrupt before it is lost, so it is said until it is heard.
    while thread.is_alive():
        reader.cancel()
        thread.join(0.05)
    assert problems == ["refused [QUERY]: the question was cancelled."]
    assert reader.query("SELECT 1").rows == ((1,),)


def test_runs(reader):
    assert [row[1] for row in reader.runs(HOST).rows] == [3, 2, 1]
    assert [row[1] for row in reader.runs(HOST, 1).rows] == [3]
    assert {row[0] for row in reader.runs().rows} == {HOST, "other"}
    assert reader.runs(HOST).columns[:5] == ("host", "seq", "run_id", "started_at", "status")


def test_trend(reader):
    table = reader.trend(HOST)
    assert table.columns == (
        "seq",
        "started_at",
        "free_disk_bytes",
        "images",
        "containers",
        "volumes",
        "build_cache",
    )
    expected = [
        (
            number,
            made.started_at,
            made.summary.free_disk_bytes,
            *(
                made.summary.classes[name].reclaimable_bytes
                for name in ("images", "containers", "volumes", "build_cache")
            ),
        )
        for number, made in enumerate(REPORTS, start=1)
    ]
    assert list(table.rows) == expected


def test_a_long_trend_has_one_run_a_day(tmp_path):
    store = EvidenceStore(tmp_path)
    for number in range(80):
        store.record(run(number), Memory())
    assert store.publish().warning is None
    with open_published(tmp_path) as opened:
        days = [row[1].date() for row in opened.trend(HOST).rows]
        newest = opened.trend(HOST).rows[-1][0]
    assert len(days) == len(set(days)) == 20
    assert newest == 80


@pytest.mark.parametrize(("before", "after"), [(2, 3), ("2", "3"), ("run-0002", "run-0003")])
def test_diff(reader, before, after):
    table = reader.diff(HOST, before, after)
    assert table.columns[:3] == ("change", "kind", "name")
    assert [row[:3] for row in table.rows] == [("shrank", "image", "odoo:1")]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("9", "no run answers to '9' on chris-testing"),
        ("run-", "3 runs answer"),
        ("", "no run"),
        ("x", "no run"),
    ],
)
def test_a_run_that_is_not_there_or_not_the_only_one(reader, wanted, says):
    with pytest.raises(UnknownRun, match=says):
        reader.diff(HOST, wanted, 1)


@pytest.mark.parametrize(
    "wanted", ["odoo:1", IMAGE.id, IMAGE.id.removeprefix("sha256:")[:12], IMAGE.id[: len("sha256:") + 6]]
)
def test_the_history_of_a_resource(reader, wanted):
    table = reader.resource(HOST, wanted)
    assert table.columns[:5] == ("started_at", "seq", "event", "kind", "name")
    assert [row[1:5] for row in table.rows] == [
        (1, "appeared", "image", "odoo:1"),
        (3, "changed", "image", "odoo:1"),
    ]


@pytest.mark.parametrize("wanted", ["nothing", "", IMAGE.id[:9], "%", "sha256:"])
def test_a_resource_that_was_never_seen(reader, wanted):
    with pytest.raises(UnknownResource, match="has seen a resource called"):
        reader.resource(HOST, wanted)


def test_nothing_is_published(tmp_path):
    with pytest.raises(
        EvidenceUnreadable, match=r"there is no evidence.duckdb in .*: hygiene evidence rebuild"
    ):
        open_published(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no database at all", b"\0" * 20_000])
def test_what_is_published_is_no_database(tmp_path, content):
    (tmp_path / "evidence.duckdb").write_bytes(content)
    with pytest.raises(EvidenceUnreadable, match="hygiene evidence rebuild"):
        open_published(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.duckdb"]


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE meta AS SELECT 99 AS schema_version", "CREATE TABLE other (i INT)"]
)
def test_what_is_published_is_of_another_version(tmp_path, statement):
    with closing(duckdb.connect(str(tmp_path / "evidence.duckdb"))) as connection:
        connection.execute(statement)
    with pytest.raises(EvidenceUnreadable, match=r"has version 99|has no version"):
        open_published(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_is_not_in_the_group_is_told(tmp_path):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o001)
    path = tmp_path / "evidence.duckdb"
    path.write_bytes(b"")
    path.chmod(0o440)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from hygiene_core.evidence.reader import open_published\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: open_published(Path(sys.argv[1]))\n"
        "except Exception as error: print(error)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, cwd="/"
    )
    assert f"this user may not read {path}" in ended.stdout


def test_a_file_that_somebody_opened_for_writing_is_read_from_a_copy(tmp_path):
    store = EvidenceStore(tmp_path / "state")
    store.record(run(1), Memory())
    assert store.publish().warning is None
    with hold_open(tmp_path / "state" / "evidence.duckdb") as holder:
        with open_published(store.directory) as opened:
            private = opened._private
            assert opened.query("SELECT seq FROM run").rows == ((1,),)
            assert private.is_dir()
        assert not private.exists()
        holder.stdin.close()


def test_a_reader_keeps_what_it_opened_and_blocks_nobody(tmp_path):
    store = EvidenceStore(tmp_path)
    store.record(run(1), Memory())
    store.publish()
    with open_published(tmp_path) as opened:
        store.record(run(2), Memory())
        assert store.publish().warning is None
        assert opened.query("SELECT max(seq) FROM run").rows == ((1,),)
    with open_published(tmp_path) as opened:
        assert opened.query("SELECT max(seq) FROM run").rows == ((2,),)


def test_now_is_read_from_the_clock_of_duckdb(reader):
    assert reader.query("SELECT now() > ?", [NOW]).rows == ((True,),)
