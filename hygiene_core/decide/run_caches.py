"""What the configured places of run caches hold, by age."""

from __future__ import annotations

from datetime import datetime, timedelta

from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.policy import Policy
from hygiene_core.model.report import AgeBucket, RunCacheSummary
from hygiene_core.model.resource import RunCache

__all__ = ["run_caches"]

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_EDGES = (timedelta(0), _HOUR, _DAY, 7 * _DAY, 30 * _DAY)


def run_caches(observation: Observation, policy: Policy, now: datetime) -> tuple[RunCacheSummary, ...]:
    """One row for each configured place; none where the places could not be read at all."""
    if observation.availability(SectionName.RUN_CACHES) is Availability.UNAVAILABLE:
        return ()
    complete = observation.availability(SectionName.RUN_CACHES) is Availability.COMPLETE
    made = []
    for place in policy.run_caches:
        held = [one for one in observation.run_caches if one.cache == place.name]
        changes = [one.changed_at for one in held if one.changed_at is not None]
        made.append(
            RunCacheSummary(
                name=place.name,
                path=place.path,
                count=len(held),
                size_bytes=sum(one.size_bytes or 0 for one in held),
                apparent_bytes=sum(one.apparent_bytes or 0 for one in held),
                oldest_at=min(changes, default=None),
                whole=complete,
                ages=_by_age(held, now),
            )
        )
    return tuple(made)


def _by_age(held: list[RunCache], now: datetime) -> tuple[AgeBucket, ...]:
    # A stamp of the future is as young as can be.
    ages = [(max(timedelta(0), now - one.changed_at), one) for one in held if one.changed_at is not None]
    made = []
    for over, under in zip(_EDGES, (*_EDGES[1:], None), strict=True):
        inside = [one for age, one in ages if over <= age and (under is None or age < under)]
        sizes = sum(one.size_bytes or 0 for one in inside)
        made.append(AgeBucket(over=over, under=under, count=len(inside), size_bytes=sizes))
    return tuple(made)
