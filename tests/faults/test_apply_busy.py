"""A busy host, a second run, a wait that is stopped, an Engine that does not answer: F8, F17, F39."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hygiene_core.executor.failpoint import VARIABLE
from tests.faults.apply_scene import check_truth, furnish, host_with_kit, retirement
from tests.faults.test_apply_kills import await_stopped
from tests.lab.kit import Kit

pytestmark = pytest.mark.lab("engine")


@pytest.fixture(scope="module")
def kit() -> Iterator[Kit]:
    with host_with_kit("stable", "busy-stable") as made:
        made.host.run("cp", "/bin/sleep", "/run/Runner.Worker")
        yield made


@contextmanager
def job(kit: Kit) -> Iterator[None]:
    """A job of a runner, as far as a host can see it."""
    with subprocess.Popen(kit.host.command("/run/Runner.Worker", "300")):
        try:
            until = time.monotonic() + 20
            while not workers(kit) and time.monotonic() < until:
                time.sleep(0.05)
            yield
        finally:
            kit.host.run("pkill", "-f", "/run/Runner.Worker")


def workers(kit: Kit) -> list[int]:
    return [pid for pid in kit.host.processes() if Path(f"/proc/{pid}/comm").read_text() == "Runner.Worker\n"]


def lines(printed: str) -> list[dict]:
    return [json.loads(line) for line in printed.splitlines()]


def new_plan(kit: Kit) -> str:
    furnish(kit.host, 4)
    return retirement(kit)[0]


def test_nothing_begins_while_a_job_runs_and_the_plan_stays_good(kit: Kit):
    digest = new_plan(kit)
    with job(kit):
        told = lines(kit.hygiene("apply", "--plan", digest, "--format", "json", status=5).stdout)
    assert [one["why"] for one in told if one["k"] == "halted"] == ["JOB_RUNNING"]
    assert not [one for one in told if one["k"] in {"intended", "settled"}]
    told = lines(kit.hygiene("apply", "--plan", digest, "--format", "json", status=0).stdout)
    assert told[-1]["outcomes"] == {"removed": 8}
    check_truth(kit)


def test_a_job_that_starts_ends_the_run_before_its_next_step(kit: Kit):
    """F39."""
    digest = new_plan(kit)
    front = kit.start("apply", "--plan", digest, "--format", "json", env={VARIABLE: "after-outcome:2=freeze"})
    await_stopped(kit)
    with job(kit):
        kit.thaw_executors()
        out, _ = front.communicate(timeout=120)
    told = lines(out)
    assert front.returncode == 4
    assert next(one["why"] for one in told if one["k"] == "halted") == "JOB_RUNNING"
    assert told[-1]["outcomes"] == {"removed": 2}
    check_truth(kit)


def test_a_wait_for_rest_can_be_stopped(kit: Kit):
    digest = new_plan(kit)
    with job(kit):
        front = kit.start("apply", "--plan", digest, "--wait-idle", "10m", "--format", "json")
        until = time.monotonic() + 30
        while not kit.executors() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(3)  # it waits by now
        kit.hygiene("stop", digest, status=0)
        out, _ = front.communicate(timeout=60)
    assert front.returncode == 143
    assert [one["why"] for one in lines(out) if one["k"] == "halted"] == ["STOPPED"]
    check_truth(kit)


def test_a_wait_for_rest_goes_on_when_the_job_ends(kit: Kit):
    digest = new_plan(kit)
    with job(kit):
        front = kit.start("apply", "--plan", digest, "--wait-idle", "10m")
        time.sleep(4)
    _, said = front.communicate(timeout=120)
    assert front.returncode == 0, said
    check_truth(kit)


def test_a_second_run_is_told_who_has_the_host(kit: Kit):
    """F17; the lock is free again when its holder was killed (F18)."""
    digest = new_plan(kit)
    front = kit.start("apply", "--plan", digest, env={VARIABLE: "after-intent=freeze"})
    await_stopped(kit)
    second = kit.hygiene("apply", "--mode", "bounded", status=5)
    assert "refused [LOCKED]" in second.stderr
    assert digest[:12] in second.stderr
    kit.kill_executors()
    front.communicate(timeout=60)
    refused = kit.hygiene("apply", "--mode", "bounded", status=3)
    assert "refused [UNSETTLED]" in refused.stderr
    kit.hygiene("settle", status=0)
    check_truth(kit)


def test_a_call_that_an_engine_does_not_answer_is_unknown_until_it_is_settled(kit: Kit):
    """F8: the Engine may still do what it was asked; nobody says that it did not."""
    digest = new_plan(kit)
    plan = (kit.control / "plans" / f"{digest}.json").read_text()
    staged = {"k": "plan", "plan": plan, "options": {"call_limit": "PT3S"}}
    kit.executor("stage", sent=json.dumps(staged), status=0)
    kit.executor("apply", digest, env={VARIABLE: "after-recheck=freeze"}, status=0)
    await_stopped(kit)
    kit.host.freeze()
    try:
        kit.thaw_executors()
        kit.await_end()
        (journal,) = (kit.acts / "runs").glob("*.jsonl")
        told = lines(journal.read_text())
        assert [one["outcome"] for one in told if one["k"] == "settled"] == ["unknown"]
        assert told[-1]["why"] == "UNKNOWN_OUTCOME"
    finally:
        kit.host.thaw()
    assert "refused [UNSETTLED]" in kit.hygiene("apply", "--mode", "bounded", status=3).stderr
    kit.hygiene("settle", status=0)
    runs = check_truth(kit)
    assert [one.by_looking for one in runs[-1] if getattr(one, "by_looking", False)] == [True]
