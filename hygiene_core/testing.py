"""Test support that ships: model objects with sensible defaults and ids, and a clock that stands still.

    found = image("odoo-docker:verify-devtools", size_bytes=4 * GIB)
    seen = observation(found, container("web", image_id=found.id), partial={"volumes": "deadline of 120 s"})
    shown = report(judged(found, Verdict.IN_USE, "a running container uses it"))

Every function takes the fields of the class it makes as keywords; one that does not exist is a `TypeError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hygiene_core.model.judgement import Judged, Reason, Verdict
from hygiene_core.model.observation import (
    TIMEOUT_RETURN_CODE,
    Availability,
    DockerCredentials,
    EngineIdentity,
    Filesystem,
    HostIdentity,
    Observation,
    Runner,
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
    Builder,
    Container,
    DiagnosticLog,
    Image,
    Kind,
    Resource,
    RunCache,
    RunnerWorkdir,
    Volume,
)

__all__ = [
    "GIB",
    "MIB",
    "NOW",
    "FixedClock",
    "builder",
    "cache_record",
    "container",
    "diagnostic_log",
    "digest",
    "docker_credentials",
    "engine",
    "filesystem",
    "finding",
    "image",
    "judged",
    "observation",
    "report",
    "run_cache",
    "runner",
    "section",
    "volume",
    "workdir",
]

MIB = 2**20
GIB = 2**30
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
"""The moment that every built object agrees on."""

_WHERE_ASKED = frozenset(
    {
        SectionName.RUNNERS,
        SectionName.CREDENTIALS,
        SectionName.NETWORKS,
        SectionName.RUN_CACHES,
        SectionName.INSTANCES,
        SectionName.DATA_ROOT,
        SectionName.DAEMON_CONFIG,
    }
)
_CLASSES = {
    Kind.IMAGE: SectionName.IMAGES,
    Kind.CONTAINER: SectionName.CONTAINERS,
    Kind.VOLUME: SectionName.VOLUMES,
    Kind.BUILD_CACHE: SectionName.BUILD_CACHE,
}


@dataclass(slots=True)
class FixedClock:
    """A clock that stands still until it is told to go on: `FixedClock()()` is `NOW`."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        """The time it is."""
        return self.now

    def advance(self, by: timedelta) -> datetime:
        """Go on by `by` and return the new time."""
        self.now += by
        return self.now


def digest(seed: str) -> str:
    """64 hexadecimal digits that depend on the seed alone."""
    return hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()


def image(name: str = "app:1", **fields: Any) -> Image:
    """An image tagged `name`, id made from the name; pass `tags=()` for an untagged one."""
    made: dict[str, Any] = {
        "id": f"sha256:{digest(f'image {name}')}",
        "tags": (name,),
        "created_at": NOW - timedelta(days=30),
        "size_bytes": 100 * MIB,
        "shared_bytes": 0,
        "layers": (f"sha256:{digest(f'layer {name}')}",),
    }
    return Image(**made | fields)


def container(name: str = "web", **fields: Any) -> Container:
    """A running container called `name` of the image `app:1`; `state="exited"` for a stopped one."""
    made: dict[str, Any] = {
        "id": digest(f"container {name}"),
        "names": (name,),
        "image_id": image().id,
        "image_name": "app:1",
        "state": "running",
        "created_at": NOW - timedelta(days=2),
        "started_at": NOW - timedelta(days=2),
        "writable_bytes": 4 * MIB,
    }
    if fields.get("state", "running") != "running":
        made["finished_at"] = NOW - timedelta(days=1)
    return Container(**made | fields)


def volume(name: str = "data", **fields: Any) -> Volume:
    """A named local volume; `anonymous=True` gives it the 64-digit name that the Engine would."""
    anonymous = bool(fields.get("anonymous", False))
    made: dict[str, Any] = {
        "id": digest(f"volume {name}") if anonymous else name,
        "driver": "local",
        "created_at": NOW - timedelta(days=20),
        "size_bytes": 50 * MIB,
        "engine_references": 0,
    }
    made["mountpoint"] = f"/var/lib/docker/volumes/{fields.get('id', made['id'])}/_data"
    return Volume(**made | fields)


def cache_record(description: str = "RUN make", **fields: Any) -> BuildCacheRecord:
    """A private, idle record of the embedded builder, id made from the description."""
    made: dict[str, Any] = {
        "id": digest(f"cache {description}")[:25],
        "type": "regular",
        "description": description,
        "size_bytes": 200 * MIB,
        "created_at": NOW - timedelta(days=15),
        "last_used_at": NOW - timedelta(days=9),
        "usage_count": 3,
    }
    return BuildCacheRecord(**made | fields)


def builder(name: str = "odoo-docker-chris-testing0", **fields: Any) -> Builder:
    """A running BuildKit container builder that answered; `name` is its node's."""
    made: dict[str, Any] = {
        "id": name,
        "container_id": digest(f"builder {name}"),
        "container_state": "running",
        "image_id": image("moby/buildkit:buildx-stable-1").id,
        "image_name": "moby/buildkit:buildx-stable-1",
        "volume": f"buildx_buildkit_{name}_state",
        "size_bytes": 8 * GIB,
        "version": "v0.32.2",
        "running_builds": 0,
        "sessions": 0,
        "records_read": True,
    }
    return Builder(**made | fields)


