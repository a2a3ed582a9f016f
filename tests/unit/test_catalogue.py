"""The catalogue says of every run what its report said, and every view says what its comment promises."""

from __future__ import annotations

import gzip
import stat
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hygiene_core.evidence import ingest, known
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.record import replay
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.judgement import Reason, Verdict
from hygiene_core.model.table import Table
from hygiene_core.testing import NOW, cache_record, container, finding, image, judged, volume
from tests.unit.evidence_scenes import HOST, remembered, run

A = judged(image("a:1"))
B = judged(volume("b"), "retained")
C = judged(cache_record("c", last_used_at=NOW))


@pytest.fixture
def store(tmp_path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "state")


def record(store: EvidenceStore, *reports) -> None:
    for made in reports:
        store.record(made, remembered(made, store.recall(made.host.name)))


def published(store: EvidenceStore, *reports) -> EvidenceStore:
    record(store, *reports)
    assert store.publish().warning is None
    return store


def ask(store: EvidenceStore, sql: str, *params) -> Table:
    with open_published(store.directory) as reader:
        return reader.query(sql, params)


def rows(store: EvidenceStore, sql: str, *params) -> list[tuple]:
    return list(ask(store, sql, *params).rows)


def state(store: EvidenceStore, number: int, host: str = HOST) -> list[tuple]:
    return rows(
        store,
        "SELECT kind, id, size_bytes, unique_bytes, verdict, rule FROM state_as_of(?, ?) ORDER BY kind, id",
        host,
        number,
    )


def told(report) -> list[tuple]:
    """What `state_as_of` has to say of a report."""
    return [
        (row.kind.value, row.id, row.size_bytes, row.unique_bytes, row.verdict.value, row.reasons[0].rule)
        for row in report.resources
    ]


HISTORY = (
    run(1, A, B, C),
    run(2, A, B, C),
    run(3, A, replace(B, size_bytes=90 * 2**20)),
    run(4, B, unavailable={"images": "the Engine answered 500"}, findings=[finding(figure=1.5, limit=2)]),
    run(5, A, replace(B, verdict=Verdict.CANDIDATE), C),
)


def test_an_unchanged_resource_costs_no_row(store):
    published(store, HISTORY[0], HISTORY[1])
    assert rows(store, "SELECT seq, op, count(*) FROM resource_change GROUP BY ALL") == [(1, 1, 3)]


def test_a_full_segment_adds_only_what_changed(store, monkeypatch):
    monkeypatch.setattr("hygiene_core.evidence.store.FULL_EVERY", 1)
    published(store, *HISTORY)
    assert rows(store, "SELECT seq, op FROM resource_change WHERE seq > 1 ORDER BY seq, rkey") == [
        (3, 0),
        (3, 2),
        (4, 2),
        (5, 1),
        (5, 2),
    ]


@pytest.mark.parametrize("at_once", [True, False])
def test_the_state_of_every_run_is_its_report(store, at_once):
    for made in HISTORY:
        record(store, made)
        if not at_once:
            store.publish()
    store.publish()
    for number, made in enumerate(HISTORY, start=1):
        assert state(store, number) == told(made), number


def test_runs_and_sections_and_findings(store):
    published(store, *HISTORY)
    assert rows(store, "SELECT seq, run_id, status, chain FROM runs ORDER BY seq") == [
        (segment.seq, segment.run_id, made.status.value, segment.chain)
        for segment, made in zip(Ledger(store.directory, HOST).segments(), HISTORY, strict=True)
    ]
    assert rows(store, "SELECT seq, name, reason FROM section WHERE availability <> 'complete'") == [
        (4, "images", "the Engine answered 500")
    ]
    assert rows(store, "SELECT seq, code, severity, figure, limit_figure FROM finding") == [
        (4, "FREE_BYTES_LOW", "warning", 1.5, 2.0)
    ]
    assert rows(store, "SELECT started_at, ended_at FROM run WHERE seq = 3") == [
        (HISTORY[2].started_at, HISTORY[2].ended_at)
    ]


def test_free_disk_and_reclaimable_over_time(store):
    published(store, *HISTORY)
    disk = HISTORY[0].filesystems[0]
    assert rows(
        store, "SELECT started_at, free_bytes FROM free_disk WHERE role = 'data_root' ORDER BY ALL"
    ) == [(made.started_at, disk.free_bytes) for made in HISTORY]
    assert rows(
        store, "SELECT seq, reclaimable_bytes, reason FROM reclaimable WHERE class='images' ORDER BY ALL"
    ) == [
        (
            number,
            made.summary.classes["images"].reclaimable_bytes,
            made.summary.classes["images"].reason,
        )
        for number, made in enumerate(HISTORY, start=1)
    ]


