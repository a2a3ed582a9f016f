"""What of the remembered resources went, as far as the Engine's events tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from hygiene_core.decide.coverage import ordered
from hygiene_core.decide.remember import resources_of
from hygiene_core.model.coverage import Removal
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Observation

__all__ = ["removals_of"]

_ONE_AFTER_ANOTHER = timedelta(seconds=10)
"""A prune removes one thing after another and is told at the end: a longer pause is none of its."""


def removals_of(observation: Observation, before: Memory, told: Iterable[Removal]) -> tuple[Removal, ...]:
    """The last removal of everything that was remembered and is not there now, and the prunes since then.

    Args:
        observation: what one pass saw.
        before: what was remembered before it.
        told: the removals that were followed, in the order of time.
    """
    present = {(resource.kind.value, resource.id) for resource in resources_of(observation)}
    last: dict[tuple[str, str], Removal] = {}
    prunes = []
    for removal in _joined_to_prunes(told):
        if removal.id is None:
            if before.last_run_at is not None and removal.removed_at > before.last_run_at:
                prunes.append(removal)
            continue
        key = (removal.kind, removal.id)
        known = before.entries.get(key)
        if known is not None and key not in present and removal.removed_at > known.first_seen_at:
            last[key] = removal
    return ordered([*last.values(), *prunes])


def _joined_to_prunes(told: Iterable[Removal]) -> list[Removal]:
    """The same, newest first to oldest and back: whatever led up to a prune of its kind is marked so."""
    leading: dict[str, datetime] = {}
    made = []
    for removal in reversed(tuple(told)):
        after = leading.get(removal.kind)
        if removal.id is None:
            leading[removal.kind] = removal.removed_at
            made.append(removal)
        elif after is not None and after - removal.removed_at <= _ONE_AFTER_ANOTHER:
            leading[removal.kind] = removal.removed_at
            made.append(replace(removal, pruned=True))
        else:
            leading.pop(removal.kind, None)
            made.append(removal)
    return made[::-1]
