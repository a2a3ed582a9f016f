"""What one pass saw: sections, the Engine, filesystems, and a whole observation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hygiene_core.model.observation import (
    TIMEOUT_RETURN_CODE,
    Availability,
    EngineIdentity,
    Filesystem,
    HostIdentity,
    Observation,
    Runner,
    Section,
    SectionName,
)
from hygiene_core.model.resource import (
    BuildCacheRecord,
    Builder,
    Container,
    Image,
    Resource,
    RunCache,
    RunnerWorkdir,
    Volume,
)
from hygiene_core.testing.moment import GIB, NOW, digest

__all__ = [
    "engine",
    "filesystem",
    "observation",
    "section",
    "sections_of",
]

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


def sections_of(partial: Mapping[str, str], unavailable: Mapping[str, str]) -> dict[SectionName, Section]:
    """Every section that a pass asks by itself; those named are partial or unavailable, for that reason."""
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
        "sections": sections_of(partial or {}, unavailable or {}),
    }
    if made["runners"] or made["runner_workdirs"]:
        for name in (SectionName.RUNNERS, SectionName.CREDENTIALS, SectionName.NETWORKS):
            made["sections"].setdefault(name, section(name))
    if made["run_caches"]:
        made["sections"].setdefault(SectionName.RUN_CACHES, section(SectionName.RUN_CACHES))
    return Observation(**made | fields)
