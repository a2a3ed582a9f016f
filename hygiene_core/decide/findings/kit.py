"""What the look itself lacks, and the kit's own evidence."""

from __future__ import annotations

from hygiene_core.decide.context import Context
from hygiene_core.decide.findings.codes import FindingCode, finding
from hygiene_core.model.observation import Availability, Observation
from hygiene_core.model.report import Finding

__all__ = ["kit", "sections"]


def sections(observation: Observation) -> list[Finding]:
    """Every section that could not be read in full."""
    return [
        finding(
            FindingCode.SECTION_INCOMPLETE,
            f"{name.value} is {section.availability.value}: {section.reason}",
            subject=name.value,
        )
        for name, section in observation.sections.items()
        if section.availability is not Availability.COMPLETE
    ]


def kit(context: Context, state_bytes: int | None) -> list[Finding]:
    """The clock, the Engine's identity, the kit's own evidence and configuration."""
    findings = []
    if context.clock_problem:
        findings.append(finding(FindingCode.CLOCK_SUSPECT, context.clock_problem))
    if context.engine_changed:
        findings.append(
            finding(
                FindingCode.ENGINE_CHANGED,
                "the Engine is another than in the last recorded run: every age begins anew",
                next_step="hygiene history runs",
            )
        )
    limit = context.policy.limits.max_state_bytes
    if limit is not None and state_bytes is not None and state_bytes > limit:
        findings.append(
            finding(
                FindingCode.STATE_LARGE,
                "the kit's own evidence takes more space than the policy allows",
                figure=state_bytes,
                limit=limit,
                unit="bytes",
            )
        )
    if context.policy.source is None:
        findings.append(
            finding(
                FindingCode.NO_POLICY,
                "no configuration was found; protective defaults were used",
                next_step="hygiene config init",
            )
        )
    return findings
