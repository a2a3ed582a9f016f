"""Typed findings: what is wrong, the figure, the limit, and one command that leads on."""

from __future__ import annotations

from hygiene_core.decide.context import Context
from hygiene_core.decide.findings import builders, kit, removals, runners, space, tools
from hygiene_core.decide.findings.codes import CODES, FindingCode
from hygiene_core.model.acts import Acts
from hygiene_core.model.observation import Availability, Observation
from hygiene_core.model.report import Finding, Severity, Status, Summary

__all__ = ["CODES", "FindingCode", "find", "status_of"]

_ORDER = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


def find(
    observation: Observation,
    summary: Summary,
    context: Context,
    state_bytes: int | None,
    acts: Acts | None = None,
) -> tuple[Finding, ...]:
    """Every finding of a run, worst first, then by code and subject.

    Args:
        observation: what one pass saw.
        summary: its figures.
        context: the context it was judged in.
        state_bytes: size of the kit's own state directory; `None` if not known.
        acts: what was removed from it; `None` if that was not asked.
    """
    findings = [
        *space.space(observation, context),
        *space.reclaimable(summary, context),
        *builders.warm(summary),
        *builders.orphans(observation, context),
        *tools.tools(observation, context),
        *space.logs(observation),
        *space.default_log(observation),
        *builders.collections(observation, context),
        *runners.credentials(observation),
        *runners.left_networks(observation),
        *removals.removals(acts, context),
        *kit.sections(observation),
        *kit.kit(context, state_bytes),
    ]
    findings.sort(key=lambda f: (_ORDER[f.severity], f.code, f.subject or ""))
    return tuple(findings)


def status_of(observation: Observation, findings: tuple[Finding, ...]) -> Status:
    """Incomplete if any section is; else attention on any warning; else healthy."""
    if any(s.availability is not Availability.COMPLETE for s in observation.sections.values()):
        return Status.INCOMPLETE
    if any(finding.severity is not Severity.INFO for finding in findings):
        return Status.ATTENTION
    return Status.HEALTHY
