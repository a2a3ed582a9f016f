"""From what was seen and judged to a plan: pure, so that any stored run can be planned again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from hygiene_core.decide.context import Context
from hygiene_core.decide.plan.blocking import blockers_of
from hygiene_core.decide.plan.bounded import prune_actions
from hygiene_core.decide.plan.retirement import RETIRED_KINDS, retire_actions
from hygiene_core.decide.plan.room import Room
from hygiene_core.decide.relations import warm_builders
from hygiene_core.decide.sentence import sentence
from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.observation import Observation
from hygiene_core.model.plan import Mode, Plan, PlannedHost, Selection
from hygiene_core.model.report import Report
from hygiene_core.model.resource import Kind

__all__ = ["PRECONDITIONS", "RETIRED_KINDS", "STOP_CONDITIONS", "inventory_digest", "make_plan"]

PRECONDITIONS = (
    "same_host",
    "same_engine",
    "data_root_proven",
    "policy_unchanged",
    "not_expired",
    "not_spent",
    "lock_free",
    "host_idle",
)
"""What has to hold when a plan is applied; `docs/concepts/plans.md` says what each means."""

STOP_CONDITIONS = ("bounds_reached", "equal_failures", "job_started", "signal")
"""What ends an apply before its last step."""


def make_plan(
    report: Report,
    observation: Observation,
    context: Context,
    mode: Mode,
    selection: Selection,
    *,
    pruned_before: Collection[str] = (),
) -> Plan:
    """A plan of what the observation of a report shows, judged in a context.

    Args:
        report: the run; its policy and its rows are those of the context.
        observation: what it saw.
        context: what it was judged in.
        mode: the phase.
        selection: what it is narrowed to.
        pruned_before: builders that this kit has pruned before, see `prune_actions`.
    """
    bounds = context.policy.bounds
    room = Room.of(bounds)
    blockers = blockers_of(observation, context, mode)
    if mode is Mode.BOUNDED:
        actions, outlooks = prune_actions(
            report.resources,
            observation,
            context,
            selection,
            room,
            blocked=blockers,
            pruned_before=pruned_before,
        )
    else:
        actions, outlooks = retire_actions(report.resources, context, selection, room), []
    engine = observation.engine
    return Plan(
        mode=mode,
        host=PlannedHost(
            name=report.host.name,
            machine_id=observation.host.machine_id,
            engine_id=None if engine is None else engine.id,
            engine_version=None if engine is None else engine.version,
            api_version=None if engine is None else engine.api_version,
        ),
        run_id=report.run_id,
        tool_version=report.tool_version,
        made_at=context.now,
        expires_at=context.now + bounds.expiry,
        policy_digest=context.policy.digest,
        policy_sentence=sentence(context.policy),
        inventory_digest=inventory_digest(report.resources),
        selection=selection,
        bounds=bounds,
        preconditions=PRECONDITIONS,
        stop_conditions=STOP_CONDITIONS,
        actions=tuple(actions),
        outlooks=tuple(outlooks),
        untouched=_untouched(report.resources),
        warm_builders=tuple(
            sorted(one.id for one in warm_builders(observation.builders, context.policy.protect))
        ),
        left_out=room.left_out,
        blockers=blockers,
    )


def _untouched(rows: Iterable[Judged]) -> tuple[str, ...]:
    """What is protected and has an identity that lasts: a record of a cache may go as any other."""
    kinds = {Kind.IMAGE, Kind.CONTAINER, Kind.VOLUME}
    return tuple(
        sorted(
            f"{row.kind.value} {row.id}"
            for row in rows
            if row.verdict is Verdict.PROTECTED and row.kind in kinds
        )
    )


def inventory_digest(rows: Iterable[Judged]) -> str:
    """Sha256 over kind, id, names and verdict of every resource, in the order of a report."""
    digest = hashlib.sha256()
    for row in rows:
        told = "\0".join((row.kind.value, row.id, *row.names, row.verdict.value, "\n"))
        digest.update(told.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
