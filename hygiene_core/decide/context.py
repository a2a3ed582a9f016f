"""Everything the rules may look at, gathered once for one observation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from hygiene_core.decide.cache import CacheSelection, select_records
from hygiene_core.decide.relations import Relations
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.policy import Policy
from hygiene_core.model.resource import BuildCacheRecord, Resource

__all__ = ["Context", "gather", "stamp"]

CLOCK_SLACK = timedelta(minutes=5)
"""How far a clock may step back between two runs before ages are no longer believed."""


@lru_cache(maxsize=4096)
def stamp(at: datetime) -> str:
    """A time as the reasons spell it: UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What rules see besides the resource itself. `missing` maps a section to why it is not complete."""

    now: datetime
    policy: Policy
    relations: Relations
    memory: Memory
    missing: dict[SectionName, str]
    cache: dict[str, CacheSelection]
    clock_problem: str | None

    def known(self, resource: Resource) -> Known | None:
        """What is remembered of a resource, this observation included."""
        # A kind is its own word, and an enum's `value` is a slow call in a long loop.
        return self.memory.entries.get((resource.kind, resource.id))

    def idle_reference(self, resource: Resource) -> datetime | None:
        """The time from which age and grace run: the latest of first seen, idle since and last change."""
        known = self.known(resource)
        if known is None:
            return None
        return max(
            at for at in (known.first_seen_at, known.idle_since_at, known.changed_at) if at is not None
        )


def gather(
    observation: Observation, relations: Relations, memory: Memory, policy: Policy, now: datetime
) -> Context:
    """Gather the context.

    Args:
        observation: what one pass saw.
        relations: the references of that observation.
        memory: what is remembered, already brought up to this observation.
        policy: the host's policy.
        now: the present, aware UTC.
    """
    return Context(
        now=now,
        policy=policy,
        relations=relations,
        memory=memory,
        missing=_missing(observation),
        cache=_cache_selections(observation.build_cache, policy, now),
        clock_problem=clock_problem(memory, now),
    )


def clock_problem(memory: Memory, now: datetime) -> str | None:
    """Why ages cannot be believed, or `None`."""
    last = memory.last_run_at
    if last is not None and now < last - CLOCK_SLACK:
        return f"the clock says {stamp(now)}, before the last recorded run at {stamp(last)}"
    return None


def _missing(observation: Observation) -> dict[SectionName, str]:
    missing: dict[SectionName, str] = {}
    for name in SectionName:
        section = observation.sections.get(name)
        if section is None:
            missing[name] = "it was not asked"
        elif section.availability is not Availability.COMPLETE:
            missing[name] = section.reason or section.availability.value
    return missing


def _cache_selections(
    records: tuple[BuildCacheRecord, ...], policy: Policy, now: datetime
) -> dict[str, CacheSelection]:
    by_builder: dict[str, list[BuildCacheRecord]] = {}
    for record in records:
        if record.builder in policy.budgets:
            by_builder.setdefault(record.builder, []).append(record)
    return {
        builder: select_records(owned, policy.budgets[builder], now) for builder, owned in by_builder.items()
    }
