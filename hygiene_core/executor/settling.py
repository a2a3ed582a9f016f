"""After a crash: find out by looking what came of every action that was begun, and end the run in the ledger.

Nothing is done again, and nothing is removed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from hygiene_core.clock import utc_now
from hygiene_core.decide.snapshot import snapshot
from hygiene_core.decide.verify import verified
from hygiene_core.errors import EXIT_INCOMPLETE, EXIT_OK, HygieneError, Unsettled, UsageProblem
from hygiene_core.evidence.journal import Journal, read_journal
from hygiene_core.executor import sealing
from hygiene_core.executor.applying import open_runs
from hygiene_core.executor.asking import Asked, ask_host
from hygiene_core.executor.doing import Means
from hygiene_core.executor.ending import ended
from hygiene_core.executor.staging import load_plan
from hygiene_core.host.actions import caches
from hygiene_core.host.lock import hold
from hygiene_core.host.observe import observe
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.journal import Began, Ended, Intended, Line, Observed, Settled
from hygiene_core.model.plan import Action, Plan, Verb

__all__ = ["open_intents", "settle"]

_LOCK_WAIT_SECONDS = 10.0
_CALL_LIMIT = timedelta(minutes=1)


def settle(digest: str | None) -> dict[str, Any]:
    """Settle the runs that were cut off, of one plan or of all.

    The answer has `settled`: run ids, and `exit_status` of the worst of them.

    Raises:
        Locked: a run goes on.
        Unsettled: something could not be told even now; it stays as it is.
    """
    asked = ask_host()
    done: list[dict[str, Any]] = []
    with hold(asked.places.lock, asked.data_root, _LOCK_WAIT_SECONDS):
        for run_id in open_runs(asked.places):
            if sealing.finish(asked, run_id):
                continue
            read = read_journal(asked.places.runs / f"{run_id}.jsonl")
            began = next((line for line in read.lines if isinstance(line, Began)), None)
            if began is None:  # cut off before its first line: it did nothing
                (asked.places.runs / f"{run_id}.jsonl").unlink()
                continue
            if digest is None or began.digest == digest:
                done.append(_settle_one(asked, began, read.lines))
    if digest is not None and not done:
        raise UsageProblem(f"no run of the plan {digest[:12]} is unsettled.", next_step="See: hygiene status")
    return {"settled": done, "exit_status": max((one["exit_status"] for one in done), default=EXIT_OK)}


def open_intents(lines: Sequence[Line]) -> tuple[Intended, ...]:
    """The intents that no known outcome follows: nobody knows what came of them."""
    known = {
        (line.number, line.call)
        for line in lines
        if isinstance(line, Settled) and line.outcome is not Outcome.UNKNOWN
    }
    return tuple(
        line for line in lines if isinstance(line, Intended) and (line.number, line.call) not in known
    )


def _settle_one(asked: Asked, began: Began, lines: Sequence[Line]) -> dict[str, Any]:
    journal = Journal(asked.places.runs / f"{began.run_id}.jsonl", asked.places.ballast)
    journal.reopen()
    try:
        _look(asked, began, lines, journal)
    finally:
        journal.close()
    read = read_journal(journal.path)
    last = next(line for line in reversed(read.lines) if isinstance(line, Ended))
    sealing.seal(asked, journal.path)
    return {"run_id": began.run_id, "digest": began.digest, "exit_status": last.exit_status}


def _look(asked: Asked, began: Began, lines: Sequence[Line], journal: Journal) -> None:
    plan, _ = load_plan(asked.places, began.digest)
    by_number = {action.number: action for action in plan.actions}
    means = Means(hands=asked.hands(_CALL_LIMIT), allowed=asked.rules.directories)
    for intent in open_intents(lines):
        acted, kept = _truth(by_number[intent.number], intent, means)
        if acted.outcome is Outcome.UNKNOWN:
            raise Unsettled(
                f"what came of step {intent.number} of run {began.run_id} cannot be told: {acted.detail}",
                next_step="When that is mended: hygiene settle",
            )
        journal.append(
            Settled(
                at=utc_now(),
                number=intent.number,
                call=intent.call,
                outcome=acted.outcome,
                why=acted.why,
                detail=acted.detail,
                removed=acted.removed,
                kept=kept,
                by_looking=True,
            )
        )
    _end(asked, plan, journal)


def _truth(action: Action, intent: Intended, means: Means) -> tuple[Acted, dict[str, Why]]:
    """What is true of the things that an action was about to remove."""
    if action.verb is not Verb.PRUNE_RECORDS:
        return means.truth(action), {}
    hands = means.hands
    try:
        if caches.still_pruning(action, hands):
            said = "its builder still goes on with the prune"
            return Acted(outcome=Outcome.UNKNOWN, why=Why.TIMEOUT, detail=said), {}
        left = {one.id for one in caches.read_records(action, hands)}
    except HygieneError as error:
        return Acted(outcome=Outcome.UNKNOWN, why=Why.UNREADABLE, detail=error.message), {}
    gone = tuple(one for one in intent.ids if one not in left)
    return (
        Acted(
            outcome=Outcome.REMOVED if gone else Outcome.KEPT,
            why=Why.CUT_OFF,
            detail=f"after the run was cut off {len(gone)} of {len(intent.ids)} records were gone",
            removed=gone,
        ),
        {one: Why.CUT_OFF for one in intent.ids if one in left},
    )


def _end(asked: Asked, plan: Plan, journal: Journal) -> None:
    lines = read_journal(journal.path).lines
    settled = _last_of_each(lines)
    before = next((one.snapshot for one in lines if isinstance(one, Observed) and one.when == "before"), None)
    status = EXIT_INCOMPLETE if any(isinstance(one, Intended) for one in lines) else EXIT_OK
    if before is not None:
        seen = observe(asked.request())
        after = snapshot(seen, plan, asked.rules)
        journal.append(Observed(at=utc_now(), when="after", snapshot=after))
        means = Means(hands=asked.hands(_CALL_LIMIT), allowed=asked.rules.directories)
        left = [one.number for one in plan.actions if means.left(one)]
        found = verified(plan, settled, before=before, after=after, seen=seen, left=left, now=utc_now())
        journal.append(found)
    journal.append(ended(settled, plan, status, utc_now()))


def _last_of_each(lines: Iterable[Line]) -> list[Settled]:
    """The last outcome of each call: one that was unknown may have been settled since."""
    last = {(line.number, line.call): line for line in lines if isinstance(line, Settled)}
    return list(last.values())
