"""What a run never begins, whatever its plan says."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from hygiene_core.decide.permit import Permitted
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.approval import Options
from hygiene_core.model.plan import Action, Verb
from tests.unit.plans import ALICE, plan, removal, rules

pytest.importorskip("hygiene_core.host.gate")


class Lines(list[Any]):
    """A journal in memory."""


def run_of(*actions: Action) -> tuple[Any, Lines]:
    """A run that has no Engine: whatever asks one fails."""
    from hygiene_core.executor.execution import Execution, Order  # noqa: PLC0415 - skipped above

    made = plan(*actions)
    lines = Lines()
    asked = SimpleNamespace(rules=rules(), hands=lambda _limit: None)
    order = Order(
        digest="d" * 64,
        plan=made,
        permitted=Permitted(actions=made.actions, references={}, withheld={}),
        options=Options(call_limit=timedelta(seconds=1)),
        caller=ALICE,
        excluded=frozenset(),
    )
    journal: Any = SimpleNamespace(append=lines.append)
    return Execution(asked, order, journal), lines  # type: ignore[arg-type]


@pytest.mark.parametrize("verb", [Verb.REMOVE_IMAGE, Verb.REMOVE_VOLUME, Verb.REMOVE_CONTAINER])
def test_what_a_label_protects_when_the_host_is_looked_at_is_not_begun(verb):
    """A plan has no labels, so that only the look tells; no intent is written and nothing is asked."""
    run, lines = run_of(removal(verb, "x"))
    (action,) = run.order.permitted.actions
    run._untouchable = frozenset({f"{action.kind.value} {action.id}"})
    assert run._through() is None
    (line,) = lines
    assert (line.outcome, line.why, line.removed) == (Outcome.REFUSED, Why.NO_TOUCH, ())


def test_a_step_whose_step_before_it_did_not_end_well_is_not_begun():
    first = removal(Verb.REMOVE_CONTAINER, "c")
    run, lines = run_of(first, removal(Verb.REMOVE_VOLUME, "v", after=(1,)))
    run._untouchable = frozenset({f"container {first.id}"})
    assert run._through() is None
    assert [(line.number, line.outcome, line.why) for line in lines] == [
        (1, Outcome.REFUSED, Why.NO_TOUCH),
        (2, Outcome.SKIPPED, Why.DEPENDS),
    ]
