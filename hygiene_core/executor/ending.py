"""How things ended: a prune, by the records that are left; a run, by the outcomes of its calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

from hygiene_core.errors import EXIT_INCOMPLETE, EXIT_OK, HygieneError, JobRunning, Terminated
from hygiene_core.host.actions import caches
from hygiene_core.host.actions.hands import Hands
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.journal import Ended, Settled
from hygiene_core.model.plan import Action, Plan
from hygiene_core.model.resource import EMBEDDED_BUILDER

__all__ = ["ended", "exit_status", "seen_after"]

_UNTIDY = frozenset({Outcome.FAILED, Outcome.UNKNOWN, Outcome.REFUSED})


def seen_after(
    action: Action, acted: Acted, ids: tuple[str, ...], hands: Hands
) -> tuple[Acted, dict[str, Why], int | None]:
    """The outcome of a prune by the records that are left, whatever the builder said of it.

    A call that nobody knows the end of stays unknown while one of its records is left and it may go on: until
    its command has ended in the builder's container. Of the Engine's own builder nothing tells that.
    """
    lost = acted.outcome is Outcome.UNKNOWN
    try:
        may_go_on = lost and (action.id == EMBEDDED_BUILDER or caches.still_pruning(action, hands))
        left = {one.id: one for one in caches.read_records(action, hands)}
    except HygieneError:
        return acted, {}, None  # what the builder told stands; the look at the end checks it
    after = sum(one.size_bytes or 0 for one in left.values() if not one.shared)
    gone = tuple(one for one in ids if one not in left)
    kept = {one: acted.why or Why.IN_USE for one in ids if one in left}
    if may_go_on and kept:
        return replace(acted, removed=gone), kept, after
    if acted.outcome in {Outcome.REFUSED, Outcome.FAILED} and not gone:
        return acted, kept, after
    outcome = Outcome.REMOVED if gone else Outcome.KEPT
    made = Acted(
        outcome=outcome,
        why=acted.why if kept else None,
        detail=acted.detail,
        removed=gone,
        claimed_bytes=acted.claimed_bytes,
        foreign=acted.foreign,
    )
    return made, kept, after


def ended(settled: Collection[Settled], plan: Plan, status: int, now: datetime) -> Ended:
    """The last line of a run."""
    return Ended(
        at=now,
        exit_status=status,
        outcomes=dict(Counter(one.outcome.value for one in settled)),
        estimate_bytes=plan.estimate_bytes,
        claimed_bytes=_total(one.claimed_bytes for one in settled),
        freed_bytes=_total(one.freed_bytes for one in settled),
    )


def exit_status(why: str | None, problems: Collection[str], settled: Collection[Settled]) -> int:
    """The exit status of a run.

    Args:
        why: the code of what ended it before its last step, or `None`.
        problems: what the look afterwards found wrong.
        settled: the outcomes of its calls.
    """
    if why == "STOPPED" and not problems:
        return Terminated.exit_status
    if why == "JOB_RUNNING" and not problems and not settled:
        return JobRunning.exit_status
    untidy = any(one.outcome in _UNTIDY for one in settled)
    return EXIT_INCOMPLETE if problems or untidy or why not in {None, "FREE_TARGET"} else EXIT_OK


def _total(figures: Iterator[int | None]) -> int | None:
    known = [one for one in figures if one is not None]
    return sum(known) if known else None
