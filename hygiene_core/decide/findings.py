"""Typed findings: what is wrong, the figure, the limit, and one command that leads on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from shlex import quote

from hygiene_core.decide.collection import collects_nothing, lacks, over_budget, overcommit
from hygiene_core.decide.context import Context
from hygiene_core.decide.summary import data_root, orphan_containers, orphan_volumes
from hygiene_core.decide.toolchain import is_older, tools_of
from hygiene_core.model.observation import Availability, Filesystem, Observation
from hygiene_core.model.report import Finding, Severity, Status, Summary
from hygiene_core.model.resource import Builder

__all__ = ["CODES", "FindingCode", "find", "status_of"]


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
    GC_OFF = "GC_OFF"
    GC_TIER_MISSING = "GC_TIER_MISSING"
    GC_OVER_BUDGET = "GC_OVER_BUDGET"
    GC_OVERCOMMIT = "GC_OVERCOMMIT"
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
    FindingCode.GC_OFF: _Code(Severity.WARNING, "A builder collects no garbage of its own."),
    FindingCode.GC_TIER_MISSING: _Code(Severity.INFO, "A builder's garbage collection lacks a tier."),
    FindingCode.GC_OVER_BUDGET: _Code(
        Severity.INFO, "A builder's own garbage collection lets it grow over its budget."
    ),
    FindingCode.GC_OVERCOMMIT: _Code(
        Severity.WARNING, "The builders together may take more than the disk has."
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

_LARGE_LOG_BYTES = 100 * 1024**2
"""A log that is smaller is no trouble yet."""

_ORDER = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


def find(
    observation: Observation, summary: Summary, context: Context, state_bytes: int | None
) -> tuple[Finding, ...]:
    """Every finding of a run, worst first, then by code and subject.

    Args:
        observation: what one pass saw.
        summary: its figures.
        context: the context it was judged in.
        state_bytes: size of the kit's own state directory; `None` if not known.
    """
    findings = [
        *_space(observation, context),
        *_reclaimable(summary, context),
        *_warm(summary),
        *_orphans(observation, context),
        *_tools(observation, context),
        *_logs(observation),
        *_collections(observation, context),
        *_sections(observation),
        *_kit(context, state_bytes),
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


def _finding(
    code: FindingCode,
    message: str,
    *,
    subject: str | None = None,
    figure: float | None = None,
    limit: float | None = None,
    unit: str | None = None,
    next_step: str | None = None,
) -> Finding:
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


def _space(observation: Observation, context: Context) -> list[Finding]:
    limits = context.policy.limits
    root = data_root(observation)
    findings = []
    if root and limits.min_free_bytes is not None and root.free_bytes < limits.min_free_bytes:
        findings.append(
            _finding(
                FindingCode.FREE_BYTES_LOW,
                f"{root.path} has less free space than the policy asks",
                subject=root.path,
                figure=root.free_bytes,
                limit=limits.min_free_bytes,
                unit="bytes",
                next_step="hygiene history trend",
            )
        )
    findings += [
        finding for fs in observation.filesystems if (finding := _inodes(fs, limits.min_free_inodes_percent))
    ]
    return findings


def _inodes(filesystem: Filesystem, limit: float | None) -> Finding | None:
    if limit is None or not filesystem.total_inodes or filesystem.free_inodes is None:
        return None
    percent = round(100 * filesystem.free_inodes / filesystem.total_inodes, 1)
    if percent >= limit:
        return None
    return _finding(
        FindingCode.FREE_INODES_LOW,
        f"{filesystem.path} has fewer free inodes than the policy asks",
        subject=filesystem.path,
        figure=percent,
        limit=limit,
        unit="percent",
        next_step="hygiene history trend",
    )


def _reclaimable(summary: Summary, context: Context) -> list[Finding]:
    figure, limit = summary.docker_reclaimable_bytes, context.policy.limits.max_reclaimable_bytes
    if figure is None or limit is None or figure <= limit:
        return []
    return [
        _finding(
            FindingCode.RECLAIMABLE_HIGH,
            "Docker holds more reclaimable bytes than the policy allows",
            figure=figure,
            limit=limit,
            unit="bytes",
            next_step="hygiene resources --verdict candidate",
        )
    ]


def _warm(summary: Summary) -> list[Finding]:
    findings = []
    for builder in summary.warm_builders:
        if builder.state in {"missing", "no container"}:
            message = f"the warm builder {builder.name} has no container"
            findings.append(
                _finding(
                    FindingCode.WARM_BUILDER_MISSING,
                    message,
                    subject=builder.name,
                    next_step=f"hygiene history resource {quote(builder.node or builder.name)}",
                )
            )
        elif builder.state not in {"running", "unknown"}:
            message = f"the warm builder {builder.name} is {builder.state}"
            findings.append(_finding(FindingCode.WARM_BUILDER_STOPPED, message, subject=builder.name))
    findings += [
        _finding(
            FindingCode.WARM_IMAGE_MISSING, f"the warm image {image.name} is not there", subject=image.name
        )
        for image in summary.warm_images
        if image.present is False
    ]
    return findings


def _left(builder: Builder) -> str:
    state = "runs, but has no owner" if builder.abandoned else f"is {builder.container_state}"
    return f"a BuildKit container that {state} and that nobody keeps:"


def _orphans(observation: Observation, context: Context) -> list[Finding]:
    def named(code: FindingCode, what: str, builder: Builder, subject: str | None) -> Finding:
        return _finding(
            code, f"{what} {subject}", subject=subject, next_step=f"hygiene explain {quote(builder.id)}"
        )

    return [
        *(
            named(
                FindingCode.ORPHAN_BUILDKIT_CONTAINER,
                _left(builder),
                builder,
                f"buildx_buildkit_{builder.id}",
            )
            for builder in orphan_containers(observation, context)
        ),
        *(
            named(
                FindingCode.ORPHAN_BUILDKIT_VOLUME,
                "a BuildKit state volume without a container:",
                builder,
                builder.volume,
            )
            for builder in orphan_volumes(observation, context)
        ),
    ]


def _tools(observation: Observation, context: Context) -> list[Finding]:
    findings = []
    for key, tool in tools_of(observation):
        least = context.policy.minimums.get(key)
        if least is None:
            continue
        named = f"{tool.name} at {tool.path}" if tool.path else tool.name
        older = None if tool.version is None else is_older(tool.version, least)
        if older is None:
            message = f"{named} did not tell a version; the policy asks for {least}"
            findings.append(_finding(FindingCode.TOOL_UNKNOWN, message, subject=tool.name))
        elif older:
            message = f"{named} is {tool.version}; the policy asks for {least} at least"
            findings.append(_finding(FindingCode.TOOL_OLD, message, subject=tool.name))
    return findings


def _logs(observation: Observation) -> list[Finding]:
    """Containers whose log grows for ever, and has grown."""
    use = observation.data_root_use
    names = {container.id: container.name for container in observation.containers}
    return [
        _finding(
            FindingCode.LOG_UNBOUNDED,
            f"the log of container {names.get(log.container_id, log.container_id[:12])} has no bound",
            subject=log.container_id[:12],
            figure=log.size_bytes,
            unit="bytes",
        )
        for log in (use.logs if use else ())
        if log.bounded is False and log.size_bytes >= _LARGE_LOG_BYTES
    ]


def _collections(observation: Observation, context: Context) -> list[Finding]:
    """What is to be said of BuildKit's own garbage collection."""
    findings = []
    for builder in observation.builders:
        if collects_nothing(builder):
            message = f"the builder {builder.id} collects no garbage: its cache grows until it is pruned"
            findings.append(_finding(FindingCode.GC_OFF, message, subject=builder.id))
        if missing := lacks(builder):
            message = f"the garbage collection of {builder.id} lacks {'; '.join(missing)}"
            findings.append(_finding(FindingCode.GC_TIER_MISSING, message, subject=builder.id))
        if (over := over_budget(builder, context.policy)) is not None:
            own, budget = over
            message = f"the builder {builder.id} may grow over its budget between two runs of this kit"
            findings.append(
                _finding(
                    FindingCode.GC_OVER_BUDGET,
                    message,
                    subject=builder.id,
                    figure=own,
                    limit=budget,
                    unit="bytes",
                )
            )
    root = data_root(observation)
    found = None if root is None else overcommit(observation.builders, root.total_bytes)
    if root is not None and found is not None:
        findings.append(
            _finding(
                FindingCode.GC_OVERCOMMIT,
                f"the builders {', '.join(found.builders)} together may take more than {root.path} has",
                subject=root.path,
                figure=found.total_bytes,
                limit=root.total_bytes,
                unit="bytes",
            )
        )
    return findings


