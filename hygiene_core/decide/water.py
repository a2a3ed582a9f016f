"""Run caches between two water marks: which runs go, oldest first, once the high one is passed."""

from __future__ import annotations

from collections.abc import Iterable

from hygiene_core.decide.context import Context, Water
from hygiene_core.decide.doubting import incomplete, unknown_directory
from hygiene_core.decide.protecting import is_protected
from hygiene_core.decide.using import is_used
from hygiene_core.model.observation import Observation
from hygiene_core.model.resource import RunCache

__all__ = ["waters"]


def waters(observation: Observation, context: Context) -> dict[str, Water]:
    """What each place with water marks lets go of, by the place's name.

    What has no known size counts as nothing and never goes: the marks then let go of less than they might.
    """
    made: dict[str, Water] = {}
    for place in context.policy.run_caches:
        if place.high_water_bytes is None or place.low_water_bytes is None:
            continue
        held = [one for one in observation.run_caches if one.cache == place.name]
        held_bytes = sum(one.size_bytes or 0 for one in held)
        going: list[str] = []
        left = held_bytes
        if held_bytes > place.high_water_bytes:
            for one, size_bytes in _oldest_first(held, context):
                if left <= place.low_water_bytes:
                    break
                going.append(one.id)
                left -= size_bytes
        made[place.name] = Water(
            held_bytes=held_bytes,
            left_bytes=left,
            high_bytes=place.high_water_bytes,
            low_bytes=place.low_water_bytes,
            selected=frozenset(going),
        )
    return made


def _oldest_first(held: Iterable[RunCache], context: Context) -> list[tuple[RunCache, int]]:
    """Those that may go, each with its size."""
    found = []
    for one in held:
        reference = context.idle_reference(one)
        if reference is None or one.size_bytes is None or _is_held(one, context):
            continue
        if context.now - reference >= context.policy.ages.grace:
            found.append((reference, one.id, one, one.size_bytes))
    found.sort(key=lambda entry: (entry[2].changed_at or entry[0], entry[1]))
    return [(one, size_bytes) for _, _, one, size_bytes in found]


def _is_held(one: RunCache, context: Context) -> bool:
    """Whether any rule keeps it, whatever its age."""
    return (
        context.clock_problem is not None
        or incomplete(one, context) is not None
        or unknown_directory(one, context) is not None
        or is_protected(one, context)
        or is_used(one, context)
    )
