"""A whole look, cut down to what the record of an apply keeps of it: figures, builders, the no-touch set."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from hashlib import sha256

from hygiene_core.decide.protecting import is_protected
from hygiene_core.decide.relations import warm_builders
from hygiene_core.decide.remember import gather, resources_of
from hygiene_core.decide.summary import data_root
from hygiene_core.model.host_rules import HostRules
from hygiene_core.model.journal import BuilderState, ClassTotal, Snapshot
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import SECTION_OF_KIND, Availability, Observation, SectionName
from hygiene_core.model.plan import Plan
from hygiene_core.model.policy import Ages, Policy
from hygiene_core.model.resource import BuildCacheRecord, Builder, Kind, Resource

__all__ = ["snapshot", "untouchable"]

_LASTING = (Kind.IMAGE, Kind.CONTAINER, Kind.VOLUME)
_COUNTED = (*_LASTING, Kind.BUILD_CACHE)


def snapshot(observation: Observation, plan: Plan, rules: HostRules) -> Snapshot:
    """What is kept of a look before or after an apply."""
    disk = data_root(observation)
    kept = untouchable(observation, plan, rules)
    warm = {*plan.warm_builders, *(one.id for one in warm_builders(observation.builders, rules.no_touch))}
    return Snapshot(
        used_bytes=disk.used_bytes if disk else None,
        free_bytes=disk.free_bytes if disk else None,
        used_inodes=disk.used_inodes if disk else None,
        classes=tuple(_total(kind, observation) for kind in _COUNTED),
        builders=tuple(
            _state(one, observation, plan, warm=one.id in warm)
            for one in sorted(observation.builders, key=_id)
        ),
        untouchable=kept,
        untouchable_sha256=sha256("\n".join(kept).encode("utf-8", "surrogatepass")).hexdigest(),
        incomplete={
            name.value: section.reason or section.availability.value
            for name, section in observation.sections.items()
            if section.availability is not Availability.COMPLETE
        },
    )


def untouchable(observation: Observation, plan: Plan, rules: HostRules) -> tuple[str, ...]:
    """What is there of the plan's and of the host's no-touch set: `<kind> <id>`, sorted.

    The host's set protects by itself what a policy would: names, labels, parts of warm builders and images
    and volumes of live compose projects.
    """
    policy = Policy(source="host.toml", digest="", protect=rules.no_touch, ages=Ages(grace=timedelta()))
    context = gather(observation, Memory(), policy, observation.ended_at)
    planned = set(plan.untouched)
    return tuple(
        sorted(
            word
            for resource in resources_of(observation)
            if resource.kind in _LASTING
            and (
                (word := f"{resource.kind.value} {resource.id}") in planned or is_protected(resource, context)
            )
        )
    )


def _total(kind: Kind, observation: Observation) -> ClassTotal:
    """Sizes are the Engine's own per object; an image's shared layers are counted with each image."""
    rows = [one for one in resources_of(observation) if one.kind is kind]
    seen = observation.availability(SECTION_OF_KIND[kind])
    if seen is Availability.UNAVAILABLE:
        return ClassTotal(kind=kind.value, count=None, size_bytes=None)
    whole = seen is Availability.COMPLETE
    return ClassTotal(kind=kind.value, count=len(rows), size_bytes=_sum(rows) if whole else None)


def _sum(rows: Iterable[Resource]) -> int | None:
    sizes = [row.size_bytes for row in rows]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _state(builder: Builder, observation: Observation, plan: Plan, *, warm: bool) -> BuilderState:
    records = [one for one in observation.build_cache if one.builder == builder.id]
    budget = next((one.budget for one in plan.outlooks if one.builder == builder.id), None)
    read = _is_read(builder, observation)
    return BuilderState(
        id=builder.id,
        container_id=builder.container_id,
        container_state=builder.container_state,
        volume=builder.volume,
        version=builder.version,
        private_bytes=_private(records) if read else None,
        largest_record_bytes=max((one.size_bytes or 0 for one in records), default=0) if read else None,
        max_bytes=budget.max_bytes if budget else None,
        reserved_bytes=budget.reserved_bytes if budget else None,
        warm=warm,
    )


def _is_read(builder: Builder, observation: Observation) -> bool:
    if builder.driver == "embedded":
        return observation.availability(SectionName.BUILD_CACHE) is Availability.COMPLETE
    return builder.records_read


def _private(records: Collection[BuildCacheRecord]) -> int:
    return sum(one.size_bytes or 0 for one in records if not one.shared)


def _id(builder: Builder) -> str:
    return builder.id