def test_first_and_last_seen(store):
    published(store, *HISTORY[:4])
    seen = "SELECT name, first_seq, last_seq, present, last_seen_at FROM resource_seen ORDER BY name"
    assert rows(store, seen) == [
        ("a:1", 1, 3, True, HISTORY[2].ended_at),  # run 4 could not look at images
        ("b", 1, 4, True, HISTORY[3].ended_at),
        ("c", 1, 2, False, HISTORY[1].ended_at),
    ]
    published(store, HISTORY[4])
    assert [row[:4] for row in rows(store, seen)] == [
        ("a:1", 1, 5, True),
        ("b", 1, 5, True),
        ("c", 1, 5, True),
    ]


def test_candidates_now_are_those_of_the_newest_run_of_each_host(store):
    published(store, *HISTORY)
    published(store, run(1, judged(image("z:1", size_bytes=2**40)), host="other"))
    now = "SELECT host, name, unique_bytes, rule, detail FROM candidates_now"
    biggest = sorted(HISTORY[4].resources, key=lambda row: -row.unique_bytes)
    assert rows(store, now) == [
        ("other", "z:1", 2**40, "test", "made for a test"),
        *((HOST, row.name, row.unique_bytes, "test", "made for a test") for row in biggest),
    ]
    # What the newest run could not look at is no candidate now.
    published(store, run(6, B, C, partial={"images": "x"}))
    assert [row[1] for row in rows(store, now)] == ["z:1", "c"]


def test_the_difference_of_two_runs(store):
    published(store, *HISTORY)
    asked = (
        "SELECT change, name, growth_bytes, verdict_before, verdict_after FROM diff(?, ?, ?) ORDER BY name"
    )
    mib = 2**20
    assert rows(store, asked, HOST, 1, 3) == [
        ("grew", "b", 40 * mib, "retained", "retained"),
        ("went", "c", -200 * mib, "candidate", None),
    ]
    assert rows(store, asked, HOST, 3, 1) == rows(store, asked, HOST, 1, 3)
    assert rows(store, asked, HOST, 3, 4) == [("shrank", "b", -40 * mib, "retained", "retained")]
    assert rows(store, asked, HOST, 4, 5) == [
        ("verdict", "b", 0, "retained", "candidate"),
        ("appeared", "c", 200 * mib, None, "candidate"),
    ]
    assert rows(store, asked, HOST, 1, 2) == []


def test_the_history_of_a_resource(store):
    published(store, *HISTORY)
    assert rows(store, "SELECT seq, event FROM resource_history WHERE name = 'c' ORDER BY seq") == [
        (1, "appeared"),
        (3, "gone"),
        (5, "appeared"),
    ]


def test_everything_is_documented(store):
    published(store, HISTORY[0])
    assert rows(store, "SELECT table_name FROM duckdb_tables() WHERE comment IS NULL") == []
    assert rows(store, "SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL") == []
    tables = "(SELECT table_name FROM duckdb_tables())"
    assert (
        rows(
            store,
            f"SELECT column_name FROM duckdb_columns() WHERE table_name IN {tables} AND comment IS NULL",
        )
        == []
    )
    assert (
        rows(store, "SELECT function_name FROM duckdb_functions() WHERE NOT internal AND comment IS NULL")
        == []
    )


def test_hostile_text_and_figures_are_only_text_and_unknown(store):
    name = "'; DROP TABLE run; -- [/foo]\x1b[2J\n\u202e\x00"
    row = judged(image(name, size_bytes=2**70, created_at=None, labels={"a'\"\n": "\x00"}), "retained")
    row = replace(row, unique_bytes=-(2**63), reasons=(Reason("r", name, name),))
    published(store, run(1, row))
    assert rows(store, "SELECT name, size_bytes, unique_bytes, reasons[1].detail FROM latest") == [
        (name, None, -(2**63), name)
    ]
    assert rows(store, "SELECT labels ->> $$a'\"\n$$ FROM resource") == [("\x00",)]