def _sections(observation: Observation) -> list[Finding]:
    return [
        _finding(
            FindingCode.SECTION_INCOMPLETE,
            f"{name.value} is {section.availability.value}: {section.reason}",
            subject=name.value,
        )
        for name, section in observation.sections.items()
        if section.availability is not Availability.COMPLETE
    ]


def _kit(context: Context, state_bytes: int | None) -> list[Finding]:
    findings = []
    if context.clock_problem:
        findings.append(_finding(FindingCode.CLOCK_SUSPECT, context.clock_problem))
    if context.engine_changed:
        findings.append(
            _finding(
                FindingCode.ENGINE_CHANGED,
                "the Engine is another than in the last recorded run: every age begins anew",
                next_step="hygiene history runs",
            )
        )
    limit = context.policy.limits.max_state_bytes
    if limit is not None and state_bytes is not None and state_bytes > limit:
        findings.append(
            _finding(
                FindingCode.STATE_LARGE,
                "the kit's own evidence takes more space than the policy allows",
                figure=state_bytes,
                limit=limit,
                unit="bytes",
            )
        )
    if context.policy.source is None:
        findings.append(
            _finding(
                FindingCode.NO_POLICY,
                "no configuration was found; protective defaults were used",
                next_step="hygiene config init",
            )
        )
    return findings
