"""How memory moves on with each observation."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from hygiene_core.decide.context import Context, gather
from hygiene_core.decide.holding import is_protected, is_used
from hygiene_core.decide.relations import Relations
from hygiene_core.model.known import Key, Known, Memory
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.policy import Policy
from hygiene_core.model.resource import Image, Kind, Resource

__all__ = ["SECTION_OF_KIND", "remember", "resources_of"]

SECTION_OF_KIND: dict[Kind, SectionName] = {
    Kind.IMAGE: SectionName.IMAGES,
    Kind.CONTAINER: SectionName.CONTAINERS,
    Kind.VOLUME: SectionName.VOLUMES,
    Kind.BUILD_CACHE: SectionName.BUILD_CACHE,
    Kind.BUILDER: SectionName.BUILDERS,
}
"""The section that must be complete before an absent resource of a kind counts as gone."""


def resources_of(observation: Observation) -> Iterable[Resource]:
    """Every resource of an observation, kind by kind."""
    yield from observation.images
    yield from observation.containers
    yield from observation.volumes
    yield from observation.build_cache
    yield from observation.builders


def remember(
    observation: Observation, relations: Relations, memory: Memory, policy: Policy, now: datetime
) -> Memory:
    """The memory after this observation.

    A resource that is absent from a complete section is forgotten: if it comes back it is new. One whose
    section could not be read is kept as it was.
    """
    context = gather(observation, relations, memory, policy, now)
    entries: dict[Key, Known] = {}
    for resource in resources_of(observation):
        key = (resource.kind.value, resource.id)
        entries[key] = _moved_on(resource, memory.entries.get(key), context)
    for key, known in memory.entries.items():
        if key not in entries and not _seen_completely(key, observation):
            entries[key] = known
    return Memory(entries=entries, last_run_at=now, last_sequence=memory.last_sequence)


def _seen_completely(key: Key, observation: Observation) -> bool:
    try:
        section = SECTION_OF_KIND[Kind(key[0])]
    except (KeyError, ValueError):
        return False
    return observation.availability(section) is Availability.COMPLETE


def _moved_on(resource: Resource, known: Known | None, context: Context) -> Known:
    idle = not _held(resource, context)
    names = tuple(sorted(resource.names))
    layers = resource.layers if isinstance(resource, Image) else None
    if known is None:
        return Known(
            first_seen_at=context.now,
            idle_since_at=context.now if idle else None,
            names=names,
            layers=layers,
        )
    changed_at = context.now if names != known.names else known.changed_at
    idle_since_at = (known.idle_since_at or context.now) if idle else None
    layers = layers if layers is not None else known.layers
    if (changed_at, idle_since_at, layers) == (known.changed_at, known.idle_since_at, known.layers):
        return known
    return Known(
        first_seen_at=known.first_seen_at,
        idle_since_at=idle_since_at,
        changed_at=changed_at,
        names=names,
        layers=layers,
    )


def _held(resource: Resource, context: Context) -> bool:
    """Whether something uses, tags or protects it now."""
    if isinstance(resource, Image) and resource.names:
        return True
    return is_used(resource, context) or is_protected(resource, context)
