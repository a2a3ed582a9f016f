"""Phase one: build caches down to their budgets, record by record. Builders themselves are never removed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import takewhile

from hygiene_core.decide.cache import UNTOUCHED_TYPES, CacheSelection, age_reference
from hygiene_core.decide.context import Context
from hygiene_core.decide.plan.room import Room, total_of
from hygiene_core.decide.relations import budget_of, builder_names
from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.observation import Observation
from hygiene_core.model.plan import (
    Action,
    Blocker,
    Outlook,
    PlannedRecord,
    Selection,
    Staying,
    StayReason,
    Verb,
)
from hygiene_core.model.policy import Budget, first_match
from hygiene_core.model.resource import BuildCacheRecord, Builder, Kind

__all__ = ["prune_actions"]


def prune_actions(
    judged: Iterable[Judged],
    observation: Observation,
    context: Context,
    selection: Selection,
    room: Room,
    *,
    blocked: Collection[Blocker],
    pruned_before: Collection[str],
) -> tuple[list[Action], list[Outlook]]:
    """One step for each builder that is over its target, and what becomes of every builder with a budget.

    Args:
        judged: the rows of the run; only candidates among the records are planned.
        observation: what was seen.
        context: what it was judged in.
        selection: only builders of its names.
        room: what the bounds leave.
        blocked: builders that these name are left out.
        pruned_before: builders that this kit has pruned already: the first prune that would take more than
            half of a cache needs an approval.
    """
    subjects = {one.subject for one in blocked}
    candidates = {
        row.id for row in judged if row.kind is Kind.BUILD_CACHE and row.verdict is Verdict.CANDIDATE
    }
    actions: list[Action] = []
    outlooks: list[Outlook] = []
    for builder in sorted(observation.builders, key=lambda one: one.id):
        chosen, budget = context.cache.get(builder.id), budget_of(context.policy, builder.id)
        if chosen is None or budget is None or builder.id in subjects:
            continue
        if selection.names and not first_match(selection.names, builder_names(builder)):
            continue
        records = [one for one in observation.build_cache if one.builder == builder.id]
        by_id = {record.id: record for record in records}
        # What comes after one that may not go may be its parent.
        may_go = takewhile(candidates.__contains__, chosen.selected)
        going = room.take((by_id[one], by_id[one].size_bytes or 0) for one in may_go)
        planned = sum(record.size_bytes or 0 for record in going)
        outlooks.append(
            Outlook(
                builder=builder.id,
                private_bytes=chosen.private_bytes,
                planned_bytes=planned,
                target_bytes=chosen.target_bytes,
                budget=budget,
                staying=_staying(records, chosen, budget, {one.id for one in going}, context),
            )
        )
        if going:
            action = _action(builder, going, chosen, budget, pruned_before)
            actions.append(replace(action, number=len(actions) + 1))
    return actions, outlooks


def _action(
    builder: Builder,
    going: list[BuildCacheRecord],
    chosen: CacheSelection,
    budget: Budget,
    pruned_before: Collection[str],
) -> Action:
    planned = sum(record.size_bytes or 0 for record in going)
    large = planned * 2 > chosen.private_bytes and builder.id not in pruned_before
    first = "the first prune of this builder would take more than half of its cache"
    return Action(
        number=1,
        verb=Verb.PRUNE_RECORDS,
        kind=Kind.BUILDER,
        id=builder.id,
        name=builder.name,
        estimate_bytes=planned,
        reasons=(f"it holds {chosen.private_bytes} bytes unshared; its target is {chosen.target_bytes}",),
        facts={"version": builder.version or ""},
        container_id=builder.container_id,
        records=tuple(_planned(record) for record in going),
        private_bytes=chosen.private_bytes,
        cap_bytes=chosen.private_bytes - planned + 1,
        budget=budget,
        needs_approval=first if large else None,
    )


def _planned(record: BuildCacheRecord) -> PlannedRecord:
    return PlannedRecord(
        id=record.id,
        size_bytes=record.size_bytes or 0,
        last_used_at=record.last_used_at,
        usage_count=record.usage_count,
        parents=record.parents,
        description=record.description,
    )


def _staying(
    records: Iterable[BuildCacheRecord],
    chosen: CacheSelection,
    budget: Budget,
    going: Collection[str],
    context: Context,
) -> tuple[Staying, ...]:
    sizes: dict[StayReason, list[int | None]] = {}
    for record in records:
        if record.id not in going:
            sizes.setdefault(_why(record, chosen, budget, context), []).append(record.size_bytes)
    return tuple(
        Staying(why=why, count=len(sizes[why]), size_bytes=total_of(sizes[why]))
        for why in StayReason
        if why in sizes
    )


def _why(record: BuildCacheRecord, chosen: CacheSelection, budget: Budget, context: Context) -> StayReason:
    """The first reason that keeps a record; each alone would."""
    touched = age_reference(record)
    unmeasured = record.size_bytes is None or touched is None or context.clock_problem is not None
    reasons = (
        (record.in_use, StayReason.IN_USE),
        (record.shared, StayReason.SHARED),
        (record.type in UNTOUCHED_TYPES, StayReason.INTERNAL),
        (unmeasured, StayReason.UNMEASURED),
        (touched is not None and context.now - touched < budget.min_age, StayReason.TOO_YOUNG),
        (record.id in chosen.pinned_by, StayReason.PINNED),
        (record.id in chosen.held_by_reserve, StayReason.RESERVE),
        (record.id in chosen.selected, StayReason.BOUNDS),
    )
    return next((why for holds, why in reasons if holds), StayReason.BUDGET_MET)