def test_state_and_use_of_the_newest_rows(store):
    web = judged(container("web", state="exited"), "retained")
    published(store, run(1, web, C))
    assert rows(store, "SELECT kind, state, last_used_at FROM latest ORDER BY kind") == [
        ("build_cache", None, NOW),
        ("container", "exited", None),
    ]


def content(store: EvidenceStore) -> dict[str, list[tuple]]:
    tables = [row[0] for row in rows(store, "SELECT table_name FROM duckdb_tables() ORDER BY 1")]
    return {name: rows(store, f"FROM {name} ORDER BY ALL") for name in tables}


def test_ingesting_again_is_nothing_and_rebuilding_is_the_same(store):
    record(store, *(run(number, judged(volume("x")), host="other") for number in (1, 2)))
    for made in HISTORY:
        published(store, made)
    before, inode = content(store), (store.directory / "evidence.duckdb").stat().st_ino
    assert store.publish() == type(store.publish())(0, None, ())
    assert (store.directory / "evidence.duckdb").stat().st_ino == inode
    assert store.rebuild() == "7 runs of 2 hosts were read from the ledger; everything else is new."
    assert (store.directory / "evidence.duckdb").stat().st_ino != inode
    assert content(store) == before


def test_modes_and_what_lies_around(store):
    published(store, HISTORY[0])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.directory.iterdir()}
    assert modes == {
        "catalogue.duckdb": 0o600,
        "evidence.duckdb": 0o440,
        ".ingest.lock": 0o600,
        "ledger": 0o750,
        "known": 0o750,
        "latest": 0o750,
    }


def test_files_are_of_a_version_that_older_releases_read(store):
    published(store, HISTORY[0])
    with closing(duckdb.connect(str(store.directory / "evidence.duckdb"), read_only=True)) as connection:
        tags = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'evidence'"
        ).fetchone()
    assert tags[0]["storage_version"].startswith("v1.5"), tags


def test_published_is_decided_by_heads_not_by_what_was_ingested(store):
    """A run killed between ingest and publish: the next one ingests nothing and publishes all the same."""
    published(store, HISTORY[0])
    before = (store.directory / "evidence.duckdb").read_bytes()
    published(store, HISTORY[1])
    (store.directory / "evidence.duckdb").unlink()
    (store.directory / "evidence.duckdb").write_bytes(before)
    assert store.publish().pending_segments == 0
    assert rows(store, "SELECT max(seq) FROM run") == [(2,)]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda packed: packed[: len(packed) // 2], "it is cut off. See: hygiene evidence verify"),
        (
            lambda packed: gzip.compress(gzip.decompress(packed).replace(b'"b"', b'"x"')),
            "was changed after it was written. See: hygiene evidence verify",
        ),
        (lambda packed: b"", "it has no end line. See: hygiene evidence verify"),
    ],
)
def test_a_broken_segment_stops_its_host_and_not_the_others(store, damage, says):
    record(store, *HISTORY[:4], run(1, host="other"))
    segment = Ledger(store.directory, HOST).files()[2].path
    content = damage(segment.read_bytes())
    segment.unlink()
    segment.write_bytes(content)
    found = store.publish()
    assert found.pending_segments == 2
    assert says in found.warning
    assert "2 runs are not in the published database yet." in found.warning
    assert rows(store, "SELECT host, seq FROM run ORDER BY ALL") == [(HOST, 1), (HOST, 2), ("other", 1)]


def test_a_catalogue_that_knows_more_than_the_ledger_is_kept_as_witness(store):
    published(store, *HISTORY)
    for file in Ledger(store.directory, HOST).files()[3:]:
        file.path.unlink()
    found = store.publish()
    assert found.warning == (
        f"EVIDENCE_BROKEN: the ledger of {HOST} ends at run 3, and run 5 was recorded."
        " See: hygiene evidence verify"
    )
    assert rows(store, "SELECT max(seq) FROM run") == [(5,)]
    store.rebuild()
    assert rows(store, "SELECT max(seq) FROM run") == [(3,)]


def test_a_ledger_that_was_replaced_is_taken_anew(store, tmp_path):
    published(store, *HISTORY)
    other = EvidenceStore(tmp_path / "other")
    record(other, *(replace(made, run_id=f"other-{made.run_id}") for made in HISTORY))
    (store.directory / "ledger").rename(tmp_path / "old")
    (other.directory / "ledger").rename(store.directory / "ledger")
    warning = store.publish().warning
    assert "run 5 of chris-testing is another one in the ledger" in warning
    assert "EVIDENCE_BROKEN" in warning
    assert "hygiene evidence verify" in warning
    assert rows(store, "SELECT run_id FROM run WHERE seq = 1") == [("other-run-0001",)]
    assert known.load(store.directory, Ledger(store.directory, HOST)).head.run_id == "other-run-0005"


