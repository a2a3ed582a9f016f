"""Directories that runners and CI runs leave behind: from which age a rule may let go of what."""

from __future__ import annotations

from datetime import timedelta

from hygiene_core.decide.context import Context
from hygiene_core.model.policy import Policy, RunCacheRoot
from hygiene_core.model.resource import DiagnosticLog, RunCache, RunnerWorkdir

__all__ = ["directory_age", "is_diagnostics", "old_logs", "place_of"]


def directory_age(resource: RunnerWorkdir | RunCache, policy: Policy) -> timedelta | None:
    """How long it must have been left alone before a rule lets go of it, or of logs in it; `None`: never."""
    if isinstance(resource, RunCache):
        return None if place_of(resource, policy) is None else policy.ages.grace
    ages = policy.ages
    return {"checkout": ages.runner_checkout, "diagnostics": ages.diagnostic_log}.get(resource.role)


def place_of(resource: RunCache, policy: Policy) -> RunCacheRoot | None:
    """The place that it lies in, if that has water marks."""
    return next(
        (
            place
            for place in policy.run_caches
            if place.name == resource.cache and place.high_water_bytes is not None
        ),
        None,
    )


def is_diagnostics(resource: object) -> bool:
    """Whether it is a `_diag`, of which single logs go and never the directory."""
    return isinstance(resource, RunnerWorkdir) and resource.role == "diagnostics"


def old_logs(resource: RunnerWorkdir, context: Context) -> tuple[DiagnosticLog, ...]:
    """The logs that are older than the policy asks and than the grace, oldest first."""
    ages = context.policy.ages
    if resource.role != "diagnostics" or ages.diagnostic_log is None:
        return ()
    before = context.now - max(ages.diagnostic_log, ages.grace)
    return tuple(one for one in resource.logs if one.changed_at is not None and one.changed_at <= before)
