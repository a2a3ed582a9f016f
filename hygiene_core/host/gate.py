"""The activity gate: is a build, a pull or a runner's job under way on this host right now?

Every source is asked at once, within one deadline. What could not be read counts as active.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

from hygiene_core.clock import Clock, utc_now
from hygiene_core.host.activity.builders import BuildersReading, BuilderTold, read_builders, read_embedded
from hygiene_core.host.activity.processes import ProcessesReading, ancestry, read_processes
from hygiene_core.host.activity.source import Found, Source, Work
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient
from hygiene_core.model.activity import Activity, ProcessId, Signal, busy

__all__ = ["SAMPLES", "Source", "ancestry", "sample", "settled", "watch_idle"]

SAMPLES = "samples"
"""The source of a signal that is about the samples themselves: there are too few, or they tell nothing."""

_APART = timedelta(seconds=1)
_MARGIN = 0.05
_NO_BUILDER = Found(Activity.IDLE, "no container builder runs")


def sample(
    socket_path: str,
    api_version: str,
    *,
    data_root: str | None,
    exclude: Collection[ProcessId],
    within: Deadline,
    clock: Clock = utc_now,
    proc: Path = Path("/proc"),
) -> tuple[Signal, ...]:
    """One sample: at least one signal of every source. Never raises for what a host does.

    Args:
        socket_path: the Engine's socket.
        api_version: the version to ask the Engine in, as it was negotiated.
        data_root: the Engine's data root as the Engine names it, for files with no telling name in its
            folder for temporary ones; `None` if it is not known.
        exclude: processes that are no sign of foreign work: see `ancestry`.
        within: when the sample has to be there.
        clock: tells when the sample began, which is when each signal counts as read.
        proc: where proc(5) is mounted.
    """
    read_at = clock()
    # Each question ends a little before the sample, so that what it says of its end still counts.
    soon = Deadline(within.expires - _MARGIN * within.limit.total_seconds(), within.limit)
    connect = partial(EngineClient, socket_path, soon, api_version)
    scan = Work("processes", partial(read_processes, proc, data_root, exclude, soon))
    records = Work("records", partial(read_embedded, connect))
    builders = read_builders(connect, read_at, within)
    late = f"could not be read within {within}"
    embedded = records.result(within) or Found(Activity.UNKNOWN, f"the records {late}")
    processes = scan.result(within) or ProcessesReading(
        problem=f"the processes {late}", files_problem=f"the open files {late}"
    )
    found = _found(processes, builders, embedded)
    return tuple(
        Signal(source=source.value, activity=one.activity, detail=one.detail, read_at=read_at)
        for source in Source
        for one in found[source]
    )


def _found(
    processes: ProcessesReading, builders: BuildersReading, embedded: Found
) -> dict[Source, list[Found]]:
    left_out = f"{processes.left_out} of this run's own ancestors left out" if processes.left_out else ""
    steps = _of_processes(processes.steps, "carries out a step of a build", processes.problem)
    steps_known = processes.problem is None
    told = builders.told
    return {
        Source.RUNNER_JOB: _of_processes(
            processes.workers, "is a runner's job", processes.problem, idle=left_out
        ),
        Source.BUILD_HISTORY: _of_builders(
            builders, [_stood_in(one, one.history, steps_known, "history of builds") for one in told]
        ),
        Source.BUILD_SESSION: _of_builders(builders, [one.session for one in told]),
        Source.BUILD_STEP: steps,
        Source.BUILD_RECORDS: [
            embedded,
            *_of_builders(
                builders, [_stood_in(one, one.records, steps_known, "list of records") for one in told]
            ),
        ],
        Source.PULL: _of_processes(
            processes.receivers, "is receiving content of images", processes.files_problem
        ),
    }


def _of_processes(ids: list[ProcessId], what: str, problem: str | None, *, idle: str = "") -> list[Found]:
    """A signal for each process that is at work, and one if there may be more; else one that none is."""
    found = [Found(Activity.ACTIVE, f"process {one.pid} {what}") for one in ids]
    if problem is not None:
        found.append(Found(Activity.UNKNOWN, problem))
    return found or [Found(Activity.IDLE, idle)]


def _of_builders(builders: BuildersReading, found: list[Found]) -> list[Found]:
    """A signal for each builder, and one if there may be more."""
    if builders.problem is not None:
        return [*found, Found(Activity.UNKNOWN, f"the container builders: {builders.problem}")]
    return found or [_NO_BUILDER]


def _stood_in(builder: BuilderTold, told: Found | None, steps_known: bool, what: str) -> Found:  # noqa: FBT001
    """What a builder told; where its version cannot, the other sources answer for it if they were read."""
    if told is not None:
        return told
    said = f"the BuildKit of {builder.id} is too old for a {what}"
    if steps_known and builder.session.activity is not Activity.UNKNOWN:
        return Found(Activity.IDLE, f"{said}: its clients and steps were read instead")
    return Found(Activity.UNKNOWN, f"{said}, and its clients or steps could not be read")


def settled(samples: Sequence[tuple[Signal, ...]], *, apart: timedelta = _APART) -> tuple[Signal, ...]:
    """What keeps an apply from acting in any of several samples: empty if the host was idle in all of them.

    Fewer than two samples, an empty one, and two that are not `apart` prove nothing and say so.
    """
    held = [signal for one in samples for signal in busy(one)]
    if held:
        return tuple(held)
    if len(samples) < 2:  # noqa: PLR2004 - one moment tells nothing about the next
        return (_unproven("one sample at most was taken", samples),)
    if not all(samples):
        return (_unproven("a sample has no signal", samples),)
    times = [[signal.read_at for signal in one] for one in samples]
    if any(min(later) - max(earlier) < apart for earlier, later in pairwise(times)):
        return (_unproven(f"samples are not {apart.total_seconds():g} s apart", samples),)
    return ()


def watch_idle(
    take: Callable[[], tuple[Signal, ...]],
    *,
    interval: timedelta,
    samples: int = 2,
    until: Deadline | None,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Signal, ...]:
    """Take samples until so many in a row are idle; what kept the host from it otherwise.

    Args:
        take: takes one sample.
        interval: how long to wait between two samples; must be more than nothing.
        samples: how many in a row have to be idle; at least one.
        until: how long to go on. `None` gives up at the first sample that is not idle. When the time is over
            while the samples are still being counted, that is a signal of its own: too few are no proof.
        sleep: waits.
    """
    if interval <= timedelta(0) or samples < 1:
        raise ValueError("samples need a number and an interval")
    idle = 0
    while True:
        signals = take()
        held = busy(signals) if signals else (_unproven("a sample has no signal", ()),)
        idle = 0 if held else idle + 1
        if idle == samples:
            return ()
        if held and until is None:
            return held
        if until is not None and until.remaining_seconds() < interval.total_seconds():
            said = f"{idle} of {samples} idle samples were taken within {until}"
            return held or (_unproven(said, (signals,)),)
        sleep(interval.total_seconds())


def _unproven(why: str, samples: Sequence[tuple[Signal, ...]]) -> Signal:
    read: list[datetime] = [signal.read_at for one in samples for signal in one]
    return Signal(
        source=SAMPLES,
        activity=Activity.UNKNOWN,
        detail=why,
        read_at=max(read) if read else utc_now(),
    )
