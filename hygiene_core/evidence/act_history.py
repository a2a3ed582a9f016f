"""What a report tells of the acts on a host: the last ones, and what went of late. Read only."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from hygiene_core.errors import EvidenceBroken, JobRunning
from hygiene_core.evidence.acts import (
    ENGINE_ID,
    STATE,
    Act,
    head_problem,
    ledgers,
    open_journals,
    pruned_before,
)
from hygiene_core.model.act import Outcome
from hygiene_core.model.acts import Apply, History, Removed
from hygiene_core.model.journal import Began, Ended, Halted, Line, Named, NamedThing, Settled, Verified
from hygiene_core.model.plan import Mode, Verb
from hygiene_core.model.resource import Kind

__all__ = ["MOST_REMOVED", "MOST_RUNS", "WINDOW", "apply_of", "history", "removed_by"]

WINDOW = timedelta(days=30)
"""How far back a report looks for what came back; older acts are a question to the database."""

MOST_RUNS = 1000
"""How many runs are read at the most, so that a report stays quick whatever was applied how often."""

MOST_REMOVED = 20_000
"""How many removed things are remembered at the most, the newest."""

_KINDS = (b"began", b"named", b"settled", b"halted", b"verified", b"ended")
"""The lines that are read; nothing here needs the looks before and after, which are long."""


def history(
    engine_id: str | None,
    now: datetime,
    root: Path = STATE,
    *,
    goes_on: Callable[[Path], bool] = lambda _: False,
) -> History:
    """What the ledgers of acts of an Engine tell. Whatever keeps them from being read is a reason, no error.

    Args:
        engine_id: whose; `None` where no Engine told its own.
        now: up to when; the window reaches back from there.
        root: where this host keeps what was done on it.
        goes_on: whether the run of a journal goes on; one that does not was cut off.
    """
    if engine_id is None or ENGINE_ID.fullmatch(engine_id) is None:
        return History(reason="the Engine told no id that can name a folder")
    state = root / engine_id
    try:
        os.listdir(state)  # noqa: PTH208 - only whether it is there, and this user may look
        return _read(state, now, goes_on)
    except FileNotFoundError as error:
        if error.filename == str(state):
            return History(reason=f"nothing was applied here: there is no {state}")
        return History(reason=f"{error.filename} went while it was read")
    except EvidenceBroken as error:
        return History(reason=error.message.rstrip("."))
    except OSError as error:
        return History(reason=f"{error.filename or state}: {os.strerror(error.errno or 0)}")


def _read(state: Path, now: datetime, goes_on: Callable[[Path], bool]) -> History:
    found = list(ledgers(state))
    for ledger in found:
        if problem := head_problem(state, ledger, ahead=_newest_open(state)):
            raise problem
    sealed = {file.run_id for ledger in found for file in ledger.files()}
    still_open = [path for path in open_journals(state) if path.stem not in sealed]
    running = tuple(path.stem for path in still_open if goes_on(path))
    told = History(
        unsettled=tuple(path.stem for path in still_open if path.stem not in running),
        running=running,
        pruned=pruned_before(state),
    )
    runs: list[tuple[Apply, tuple[Removed, ...]]] = []
    for ledger in found:
        acts = (Act(ledger, file) for file in reversed(ledger.files()[-MOST_RUNS:]))
        runs += _newest_runs(acts, now - WINDOW)
    runs.sort(key=lambda run: run[0].began_at, reverse=True)
    return _summed(told, runs, now - WINDOW)


def _newest_open(state: Path) -> str | None:
    """The run that may be sealed and not yet remembered as the head: its journal is still there."""
    return next((path.stem for path in reversed(open_journals(state))), None)


def _newest_runs(acts: Iterable[Act], since: datetime) -> Iterator[tuple[Apply, tuple[Removed, ...]]]:
    """Runs, newest first, until nothing before them is asked for."""
    succeeded = False
    for act in acts:
        lines = act.lines(_KINDS)
        removed = removed_by(lines)
        run = apply_of(lines, removed)
        if run is None:
            continue
        is_new = run.began_at >= since
        if succeeded and not is_new:
            return
        succeeded = succeeded or _is_success(run)
        yield run, removed if is_new else ()


def _summed(told: History, runs: Sequence[tuple[Apply, tuple[Removed, ...]]], since: datetime) -> History:
    if not runs:
        return told
    bounded = [run for run, _ in runs if run.mode == Mode.BOUNDED.value]
    well = next((number for number, run in enumerate(bounded) if _is_success(run)), len(bounded))
    busy = [run for run in bounded[:well] if _found_busy(run)]
    # One that found the host busy did nothing: what the one before it left is still as it was.
    last = next((run for run, _ in runs if not _found_busy(run)), runs[0][0])
    gone = [one for _, removed in runs for one in removed if one.removed_at >= since]
    return History(
        last=last,
        last_bounded=bounded[well] if well < len(bounded) else None,
        unsettled=told.unsettled,
        running=told.running,
        busy=len(busy),
        busy_since_at=busy[-1].began_at if busy else None,
        removed=tuple(gone[:MOST_REMOVED]),
        pruned=told.pruned,
    )


def _found_busy(run: Apply) -> bool:
    return run.exit_status == JobRunning.exit_status


def _is_success(run: Apply) -> bool:
    return run.mode == Mode.BOUNDED.value and run.exit_status == 0 and not run.problems


def apply_of(lines: Iterable[Line], removed: Iterable[Removed]) -> Apply | None:
    """A run in short; `None` for one that has no first line.

    Args:
        lines: of its journal.
        removed: what it removed, see `removed_by`.
    """
    lines = tuple(lines)
    began = next((line for line in lines if isinstance(line, Began)), None)
    if began is None:
        return None
    ended = next((line for line in reversed(lines) if isinstance(line, Ended)), None)
    halted = next((line.why for line in lines if isinstance(line, Halted)), None)
    return Apply(
        run_id=began.run_id,
        mode=began.mode,
        digest=began.digest,
        caller=began.caller.name,
        began_at=began.at,
        ended_at=ended.at if ended else None,
        exit_status=ended.exit_status if ended else None,
        removed=dict(Counter(one.kind for one in removed)),
        outcomes=ended.outcomes if ended else {},
        halted=halted,
        estimate_bytes=ended.estimate_bytes if ended else None,
        claimed_bytes=ended.claimed_bytes if ended else None,
        freed_bytes=ended.freed_bytes if ended else None,
        problems=sum(len(line.problems) for line in lines if isinstance(line, Verified)),
        unmeasured=tuple(one for line in lines if isinstance(line, Verified) for one in line.unmeasured),
    )


def removed_by(lines: Iterable[Line]) -> tuple[Removed, ...]:
    """Everything that a run removed, by the names that it had; the newest first."""
    lines = tuple(lines)
    began = next((line for line in lines if isinstance(line, Began)), None)
    if began is None:
        return ()
    things = {thing.number: thing for line in lines if isinstance(line, Named) for thing in line.things}
    settled = {(line.number, line.call): line for line in lines if isinstance(line, Settled)}
    found: list[Removed] = []
    for line in settled.values():
        if line.outcome is Outcome.REMOVED:
            found += _removed(line, things.get(line.number), began.run_id)
    return tuple(reversed(found))


def _removed(line: Settled, thing: NamedThing | None, run_id: str) -> Iterator[Removed]:
    if thing is None:  # what it was is not told; that it went is
        for one in line.removed:
            yield Removed(kind="unknown", id=one, name=one, run_id=run_id, removed_at=line.at)
    elif thing.verb == Verb.PRUNE_RECORDS:
        names = {record.id: record.description for record in thing.records}
        for one in line.removed:
            yield Removed(
                kind=Kind.BUILD_CACHE.value,
                id=one,
                name=names.get(one, ""),
                builder=thing.id,
                run_id=run_id,
                removed_at=line.at,
            )
    else:
        yield Removed(
            kind=thing.kind,
            id=thing.id,
            name=thing.name,
            references=thing.references,
            run_id=run_id,
            removed_at=line.at,
        )
