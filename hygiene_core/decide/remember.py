"""How memory moves on with each observation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from hygiene_core.decide.context import Context, cache_selections, clock_problem, missing_sections
from hygiene_core.decide.coverage import last_use, merged, newest_span
from hygiene_core.decide.doubting import incomplete
from hygiene_core.decide.layers import image_sizes
from hygiene_core.decide.protecting import is_protected
from hygiene_core.decide.relations import relate
from hygiene_core.decide.using import is_used
from hygiene_core.decide.water import waters
from hygiene_core.model.coverage import Followed
from hygiene_core.model.known import Key, Known, Memory
from hygiene_core.model.observation import Observation, would_show
from hygiene_core.model.policy import Policy
from hygiene_core.model.resource import Image, Resource

__all__ = ["gather", "remember", "resources_of"]


def resources_of(observation: Observation) -> Iterable[Resource]:
    """Every resource of an observation, kind by kind."""
    yield from observation.images
    yield from observation.containers
    yield from observation.volumes
    yield from observation.build_cache
    yield from observation.builders
    yield from observation.runner_workdirs
    yield from observation.run_caches


def gather(
    observation: Observation,
    memory: Memory,
    policy: Policy,
    now: datetime,
    watched: Followed | None = None,
) -> Context:
    """Everything there is to know of one observation before it is judged.

    Args:
        observation: what one pass saw.
        memory: what earlier runs remember.
        policy: the host's policy.
        now: the present, aware UTC.
        watched: what a follower between the runs saw of the use of images.
    """
    engine_changed = _is_another_engine(observation, memory)
    followed = merged(observation.followed, watched or Followed())
    context = Context(
        now=now,
        policy=policy,
        relations=relate(observation, policy.protect),
        sizes=image_sizes(observation),
        memory=replace(memory, entries={}, covered=None) if engine_changed else memory,
        followed=followed,
        missing=missing_sections(observation),
        cache=cache_selections(observation.build_cache, policy, now, _free_bytes(observation)),
        clock_problem=clock_problem(memory, now),
        engine_changed=engine_changed,
    )
    remembered = remember(observation, context)
    covered = remembered.covered
    reaches = covered is not None and covered.until_at >= observation.started_at
    judged = replace(context, memory=remembered, covered=covered if reaches else None)
    return replace(judged, water=waters(observation, judged))


def _free_bytes(observation: Observation) -> int | None:
    """What the data root's filesystem has free, if it was proven to be this Engine's."""
    return next((one.free_bytes for one in observation.filesystems if one.role == "data_root"), None)


def remember(observation: Observation, context: Context) -> Memory:
    """The memory after this observation, from the one before it that the context holds.

    A resource that is absent from a complete section is forgotten: if it comes back it is new. One whose
    section could not be read is kept as it was. Memory never goes back in time, whatever the clock says.
    """
    memory = context.memory
    now = context.now if memory.last_run_at is None else max(context.now, memory.last_run_at)
    entries: dict[Key, Known] = {}
    bases = _bases_of_new(observation, memory)
    for resource in resources_of(observation):
        key = (resource.kind.value, resource.id)
        known = _moved_on(resource, memory.entries.get(key), context, now)
        if isinstance(resource, Image):
            since = _unused_since(
                resource, memory.entries.get(key), context, now, is_base=resource.id in bases
            )
            if since != known.unused_since_at:
                known = replace(known, unused_since_at=since)
        entries[key] = known
    for key, known in memory.entries.items():
        if key not in entries and not would_show(*key, observation.sections, context.relations.builders):
            entries[key] = known
    engine = observation.engine
    return Memory(
        entries=entries,
        last_run_at=now,
        last_sequence=memory.last_sequence,
        engine_id=(engine.id if engine else None) or memory.engine_id,
        covered=newest_span([*context.followed.spans, *([memory.covered] if memory.covered else [])]),
    )


def _bases_of_new(observation: Observation, memory: Memory) -> frozenset[str]:
    """The images that new ones were built on: a build by BuildKit tells the Engine of no use of them."""
    new = {
        image.layers
        for image in observation.images
        if image.layers and (image.kind.value, image.id) not in memory.entries
    }
    prefixes = {layers[:length] for layers in new for length in range(1, len(layers))}
    return frozenset(image.id for image in observation.images if image.layers in prefixes)


def _unused_since(
    image: Image, known: Known | None, context: Context, now: datetime, *, is_base: bool
) -> datetime | None:
    """Since when no container has used it; `None` while one does, or where that cannot be told."""
    # What was idle was unused: evidence of an earlier version of this kit knows no more.
    before = None if known is None else known.unused_since_at or known.idle_since_at
    if is_used(image, context):
        return None
    if incomplete(image, context) is not None:
        return before
    seen = [last_use(image, context.followed), now if is_base or before is None else before]
    return min(now, max(at for at in seen if at is not None))


def _is_another_engine(observation: Observation, memory: Memory) -> bool:
    engine = observation.engine
    return engine is not None and None not in {engine.id, memory.engine_id} and engine.id != memory.engine_id


def _moved_on(resource: Resource, known: Known | None, context: Context, now: datetime) -> Known:
    names = tuple(sorted(resource.names))
    layers = resource.layers if isinstance(resource, Image) else None
    if known is None:
        idle_since_at = now if _idle(resource, None, context) else None
        return Known(first_seen_at=now, idle_since_at=idle_since_at, names=names, layers=layers)
    changed_at = now if names != known.names else known.changed_at
    idle_since_at = (known.idle_since_at or now) if _idle(resource, known, context) else None
    layers = layers if layers is not None else known.layers
    if (changed_at, idle_since_at, layers) == (known.changed_at, known.idle_since_at, known.layers):
        return known
    return Known(
        first_seen_at=known.first_seen_at,
        idle_since_at=idle_since_at,
        changed_at=changed_at,
        names=names,
        layers=layers,
        unused_since_at=known.unused_since_at,
    )


def _idle(resource: Resource, known: Known | None, context: Context) -> bool:
    """Whether it is idle now. What cannot be told begins no idleness, and ends none."""
    if _held(resource, context):
        return False
    if incomplete(resource, context) is not None:
        return known is not None and known.idle_since_at is not None
    return True


def _held(resource: Resource, context: Context) -> bool:
    """Whether something uses, tags or protects it now."""
    if isinstance(resource, Image) and resource.names:
        return True
    return is_used(resource, context) or is_protected(resource, context)
