"""What a run is about, by name: written down at its start, because a plan is not kept for ever."""

from __future__ import annotations

from datetime import datetime

from hygiene_core.decide.permit import Permitted
from hygiene_core.model.journal import Named, NamedRecord, NamedThing
from hygiene_core.model.plan import Mode, Plan

__all__ = ["named"]


def named(plan: Plan, allowed: Permitted, now: datetime) -> Named:
    """The steps that may be done, and those that a bounded run tells as refused."""
    going = {action.number for action in allowed.actions}
    told = going | (set(allowed.withheld) if plan.mode is Mode.BOUNDED else set())
    return Named(
        at=now,
        things=tuple(
            NamedThing(
                number=action.number,
                verb=action.verb.value,
                kind=action.kind.value,
                id=action.id,
                name=action.name,
                references=action.references,
                estimate_bytes=action.estimate_bytes,
                records=tuple(
                    NamedRecord(id=one.id, description=one.description, size_bytes=one.size_bytes)
                    for one in (action.records if action.number in going else ())
                ),
            )
            for action in plan.actions
            if action.number in told
        ),
    )
