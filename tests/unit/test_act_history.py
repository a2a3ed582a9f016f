"""What a report is told of the acts on a host, and what keeps it from being told."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta

import pytest

from hygiene_core.errors import EvidenceUnreadable, UnknownRun
from hygiene_core.evidence import act_history, acts
from hygiene_core.evidence.act_history import history
from hygiene_core.evidence.journal import Journal
from hygiene_core.model.act import Outcome
from hygiene_core.model.acts import History
from hygiene_core.testing import GIB, NOW
from tests.unit.act_scenes import (
    BUILDER,
    ENGINE,
    HOST,
    IMAGE,
    LONG_AGO,
    began,
    busy,
    failed,
    prune,
    rewrite,
    run,
    seal,
    settled,
    thing,
)

DAY = timedelta(days=1)


def left_open(root, run_id="run-9", *, torn=b""):
    state = root / ENGINE
    journal = Journal(state / "runs" / f"{run_id}.jsonl", state / ".ballast")
    journal.create()
    journal.append(began(NOW - DAY, run_id=run_id))
    journal.close()
    if torn:
        journal.path.chmod(0o600)
        with journal.path.open("ab") as stream:
            stream.write(torn)
    return journal.path


@contextmanager
def nobody():
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_nothing_was_applied(tmp_path):
    assert history(ENGINE, NOW, tmp_path) == History(
        reason=f"nothing was applied here: there is no {tmp_path / ENGINE}"
    )
    (tmp_path / ENGINE).mkdir()
    assert history(ENGINE, NOW, tmp_path) == History()


@pytest.mark.parametrize("engine_id", [None, "..", "a/b", ""])
def test_an_engine_without_an_id(tmp_path, engine_id):
    assert history(engine_id, NOW, tmp_path).reason == "the Engine told no id that can name a folder"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_what_may_not_be_read_is_not_known(tmp_path):
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(folder.stat().st_mode | 0o005)
    seal(tmp_path, run())
    with nobody():
        told = history(ENGINE, NOW, tmp_path)
        with pytest.raises(EvidenceUnreadable, match="Permission denied"):
            acts.find(tmp_path, None)
    assert told == History(reason=f"{tmp_path / ENGINE}: Permission denied")


def test_the_last_apply_and_the_last_that_ended_well(tmp_path):
    seal(tmp_path, run("run-1", LONG_AGO))
    image, volume = thing(1), thing(2, "volume", "data")
    seal(
        tmp_path,
        run(
            "run-2",
            LONG_AGO + DAY,
            image,
            volume,
            middle=(settled(image), failed(volume)),
            status=4,
            problems=("the volume cache is gone",),
            mode="retirement",
        ),
    )
    told = history(ENGINE, NOW, tmp_path)
    last, well = told.last, told.last_bounded
    assert (last.run_id, last.mode, last.exit_status, last.problems) == ("run-2", "retirement", 4, 1)
    assert (last.removed, last.outcomes) == ({"image": 1}, {"removed": 1, "failed": 1})
    assert (last.caller, last.digest, last.began_at) == ("chris", "ab" * 32, LONG_AGO + DAY)
    assert (last.estimate_bytes, last.claimed_bytes, last.freed_bytes) == (2 * GIB, GIB, GIB - 4096)
    assert (well.run_id, well.removed, well.exit_status) == ("run-1", {"build_cache": 2}, 0)
    assert [(one.kind, one.name, one.builder, one.run_id) for one in told.removed] == [
        ("image", "app:1", None, "run-2"),
        ("build_cache", "RUN step b", BUILDER, "run-1"),
        ("build_cache", "RUN step a", BUILDER, "run-1"),
    ]
    assert told.removed[0].references == ("app:1",)


def test_runs_that_found_the_host_busy_since_the_last_success(tmp_path):
    seal(tmp_path, busy("run-1", LONG_AGO))
    seal(tmp_path, run("run-2", LONG_AGO + DAY))
    assert history(ENGINE, NOW, tmp_path).busy == 0
    seal(tmp_path, busy("run-3", LONG_AGO + 2 * DAY))
    seal(tmp_path, run("run-4", LONG_AGO + 3 * DAY, thing(), mode="retirement"))
    seal(tmp_path, busy("run-5", LONG_AGO + 4 * DAY))
    told = history(ENGINE, NOW, tmp_path)
    assert (told.busy, told.busy_since_at, told.last.run_id) == (2, LONG_AGO + 2 * DAY, "run-4")
    assert told.last_bounded.run_id == "run-2"


def test_a_failed_run_is_the_last_until_another_acts(tmp_path):
    seal(tmp_path, busy("run-1", LONG_AGO))
    assert history(ENGINE, NOW, tmp_path).last.halted == "JOB_RUNNING"
    seal(tmp_path, run("run-2", LONG_AGO + DAY, status=4, problems=("gone",)))
    seal(tmp_path, busy("run-3", LONG_AGO + 2 * DAY))
    assert history(ENGINE, NOW, tmp_path).last.run_id == "run-2"


def test_a_run_with_a_problem_is_no_success(tmp_path):
    seal(tmp_path, busy("run-1", LONG_AGO))
    seal(tmp_path, run("run-2", LONG_AGO + DAY, status=0, problems=("gone",)))
    told = history(ENGINE, NOW, tmp_path)
    assert (told.last_bounded, told.busy, told.busy_since_at) == (None, 1, LONG_AGO)


def test_what_went_long_ago_is_not_told_and_the_success_is_still_found(tmp_path):
    old = NOW - timedelta(days=90)
    seal(tmp_path, run("run-0", old - DAY))
    seal(tmp_path, run("run-1", old))
    seal(tmp_path, busy("run-2", old + DAY))
    told = history(ENGINE, NOW, tmp_path)
    assert (told.last_bounded.run_id, told.busy, told.removed) == ("run-1", 1, ())


def test_most_runs_and_most_things(tmp_path, monkeypatch):
    monkeypatch.setattr(act_history, "MOST_RUNS", 2)
    monkeypatch.setattr(act_history, "MOST_REMOVED", 3)
    for number in range(3):
        seal(tmp_path, run(f"run-{number}", LONG_AGO + number * DAY, mode="retirement"))
    told = history(ENGINE, NOW, tmp_path)
    assert [one.run_id for one in told.removed] == ["run-2", "run-2", "run-1"]


def test_a_run_that_was_cut_off_and_one_that_goes_on(tmp_path):
    left_open(tmp_path)
    assert history(ENGINE, NOW, tmp_path).unsettled == ("run-9",)
    going = history(ENGINE, NOW, tmp_path, goes_on=lambda path: path.stem == "run-9")
    assert (going.unsettled, going.running) == ((), ("run-9",))
    left_open(tmp_path, "run-8", torn=b'{"k":"intended","at":"20')
    assert history(ENGINE, NOW, tmp_path).unsettled == ("run-8", "run-9")


def test_a_run_that_was_sealed_right_before_a_crash_is_settled(tmp_path):
    """Between the segment and its head: the journal is still there, and the head is one behind."""
    seal(tmp_path, run("run-1"))
    told_before = (tmp_path / ENGINE / "head.json").read_bytes()
    seal(tmp_path, run("run-9", LONG_AGO + DAY))
    (tmp_path / ENGINE / "head.json").write_bytes(told_before)
    assert "is not what was recorded as run 1" in history(ENGINE, NOW, tmp_path).reason
    left_open(tmp_path, "run-9")
    told = history(ENGINE, NOW, tmp_path)
    assert (told.reason, told.unsettled, told.last.run_id) == (None, (), "run-9")


def test_an_unknown_outcome_that_was_settled_by_looking_counts_once(tmp_path):
    one = thing()
    unknown = settled(one, outcome=Outcome.UNKNOWN)
    seal(
        tmp_path, run("run-1", LONG_AGO, one, middle=(unknown, settled(one, LONG_AGO + DAY, by_looking=True)))
    )
    told = history(ENGINE, NOW, tmp_path)
    assert told.last.removed == {"image": 1}
    assert told.removed[0].removed_at == LONG_AGO + DAY


def test_a_run_without_names_still_tells_what_went(tmp_path):
    lines = tuple(line for line in run("run-1", LONG_AGO, thing()) if line.k != "named")
    seal(tmp_path, lines)
    assert [(one.kind, one.id) for one in history(ENGINE, NOW, tmp_path).removed] == [("unknown", IMAGE)]


def test_a_run_that_did_nothing_before_its_end(tmp_path):
    seal(tmp_path, run("run-1", LONG_AGO, middle=())[:1])
    told = history(ENGINE, NOW, tmp_path).last
    assert (told.ended_at, told.exit_status, told.removed, told.outcomes) == (None, None, {}, {})
    assert act_history.apply_of((), ()) is None
    assert act_history.removed_by(()) == ()


def test_a_record_that_has_no_name(tmp_path):
    step = prune(1, f"{BUILDER}/a")
    lines = run("run-1", LONG_AGO, step, middle=(settled(step, removed=(f"{BUILDER}/other",)),))
    seal(tmp_path, lines)
    assert [(one.id, one.name) for one in history(ENGINE, NOW, tmp_path).removed] == [
        (f"{BUILDER}/other", "")
    ]


def damaged(lines):
    return [line.replace(b'"outcome":"removed"', b'"outcome":"kept"') for line in lines]


def test_a_broken_ledger_is_a_reason(tmp_path):
    ledger = seal(tmp_path, run())
    rewrite(ledger.files()[-1].path, damaged)
    assert "was changed after it was written" in history(ENGINE, NOW, tmp_path).reason


def test_an_older_broken_segment_is_a_reason(tmp_path):
    ledger = seal(tmp_path, run("run-1"))
    seal(tmp_path, run("run-2", LONG_AGO + DAY, thing(), mode="retirement"))
    seal(tmp_path, run("run-3", LONG_AGO + 2 * DAY, thing(), mode="retirement"))
    rewrite(ledger.files()[0].path, damaged)
    assert "does not match its own hash" in history(ENGINE, NOW, tmp_path).reason


def test_a_line_that_is_none_of_a_journal(tmp_path):
    seal(tmp_path, run())
    state = tmp_path / ENGINE
    ledger = next(acts.ledgers(state))
    odd = [b'{"k":"began","at":1}']
    ledger.append(
        run_id="run-2",
        started_at=NOW,
        mode="apply",
        tool_version="0",
        full=True,
        lines=odd,
    )
    acts.keep_head(state, HOST, ledger.head())
    assert history(ENGINE, NOW, tmp_path).reason.endswith("has a line that is none of a journal")


def test_one_run_again(tmp_path):
    first, second = run("aaaa-1"), run("aabb-2", LONG_AGO + DAY)
    seal(tmp_path, first)
    ledger = seal(tmp_path, second)
    os.utime(ledger.files()[0].path, (1, 1))
    assert acts.find(tmp_path, "aaaa-1") == acts.find(tmp_path, "aaa") == first
    assert acts.find(tmp_path, None) == second
    left_open(tmp_path, "cc-3")
    assert [line.k for line in acts.find(tmp_path, "cc")] == ["began"]
    for wanted, said in (("aa", "2 runs answer"), ("x", "no run answers"), ("", "no run answers")):
        with pytest.raises(UnknownRun, match=said):
            acts.find(tmp_path, wanted)
    with pytest.raises(UnknownRun, match="nothing was ever applied"):
        acts.find(tmp_path / "elsewhere", None)
    with pytest.raises(UnknownRun, match="no run gone"):
        acts.lines_of(tmp_path / ENGINE, "gone")