def runner(name: str = "lane-1", **fields: Any) -> Runner:
    """A runner that waits for a job; `busy=True` for one that has it."""
    made: dict[str, Any] = {
        "name": name,
        "path": f"/srv/{name}",
        "agent_name": f"chris-testing-{name}",
        "url": "https://github.com/example",
        "work_folder": "_work",
        "listening": True,
        "busy": False,
        "user": "ci",
        "home": "/home/ci",
        "docker_config": "/home/ci/.docker",
        "docker_credentials": docker_credentials(),
    }
    return Runner(**made | fields)


def docker_credentials(stored_count: int | None = None, **fields: Any) -> DockerCredentials:
    """A `config.json` of the user `ci`; without a count there is no such file yet."""
    made: dict[str, Any] = {
        "path": "/home/ci/.docker/config.json",
        "present": stored_count is not None,
        "writable": True,
        "stored_count": stored_count or 0,
    }
    if made["present"]:
        made |= {"owner": "ci", "mode": "0600"}
    return DockerCredentials(**made | fields)


def workdir(name: str = "lane-1/_work/odoo-docker", **fields: Any) -> RunnerWorkdir:
    """A checkout of the runner `lane-1`, last changed two days ago."""
    made: dict[str, Any] = {
        "id": name,
        "runner": name.partition("/")[0],
        "role": "checkout",
        "path": f"/srv/{name}",
        "size_bytes": 2 * GIB,
        "apparent_bytes": 2 * GIB - MIB,
        "entries": 40_000,
        "changed_at": NOW - timedelta(days=2),
        "device": 2049,
        "inode": int(digest(name)[:8], 16),
        "ctime_ns": 1_767_225_600_000_000_007,
    }
    return RunnerWorkdir(**made | fields)


def diagnostic_log(name: str = "Worker_20260401-000000-utc.log", **fields: Any) -> DiagnosticLog:
    """A log of 4 KiB, last written 40 days ago."""
    made: dict[str, Any] = {
        "name": name,
        "device": 2049,
        "inode": int(digest(name)[:8], 16),
        "ctime_ns": 1_767_225_600_000_000_007,
        "size_bytes": 4096,
        "apparent_bytes": 4000,
        "changed_at": NOW - timedelta(days=40),
    }
    return DiagnosticLog(**made | fields)


def run_cache(name: str = "builds/run-7001", **fields: Any) -> RunCache:
    """What run 7001 left in the place `builds`, last changed two days ago."""
    made: dict[str, Any] = {
        "id": name,
        "cache": name.partition("/")[0],
        "run": name.rpartition("run-")[2],
        "path": f"/srv/{name}",
        "size_bytes": 3 * MIB,
        "apparent_bytes": 3 * MIB - 5,
        "entries": 12,
        "changed_at": NOW - timedelta(days=2),
        "device": 2049,
        "inode": int(digest(name)[:8], 16),
        "ctime_ns": 1_767_225_600_000_000_007,
    }
    return RunCache(**made | fields)


