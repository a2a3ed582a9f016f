"""Builders: those that must be there, those that nobody owns, and what they collect by themselves."""

from __future__ import annotations

from shlex import quote

from hygiene_core.decide.collection import grows_unbounded, lacks, over_budget, overcommit
from hygiene_core.decide.context import Context
from hygiene_core.decide.findings.codes import FindingCode, finding
from hygiene_core.decide.summary import data_root, orphan_containers, orphan_volumes
from hygiene_core.model.observation import Observation
from hygiene_core.model.report import Finding, Summary
from hygiene_core.model.resource import Builder

__all__ = ["collections", "orphans", "warm"]


def warm(summary: Summary) -> list[Finding]:
    """Builders and images that the policy keeps and that are not as they should be."""
    findings = []
    for builder in summary.warm_builders:
        if builder.state in {"missing", "no container"}:
            message = f"the warm builder {builder.name} has no container"
            findings.append(
                finding(
                    FindingCode.WARM_BUILDER_MISSING,
                    message,
                    subject=builder.name,
                    next_step=f"hygiene history resource {quote(builder.node or builder.name)}",
                )
            )
        elif builder.state not in {"running", "unknown"}:
            message = f"the warm builder {builder.name} is {builder.state}"
            findings.append(finding(FindingCode.WARM_BUILDER_STOPPED, message, subject=builder.name))
    findings += [
        finding(
            FindingCode.WARM_IMAGE_MISSING, f"the warm image {image.name} is not there", subject=image.name
        )
        for image in summary.warm_images
        if image.present is False
    ]
    return findings


def _left(builder: Builder) -> str:
    state = "runs, but has no owner" if builder.abandoned else f"is {builder.container_state}"
    return f"a BuildKit container that {state} and that nobody keeps:"


def orphans(observation: Observation, context: Context) -> list[Finding]:
    """BuildKit containers and state volumes that nobody keeps."""

    def named(code: FindingCode, what: str, builder: Builder, subject: str | None) -> Finding:
        return finding(
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


def _mend(builder: Builder) -> str:
    """Where its collection is set, and where it was read."""
    place = "`builder.gc` of daemon.json" if builder.driver == "embedded" else "its buildkitd.toml"
    return f"set in {place}" + (f", read from {builder.gc_source}" if builder.gc_source else "")


def collections(observation: Observation, context: Context) -> list[Finding]:
    """What is to be said of BuildKit's own garbage collection."""
    findings = []
    for builder in observation.builders:
        mend = _mend(builder)
        if grows_unbounded(builder, context.policy):
            message = (
                f"the builder {builder.id} collects no garbage and has no budget: its cache grows until"
                f" somebody prunes it; {mend}"
            )
            findings.append(finding(FindingCode.GC_OFF, message, subject=builder.id))
        if missing := lacks(builder):
            message = f"the garbage collection of {builder.id} lacks {'; '.join(missing)}; {mend}"
            findings.append(finding(FindingCode.GC_TIER_MISSING, message, subject=builder.id))
        if (over := over_budget(builder, context.policy)) is not None:
            own, budget = over
            message = (
                f"the builder {builder.id} may grow over its budget between two runs of this kit; {mend}"
            )
            findings.append(
                finding(
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
            finding(
                FindingCode.GC_OVERCOMMIT,
                f"the builders {', '.join(found.builders)} together may take more than {root.path} has",
                subject=root.path,
                figure=found.total_bytes,
                limit=root.total_bytes,
                unit="bytes",
            )
        )
    return findings