def test_batches_are_cut_by_number_and_bytes(store, monkeypatch):
    monkeypatch.setattr(ingest, "_BATCH_FILES", 2)
    published(store, *HISTORY)
    whole = content(store)
    monkeypatch.setattr(ingest, "_BATCH_FILES", 400)
    monkeypatch.setattr(ingest, "_BATCH_BYTES", 1)
    store.rebuild()
    assert content(store) == whole


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_export(store, tmp_path, kind):
    record(store, *HISTORY)
    written = store.export(tmp_path / "out", kind)
    assert {path.suffix for path in written} == {f".{kind}"}
    assert {path.stem for path in written} >= {"run", "resource_change", "resource", "latest", "finding"}
    source = str(tmp_path / "out" / f"resource_change.{kind}")
    with closing(duckdb.connect()) as connection:
        found = connection.execute(f"SELECT count(*) FROM '{source}'").fetchone()
    assert found == rows(store, "SELECT count(*) FROM resource_change")[0]


VOLUMES = ("v1", "v2", "v3")
a_row = st.fixed_dictionaries(
    {
        "size": st.sampled_from([None, 0, 5]),
        "verdict": st.sampled_from(["retained", "candidate"]),
        "label": st.sampled_from(["x", "y"]),  # a change that the catalogue does not log
    }
)
a_run = st.fixed_dictionaries(
    {
        "volumes": st.dictionaries(st.sampled_from(VOLUMES), a_row),
        "images": st.dictionaries(st.sampled_from(["i1", "i2"]), a_row),
        "volumes_are": st.sampled_from(["complete", "complete", "partial", "unavailable"]),
        "images_are": st.sampled_from(["complete", "complete", "partial", "unavailable"]),
        "publish": st.booleans(),
    }
)


def drawn(number: int, made: dict):
    found = []
    fields: dict = {"partial": {}, "unavailable": {}}
    for name in ("volumes", "images"):
        if made[f"{name}_are"] != "complete":
            fields[made[f"{name}_are"]][name] = "drawn"
    for name, how in made["volumes"].items() if made["volumes_are"] != "unavailable" else ():
        resource = volume(name, size_bytes=how["size"], labels={"l": how["label"]})
        found.append(judged(resource, how["verdict"], first_seen_at=NOW))
    for name, how in made["images"].items() if made["images_are"] != "unavailable" else ():
        resource = image(name, size_bytes=how["size"], labels={"l": how["label"]})
        found.append(judged(resource, how["verdict"], first_seen_at=NOW - timedelta(days=1)))
    return run(number, *found, **fields)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(a_run, min_size=1, max_size=9), full_every=st.integers(1, 5))
def test_whatever_happens_everything_tells_the_same_story(tmp_path_factory, monkeypatch, history, full_every):
    monkeypatch.setattr("hygiene_core.evidence.store.FULL_EVERY", full_every)
    store = EvidenceStore(tmp_path_factory.mktemp("state") / "s")
    ledger = Ledger(store.directory, HOST)
    reports = []
    for number, made in enumerate(history, start=1):
        reports.append(drawn(number, made))
        memory = remembered(reports[-1], store.recall(HOST))
        store.record(reports[-1], memory)
        assert store.recall(HOST).entries == memory.entries
        assert known.rebuild(ledger) == known.load(store.directory, ledger)
        if made["publish"]:
            store.publish()
    assert store.publish().warning is None
    assert [replay(ledger, number) for number in range(1, len(reports) + 1)] == reports
    for number, report in enumerate(reports, start=1):
        assert state(store, number) == told(report), number
    sightings: dict[str, list[int]] = {}
    for number, report in enumerate(reports, start=1):
        for row in report.resources:
            sightings.setdefault(row.id, []).append(number)
    assert rows(store, "SELECT id, first_seq, last_seq FROM resource_seen ORDER BY id") == [
        (name, seen[0], seen[-1]) for name, seen in sorted(sightings.items())
    ]
    before = content(store)
    store.rebuild()
    assert content(store) == before
    assert [path.name for path in (store.directory / "known").iterdir()] == [f"{HOST}.json"]
