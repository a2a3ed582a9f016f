"""Directories of runners and run caches: which go by age and water, who keeps them, and what a plan says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.decide.classify import classify
from hygiene_core.decide.plan import RETIRED_KINDS
from hygiene_core.decide.plan.blocking import blockers_of
from hygiene_core.decide.plan.directories import directory_steps
from hygiene_core.decide.plan.retirement import retire_actions
from hygiene_core.decide.plan.room import Room
from hygiene_core.decide.remember import gather
from hygiene_core.decide.sentence import sentence
from hygiene_core.decide.summary import summarise
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.known import Memory
from hygiene_core.model.plan import Action, Mode, PlannedFile, Selection, Verb
from hygiene_core.model.policy import Ages, Bounds, Policy, RunCacheRoot, RunnerRoot
from hygiene_core.model.resource import Kind, Mount
from hygiene_core.testing import (
    NOW,
    container,
    diagnostic_log,
    image,
    observation,
    run_cache,
    runner,
    workdir,
)
from tests.unit.decide.judging import WEEK, context_of, judge, memory_of, policy

DAY = timedelta(days=1)
RULES = policy(
    ages=Ages(grace=WEEK, runner_checkout=30 * DAY, diagnostic_log=30 * DAY),
    runner_roots=(RunnerRoot(name="lane-1", path="/srv/lane-1"),),
    run_caches=(
        RunCacheRoot(
            name="builds", path="/srv/builds", prefix="run-", high_water_bytes=100, low_water_bytes=60
        ),
        RunCacheRoot(name="other", path="/srv/other", prefix="run-"),
    ),
)
OLD = NOW - 40 * DAY


def planned(
    *rows, rules: Policy = RULES, verdicts=("candidate", "retained"), bounds=None, **seen
) -> list[Action]:
    held = observation(*rows, **seen)
    context = context_of(held, rules)
    room = Room.of(bounds or Bounds())
    return retire_actions(classify(held, context), context, Selection(verdicts=verdicts), room)


def run(number: int, days: int, size_bytes: int | None = 30, **fields):
    return run_cache(f"builds/run-{number}", changed_at=NOW - days * DAY, size_bytes=size_bytes, **fields)


def gone(*rows, **more) -> list[str]:
    return sorted(one.id.rpartition("-")[2] for one in planned(*rows, **more))


# Water.


def test_nothing_goes_up_to_the_high_water():
    assert gone(run(1, 40, 50), run(2, 30, 50)) == []


def test_over_the_high_water_the_oldest_go_until_the_low_water_is_reached():
    assert gone(run(1, 20), run(2, 40), run(3, 30), run(4, 10)) == ["2", "3"]
    # Exactly at the low water nothing more goes.
    assert gone(run(1, 40, 41), run(2, 30, 60)) == ["1"]
    assert gone(run(1, 40, 40), run(2, 30, 61)) == ["1", "2"]


def test_what_is_younger_than_the_grace_stays_whatever_the_water_says():
    assert gone(run(1, 6, 500), run(2, 2, 500)) == []
    assert gone(run(1, 7, 500), run(2, 2, 500)) == ["1"]


def test_the_grace_runs_from_our_own_first_look_too():
    held = observation(run(1, 40, 500))
    rows = judge(held, RULES, memory=memory_of(held, since=NOW - 6 * DAY))
    assert rows["builds/run-1"].verdict is Verdict.RETAINED
    rows = judge(held, RULES, memory=memory_of(held, since=NOW - 7 * DAY))
    assert rows["builds/run-1"].verdict is Verdict.CANDIDATE


@pytest.mark.parametrize(
    "blind",
    [{"size_bytes": None}, {"whole": False}, {"device": None}, {"inode": None}, {"ctime_ns": None}],
    ids=str,
)
def test_what_is_not_known_stays_and_frees_nothing(blind):
    assert gone(replace(run(1, 40, 500), **blind), run(2, 30)) == ([] if "size_bytes" in blind else ["2"])


def test_a_run_without_a_stamp_stays():
    assert gone(replace(run(1, 40, 500), changed_at=None)) == []


def test_a_run_that_a_container_binds_stays_and_the_next_goes():
    bound = container("c", mounts=(Mount(type="bind", source="/srv/builds/run-1/x/", destination="/x"),))
    assert gone(run(1, 40, 90), run(2, 30, 90), bound) == ["2"]
    rows = judge(observation(run(1, 40, 90), bound), RULES)
    assert rows["builds/run-1"].used_by == ("c",)
    # What only lies above it, or is no bind, says nothing.
    above = container("c", mounts=(Mount(type="bind", source="/srv", destination="/x"),))
    named = container("c", mounts=(Mount(type="volume", source="/srv/builds/run-1", destination="/x"),))
    blank = container("c", mounts=(Mount(type="bind", destination="/x"),))
    for other in (above, named, blank):
        assert gone(run(1, 40, 90), run(2, 30, 90), other) == ["1", "2"]


def test_runs_of_one_age_go_in_the_order_of_their_names():
    assert gone(run(2, 40, 60), run(1, 40, 60)) == ["1"]


def test_a_place_without_marks_lets_go_of_nothing():
    row = replace(run(1, 40, 500), id="other/run-1", cache="other")
    assert planned(row) == []
    assert [one.rule for one in judge(observation(row), RULES)["other/run-1"].reasons] == ["keep.no_rule"]


@pytest.mark.parametrize("name", ["run_caches", "containers"])
def test_a_section_that_is_not_whole_keeps_every_run(name: str):
    assert planned(run(1, 40, 500), partial={name: "frozen"}) == []


def test_a_clock_in_doubt_keeps_everything():
    held = observation(run(1, 40, 500), workdir(changed_at=OLD), runner())
    memory = replace(memory_of(held), last_run_at=NOW + DAY)
    assert {row.verdict for row in judge(held, RULES, memory=memory).values()} == {Verdict.UNKNOWN}
    assert not any(one.selected for one in context_of(held, RULES, memory=memory).water.values())


def test_what_was_never_seen_before_is_young():
    held = observation(run(1, 40, 500), workdir(changed_at=OLD), runner())
    context = gather(held, Memory(), RULES, NOW)
    assert {row.verdict for row in classify(held, context)} == {Verdict.RETAINED}


def test_the_reasons_tell_the_marks():
    told = {
        key: row.reasons[0].detail
        for key, row in judge(observation(run(1, 40, 90), run(2, 30, 30)), RULES).items()
    }
    assert told == {
        "builds/run-1": "builds holds 120 bytes, over its high water of 100; the oldest go down to 60",
        "builds/run-2": "builds reaches its low water of 60 bytes without it",
    }
    (within,) = judge(observation(run(1, 40, 90)), RULES).values()
    assert within.reasons[0].detail == "builds holds 90 bytes; its high water is 100 bytes"


# Checkouts.


def test_a_checkout_goes_after_its_age_and_never_before_the_grace():
    for days, going in ((29, 0), (30, 1)):
        assert len(planned(runner(), workdir(changed_at=NOW - days * DAY))) == going
    short = replace(RULES, ages=replace(RULES.ages, runner_checkout=DAY))
    for days, going in ((6, 0), (7, 1)):
        assert len(planned(runner(), workdir(changed_at=NOW - days * DAY), rules=short)) == going


def test_without_an_age_no_checkout_goes_picked_by_hand_or_not():
    rules = replace(RULES, ages=Ages(grace=WEEK))
    assert planned(runner(), workdir(changed_at=OLD), rules=rules) == []


@pytest.mark.parametrize("role", ["tools", "actions", "temporary", "update"])
def test_f40_what_the_runner_keeps_is_protected(role: str):
    row = workdir("lane-1/_work/_x", role=role, changed_at=OLD)
    assert judge(observation(runner(), row), RULES)[row.id].verdict is Verdict.PROTECTED


def test_f40_an_update_protects_the_runner_and_no_other():
    update = workdir("lane-1/_work/_update", role="update")
    mine, other = workdir(changed_at=OLD), workdir("lane-2/_work/odoo", changed_at=OLD)
    made = planned(runner(), runner("lane-2"), update, mine, other)
    assert [one.id for one in made] == ["lane-2/_work/odoo"]
    rows = judge(observation(runner(), update, mine), RULES)
    assert rows[mine.id].reasons[0].detail == (
        "the runner lane-1 updates itself: lane-1/_work/_update is there"
    )


# Logs.


def diagnostics(*logs, **fields):
    return workdir("lane-1/_diag", role="diagnostics", changed_at=NOW, logs=logs, **fields)


def test_only_old_logs_are_planned_each_with_its_identity():
    old = diagnostic_log("Worker_1-utc.log", size_bytes=8192, apparent_bytes=8000)
    young = diagnostic_log("Worker_2-utc.log", changed_at=NOW - 29 * DAY)
    blind = diagnostic_log("Worker_3-utc.log", changed_at=None)
    (made,) = planned(runner(work_folder=None), diagnostics(old, young, blind, size_bytes=10**9))
    assert (made.verb, made.kind, made.estimate_bytes) == (Verb.REMOVE_FILES, Kind.RUNNER_WORKDIR, 8192)
    assert made.files == (
        PlannedFile(
            name="Worker_1-utc.log",
            device=old.device,
            inode=old.inode,
            ctime_ns=old.ctime_ns,
            size_bytes=8000,
        ),
    )
    assert made.facts["work"] == f"{made.facts['runner']}/_work"
    stamp = f"{NOW - 40 * DAY:%Y-%m-%d %H:%M}Z"
    told = f"release.diagnostic_logs: 1 log in it, last written up to {stamp}; all else in it stays"
    assert made.reasons == (told,)


def test_logs_are_never_younger_than_the_grace():
    rules = replace(RULES, ages=replace(RULES.ages, diagnostic_log=DAY))
    for days, going in ((6, 0), (7, 1)):
        made = planned(runner(), diagnostics(diagnostic_log(changed_at=NOW - days * DAY)), rules=rules)
        assert len(made) == going


def test_each_log_is_an_object_within_the_bounds():
    two = diagnostics(diagnostic_log("Worker_1-utc.log"), diagnostic_log("Worker_2-utc.log"))
    assert planned(runner(), two, bounds=Bounds(max_items=1)) == []
    assert len(planned(runner(), two, bounds=Bounds(max_items=2))) == 1


def test_a_job_keeps_the_logs():
    assert planned(runner(busy=True), diagnostics(diagnostic_log())) == []


# The steps of a plan.


def test_a_step_names_what_has_to_hold():
    row = workdir(changed_at=OLD, device=1, inode=2, ctime_ns=3)
    (made,) = planned(runner(path="/srv/lane-1", work_folder="/mnt/work"), row)
    assert made.facts == {
        "path": row.path,
        "device": "1",
        "inode": "2",
        "ctime_ns": "3",
        "changed_at": OLD.isoformat(),
        "runner": "/srv/lane-1",
        "work": "/mnt/work",
    }
    assert (made.verb, made.files, made.estimate_bytes) == (Verb.REMOVE_DIRECTORY, (), row.size_bytes)


def test_directories_go_last():
    assert RETIRED_KINDS[-2:] == (Kind.RUNNER_WORKDIR, Kind.RUN_CACHE)
    rules = replace(RULES, ages=replace(RULES.ages, dangling_image=WEEK))
    made = planned(run(1, 40, 500), runner(), workdir(changed_at=OLD), image("x", tags=()), rules=rules)
    assert [one.kind for one in made] == [Kind.IMAGE, Kind.RUNNER_WORKDIR, Kind.RUN_CACHE]
    assert [one.number for one in made] == [1, 2, 3]


def test_a_directory_without_identity_or_logs_has_no_step():
    held = observation(runner(), workdir(inode=None), diagnostics())
    context = context_of(held, RULES)
    for row in classify(held, context):
        assert directory_steps(row, row.facts, context) == []


def test_a_runner_that_was_not_read_gives_no_facts():
    held = observation(workdir(changed_at=None))
    context = context_of(held, RULES)
    (row,) = classify(held, context)
    (made,) = directory_steps(row, row.facts, context)
    assert sorted(made.facts) == ["ctime_ns", "device", "inode", "path"]


def test_sections_of_directories_block_their_part_where_they_are_configured():
    held = observation(partial={"runners": "frozen", "run_caches": "frozen"})
    told = [one.subject for one in blockers_of(held, context_of(held, RULES), Mode.RETIREMENT)]
    assert told[-2:] == ["runners", "run_caches"]
    assert (
        blockers_of(held, context_of(held, policy()), Mode.RETIREMENT)[-1:]
        == blockers_of(observation(), context_of(observation(), policy()), Mode.RETIREMENT)[-1:]
    )


@pytest.mark.parametrize("name", ["runners", "run_caches"])
def test_candidate_bytes_need_the_sections_that_have_candidates(name: str):
    def bytes_of(rules: Policy) -> int | None:
        held = observation(runner(), workdir(changed_at=OLD), partial={name: "frozen"})
        context = context_of(held, rules)
        return summarise(held, classify(held, context), context).candidate_bytes

    assert bytes_of(RULES) is None
    assert bytes_of(policy()) == 0


def test_candidate_bytes_count_the_old_logs_alone():
    held = observation(runner(), diagnostics(diagnostic_log(size_bytes=4096), size_bytes=10**9), run(1, 1))
    context = context_of(held, RULES)
    assert summarise(held, classify(held, context), context).candidate_bytes == 4096


def test_the_sentence_tells_ages_and_marks():
    told = sentence(RULES)
    assert "checkouts of runners and logs of runners idle for 720 h" in told
    assert "once the run cache builds holds over 100 B, let go of its oldest runs down to 60 B" in told
    assert "other" not in told
