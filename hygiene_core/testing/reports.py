"""What was decided of it: judged rows, findings, and a whole report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from hygiene_core.model.judgement import Judged, Reason, Verdict
from hygiene_core.model.observation import (
    Availability,
    Section,
    SectionName,
)
from hygiene_core.model.report import (
    ClassSummary,
    Finding,
    HostReference,
    PolicyReference,
    Report,
    Severity,
    Status,
    Summary,
)
from hygiene_core.model.resource import (
    BuildCacheRecord,
    Image,
    Kind,
    Resource,
)
from hygiene_core.testing.moment import NOW, digest
from hygiene_core.testing.observations import engine, filesystem, sections_of

__all__ = [
    "finding",
    "judged",
    "report",
]

_CLASSES = {
    Kind.IMAGE: SectionName.IMAGES,
    Kind.CONTAINER: SectionName.CONTAINERS,
    Kind.VOLUME: SectionName.VOLUMES,
    Kind.BUILD_CACHE: SectionName.BUILD_CACHE,
}


def _unique(resource: Resource) -> int | None:
    """What removing it alone frees, as `judged` assumes unless it is told."""
    if isinstance(resource, BuildCacheRecord) and resource.shared:
        return 0
    if isinstance(resource, Image):
        known = resource.size_bytes is not None and resource.shared_bytes is not None
        return (resource.size_bytes or 0) - (resource.shared_bytes or 0) if known else None
    return resource.size_bytes


def judged(
    resource: Resource,
    verdict: Verdict | str = Verdict.CANDIDATE,
    detail: str = "made for a test",
    **fields: Any,
) -> Judged:
    """A row of a report; the one reason has the rule `test` and `detail`, unless `reasons` are given."""
    made: dict[str, Any] = {
        "kind": resource.kind,
        "id": resource.id,
        "name": resource.name,
        "names": resource.names,
        "verdict": Verdict(verdict),
        "reasons": (Reason(rule="test", detail=detail, source="test"),),
        "size_bytes": resource.size_bytes,
        "unique_bytes": _unique(resource),
        "first_seen_at": NOW - timedelta(days=14),
        "idle_since_at": NOW - timedelta(days=14) if verdict == Verdict.CANDIDATE else None,
        "facts": resource,
    }
    return Judged(**made | fields)


def finding(code: str = "FREE_BYTES_LOW", severity: Severity | str = "warning", **fields: Any) -> Finding:
    """A finding; `message` is the code unless given."""
    made: dict[str, Any] = {"code": code, "severity": Severity(severity), "message": code}
    return Finding(**made | fields)


def _total(figures: Iterable[int | None]) -> int | None:
    known = list(figures)
    return None if None in known else sum(figure for figure in known if figure is not None)


def _class(rows: Iterable[Judged], seen: Section) -> ClassSummary:
    """A plain sum, for tests of what is shown; the kit's own arithmetic is in `decide`."""
    mine = list(rows)
    there = seen.availability is not Availability.UNAVAILABLE
    idle = [row for row in mine if row.verdict not in {Verdict.IN_USE, Verdict.PROTECTED}]
    whole = seen.availability is Availability.COMPLETE
    return ClassSummary(
        availability=seen.availability.value,
        reason=seen.reason,
        count=len(mine) if there else None,
        active_count=sum(row.verdict is Verdict.IN_USE for row in mine) if there else None,
        size_bytes=_total(row.size_bytes for row in mine) if whole else None,
        reclaimable_bytes=_total(row.unique_bytes for row in idle) if whole else None,
        formula="made for a test",
        candidate_bytes=_total(row.unique_bytes for row in mine if row.verdict is Verdict.CANDIDATE)
        if whole
        else None,
    )


def report(
    *rows: Judged,
    partial: Mapping[str, str] | None = None,
    unavailable: Mapping[str, str] | None = None,
    summary: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Report:
    """A finished run over the rows: summary, sections and status follow from them unless they are given."""
    sections = sections_of(partial or {}, unavailable or {})
    classes = {
        name.value: _class((row for row in rows if row.kind is kind), sections[name])
        for kind, name in _CLASSES.items()
    }
    figures: dict[str, Any] = {
        "free_disk_bytes": filesystem().free_bytes,
        "docker_reclaimable_bytes": _total(one.reclaimable_bytes for one in classes.values()),
        "runner_workdir_bytes": None,
        "orphan_buildkit_containers": 0,
        "orphan_buildkit_volumes": 0,
        "candidate_bytes": _total(row.unique_bytes for row in rows if row.verdict is Verdict.CANDIDATE),
        "classes": classes,
    }
    findings = tuple(fields.pop("findings", ()))
    warned = any(one.severity is not Severity.INFO for one in findings)
    made: dict[str, Any] = {
        "run_id": "7f3a9152-0c4e-4b1d-9a55-2f6c1f0c7a10",
        "tool_version": "0.1.0",
        "started_at": NOW,
        "ended_at": NOW + timedelta(seconds=2),
        "host": HostReference(
            name="chris-testing",
            machine_id=digest("machine")[:32],
            hostname="chris-testing",
            boot_id=None,
            engine=engine(),
        ),
        "status": Status.ATTENTION if warned else Status.HEALTHY,
        "policy": PolicyReference(
            source="/etc/hygiene/hygiene.toml", digest=digest("policy"), sentence="Made for a test."
        ),
        "findings": findings,
        "summary": Summary(**figures | dict(summary or {})),
        "sections": {name.value: one for name, one in sections.items()},
        "filesystems": (filesystem(),),
        "resources": rows,
    }
    if partial or unavailable:
        made["status"] = Status.INCOMPLETE
    return Report(**made | fields)
