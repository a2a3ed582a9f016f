"""F23 to F26 for the ledger of acts: torn, edited, cut and swapped evidence, and trouble with DuckDB."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from hygiene_core.errors import EvidenceBroken
from hygiene_core.evidence import acts
from hygiene_core.evidence.act_files import act_files
from hygiene_core.evidence.journal import Journal, read_journal
from hygiene_core.evidence.ledger import Head, Ledger
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.executor import sealing
from hygiene_core.executor.places import STATE, Places
from hygiene_core.model.act import Outcome
from hygiene_core.model.journal import Ended
from hygiene_core.testing import GIB, NOW, image, judged
from tests.unit.act_scenes import (
    BUILDER,
    ENGINE,
    HOST,
    IMAGE,
    LONG_AGO,
    began,
    busy,
    failed,
    probe,
    prune,
    rewrite,
    run,
    seal,
    settled,
    stored,
    thing,
)
from tests.unit.evidence_scenes import hold_open, remembered
from tests.unit.evidence_scenes import run as looked_at

DAY = timedelta(days=1)
KEY = f"{ENGINE}/{HOST}"
ACTS = f"acts of {KEY}"


class Rules(NamedTuple):
    name: str = HOST


class Asked(NamedTuple):
    """What sealing asks of a host."""

    places: Places
    rules: Rules = Rules()


@pytest.fixture
def root(tmp_path) -> Path:
    made = tmp_path / "var"
    for number in range(3):
        seal(made, run(f"run-{number + 1}", LONG_AGO + number * DAY, prune(1), thing(2)))
    return made


@pytest.fixture
def store(tmp_path, root) -> EvidenceStore:
    (tmp_path / "state").mkdir()
    made = EvidenceStore(tmp_path / "state", acts=root)
    assert made.publish().warning is None
    return made


def ledger_of(root) -> Ledger:
    return Ledger(root / ENGINE, HOST, reserve_bytes=0)


def ask(store, sql):
    with open_published(store.directory) as reader:
        return reader.query(sql).rows


def problem(root, **more):
    found = acts.head_problem(root / ENGINE, ledger_of(root), **more)
    return None if found is None else found.message


# ---- what is kept beside the ledger


def test_the_executor_and_the_readers_mean_the_same_place():
    assert acts.STATE == STATE


def test_a_whole_ledger_has_no_problem(root, store):
    assert problem(root) is None
    found = store.verify()[ACTS]
    assert (found.ok, found.segments, found.head.run_id) == (True, 3, "run-3")


def test_a_shorter_valid_prefix_is_told(root, store):
    """F25: the chain of what is left is sound, and the newest runs are missing."""
    ledger_of(root).files()[-1].path.unlink()
    assert problem(root) == (
        f"the ledger of acts of {HOST} is not whole: it ends at run 2, and run 3 (run-3) was recorded."
    )
    found = store.verify()[ACTS]
    assert (found.ok, found.first_bad_seq) == (False, 3)
    assert "the newest 1 runs are missing; run 3 was recorded as run-3" in found.sentence
    assert f"EVIDENCE_BROKEN: the ledger of {KEY} ends at run 2" in store.publish().warning


def test_all_of_it_is_missing(root, store):
    shutil.rmtree(root / ENGINE / "ledger")
    assert "it ends at run 0, and run 3" in problem(root)
    assert not store.verify()[ACTS].ok
    assert "EVIDENCE_BROKEN" in store.publish().warning


def test_the_folder_of_the_engine_is_missing_and_the_database_remembers(root, store):
    shutil.rmtree(root / ENGINE)
    assert not store.verify()[ACTS].ok
    assert ask(store, "SELECT count(*) FROM act") == ((3,),)


def edited(lines):
    return [line.replace(b'"exit_status":0', b'"exit_status":4') for line in lines]


def without_a_line(lines):
    return [line for line in lines if not line.startswith(b'{"k":"settled"')]


def swapped(lines):
    return [lines[0], lines[2], lines[1], *lines[3:]]


@pytest.mark.parametrize("change", [edited, without_a_line, swapped], ids=lambda one: one.__name__)
@pytest.mark.parametrize("which", [0, 2])
def test_changed_lines_are_told(root, store, change, which):
    """F24: the newest segment is looked at before each run, every one by the verification."""
    rewrite(ledger_of(root).files()[which].path, change)
    found = store.verify()[ACTS]
    assert (found.ok, found.first_bad_seq) == (False, which + 1)
    assert "was changed after it was written" in found.problem
    assert (problem(root) is None) == (which == 0)


def test_two_segments_that_changed_places(root, store):
    first, second = (one.path for one in ledger_of(root).files()[:2])
    content = first.read_bytes()
    for path in (first, second):
        path.chmod(0o600)
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert not store.verify()[ACTS].ok


def test_a_newest_run_that_was_written_anew(root, store):
    """Sound in itself, with the same number and id: only what is remembered elsewhere tells."""
    ledger_of(root).files()[-1].path.unlink()
    anew = run("run-3", LONG_AGO + 2 * DAY, thing(2))
    ledger_of(root).append(
        run_id="run-3", started_at=NOW, mode="apply", tool_version="0", full=True, lines=stored(anew)
    )
    assert "sound in itself, yet it is not what was recorded as run 3" in problem(root)
    assert "is not what was anchored as run 3" in store.verify()[ACTS].problem
    assert "is another one in the ledger" in store.publish().warning
    kept = sorted(path.name for path in store.directory.glob("*.kept-*"))
    assert kept == ["catalogue.duckdb.kept-3"]


def test_a_run_that_nobody_sealed(root):
    ledger_of(root).append(
        run_id="run-4", started_at=NOW, mode="apply", tool_version="0", full=True, lines=stored(run("run-4"))
    )
    assert "run 4 (run-4) is not what was recorded as run 3" in problem(root)
    assert problem(root, ahead="run-4") is None
    assert "is not what was recorded" in problem(root, ahead="run-5")


def test_the_head_that_is_missing_or_damaged(root, store):
    head = root / ENGINE / "head.json"
    for content in (b"", b"[]", b'{"a": 1}', b'{"a": {"seq": 1}}'):
        head.chmod(0o600)
        head.write_bytes(content)
        assert "head.json cannot be read" in problem(root)
        assert not store.verify()["acts"].ok
        assert act_files(root) == {}
    head.unlink()
    assert "head.json does not tell of it, and it holds 3 runs" in problem(root)


def test_a_loss_is_accepted_by_hand_and_the_next_seal_ends_that(root):
    state = root / ENGINE
    ledger_of(root).files()[-1].path.unlink()
    told = acts.head_problem(state, ledger_of(root))
    assert f"mv {state / 'head.json'} {state / 'head.accepted'}" in told.next_step
    (state / "head.json").rename(state / "head.accepted")
    assert problem(root) is None
    seal(root, run("run-9"))
    assert sorted(path.name for path in state.glob("head*")) == ["head.accepted-3", "head.json"]
    (state / "head.json").unlink()
    assert problem(root) is not None


def test_a_new_name_of_the_host_begins_its_own_ledger(root):
    state = root / ENGINE
    assert acts.head_problem(state, Ledger(state, "other")) is None
    seal(root, run("run-9"), host="other")
    assert set(acts.told_heads(state)) == {HOST, "other"}
    assert [one.host for one in acts.ledgers(state)] == [HOST, "other"]


# ---- sealing


@pytest.fixture
def asked(root) -> Asked:
    places = Places(root / ENGINE, root / "lock")
    for folder in (places.runs, places.outbox):
        folder.mkdir()
    return Asked(places)


def journal_of(asked, lines, *, torn=b"") -> Path:
    journal = Journal(asked.places.runs / f"{lines[0].run_id}.jsonl", asked.places.ballast)
    journal.create()
    for line in lines:
        journal.append(line)
    journal.close()
    if torn:
        journal.path.chmod(0o600)
        with journal.path.open("ab") as stream:
            stream.write(torn)
    return journal.path


def test_a_run_is_sealed_readable_and_remembered(asked, root):
    lines = run("run-4", NOW)
    path = journal_of(asked, lines)
    sealing.seal(asked, path)
    head = ledger_of(root).head()
    assert acts.told_heads(root / ENGINE)[HOST] == Head(4, "run-4", head.chain)
    newest = ledger_of(root).files()[-1]
    assert newest.path.stat().st_mode & 0o777 == 0o440
    assert acts.lines_of(root / ENGINE, "run-4") == lines
    assert not path.exists()
    sealing.require_whole(asked)


def test_a_torn_tail_is_sealed_without_its_last_line(asked, root):
    """F23: a line that was cut off counts as not written, here and in the ledger."""
    lines = run("run-4", NOW)
    path = journal_of(asked, lines, torn=b'{"k":"ended","at":"2026-05')
    read = read_journal(path)
    assert (read.torn, read.lines) == (True, lines)
    sealing.seal(asked, path)
    assert acts.lines_of(root / ENGINE, "run-4") == lines


def test_nothing_is_sealed_onto_a_ledger_that_was_cut(asked, root):
    ledger_of(root).files()[-1].path.unlink()
    path = journal_of(asked, run("run-4", NOW))
    with pytest.raises(EvidenceBroken, match=r"it ends at run 2.*Nothing was removed") as told:
        sealing.seal(asked, path)
    assert "hygiene evidence verify" in told.value.next_step
    assert path.exists()
    assert len(ledger_of(root).files()) == 2


def test_a_crash_between_the_segment_and_its_head_is_made_up_for(asked, root):
    before = (root / ENGINE / "head.json").read_bytes()
    lines = run("run-4", NOW)
    path = journal_of(asked, lines)
    seal(root, lines)
    (root / ENGINE / "head.json").unlink()
    (root / ENGINE / "head.json").write_bytes(before)
    with pytest.raises(EvidenceBroken):
        sealing.require_whole(asked)
    assert sealing.finish(asked, "run-4")
    sealing.require_whole(asked)
    assert not path.exists()


def test_the_first_run_of_all(tmp_path):
    places = Places(tmp_path / ENGINE, tmp_path / "lock")
    for folder in (places.runs, places.outbox):
        folder.mkdir(parents=True)
    asked = Asked(places)
    sealing.require_whole(asked)
    sealing.seal(asked, journal_of(asked, run("run-1")))
    sealing.require_whole(asked)


# ---- the database


def test_the_tables_of_a_run(root, store):
    mixed = (thing(2), thing(3, "volume", "data"))
    lines = run(
        "run-4", NOW, *mixed, middle=(settled(mixed[0]), failed(mixed[1])), status=4, mode="retirement"
    )
    seal(root, lines)
    seal(root, busy("run-5", NOW + DAY))
    published = store.publish()
    assert (published.warning, published.pending_segments) == (None, 0)
    assert ask(
        store, "SELECT run_id, mode, exit_status, halted, removed, problems, caller FROM act ORDER BY seq"
    ) == (
        ("run-1", "bounded", 0, None, 3, 0, "chris"),
        ("run-2", "bounded", 0, None, 3, 0, "chris"),
        ("run-3", "bounded", 0, None, 3, 0, "chris"),
        ("run-4", "retirement", 4, None, 1, 0, "chris"),
        ("run-5", "bounded", 5, "JOB_RUNNING", 0, 0, "chris"),
    )
    assert ask(
        store,
        "SELECT engine_id, host, began_at, digest, caller_uid, machine_id, engine_version, tool_version,"
        " estimate_bytes, claimed_bytes, freed_bytes, free_before_bytes, free_after_bytes,"
        " ended_at - began_at FROM act WHERE seq = 1",
    ) == (
        (
            *(ENGINE, HOST, LONG_AGO, "ab" * 32, 0, "0" * 32, "26.1.5", "0.1.0"),
            *(3 * GIB, 3 * GIB, 3 * GIB - 8192, 30 * GIB, 32 * GIB, timedelta(seconds=30)),
        ),
    )
    assert ask(
        store,
        "SELECT number, verb, kind, id, name, outcome, why, removed, freed_bytes FROM act_item WHERE seq = 4",
    ) == (
        (2, "remove_image", "image", IMAGE, "app:1", "removed", None, 1, GIB - 4096),
        (3, "remove_volume", "volume", "data", "data", "failed", "ENGINE", 0, None),
    )
    assert ask(
        store, "SELECT kind, id, name, size_bytes FROM act_removed WHERE seq = 1 ORDER BY number, id"
    ) == (
        ("build_cache", f"{BUILDER}/a", "RUN step a", GIB),
        ("build_cache", f"{BUILDER}/b", "RUN step b", GIB),
        ("image", IMAGE, "app:1", GIB),
    )
    assert ask(
        store,
        "SELECT builder, private_before_bytes, private_after_bytes, max_bytes, reserved_bytes, state_after"
        " FROM act_builder WHERE seq = 1",
    ) == ((BUILDER, 10 * GIB, 8 * GIB, 8 * GIB, 4 * GIB, "running"),)


def test_the_probes_of_a_run(root, store):
    warm = probe(NOW, when="before", cached_steps=4)
    unbuilt = probe(NOW + DAY, steps=None, cached_steps=None, seconds=None, problem="no")
    seal(root, run("run-4", NOW, probes=(warm, unbuilt)))
    assert store.publish().warning is None
    wanted = 'host, seq, builder, "when", steps, cached_steps, seconds, problem, probed_at'
    assert ask(store, f"SELECT {wanted} FROM act_probe") == (
        (HOST, 4, BUILDER, "before", 5, 4, 1.25, None, NOW),
        (HOST, 4, BUILDER, "after", None, None, None, "no", NOW + DAY),
    )


def test_an_outcome_that_was_settled_later_counts_once(root, store):
    one = thing(2)
    unknown = settled(one, outcome=Outcome.UNKNOWN)
    seal(root, run("run-4", NOW, one, middle=(unknown, settled(one, LONG_AGO + DAY, by_looking=True))))
    assert store.publish().warning is None
    assert ask(store, "SELECT outcome, by_looking, removed FROM act_item WHERE seq = 4") == (
        ("removed", True, 1),
    )
    assert ask(store, "SELECT removed FROM act WHERE seq = 4") == ((1,),)


def test_a_run_without_names_and_without_an_end(root, store):
    lines = tuple(line for line in run("run-4", NOW) if line.k != "named" and not isinstance(line, Ended))
    seal(root, lines)
    assert store.publish().warning is None
    assert ask(store, "SELECT exit_status, ended_at, removed FROM act WHERE seq = 4") == ((None, None, 2),)
    assert ask(store, "SELECT kind, name, size_bytes FROM act_removed WHERE seq = 4 LIMIT 1") == (
        (None, None, None),
    )


def test_runs_are_taken_in_once(root, store):
    assert store.publish().warning is None
    seal(root, run("run-4", NOW))
    assert store.publish().warning is None
    assert ask(store, "SELECT count(*), count(DISTINCT seq), max(seq) FROM act") == ((4, 4, 4),)


def test_two_engines_have_their_own_numbers(root, store):
    seal(root, run("other-1"), engine="OTHER:ENGINE:ID")
    assert store.publish().warning is None
    assert ask(store, "SELECT engine_id, count(*) FROM act GROUP BY ALL ORDER BY ALL") == (
        (ENGINE, 3),
        ("OTHER:ENGINE:ID", 1),
    )
    assert set(store.verify()) == {ACTS, f"acts of OTHER:ENGINE:ID/{HOST}"}


def test_a_broken_segment_is_not_taken_in_and_the_ones_before_it_are(root, tmp_path):
    rewrite(ledger_of(root).files()[2].path, edited)
    (tmp_path / "fresh").mkdir()
    store = EvidenceStore(tmp_path / "fresh", acts=root)
    assert "was changed after it was written. See: hygiene evidence verify" in store.publish().warning
    assert ask(store, "SELECT count(*) FROM act") == ((2,),)


@pytest.mark.parametrize("file", ["evidence.duckdb", "catalogue.duckdb"])
@pytest.mark.parametrize("how", ["missing", "corrupt"])
def test_the_database_is_made_again(root, store, file, how):
    """F26: whatever is wrong with the database, the acts are in the ledger."""
    path = store.directory / file
    if how == "missing":
        path.unlink()
    else:
        path.chmod(0o600)
        path.write_bytes(b"no database" * 1000)
    seal(root, run("run-4", NOW))
    store.publish()
    assert ask(store, "SELECT count(*) FROM act") == ((4,),)
    assert store.publish().warning is None


def test_a_locked_database_is_a_warning(root, store, monkeypatch):
    seal(root, run("run-4", NOW))
    holder = hold_open(store.directory / "catalogue.duckdb")
    try:
        published = store.publish()
    finally:
        holder.communicate()
    assert published.pending_segments == 1
    assert "was not brought up to date" in published.warning
    assert store.publish().warning is None


def test_what_may_not_be_read_is_not_lost(root, store, monkeypatch):
    """A user without the group: the rows stay, nothing is called broken, and the verification says so."""

    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", denied)
    told = store.verify()["acts"]
    monkeypatch.undo()
    assert told.ok
    assert told.sentence.startswith("not verified: ")
    assert "Permission denied" in told.sentence

    ours = EvidenceStore(store.directory, acts=None)
    ours.record(looked_at(1), remembered(looked_at(1), ours.recall(HOST)))
    assert ours.publish().warning is None
    assert ask(ours, "SELECT count(*) FROM act") == ((3,),)
    assert ACTS not in ours.verify()


def test_the_loss_is_accepted_by_a_rebuild(root, store):
    ledger_of(root).files()[-1].path.unlink()
    assert "EVIDENCE_BROKEN" in store.publish().warning
    store.rebuild()
    assert ask(store, "SELECT count(*) FROM act") == ((2,),)
    assert store.publish().warning is None
    assert not store.verify()[ACTS].ok, "head.json is the executor's, and tells of it still"


def test_what_the_kit_removed_is_told_so(root, tmp_path):
    """The view of what went knows who did it."""
    store = EvidenceStore(tmp_path / "other", acts=root)
    row = judged(image("app:1"), "candidate")
    engine_id = looked_at(1).host.engine.id
    for number, rows in ((1, (row,)), (2, ())):
        made = looked_at(number, *rows)
        store.record(made, remembered(made, store.recall(HOST)))
    at = looked_at(1).ended_at + timedelta(hours=1)
    seal(root, run("run-x", at, thing(1)), engine=engine_id)
    assert store.publish().warning is None
    assert ask(store, "SELECT name, removed_by, removed_at FROM removed") == (
        ("app:1", "this kit", at + timedelta(seconds=10)),
    )
    with open_published(store.directory) as reader:
        assert [row[2] for row in reader.applies(HOST).rows] == ["run-x", "run-3", "run-2", "run-1"]
        assert [row[2] for row in reader.applies("nobody").rows] == []
        assert len(reader.applies().rows) == 4


def test_a_head_of_a_run_that_began_only(root, store):
    seal(root, (began(NOW, run_id="run-4"),))
    assert store.publish().warning is None
    assert ask(store, "SELECT run_id, mode, exit_status FROM act WHERE seq = 4") == (
        ("run-4", "bounded", None),
    )
