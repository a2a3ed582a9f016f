"""The codes that a finding may have, and how much each asks of a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hygiene_core.model.report import Finding, Severity

__all__ = ["CODES", "FindingCode", "finding"]


class FindingCode(StrEnum):
    """Every code a report may carry."""

    FREE_BYTES_LOW = "FREE_BYTES_LOW"
    FREE_INODES_LOW = "FREE_INODES_LOW"
    RECLAIMABLE_HIGH = "RECLAIMABLE_HIGH"
    WARM_BUILDER_MISSING = "WARM_BUILDER_MISSING"
    WARM_BUILDER_STOPPED = "WARM_BUILDER_STOPPED"
    WARM_IMAGE_MISSING = "WARM_IMAGE_MISSING"
    ORPHAN_BUILDKIT_CONTAINER = "ORPHAN_BUILDKIT_CONTAINER"
    ORPHAN_BUILDKIT_VOLUME = "ORPHAN_BUILDKIT_VOLUME"
    TOOL_OLD = "TOOL_OLD"
    TOOL_UNKNOWN = "TOOL_UNKNOWN"
    LOG_UNBOUNDED = "LOG_UNBOUNDED"
    LOG_DEFAULT_UNBOUNDED = "LOG_DEFAULT_UNBOUNDED"
    GC_OFF = "GC_OFF"
    GC_TIER_MISSING = "GC_TIER_MISSING"
    GC_OVER_BUDGET = "GC_OVER_BUDGET"
    GC_OVERCOMMIT = "GC_OVERCOMMIT"
    CREDENTIALS_SHARED = "CREDENTIALS_SHARED"
    DOCKER_CONFIG_SHARED = "DOCKER_CONFIG_SHARED"
    JOB_NETWORKS_LEFT = "JOB_NETWORKS_LEFT"
    UNSETTLED_RUN = "UNSETTLED_RUN"
    APPLY_FAILED = "APPLY_FAILED"
    APPLY_REFUSED = "APPLY_REFUSED"
    APPLY_STARVED = "APPLY_STARVED"
    WARMTH_NOT_MEASURED = "WARMTH_NOT_MEASURED"
    CAME_BACK = "CAME_BACK"
    SECTION_INCOMPLETE = "SECTION_INCOMPLETE"
    CLOCK_SUSPECT = "CLOCK_SUSPECT"
    ENGINE_CHANGED = "ENGINE_CHANGED"
    STATE_LARGE = "STATE_LARGE"
    NO_POLICY = "NO_POLICY"


@dataclass(frozen=True, slots=True)
class _Code:
    severity: Severity
    meaning: str


CODES: dict[FindingCode, _Code] = {
    FindingCode.FREE_BYTES_LOW: _Code(
        Severity.CRITICAL, "A filesystem has less free space than the policy asks."
    ),
    FindingCode.FREE_INODES_LOW: _Code(
        Severity.CRITICAL, "A filesystem has fewer free inodes than the policy asks."
    ),
    FindingCode.RECLAIMABLE_HIGH: _Code(
        Severity.WARNING, "Docker holds more reclaimable bytes than the policy allows."
    ),
    FindingCode.WARM_BUILDER_MISSING: _Code(
        Severity.CRITICAL, "A builder that the policy keeps has no container."
    ),
    FindingCode.WARM_BUILDER_STOPPED: _Code(
        Severity.WARNING, "A builder that the policy keeps is not running."
    ),
    FindingCode.WARM_IMAGE_MISSING: _Code(Severity.WARNING, "An image that the policy keeps is not there."),
    FindingCode.ORPHAN_BUILDKIT_CONTAINER: _Code(
        Severity.WARNING, "A BuildKit container is stopped or abandoned and nobody keeps it."
    ),
    FindingCode.ORPHAN_BUILDKIT_VOLUME: _Code(Severity.WARNING, "A BuildKit state volume has no container."),
    FindingCode.TOOL_OLD: _Code(Severity.WARNING, "A program is older than the policy asks."),
    FindingCode.TOOL_UNKNOWN: _Code(Severity.INFO, "A program that has a minimum did not tell its version."),
    FindingCode.LOG_UNBOUNDED: _Code(Severity.WARNING, "A container's log is large and nothing bounds it."),
    FindingCode.LOG_DEFAULT_UNBOUNDED: _Code(
        Severity.INFO, "The Engine's default gives new containers logs without bound."
    ),
    FindingCode.GC_OFF: _Code(
        Severity.WARNING, "A builder collects no garbage of its own, and has no budget here."
    ),
    FindingCode.GC_TIER_MISSING: _Code(Severity.INFO, "A builder's garbage collection lacks a tier."),
    FindingCode.GC_OVER_BUDGET: _Code(
        Severity.INFO, "A builder's own garbage collection lets it grow over its budget."
    ),
    FindingCode.GC_OVERCOMMIT: _Code(
        Severity.WARNING, "The builders together may take more than the disk has."
    ),
    FindingCode.CREDENTIALS_SHARED: _Code(
        Severity.WARNING, "Registry credentials lie in a Docker configuration that jobs share and may change."
    ),
    FindingCode.DOCKER_CONFIG_SHARED: _Code(
        Severity.INFO, "Several runners share a Docker configuration that their jobs may change."
    ),
    FindingCode.JOB_NETWORKS_LEFT: _Code(
        Severity.INFO, "A runner without a job has networks of earlier jobs."
    ),
    FindingCode.UNSETTLED_RUN: _Code(
        Severity.CRITICAL, "A run that removes things was cut off, and what came of it is not known."
    ),
    FindingCode.APPLY_FAILED: _Code(
        Severity.CRITICAL, "The last apply left problems, failed, or stopped because something was wrong."
    ),
    FindingCode.APPLY_REFUSED: _Code(
        Severity.WARNING, "Steps of the last apply need an approval, or the host does not let them be done."
    ),
    FindingCode.APPLY_STARVED: _Code(
        Severity.WARNING, "Bounded applies have found the host busy for longer than the policy allows."
    ),
    FindingCode.WARMTH_NOT_MEASURED: _Code(
        Severity.INFO, "After the last apply nothing told whether a warm builder is still warm."
    ),
    FindingCode.CAME_BACK: _Code(
        Severity.INFO, "What an apply removed was pulled, made or built again: the policy's cost."
    ),
    FindingCode.SECTION_INCOMPLETE: _Code(
        Severity.WARNING, "A part of the host could not be read completely."
    ),
    FindingCode.CLOCK_SUSPECT: _Code(
        Severity.CRITICAL, "The clock stands before the last recorded run, or far after it."
    ),
    FindingCode.ENGINE_CHANGED: _Code(
        Severity.WARNING, "The Engine is another than in the last recorded run: every age begins anew."
    ),
    FindingCode.STATE_LARGE: _Code(
        Severity.WARNING, "The kit's own evidence takes more space than the policy allows."
    ),
    FindingCode.NO_POLICY: _Code(
        Severity.WARNING, "No configuration was found; protective defaults were used."
    ),
}


def finding(
    code: FindingCode,
    message: str,
    *,
    subject: str | None = None,
    figure: float | None = None,
    limit: float | None = None,
    unit: str | None = None,
    next_step: str | None = None,
) -> Finding:
    """A finding with the severity of its code."""
    return Finding(
        code=code.value,
        severity=CODES[code].severity,
        message=message,
        subject=subject,
        figure=figure,
        limit=limit,
        unit=unit,
        next_step=next_step,
    )
