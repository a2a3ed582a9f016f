"""A finished run as it is stored, printed and queried: one document, never recomputed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from hygiene_core.model.acts import Acts
from hygiene_core.model.coverage import Removal, Span
from hygiene_core.model.disk import DataRootUse
from hygiene_core.model.engine_config import DaemonConfig
from hygiene_core.model.judgement import Judged
from hygiene_core.model.observation import EngineFigure, EngineIdentity, Filesystem, Runner, Section
from hygiene_core.model.policy import Limits
from hygiene_core.model.toolchain import Tool

__all__ = [
    "SCHEMA_VERSION",
    "AgeBucket",
    "ClassSummary",
    "Finding",
    "HostReference",
    "JobNetwork",
    "PolicyReference",
    "Report",
    "RunCacheSummary",
    "Severity",
    "Status",
    "Summary",
    "WarmBuilder",
    "WarmImage",
]

SCHEMA_VERSION = 1


class Severity(StrEnum):
    """How much a finding asks of a person."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Status(StrEnum):
    """The state of a report: `incomplete` if anything is missing, else `attention` on any warning."""

    HEALTHY = "healthy"
    ATTENTION = "attention"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One typed observation with its figure and limit; `unit` is `bytes`, `percent`, `count` or `None`."""

    code: str
    severity: Severity
    message: str
    subject: str | None = None
    figure: float | int | None = None
    limit: float | int | None = None
    unit: str | None = None
    next_step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReference:
    """The host a run was about.

    `engine_error` is the code (see `errors`) of what kept the Engine from being read, `None` if it was;
    `engine_next_step` is what to try then.
    """

    name: str
    machine_id: str | None
    hostname: str | None
    boot_id: str | None
    engine: EngineIdentity | None
    engine_error: str | None = None
    engine_next_step: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyReference:
    """The policy a run was judged by, with the sentence it prints of itself.

    `limits` are its thresholds; `None` only in a run that was stored before they were kept.
    """

    source: str | None
    digest: str
    sentence: str
    limits: Limits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSummary:
    """One class of Docker resources. A figure that could not be had is `None`, never zero.

    `candidate_bytes` is the part of the reclaimable bytes that a rule would let go, `None` also in a run that
    was stored before it was kept.
    """

    availability: str
    reason: str | None
    count: int | None
    active_count: int | None
    size_bytes: int | None
    reclaimable_bytes: int | None
    formula: str
    engine: EngineFigure | None = None
    candidate_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmBuilder:
    """A builder that the policy keeps on purpose. `state` is `missing` where it was not found."""

    name: str
    state: str
    node: str | None = None
    volume: str | None = None
    reserved_bytes: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmImage:
    """An image that the policy keeps on purpose; `id` is `None` where it was not found."""

    name: str
    present: bool | None
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeBucket:
    """The run caches whose newest change lies so far back. `under` is the upper end, `None` for no end."""

    over: timedelta
    under: timedelta | None
    count: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCacheSummary:
    """One configured place of run caches. `whole` is false where its figures are lower bounds.

    Each directory is in one of the `ages`, youngest first; those without a known change are in none.
    """

    name: str
    path: str
    count: int
    size_bytes: int
    apparent_bytes: int
    oldest_at: datetime | None
    whole: bool
    ages: tuple[AgeBucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNetwork:
    """A network that the job of a runner made: it carries the runner's label."""

    id: str
    name: str
    runner: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a run. Bytes; `None` is "not known".

    `accounted` says what takes the space of the data root's filesystem, `unaccounted_bytes` is what is left.
    """

    free_disk_bytes: int | None
    docker_reclaimable_bytes: int | None
    runner_workdir_bytes: int | None
    orphan_buildkit_containers: int | None
    orphan_buildkit_volumes: int | None
    candidate_bytes: int | None
    warm_builders: tuple[WarmBuilder, ...] = ()
    warm_images: tuple[WarmImage, ...] = ()
    classes: dict[str, ClassSummary] = field(default_factory=dict)
    run_caches: tuple[RunCacheSummary, ...] = ()
    accounted: dict[str, int | None] = field(default_factory=dict)
    unaccounted_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of the report, complete: what the formats render and the ledger keeps.

    `covered` is the time, up to this run, in which the Engine's events were followed without a gap.
    `removals` are what went since the run before, as far as events tell. `acts` are the removals by this kit;
    `None` where they were not asked for, and in a run that was stored before they were kept.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    mode: str = "report"
    tool_version: str
    started_at: datetime
    ended_at: datetime
    host: HostReference
    status: Status
    policy: PolicyReference
    findings: tuple[Finding, ...]
    summary: Summary
    sections: dict[str, Section]
    filesystems: tuple[Filesystem, ...]
    runners: tuple[Runner, ...] = ()
    job_networks: tuple[JobNetwork, ...] = ()
    covered: Span | None = None
    removals: tuple[Removal, ...] = ()
    data_root_use: DataRootUse | None = None
    daemon_config: DaemonConfig | None = None
    tools: tuple[Tool, ...] = ()
    acts: Acts | None = None
    resources: tuple[Judged, ...]
