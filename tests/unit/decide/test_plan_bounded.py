"""Phase one: which records of which builder are planned, in which order, and why the others stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hygiene_core.decide.cache import select_records, target_of
from hygiene_core.model.plan import Action, Mode, Outlook, Plan, PlannedRecord, Staying, StayReason, Verb
from hygiene_core.model.policy import Bounds, Budget, Policy, Protect
from hygiene_core.model.resource import BuildCacheRecord, Kind
from hygiene_core.testing import NOW, builder, cache_record, filesystem, observation
from tests.unit.decide.judging import judge, policy
from tests.unit.decide.planning import planned, record_ids

DAY = timedelta(days=1)
EMBEDDED = builder("embedded", driver="embedded", container_id=None, container_state=None, volume=None)
NODE = "warm0"


def record(name: str, size: int | None = 10, age: int = 10, **fields: Any) -> BuildCacheRecord:
    made = {"description": name, "size_bytes": size, "last_used_at": NOW - age * DAY, "usage_count": 1}
    return cache_record(id=name, **made | fields)


def budget(most: int, reserved: int = 0, **fields: Any) -> Budget:
    return Budget(**{"max_bytes": most, "reserved_bytes": reserved, "min_age": timedelta(0)} | fields)


def rules(most: int, reserved: int = 0, **fields: Any) -> Policy:
    return policy(budgets={"embedded": budget(most, reserved)}, **fields)


def bounded(*records: BuildCacheRecord, rules: Policy, **more: Any) -> Plan:
    return planned(observation(EMBEDDED, *records), rules, Mode.BOUNDED, **more)


def only(plan: Plan) -> tuple[Action, Outlook]:
    (action,), (outlook,) = plan.actions, plan.outlooks
    return action, outlook


def staying(plan: Plan) -> dict[StayReason, tuple[int, int | None]]:
    (outlook,) = plan.outlooks
    return {one.why: (one.count, one.size_bytes) for one in outlook.staying}


# -- what goes, in which order ------------------------------------------------------------------------------


def test_a_builder_over_its_budget_is_one_step_with_all_the_facts():
    base = record("base", 10, 30, parents=("elsewhere",), description="FROM debian")
    leaf = record("leaf", 5, 20, parents=("base",), usage_count=7)
    action, outlook = only(bounded(base, leaf, record("new", 20, 1), rules=rules(20)))
    assert (action.number, action.verb, action.kind) == (1, Verb.PRUNE_RECORDS, Kind.BUILDER)
    assert (action.id, action.name, action.container_id) == ("embedded", "embedded", None)
    assert action.facts == {"version": "v0.32.2"}
    assert action.records == (
        PlannedRecord(
            id="leaf", size_bytes=5, last_used_at=NOW - 20 * DAY, usage_count=7, parents=("base",),
            description="leaf",
        ),
        PlannedRecord(
            id="base", size_bytes=10, last_used_at=NOW - 30 * DAY, usage_count=1, parents=("elsewhere",),
            description="FROM debian",
        ),
    )  # fmt: skip
    assert (action.private_bytes, action.estimate_bytes, action.cap_bytes) == (35, 15, 35 - 15 + 1)
    assert action.budget == budget(20)
    assert action.reasons == ("it holds 35 bytes unshared; its target is 20",)
    assert outlook == Outlook(
        builder="embedded",
        private_bytes=35,
        planned_bytes=15,
        target_bytes=20,
        budget=budget(20),
        staying=(Staying(why=StayReason.BUDGET_MET, count=1, size_bytes=20),),
    )
    assert (outlook.remaining_bytes, outlook.is_met) == (20, True)


def test_the_least_recently_used_leaf_goes_first_and_a_parent_after_its_children():
    records = [
        record("base", age=30),
        record("a", age=3, parents=("base",)),
        record("b", age=9, parents=("base",)),
        record("other", age=5),
    ]
    action, _ = only(bounded(*records, rules=rules(0)))
    assert record_ids(action) == ["b", "other", "a", "base"]


def test_within_its_budget_there_is_no_step_but_an_outlook():
    plan = bounded(record("a"), record("b"), rules=rules(20))
    assert plan.actions == ()
    assert (plan.outlooks[0].is_met, plan.outlooks[0].planned_bytes) == (True, 0)
    assert staying(plan) == {StayReason.BUDGET_MET: (2, 20)}
    assert plan.estimate_bytes == 0


def test_a_version_that_was_not_told_is_an_empty_fact():
    seen = observation(builder(NODE, version=None), record("warm0/a", builder=NODE))
    (action,) = planned(seen, policy(budgets={"warm": budget(0)}), Mode.BOUNDED).actions
    assert action.facts == {"version": ""}
    assert (action.id, action.container_id) == (NODE, builder(NODE).container_id)


def test_a_warm_builder_is_pruned_and_never_removed():
    seen = observation(builder(NODE), record("warm0/a", builder=NODE))
    kept = policy(budgets={"warm": budget(0)}, protect=Protect(builders=("warm",)))
    (action,) = planned(seen, kept, Mode.BOUNDED).actions
    assert (action.verb, record_ids(action)) == (Verb.PRUNE_RECORDS, ["warm0/a"])


# -- which builders -----------------------------------------------------------------------------------------


def two_builders(**fields: Any) -> Any:
    records = [record("warm0/a", builder=NODE), record("warm0/b", builder=NODE), record("a"), record("b")]
    return observation(builder(NODE), EMBEDDED, *records, **fields)


BOTH = policy(budgets={"embedded": budget(10), "warm": budget(10)})


def test_every_builder_with_a_budget_has_its_step_in_the_order_of_their_names():
    plan = planned(two_builders(), BOTH, Mode.BOUNDED)
    assert [(one.number, one.id) for one in plan.actions] == [(1, "embedded"), (2, NODE)]
    assert [one.builder for one in plan.outlooks] == ["embedded", NODE]
    assert plan.estimate_bytes == 20


@pytest.mark.parametrize(
    ("name", "builders"),
    [("warm", [NODE]), (NODE, [NODE]), ("w*", [NODE]), ("embedded", ["embedded"]), ("*", ["embedded", NODE])],
)
def test_names_narrow_it(name: str, builders: list[str]):
    plan = planned(two_builders(), BOTH, Mode.BOUNDED, names=(name,))
    assert [one.id for one in plan.actions] == builders
    assert [one.builder for one in plan.outlooks] == builders


def test_a_name_of_nobody_plans_nothing():
    plan = planned(two_builders(), BOTH, Mode.BOUNDED, names=("nobody",))
    assert (plan.actions, plan.outlooks) == ((), ())


def test_a_builder_without_budget_or_without_records_is_left_alone():
    seen = observation(builder(NODE), EMBEDDED, record("warm0/a", builder=NODE))
    plan = planned(seen, rules(0), Mode.BOUNDED)
    assert (plan.actions, plan.outlooks, plan.blockers) == ((), (), ())


# -- why the others stay ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "kept", "counted"),
    [
        (StayReason.IN_USE, record("kept", in_use=True), 10),
        (StayReason.SHARED, record("kept", shared=True), 10),
        (StayReason.INTERNAL, record("kept", type="internal"), 10),
        (StayReason.INTERNAL, record("kept", type="frontend"), 10),
        (StayReason.TOO_YOUNG, record("kept", age=4), 10),
        (StayReason.UNMEASURED, record("kept", None), None),
        (StayReason.UNMEASURED, record("kept", last_used_at=None, created_at=None), 10),
    ],
)
def test_a_record_that_may_not_go_stays_for_its_reason(
    why: StayReason, kept: BuildCacheRecord, counted: int | None
):
    young = policy(budgets={"embedded": budget(0, min_age=5 * DAY)})
    plan = bounded(kept, record("goes"), rules=young)
    assert record_ids(plan.actions[0]) == ["goes"]
    assert staying(plan) == {why: (1, counted)}
    assert plan.outlooks[0].is_met is (plan.outlooks[0].remaining_bytes == 0)


def test_a_parent_stays_because_its_child_does():
    plan = bounded(record("base"), record("leaf", in_use=True, parents=("base",)), rules=rules(0))
    assert plan.actions == ()
    assert staying(plan) == {StayReason.IN_USE: (1, 10), StayReason.PINNED: (1, 10)}
    assert not plan.outlooks[0].is_met


def test_the_reserve_is_a_floor():
    plan = bounded(record("big", 50), record("small", 5, 9), record("top", 20, 1), rules=rules(60, 60))
    assert record_ids(plan.actions[0]) == ["small"]
    (outlook,) = plan.outlooks
    assert (outlook.remaining_bytes, outlook.target_bytes, outlook.is_met) == (70, 60, False)
    assert staying(plan) == {StayReason.RESERVE: (2, 70)}


def test_reasons_are_told_in_one_order_whatever_the_order_of_the_records():
    records = [
        *(record("young", age=1), record("shared", shared=True)),
        *(record("base"), record("leaf", in_use=True, parents=("base",))),
    ]
    young = policy(budgets={"embedded": budget(0, min_age=5 * DAY)})
    told = [bounded(*some, rules=young).outlooks[0].staying for some in (records, records[::-1])]
    assert told[0] == told[1]
    assert [one.why for one in told[0]] == ["in_use", "pinned", "shared", "too_young"]


def test_a_doubtful_clock_plans_no_record():
    """Its age is not known then; the plan as a whole is blocked besides."""
    seen = observation(EMBEDDED, record("a"))
    from hygiene_core.model.known import Memory  # noqa: PLC0415 - only this test needs it

    memory = Memory(last_run_at=NOW + 2 * DAY)
    plan = planned(seen, rules(0), Mode.BOUNDED, memory=memory)
    assert plan.actions == ()
    assert staying(plan) == {StayReason.UNMEASURED: (1, 10)}


# -- bounds -------------------------------------------------------------------------------------------------


def chain() -> list[BuildCacheRecord]:
    return [
        record("base", 10, 30),
        record("mid", 10, 20, parents=("base",)),
        record("leaf", 10, 10, parents=("mid",)),
    ]


@pytest.mark.parametrize(
    ("bounds", "going", "left_out"),
    [
        (Bounds(max_items=3), ["leaf", "mid", "base"], 0),
        (Bounds(max_items=2), ["leaf", "mid"], 1),
        (Bounds(max_items=1), ["leaf"], 2),
        (Bounds(max_bytes=30), ["leaf", "mid", "base"], 0),
        (Bounds(max_bytes=29), ["leaf", "mid"], 1),
        (Bounds(max_bytes=10), ["leaf"], 2),
        (Bounds(max_bytes=9), [], 3),
    ],
)
def test_bounds_cut_a_chain_from_its_leaf(bounds: Bounds, going: list[str], left_out: int):
    plan = bounded(*chain(), rules=rules(0, bounds=bounds))
    assert [one for action in plan.actions for one in record_ids(action)] == going
    assert plan.left_out == left_out
    assert staying(plan).get(StayReason.BOUNDS) == ((left_out, left_out * 10) if left_out else None)
    assert plan.bounds == bounds


def test_nothing_behind_one_that_does_not_fit_is_planned():
    """It may be its parent."""
    records = [record("big", 10, 30), record("small", 1, 20)]
    plan = bounded(*records, rules=rules(0, bounds=Bounds(max_bytes=5)))
    assert (plan.actions, plan.left_out) == ((), 2)


def test_builders_share_the_bounds():
    plan = planned(
        two_builders(), policy(budgets=BOTH.budgets | {"embedded": budget(0)}, bounds=Bounds(max_items=2)),
        Mode.BOUNDED,
    )  # fmt: skip
    assert [(one.id, record_ids(one)) for one in plan.actions] == [("embedded", ["a", "b"])]
    assert plan.left_out == 1
    assert plan.outlooks[1].staying == (
        Staying(why=StayReason.BUDGET_MET, count=1, size_bytes=10),
        Staying(why=StayReason.BOUNDS, count=1, size_bytes=10),
    )


# -- the first large prune ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("most", "before", "asks"),
    [(20, (), True), (40, (), False), (39, (), False), (20, ("embedded",), False), (20, ("warm",), True)],
)
def test_the_first_prune_of_more_than_half_needs_an_approval(most: int, before: tuple[str, ...], asks: bool):
    records = [record(f"r{n}", age=n) for n in range(6)]
    action, _ = only(bounded(*records, rules=rules(most), pruned_before=before))
    told = "the first prune of this builder would take more than half of its cache"
    assert action.needs_approval == (told if asks else None)


def test_exactly_half_needs_none():
    action, _ = only(bounded(*[record(f"r{n}") for n in range(6)], rules=rules(30)))
    assert (action.estimate_bytes, action.needs_approval) == (30, None)


# -- free space ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "free", "target"),
    [
        (None, 5, 80),
        (50, None, 80),
        (50, 50, 80),
        (50, 60, 80),
        (50, 49, 80),
        (50, 29, 79),
        (50, 20, 70),
        (500, 20, 10),
    ],
)
def test_the_target_goes_down_with_the_free_space_and_never_under_the_reserve(
    least: int | None, free: int | None, target: int
):
    assert target_of(budget(80, 10, min_free_bytes=least), 100, free) == target


def test_a_cache_within_its_budget_is_not_asked_for_more_by_a_disk_with_room():
    assert target_of(budget(80, 10, min_free_bytes=50), 40, 60) == 80


def test_too_little_free_space_prunes_more():
    seen = observation(
        EMBEDDED, *[record(f"r{n}", age=9 - n) for n in range(6)], filesystems=(filesystem(free_bytes=100),)
    )
    wants = policy(budgets={"embedded": budget(100, 20, min_free_bytes=125)})
    (action,), (outlook,) = (plan := planned(seen, wants, Mode.BOUNDED)).actions, plan.outlooks
    assert record_ids(action) == ["r0", "r1", "r2"]
    assert (outlook.target_bytes, outlook.remaining_bytes, outlook.is_met) == (35, 30, True)


def test_the_reasons_name_the_target_that_free_space_sets():
    seen = observation(
        EMBEDDED, record("old"), record("new", age=1), filesystems=(filesystem(free_bytes=100),)
    )
    wants = policy(budgets={"embedded": budget(100, 5, min_free_bytes=110)})
    told = {key: row.reasons[0].detail for key, row in judge(seen, wants).items()}
    assert told["old"] == (
        "less than 110 bytes are free: embedded is to come down to 10 bytes; least recently used"
    )
    assert told["new"] == "the target of 10 bytes is met without removing it"


def test_a_record_that_the_reserve_holds_says_so():
    rows = judge(observation(EMBEDDED, record("big", 50)), rules(40, 30))
    assert rows["big"].reasons[0].detail == "without it the cache would fall under its reserve of 30 bytes"


def test_free_space_that_is_not_known_asks_for_nothing():
    seen = observation(EMBEDDED, record("a"), filesystems=(filesystem("state", "/srv", free_bytes=1),))
    wants = policy(budgets={"embedded": budget(100, min_free_bytes=125)})
    assert planned(seen, wants, Mode.BOUNDED).actions == ()


def test_what_one_builder_gives_the_next_need_not():
    wants = policy(
        budgets={
            "embedded": budget(100, min_free_bytes=110),
            "warm": budget(100, min_free_bytes=110),
        }
    )
    plan = planned(two_builders(filesystems=(filesystem(free_bytes=100),)), wants, Mode.BOUNDED)
    assert [(one.id, record_ids(one)) for one in plan.actions] == [("embedded", ["a"])]


def test_a_reserve_that_holds_a_record_is_named():
    chosen = select_records([record("a", 50), record("b", 20, 1)], budget(60, 60), NOW)
    assert chosen.held_by_reserve == {"a", "b"}
    assert (chosen.target_bytes, chosen.selected) == (60, {})
