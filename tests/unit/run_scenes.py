"""Journals of runs for the tests: each scene is its lines, and the plan that it is of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hygiene_core.decide.naming import named
from hygiene_core.decide.permit import Permitted
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.activity import Activity, ProcessId, Signal
from hygiene_core.model.journal import (
    Began,
    BuilderState,
    ClassTotal,
    Ended,
    Halted,
    Intended,
    Line,
    Observed,
    Sampled,
    Settled,
    Snapshot,
    Verified,
    WarmthProbed,
)
from hygiene_core.model.plan import Plan, Verb
from hygiene_core.testing import GIB, MIB, NOW, digest
from tests.unit.plans import ALICE, BUDGET, ENGINE, MACHINE, plan, prune, record, removal

RUN = "5f03e317-fba0-4ff1-a417-9699a5b6147f"
PLAN_DIGEST = digest("plan")
HOSTILE = "evil[/foo]\x1b[2J\n$(id)\u202e" + "x" * 300


def began(**fields: Any) -> Began:
    made: dict[str, Any] = {
        "at": NOW,
        "run_id": RUN,
        "digest": PLAN_DIGEST,
        "mode": "bounded",
        "host": "chris-testing",
        "machine_id": MACHINE,
        "engine_id": ENGINE,
        "engine_version": "26.1.5+dfsg1",
        "api_version": "1.45",
        "tool_version": "0.1.0",
        "caller": ALICE,
        "process": ProcessId(4711, 99),
        "excluded": (ProcessId(1, 2),),
    }
    return Began(**made | fields)


def sampled(*activities: Activity, **fields: Any) -> Sampled:
    signals = tuple(
        Signal(source=f"s{number}", activity=activity, read_at=NOW)
        for number, activity in enumerate(activities)
    )
    return Sampled(at=NOW, signals=signals, **fields)


def state(builder: str = "embedded", private_bytes: int | None = 9 * GIB, **fields: Any) -> BuilderState:
    made: dict[str, Any] = {"max_bytes": BUDGET.max_bytes, "reserved_bytes": BUDGET.reserved_bytes}
    return BuilderState(id=builder, private_bytes=private_bytes, **made | fields)


def looked(when: Any, *builders: BuilderState, free_bytes: int | None = 300 * GIB, **fields: Any) -> Observed:
    made = Snapshot(
        used_bytes=None if free_bytes is None else 500 * GIB - free_bytes,
        free_bytes=free_bytes,
        used_inodes=None,
        classes=(ClassTotal(kind="image", count=None, size_bytes=None),),
        builders=builders,
        untouchable=(),
        untouchable_sha256=digest(""),
    )
    return Observed(at=NOW, when=when, snapshot=replace(made, **fields))


def settled(number: int, outcome: Outcome, **fields: Any) -> Settled:
    return Settled(at=NOW, number=number, outcome=outcome, **fields)


def ended(status: int = 0, **fields: Any) -> Ended:
    made: dict[str, Any] = {"outcomes": {}}
    return Ended(at=NOW + timedelta(seconds=9), exit_status=status, **made | fields)


IDLE = sampled(Activity.IDLE, Activity.IDLE, Activity.IDLE)
RECORDS = tuple(record(f"r{number}", 600 * MIB) for number in range(3))
BOUNDED = plan(prune(records=RECORDS), prune("odoo-docker-chris-testing0"))
RETIREMENT = plan(
    *(removal(Verb.REMOVE_IMAGE, f"odoo-docker:{number}") for number in range(7)),
    removal(Verb.REMOVE_VOLUME, "old-data"),
)
MODE = {"mode": "retirement", "approvals": ("0123456789ab",)}


def _bounded_done() -> list[Line]:
    return [
        began(),
        named(BOUNDED, Permitted(actions=BOUNDED.actions, references={}, withheld={}), NOW),
        IDLE,
        looked("before", state(), state("odoo-docker-chris-testing0", None, max_bytes=4 * GIB)),
        Intended(at=NOW, number=1, ids=("r0", "r1", "r2"), cap_bytes=7 * GIB),
        settled(
            1,
            Outcome.REMOVED,
            removed=("r0", "r1"),
            kept={"r2": Why.IN_USE},
            claimed_bytes=1200 * MIB,
            freed_bytes=1190 * MIB,
            private_before_bytes=9 * GIB,
            private_after_bytes=9 * GIB - 1200 * MIB,
        ),
        Intended(at=NOW, number=2, ids=("a", "b")),
        settled(2, Outcome.SKIPPED, why=Why.CHANGED, detail="none of 2 records may go any more"),
        looked("after", state(private_bytes=9 * GIB - 1200 * MIB), state("odoo-docker-chris-testing0", None)),
        WarmthProbed(at=NOW, when="before", builder="warm0", cached_steps=5, steps=5, seconds=1.25),
        WarmthProbed(
            at=NOW,
            when="after",
            builder="warm0",
            cached_steps=None,
            steps=None,
            seconds=None,
            problem="the probe did not end in 60 s",
        ),
        Verified(at=NOW, notes=("embedded is above its budget",), unmeasured=("warm0",)),
        ended(
            outcomes={"removed": 1, "skipped": 1},
            estimate_bytes=1820 * MIB,
            claimed_bytes=1200 * MIB,
            freed_bytes=1190 * MIB,
        ),
    ]


def _retirement() -> list[Line]:
    """One image for each outcome."""
    went = {
        Outcome.REMOVED: {"claimed_bytes": 100 * MIB, "freed_bytes": 90 * MIB},
        Outcome.ALREADY_ABSENT: {"why": Why.GONE},
        Outcome.KEPT: {"why": Why.CONFLICT, "detail": "conflict: it is used by container 0123"},
        Outcome.SKIPPED: {"why": Why.NEW_REFERENCE, "detail": "it has the new reference odoo:next"},
        Outcome.REFUSED: {
            "why": Why.NO_TOUCH,
            "detail": "the no-touch set of the host or of the plan has it",
        },
        Outcome.FAILED: {"why": Why.ENGINE, "detail": "the Engine said 500", "freed_bytes": -4096},
        Outcome.UNKNOWN: {"why": Why.TIMEOUT, "detail": "no answer in 300 s"},
    }
    lines: list[Line] = [began(**MODE), IDLE, looked("before")]
    for number, (outcome, fields) in enumerate(went.items(), 1):
        step = RETIREMENT.actions[number - 1]
        lines.append(Intended(at=NOW, number=number, ids=(step.id,)))
        gone = (step.id,) if outcome is Outcome.REMOVED else ()
        lines.append(settled(number, outcome, removed=gone, **fields))
    lines.append(
        settled(
            7,
            Outcome.KEPT,
            why=Why.CUT_OFF,
            detail="after the run was cut off it was still there",
            by_looking=True,
        )
    )
    counts = {outcome.value: 1 for outcome in went if outcome is not Outcome.UNKNOWN}
    lines.append(looked("after", free_bytes=None))
    lines.append(Verified(at=NOW))
    lines.append(ended(4, outcomes=counts | {"kept": 2}, estimate_bytes=None, freed_bytes=90 * MIB))
    return lines


def _problems() -> list[Line]:
    return [
        began(),
        IDLE,
        looked("before", state()),
        Intended(at=NOW, number=1, ids=("r0", "r1", "r2")),
        settled(1, Outcome.REMOVED, removed=("r0", "x"), foreign=("x",), claimed_bytes=5, freed_bytes=None),
        Halted(at=NOW, why="FOREIGN", detail="something went that nobody named: x"),
        looked("after", state(private_bytes=GIB - 1)),
        Verified(
            at=NOW,
            problems=(
                "the protected volume data is gone",
                "the warm builder odoo-docker-chris-testing0 does not run any more: exited",
            ),
            notes=("volumes was not complete afterwards: deadline of 120 s",),
        ),
        ended(4, outcomes={"removed": 1}, estimate_bytes=1800 * MIB, claimed_bytes=5),
    ]


def _hostile() -> list[Line]:
    return [
        began(host="lab", caller=replace(ALICE, name="\x1b]0;x\x07a")),
        looked("before"),
        Intended(at=NOW, number=1, ids=(HOSTILE,)),
        settled(1, Outcome.FAILED, why=Why.ENGINE, detail=HOSTILE),
        Halted(at=NOW, why="EQUAL_FAILURES", detail=HOSTILE),
        Verified(at=NOW, problems=(HOSTILE,), notes=(HOSTILE,)),
        ended(4, outcomes={"failed": 1}),
    ]


_BUSY = [
    began(),
    sampled(Activity.IDLE, Activity.ACTIVE, Activity.UNKNOWN),
    Halted(at=NOW, why="JOB_RUNNING", detail="runners active: lane-1 has a job"),
    ended(5),
]

SCENES: dict[str, tuple[list[Line], Plan | None]] = {
    "bounded": (_bounded_done(), BOUNDED),
    "retirement": (_retirement(), RETIREMENT),
    "no-plan": (_retirement(), None),
    "nothing-to-do": ([began(), looked("before"), ended()], plan()),
    "cut-off": (_bounded_done()[:7], BOUNDED),
    "before-it-began": ([], None),
    "busy": (_BUSY, BOUNDED),
    "stopped": (
        [
            *_bounded_done()[:6],
            Halted(at=NOW, why="STOPPED", detail="it was asked to stop"),
            ended(143, outcomes={"removed": 1}, estimate_bytes=1, claimed_bytes=1, freed_bytes=1),
        ],
        BOUNDED,
    ),
    "problems": (_problems(), BOUNDED),
    "hostile": (_hostile(), plan(removal(name=HOSTILE))),
}
