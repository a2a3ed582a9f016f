"""How a prune and a run ended. The builder is a fake here: no real one can be made to answer like this."""

from __future__ import annotations

import pytest

from hygiene_core.errors import EngineUnreachable
from hygiene_core.executor import ending
from hygiene_core.executor.ending import exit_status, seen_after
from hygiene_core.host.actions.hands import Hands
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.journal import Settled
from hygiene_core.testing import NOW, cache_record
from tests.unit.plans import prune

HANDS = Hands(socket_path="/run/none.sock", api_version="1.45")
LOST = Acted(outcome=Outcome.UNKNOWN, why=Why.TIMEOUT, detail="no answer")
WENT = Acted(outcome=Outcome.REMOVED, removed=("a", "b"), claimed_bytes=7)
IDS = ("a", "b")


@pytest.fixture
def left(monkeypatch):
    """Sets which records are left, and whether the builder's client still runs."""

    def set_up(*ids: str, runs: bool = False, error: bool = False) -> None:
        def read(*_: object):
            if error:
                raise EngineUnreachable("gone")
            return tuple(cache_record(id=one, size_bytes=5) for one in ids)

        monkeypatch.setattr(ending.caches, "read_records", read)
        monkeypatch.setattr(ending.caches, "still_pruning", lambda *_: runs)

    return set_up


@pytest.mark.parametrize(
    ("builder", "acted", "there", "runs", "outcome", "removed"),
    [
        ("embedded", WENT, (), False, Outcome.REMOVED, IDS),
        ("embedded", WENT, ("b",), False, Outcome.REMOVED, ("a",)),
        ("embedded", WENT, IDS, False, Outcome.KEPT, ()),
        ("embedded", LOST, (), False, Outcome.REMOVED, IDS),
        ("embedded", LOST, ("b",), False, Outcome.UNKNOWN, ("a",)),
        ("embedded", LOST, IDS, False, Outcome.UNKNOWN, ()),
        ("warm0", LOST, ("b",), True, Outcome.UNKNOWN, ("a",)),
        ("warm0", LOST, ("b",), False, Outcome.REMOVED, ("a",)),
        ("warm0", LOST, IDS, False, Outcome.KEPT, ()),
        ("warm0", LOST, (), True, Outcome.REMOVED, IDS),
    ],
)
def test_a_prune_is_told_by_what_is_left(left, *, builder, acted, there, runs, outcome, removed):
    left(*there, "other", runs=runs)
    told, kept, private = seen_after(prune(builder), acted, IDS, HANDS)
    assert (told.outcome, told.removed) == (outcome, removed)
    assert set(kept) == set(there)
    assert private == 5 * (len(there) + 1)


def test_a_refusal_stays_one(left):
    left(*IDS)
    refused = Acted(outcome=Outcome.FAILED, why=Why.ENGINE)
    assert seen_after(prune(), refused, IDS, HANDS)[0] == refused


@pytest.mark.parametrize("acted", [LOST, WENT])
def test_what_cannot_be_looked_at_is_as_it_was_told(left, acted):
    left(error=True)
    assert seen_after(prune(), acted, IDS, HANDS) == (acted, {}, None)


@pytest.mark.parametrize(
    ("why", "problems", "outcomes", "status"),
    [
        (None, (), (), 0),
        (None, (), (Outcome.REMOVED, Outcome.SKIPPED, Outcome.KEPT, Outcome.ALREADY_ABSENT), 0),
        ("FREE_TARGET", (), (Outcome.REMOVED,), 0),
        (None, (), (Outcome.FAILED,), 4),
        (None, (), (Outcome.REFUSED,), 4),
        (None, ("gone",), (Outcome.REMOVED,), 4),
        ("BOUNDS", (), (Outcome.REMOVED,), 4),
        ("JOB_RUNNING", (), (), 5),
        ("JOB_RUNNING", (), (Outcome.REMOVED,), 4),
        ("STOPPED", (), (Outcome.REMOVED,), 143),
        ("STOPPED", ("gone",), (Outcome.REMOVED,), 4),
    ],
)
def test_how_a_run_ends(why, problems, outcomes, status):
    settled = [Settled(at=NOW, number=number, outcome=one) for number, one in enumerate(outcomes, 1)]
    assert exit_status(why, problems, settled) == status
