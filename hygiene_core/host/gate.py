"""The activity gate: is a build, a pull or a job of a runner under way on this host?

No single source tells. Each one is read, shown with its time, and what cannot be read counts as active.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from pathlib import Path

from hygiene_core.clock import Clock, utc_now
from hygiene_core.errors import HygieneError
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.df_wire import parse_build_cache
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.probes.buildkit import BuilderFacts, read_builders
from hygiene_core.host.processes import PROC, find_work
from hygiene_core.host.wire import parse_containers
from hygiene_core.model.activity import Activity, ProcessId, Signal, busy
from hygiene_core.model.resource import EMBEDDED_BUILDER, BuildCacheRecord

__all__ = ["SOURCES", "sample", "watch_idle"]

SOURCES = ("runner_job", "build_step", "build_history", "build_session", "build_records", "pull")
"""What is asked, in every sample."""

_RUNNING_FOR = timedelta(hours=24)
"""A record that was never used and is older than this is a leftover of BuildKit, not a build."""


def sample(
    socket_path: str,
    api_version: str,
    *,
    exclude: Collection[ProcessId],
    within: Deadline,
    clock: Clock = utc_now,
    proc: Path = PROC,
) -> tuple[Signal, ...]:
    """Ask every source once. Never raises for what the host does.

    Args:
        socket_path: of the Engine.
        api_version: to ask it in.
        exclude: processes that are the kit's own ancestors.
        within: after this, what has not answered is unknown.
        clock: what time it is.
        proc: where the process table is mounted.
    """
    return (
        *_of_processes(exclude, clock, proc),
        *_of_engine(socket_path, api_version, within, clock),
    )


def watch_idle(
    take: Callable[[], tuple[Signal, ...]],
    *,
    interval: timedelta,
    samples: int = 2,
    until: Deadline | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Signal, ...]:
    """Take samples until so many in a row are idle; what kept the host busy, or nothing.

    Args:
        take: one sample.
        interval: between two of them.
        samples: how many in a row; two or more, because a job starts between two looks.
        until: how long to wait for a busy host; without it the first busy sample decides.
        sleep: what waits.
    """
    in_a_row = 0
    while True:
        at_work = busy(take())
        in_a_row = 0 if at_work else in_a_row + 1
        if in_a_row >= samples:
            return ()
        if at_work and (until is None or until.expired):
            return at_work
        sleep(interval.total_seconds())


def _of_processes(exclude: Collection[ProcessId], clock: Clock, proc: Path) -> Iterable[Signal]:
    try:
        work = find_work(exclude, proc)
    except OSError as error:
        said = f"the process table cannot be read: {error.strerror}"
        return [_signal(name, None, said, clock) for name in ("runner_job", "build_step", "pull")]
    jobs = f"{len(work.workers)} jobs, the first as process {work.workers[0].pid}" if work.workers else ""
    steps = f"{work.build_steps} steps of builds" if work.build_steps else ""
    pulls = f"{work.pulls} layers" if work.pulls else ""
    known = None if work.unread and not work.pulls else work.pulls > 0
    return [
        _signal("runner_job", bool(work.workers), jobs, clock),
        _signal("build_step", work.build_steps > 0, steps, clock),
        _signal("pull", known, pulls or work.unread or "", clock),
    ]


def _of_engine(socket_path: str, api_version: str, within: Deadline, clock: Clock) -> list[Signal]:
    try:
        with EngineClient(socket_path, within, api_version) as client:
            parsed, _ = parse_build_cache(client.get_json("/system/df", {"type": "build-cache"}))
            listed = parse_containers(client.get_json("/containers/json"))
    except HygieneError as error:
        asked = ("build_history", "build_session", "build_records")
        return [_signal(name, None, error.message, clock) for name in asked]
    if problem := parsed.problem or listed.problem:
        return [_signal("build_records", None, problem, clock)]
    seen = read_builders(listed.rows, lambda: EngineClient(socket_path, within, api_version), within)
    names = {one.id: one.name for one in listed.rows}
    signals = [_new_records(EMBEDDED_BUILDER, parsed.rows, clock)]
    for container_id, facts in seen.facts.items():
        signals += _of_builder(names[container_id], facts, clock)
    return signals


def _of_builder(name: str, facts: BuilderFacts, clock: Clock) -> list[Signal]:
    why = "; ".join(facts.problems)
    builds = None if facts.running_builds is None else facts.running_builds > 0
    told = f"{facts.running_builds} builds in {name}" if builds else name
    sessions = None if facts.sessions is None else facts.sessions > 0
    attached = f"{facts.sessions} clients of {name}" if sessions else name
    records = (
        _new_records(name, facts.records, clock)
        if facts.records_read
        else _signal("build_records", None, f"{name}: {why}", clock)
    )
    return [
        _signal("build_history", builds, told if builds is not None else f"{name}: {why}", clock),
        _signal("build_session", sessions, attached if sessions is not None else f"{name}: {why}", clock),
        records,
    ]


def _new_records(builder: str, records: Iterable[BuildCacheRecord], clock: Clock) -> Signal:
    """A build marks its records as used when it lets go of them: until then they were never used."""
    since = clock() - _RUNNING_FOR
    new = sum(
        one.in_use
        and one.last_used_at is None
        and not one.usage_count
        and (one.created_at is None or one.created_at > since)
        for one in records
    )
    return _signal(
        "build_records", new > 0, f"{builder} holds {new} that no build let go" if new else builder, clock
    )


def _signal(source: str, active: bool | None, detail: str, clock: Clock) -> Signal:  # noqa: FBT001 - three answers
    activity = Activity.UNKNOWN if active is None else Activity.ACTIVE if active else Activity.IDLE
    return Signal(source=source, activity=activity, detail=detail, read_at=clock())
