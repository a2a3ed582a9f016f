"""What the ledger of acts asks of a person: runs cut off, failed or starved, and what came back."""

from __future__ import annotations

from datetime import timedelta

from hygiene_core.decide.context import Context
from hygiene_core.decide.findings.codes import FindingCode, finding
from hygiene_core.model.act import Outcome
from hygiene_core.model.acts import Acts, Apply
from hygiene_core.model.report import Finding

__all__ = ["removals"]

_FAILING_HALTS = frozenset({"INVENTORY_INCOMPLETE", "FOREIGN", "UNKNOWN_OUTCOME", "EQUAL_FAILURES"})
"""What ends a run because something is wrong; a bound, a signal or a job that starts is no failure."""

_SHOWN = 8
"""The characters of a run's id that a person reads."""


def removals(acts: Acts | None, context: Context) -> list[Finding]:
    """Findings of the removals on this host; none where nothing is known of them."""
    if acts is None or acts.reason is not None:
        return []
    found = [
        finding(
            FindingCode.UNSETTLED_RUN,
            f"the run {run[:_SHOWN]} was cut off, and what came of its last step is not known;"
            " nothing is removed until it is settled",
            subject=run,
            next_step="hygiene settle",
        )
        for run in acts.unsettled
    ]
    if acts.last is not None and (why := _failure(acts.last)):
        found.append(
            finding(
                FindingCode.APPLY_FAILED,
                f"the last apply did not end well: {why}",
                subject=acts.last.run_id,
                next_step=f"hygiene acts {acts.last.run_id[:_SHOWN]}",
            )
        )
    return [*found, *_refused(acts), *_starved(acts, context), *_unmeasured(acts), *_came_back(acts)]


def _failure(last: Apply) -> str | None:
    if last.problems:
        return f"{last.problems} {'problem was' if last.problems == 1 else 'problems were'} found afterwards"
    failed = last.outcomes.get(Outcome.FAILED.value, 0)
    if failed:
        return f"{failed} {'call' if failed == 1 else 'calls'} failed"
    return f"it stopped early, {last.halted}" if last.halted in _FAILING_HALTS else None


def _refused(acts: Acts) -> list[Finding]:
    """A scheduled apply that waits for a person would else wait unheard."""
    last = acts.last
    count = 0 if last is None else last.outcomes.get(Outcome.REFUSED.value, 0)
    if last is None or not count:
        return []
    return [
        finding(
            FindingCode.APPLY_REFUSED,
            f"{count} {'step' if count == 1 else 'steps'} of the last apply {'was' if count == 1 else 'were'}"
            " refused",
            subject=last.run_id,
            next_step=f"hygiene acts {last.run_id[:_SHOWN]}",
        )
    ]


def _starved(acts: Acts, context: Context) -> list[Finding]:
    limit = context.policy.limits.max_days_without_apply
    if limit is None or acts.busy_since_at is None:
        return []
    # Without any success, the first run that found the host busy is where the waiting began.
    last = acts.last_bounded
    since = acts.busy_since_at if last is None else last.began_at
    days = (context.now - since) // timedelta(days=1)
    if days < limit:
        return []
    runs = "1 run" if acts.busy == 1 else f"{acts.busy} runs"
    return [
        finding(
            FindingCode.APPLY_STARVED,
            f"no bounded apply has ended well for {days} days: {runs} found the host busy",
            figure=days,
            limit=limit,
            unit="count",
            next_step="hygiene apply --mode bounded --wait-idle 2h",
        )
    ]


def _unmeasured(acts: Acts) -> list[Finding]:
    last = acts.last
    if last is None:
        return []
    return [
        finding(
            FindingCode.WARMTH_NOT_MEASURED,
            f"warmth not measured: no probe was built in {builder} after the last apply",
            subject=builder,
            next_step=f"hygiene acts {last.run_id[:_SHOWN]}",
        )
        for builder in last.unmeasured
    ]


def _came_back(acts: Acts) -> list[Finding]:
    found = []
    if acts.came_back_count:
        count = acts.came_back_count
        found.append(
            finding(
                FindingCode.CAME_BACK,
                f"{count} {'thing is' if count == 1 else 'things are'} there again that an apply removed",
                figure=acts.came_back_bytes,
                unit=None if acts.came_back_bytes is None else "bytes",
                next_step="hygiene report --format json",
            )
        )
    found += [
        finding(
            FindingCode.CAME_BACK,
            f"{one.count} of {one.removed_count} removed records of {one.builder} were built again",
            subject=one.builder,
            figure=one.size_bytes,
            unit=None if one.size_bytes is None else "bytes",
            next_step="hygiene history applies",
        )
        for one in acts.built_again
    ]
    return found
