"""Builders with what is known of each besides its container and volume: told by it, or by a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hygiene_core.clock import utc_now
from hygiene_core.host.probes.builders import embedded_builder, find_builders, node_of_id
from hygiene_core.host.probes.buildkit import BuildersReading
from hygiene_core.host.probes.engine import EngineReading
from hygiene_core.host.probes.instances import InstancesReading
from hygiene_core.host.probes.probe import Reading
from hygiene_core.host.sections import Outcome
from hygiene_core.model.collecting import buildkit_version, container_policy, embedded_policy
from hygiene_core.model.engine_config import DaemonConfig
from hygiene_core.model.observation import Availability, Section, SectionName
from hygiene_core.model.resource import BuildCacheRecord, Builder

__all__ = ["builders_of"]

_OF_INSTANCE = "buildkitd.toml in the instance file"


def builders_of(outcomes: Mapping[SectionName, Outcome]) -> Outcome:
    """The section of the builders, worked out from all the others."""
    began = utc_now()
    parts = {name: outcomes[name] for name in (SectionName.CONTAINERS, SectionName.VOLUMES)}
    lost = next((part for part in parts.values() if part.value is None), None)
    if lost is not None:
        return Outcome(replace(lost.section, name=SectionName.BUILDERS, captured_bytes=None))
    containers, volumes = (part.value for part in parts.values())
    rows = find_builders(containers.value, volumes.value, containers_are_whole=containers.whole)
    reasons = [f"{name}: {part.section.reason}" for name, part in parts.items() if not part.value.whole]
    whole = not reasons
    if any(row.volume and row.size_bytes is None for row in rows):
        reasons.append(f"sizes of state volumes are not known ({parts[SectionName.VOLUMES].section.reason})")
    section = Section(
        name=SectionName.BUILDERS,
        availability=Availability.PARTIAL if reasons else Availability.COMPLETE,
        reason="; ".join(reasons) or None,
        source="containers and volumes by the names that buildx gives",
        started_at=began,
        ended_at=utc_now(),
        return_code=1 if reasons else 0,
        rows_missing=not whole,
    )
    return Outcome(section, Reading(value=_all(rows, outcomes), whole=whole))


def _all(rows: tuple[Builder, ...], outcomes: Mapping[SectionName, Outcome]) -> tuple[Builder, ...]:
    """The container builders with what is known of each, after the one inside the Engine."""

    def value(name: SectionName) -> Any:
        """What a section read; `None` if it was not asked or read nothing."""
        return outcomes[name].value if name in outcomes else None

    filesystems, _, _ = value(SectionName.FILESYSTEMS) or ((), None, None)
    disk = next((row.total_bytes for row in filesystems if row.role == "data_root"), None)
    told = _Told(
        builders=value(SectionName.BUILDER_CACHE),
        instances=value(SectionName.INSTANCES),
        disk_bytes=disk,
    )
    rows = tuple(map(told.added_to, rows))
    engine: EngineReading = outcomes[SectionName.ENGINE].value
    if not engine.has_builder:
        return rows
    cache = value(SectionName.BUILD_CACHE)
    records = cache.value if cache is not None and cache.whole else None
    config = value(SectionName.DAEMON_CONFIG)
    return (_embedded(records, config, engine.identity.version, disk), *rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the other sections know of container builders; `None` where a section has nothing.

    `disk_bytes` is the size of the filesystem that holds their state volumes.
    """

    builders: BuildersReading | None
    instances: InstancesReading | None
    disk_bytes: int | None

    def added_to(self, builder: Builder) -> Builder:
        """The builder with what it told of itself, and with the files that name it."""
        facts = self.builders.facts.get(builder.container_id or "") if self.builders is not None else None
        builder = builder if facts is None else facts.added_to(builder)
        if self.instances is None:
            return builder
        node = node_of_id(builder.id)
        files = self.instances.by_node.get(node, ())
        # Where a file could not be read, "none" is not known.
        builder = replace(builder, instances=files if files or not self.instances.problems else None)
        config = self.instances.configs.get(node)
        if config is None or builder.gc_policy is not None:
            return builder
        version = buildkit_version(builder.version, builder.image_name)
        policy = container_policy(config, version, self.disk_bytes)
        return replace(builder, gc_policy=policy, gc_source=None if policy is None else _OF_INSTANCE)


def _embedded(
    records: tuple[BuildCacheRecord, ...] | None,
    config: DaemonConfig | None,
    engine_version: str,
    disk_bytes: int | None,
) -> Builder:
    """The builder inside the Engine, with the collection that the Engine's configuration makes."""
    builder = embedded_builder(records)
    if config is None or not config.applies or config.gc is None:
        return builder
    policy = embedded_policy(config.gc, engine_version, disk_bytes)
    if policy is None:
        return builder
    if not config.exists:
        source = f"the Engine's defaults (there is no {config.path})"
    elif config.gc.policy is not None or config.gc.enabled is False:
        source = config.path
    else:
        source = f"{config.path} and the Engine's defaults"
    return replace(builder, gc_policy=policy, gc_source=source)
