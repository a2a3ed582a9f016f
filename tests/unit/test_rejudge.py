"""A stored run judged again: by its own policy nothing changes, by another what ought to."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hygiene_core import pipeline
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.event import Emit, silent
from hygiene_core.model.host import Host
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Observation
from hygiene_core.model.policy import Ages, Budget, Limits, Policy, Protect
from hygiene_core.model.report import JobNetwork, Report, Status
from hygiene_core.model.request import ObserveRequest
from hygiene_core.testing import (
    GIB,
    NOW,
    builder,
    cache_record,
    container,
    image,
    observation,
    report,
    runner,
    volume,
)
from hygiene_core.transport.demo import DemoTransport, demo_host

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
AGES = Ages(
    grace=timedelta(0), dangling_image=WEEK, anonymous_volume=WEEK, orphan_builder=WEEK, tagged_image=WEEK
)
POLICY = Policy(
    source="a.toml",
    digest="a" * 64,
    protect=Protect(builders=("warm",), images=("keep:*",)),
    limits=Limits(min_free_bytes=GIB),
    ages=AGES,
    budgets={"embedded": Budget(max_bytes=GIB, reserved_bytes=0, min_age=timedelta(0))},
)
KEPT, LEFT = image("keep:1"), image("left", tags=())
THINGS = (
    KEPT,
    LEFT,
    image("used:1"),
    container("web", image_id=image("used:1").id),
    volume("data"),
    volume("0" * 64, anonymous=True),
    builder("warm0"),
    builder("old0", container_id=None, container_state=None, image_id=None, image_name=None),
    cache_record("parent", id="p", size_bytes=GIB),
    cache_record("one", id="c1", parents=("p",), in_use=True, size_bytes=GIB),
    cache_record("two", id="c2", parents=("p",), in_use=True, size_bytes=GIB),
)


class Told:
    """A transport that tells what it is given, at the time it is given."""

    def __init__(self, *resources: object) -> None:
        self.resources, self.at = resources, NOW

    def observe(self, request: ObserveRequest, *, emit: Emit = silent) -> Observation:
        seen = observation(*self.resources)
        return replace(seen, started_at=self.at, ended_at=self.at)

    def follow(self, request: ObserveRequest):
        raise NotImplementedError


def recorded(folder: Path, *times: datetime, things=THINGS, policy: Policy = POLICY) -> EvidenceStore:
    store, transport = EvidenceStore(folder, log=lambda _: None), Told(*things)
    host = Host(name="h", docker_socket="/x", policy=policy)
    for at in times:
        transport.at = at
        pipeline.make_report(
            pipeline.Tools(host=host, transport=transport, store=store, clock=lambda at=at: at)
        )
    return store


def again(store: EvidenceStore, policy: Policy, run: int) -> tuple[Report, Report]:
    stored = store.load("h", run)
    return stored, pipeline.rejudge(stored, store.memory_after("h", run), policy)


TIMES = (NOW, NOW + 3 * HOUR, NOW + 10 * timedelta(days=1))


@pytest.mark.parametrize("run", [1, 2, 3])
def test_by_its_own_policy_a_run_is_what_it_was(tmp_path: Path, run: int):
    stored, made = again(recorded(tmp_path, *TIMES), POLICY, run)
    assert made.resources == stored.resources
    assert made.summary == stored.summary
    assert {one.code for one in stored.findings} >= {one.code for one in made.findings}


def test_a_report_keeps_the_limits_that_it_was_judged_by(tmp_path: Path):
    store = recorded(tmp_path, NOW)
    stored, made = again(store, replace(POLICY, limits=Limits(max_state_bytes=7)), 1)
    assert stored.policy.limits == Limits(min_free_bytes=GIB)
    assert made.policy.limits == Limits(max_state_bytes=7)


def test_the_demo_by_its_own_policy(tmp_path: Path):

    store = EvidenceStore(tmp_path, log=lambda _: None)
    made = pipeline.make_report(
        pipeline.Tools(host=demo_host(), transport=DemoTransport(), store=store)
    ).finished
    rejudged = pipeline.rejudge(made, store.memory_after("demo"), demo_host().policy)
    assert rejudged == made


def test_a_stricter_policy_keeps_and_a_laxer_one_lets_go(tmp_path: Path):
    store = recorded(tmp_path, *TIMES)
    stored, strict = again(store, replace(POLICY, ages=Ages(grace=100 * WEEK)), 3)
    verdicts = {row.id: row.verdict.value for row in stored.resources}
    assert verdicts[LEFT.id] == "candidate"
    assert {row.id: row.verdict.value for row in strict.resources}[LEFT.id] == "retained"
    asks = replace(POLICY, source="b.toml", limits=Limits(min_free_bytes=10**15))
    _, alarmed = again(store, asks, 3)
    assert alarmed.status is Status.ATTENTION
    assert alarmed.policy.source == "b.toml"
    assert "FREE_BYTES_LOW" in {one.code for one in alarmed.findings}


def test_what_was_protected_is_never_older_than_the_run(tmp_path: Path):
    """Nobody counted how long it was idle, so no rule lets it go yet."""
    lax = replace(POLICY, protect=Protect(), ages=replace(AGES, tagged_image=None))
    things = (image("kept", tags=(), labels={"keep": "1"}),)
    kept = replace(POLICY, protect=Protect(labels=("keep",)))
    _, made = again(recorded(tmp_path, *TIMES, things=things, policy=kept), lax, 3)
    (row,) = made.resources
    assert row.verdict.value == "retained"
    assert row.idle_since_at == TIMES[-1]


def test_a_clock_in_doubt_stays_in_doubt(tmp_path: Path):
    store = recorded(tmp_path, NOW, NOW - 10 * HOUR)
    stored, made = again(store, POLICY, 2)
    assert "CLOCK_SUSPECT" in {one.code for one in stored.findings}
    assert made.resources == stored.resources


def test_networks_of_jobs_are_judged_again():
    left = JobNetwork(id="1" * 64, name="github_network_1", runner="lane-1")
    made = report(runners=(runner(label="abc123"),), job_networks=(left,))
    again = pipeline.rejudge(made, Memory(), POLICY)
    assert "JOB_NETWORKS_LEFT" in {one.code for one in again.findings}
    assert again.job_networks == (left,)