def engine(**fields: Any) -> EngineIdentity:
    """A Docker Engine 26.1 with a proven data root."""
    made: dict[str, Any] = {
        "id": "0d6f9a52-5b7e-4c30-8a54-0f6c36a9d8b1",
        "version": "26.1.5+dfsg1",
        "api_version": "1.45",
        "api_minimum": "1.24",
        "api_used": "1.45",
        "storage_driver": "overlay2",
        "image_store": "graphdriver",
        "operating_system": "Debian GNU/Linux 13 (trixie)",
        "kernel": "6.12.0",
        "data_root": "/var/lib/docker",
        "proven_data_root": "/var/lib/docker",
        "data_root_reason": "its engine-id file holds this Engine's id",
    }
    return EngineIdentity(**made | fields)


def filesystem(role: str = "data_root", path: str = "/var/lib/docker", **fields: Any) -> Filesystem:
    """A filesystem of 500 GiB, 330 GiB free; `used_bytes` follows `free_bytes` unless given."""
    made: dict[str, Any] = {
        "role": role,
        "path": path,
        "device": 2049,
        "total_bytes": 500 * GIB,
        "free_bytes": 330 * GIB,
        "total_inodes": 32_768_000,
        "used_inodes": 2_768_000,
        "free_inodes": 30_000_000,
    }
    made |= fields
    made.setdefault("used_bytes", made["total_bytes"] - made["free_bytes"])
    return Filesystem(**made)


def section(name: SectionName | str, availability: Availability | str = "complete", **fields: Any) -> Section:
    """One probe's section; one that is not complete needs a `reason`."""
    how = Availability(availability)
    made: dict[str, Any] = {
        "name": SectionName(name),
        "availability": how,
        "started_at": NOW,
        "ended_at": NOW + timedelta(seconds=1),
        "source": "test",
        "return_code": 0 if how is Availability.COMPLETE else TIMEOUT_RETURN_CODE,
    }
    return Section(**made | fields)


def _sections(partial: Mapping[str, str], unavailable: Mapping[str, str]) -> dict[SectionName, Section]:
    # Runners and homes are asked only where the configuration names some.
    asked = (name for name in SectionName if name not in _WHERE_ASKED)
    made: dict[SectionName, Section] = {name: section(name) for name in asked}
    for availability, named in ((Availability.PARTIAL, partial), (Availability.UNAVAILABLE, unavailable)):
        for name, reason in named.items():
            made[SectionName(name)] = section(name, availability, reason=reason)
    return made


def observation(
    *resources: Resource | Runner,
    partial: Mapping[str, str] | None = None,
    unavailable: Mapping[str, str] | None = None,
    **fields: Any,
) -> Observation:
    """What a pass saw, by class; every section complete but those named with their reason."""

    def of(kind: type[Resource | Runner]) -> tuple[Any, ...]:
        return tuple(found for found in resources if isinstance(found, kind))

    made: dict[str, Any] = {
        "started_at": NOW,
        "ended_at": NOW + timedelta(seconds=2),
        "host": HostIdentity(machine_id=digest("machine")[:32], hostname="chris-testing", boot_id=None),
        "engine": engine(),
        "filesystems": (filesystem(),),
        "images": of(Image),
        "containers": of(Container),
        "volumes": of(Volume),
        "build_cache": of(BuildCacheRecord),
        "builders": of(Builder),
        "runners": of(Runner),
        "runner_workdirs": of(RunnerWorkdir),
        "run_caches": of(RunCache),
        "sections": _sections(partial or {}, unavailable or {}),
    }
    if made["runners"] or made["runner_workdirs"]:
        for name in (SectionName.RUNNERS, SectionName.CREDENTIALS, SectionName.NETWORKS):
            made["sections"].setdefault(name, section(name))
    if made["run_caches"]:
        made["sections"].setdefault(SectionName.RUN_CACHES, section(SectionName.RUN_CACHES))
    return Observation(**made | fields)


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
    sections = _sections(partial or {}, unavailable or {})
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
