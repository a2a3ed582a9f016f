"""Short ways to plan built inventories."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hygiene_core.decide.classify import classify
from hygiene_core.decide.plan import make_plan
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Observation
from hygiene_core.model.plan import Action, Mode, Plan, Selection
from hygiene_core.model.policy import Policy
from hygiene_core.testing import NOW, report
from tests.unit.decide.judging import context_of

EVERY_VERDICT = Selection(verdicts=("candidate", "retained", "protected", "in_use", "unknown"))
"""More than any command line lets through."""


def planned(
    seen: Observation,
    rules: Policy | None = None,
    mode: Mode = Mode.RETIREMENT,
    *,
    memory: Memory | None = None,
    now: datetime = NOW,
    pruned_before: tuple[str, ...] = (),
    **selected: Any,
) -> Plan:
    """The plan of an inventory; what is left of the keywords is the selection."""
    context = context_of(seen, rules, memory, now)
    rows = classify(seen, context)
    made = report(*rows, run_id="run-1", tool_version="1.2.3")
    return make_plan(made, seen, context, mode, Selection(**selected), pruned_before=pruned_before)


def steps(plan: Plan) -> list[tuple[str, str]]:
    """Verb and name of each step, in order."""
    return [(one.verb.value, one.name) for one in plan.actions]


def record_ids(action: Action) -> list[str]:
    return [record.id for record in action.records]
