"""Everything the rules may look at; `remember.gather` fills it once for one observation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from hygiene_core.decide.cache import CacheSelection, select_records
from hygiene_core.decide.layers import ImageSizes
from hygiene_core.decide.relations import Relations, budget_of
from hygiene_core.model.coverage import Followed, Span
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.policy import Policy
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

__all__ = ["Context", "Water", "cache_selections", "clock_problem", "missing_sections", "stamp"]

CLOCK_SLACK = timedelta(minutes=5)
"""How far a clock may step back between two runs before ages are no longer believed."""

LONGEST_GAP = timedelta(days=35)
"""A longer time without a run may be a clock that jumped: ages are believed again from the next run on."""


@lru_cache(maxsize=4096)
def stamp(at: datetime) -> str:
    """A time as the reasons spell it: UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Water:
    """One run cache and its marks, in bytes. `selected` are the ids that go, `left_bytes` the rest."""

    held_bytes: int
    left_bytes: int
    high_bytes: int
    low_bytes: int
    selected: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What rules see besides the resource itself.

    `memory` is what is remembered, this observation included. `missing` maps a section to why it is not
    complete. `followed` is what is known of the use of images, `covered` the time up to now for which it is
    whole; `None` if it does not reach up to now. `water` are the run caches with marks. `engine_changed` says
    that the memory of another Engine was put aside.
    """

    now: datetime
    policy: Policy
    relations: Relations
    sizes: ImageSizes
    memory: Memory
    missing: dict[SectionName, str]
    cache: dict[str, CacheSelection]
    clock_problem: str | None
    engine_changed: bool = False
    followed: Followed = field(default_factory=Followed)
    covered: Span | None = None
    water: dict[str, Water] = field(default_factory=dict)

    def known(self, resource: Resource) -> Known | None:
        """What is remembered of a resource, this observation included."""
        # A kind is its own word, and an enum's `value` is a slow call in a long loop.
        return self.memory.entries.get((resource.kind, resource.id))

    def covers(self, window: timedelta) -> bool:
        """Whether the use of images was followed without a gap for that long, up to now."""
        return self.covered is not None and self.covered.since_at <= self.now - window

    def idle_reference(self, resource: Resource) -> datetime | None:
        """The time from which age and grace run.

        It is the latest of first seen, idle since and last change; of a container's start and end, which the
        Engine tells as events; and of the creation of a container or volume, which cannot be older than that.
        Of a directory it is also the newest change of anything inside.
        """
        known = self.known(resource)
        if known is None:
            return None
        times = [known.first_seen_at, known.idle_since_at, known.changed_at]
        match resource:
            case Image():
                times.append(known.unused_since_at)
            case Container():
                times += [resource.created_at, resource.started_at, resource.finished_at]
            case Volume():
                times.append(resource.created_at)
            case Builder() if resource.volume in self.relations.volumes:
                times.append(self.relations.volumes[resource.volume].created_at)
            case RunnerWorkdir() | RunCache():
                times.append(resource.changed_at)
            case _:
                pass
        return max(at for at in times if at is not None)


def clock_problem(memory: Memory, now: datetime) -> str | None:
    """Why ages cannot be believed in this run, or `None`."""
    last = memory.last_run_at
    if last is None:
        return None
    if now < last - CLOCK_SLACK:
        return f"the clock says {stamp(now)}, before the last recorded run at {stamp(last)}"
    if now > last + LONGEST_GAP:
        days = LONGEST_GAP.days
        return f"the clock says {stamp(now)}, over {days} days after the last recorded run at {stamp(last)}"
    return None


def missing_sections(observation: Observation) -> dict[SectionName, str]:
    """Why each section that is not complete is not."""
    missing: dict[SectionName, str] = {}
    for name in SectionName:
        section = observation.sections.get(name)
        if section is None:
            missing[name] = "it was not asked"
        elif section.availability is not Availability.COMPLETE:
            missing[name] = section.reason or section.availability.value
    return missing


def cache_selections(
    records: tuple[BuildCacheRecord, ...], policy: Policy, now: datetime, free_bytes: int | None = None
) -> dict[str, CacheSelection]:
    """What each budget lets go of, by builder. `free_bytes` is what the disk has free, or `None`."""
    by_builder: dict[str, list[BuildCacheRecord]] = {}
    for record in records:
        by_builder.setdefault(record.builder, []).append(record)
    made: dict[str, CacheSelection] = {}
    for builder, owned in sorted(by_builder.items()):
        budget = budget_of(policy, builder)
        if budget is None:
            continue
        # They share a disk: what one is to give, the next need not.
        freed = sum(one.private_bytes - one.remaining_bytes for one in made.values())
        free = None if free_bytes is None else free_bytes + freed
        made[builder] = select_records(owned, budget, now, free)
    return made
