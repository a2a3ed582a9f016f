"""Whether a plan may be applied, and which of its steps: each reason apart, and all of them at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hygiene_core.decide.permit import Refusal, permitted, refusals
from hygiene_core.errors import HygieneError, Refused, error_of
from hygiene_core.model.act import Why
from hygiene_core.model.host_rules import Ceilings
from hygiene_core.model.plan import Blocker, BlockerCode, Mode, PlannedFile, PlannedHost, Verb
from hygiene_core.model.policy import Bounds, Budget, Protect
from hygiene_core.model.resource import Kind
from hygiene_core.testing import GIB, MIB, NOW, digest, image
from tests.unit.plans import (
    BUDGET,
    ENGINE,
    KINDS,
    LATER,
    MACHINE,
    approval,
    plan,
    prune,
    record,
    removal,
    rules,
)

IMAGES = plan(removal(), removal(name="app:2"))
SECOND = timedelta(seconds=1)


def told(made: Any, own: Any = None, **more: Any) -> list[tuple[str, str]]:
    facts: dict[str, Any] = {"machine_id": MACHINE, "engine_id": ENGINE, "now": LATER}
    found = refusals(made, own or rules(), **facts | more)
    assert all(issubclass(error_of(one.code), Refused) for one in found), "a code of the error tree"
    return [(one.code, one.message) for one in found]


@pytest.mark.parametrize("made", [plan(), plan(prune()), IMAGES], ids=["empty", "prune", "images"])
def test_a_plan_that_nothing_is_against(made):
    assert told(made) == []


# -- which host ----------------------------------------------------------------------------------------------


def test_another_machine():
    other = digest("other")[:32]
    assert told(IMAGES, machine_id=other) == [
        ("WRONG_HOST", f"the host's own rules are of machine {MACHINE}, this is {other}"),
        ("WRONG_HOST", f"the plan is for machine {MACHINE}, this is {other}"),
    ]


def test_rules_that_were_copied_from_another_machine():
    (only,) = told(IMAGES, rules(host_id="f" * 32))
    assert only == ("WRONG_HOST", f"the host's own rules are of machine {'f' * 32}, this is {MACHINE}")


def test_a_plan_of_another_machine():
    host = replace(IMAGES.host, machine_id="f" * 32)
    (only,) = told(replace(IMAGES, host=host))
    assert only == ("WRONG_HOST", f"the plan is for machine {'f' * 32}, this is {MACHINE}")


def test_another_engine():
    (only,) = told(IMAGES, engine_id="other")
    assert only == ("WRONG_HOST", f"the plan is for Engine {ENGINE}, other answers here")


def test_ids_that_nobody_knows_do_not_match_each_other():
    """Unknown is not equal to unknown."""
    nobody = PlannedHost(name="lab", machine_id=None, engine_id=None, engine_version=None, api_version=None)
    found = told(replace(IMAGES, host=nobody), machine_id=None, engine_id=None)
    assert {code for code, _ in found} == {"WRONG_HOST"}
    assert len(found) == 2


# -- when ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "codes"),
    [
        (NOW - timedelta(minutes=5) - SECOND, ["CLOCK_SUSPECT"]),
        (NOW - timedelta(minutes=5), []),
        (NOW + timedelta(hours=24) - SECOND, []),
        (NOW + timedelta(hours=24), ["PLAN_EXPIRED"]),
        (NOW + timedelta(days=400), ["PLAN_EXPIRED"]),
    ],
)
def test_the_time_in_which_a_plan_may_be_applied(now, codes):
    assert [code for code, _ in told(IMAGES, now=now)] == codes


def test_a_plan_that_is_to_last_for_years():
    lasting = replace(IMAGES, expires_at=NOW.replace(year=9999))
    ((code, said),) = told(lasting)
    assert (code, said) == ("PLAN_EXPIRED", f"the plan is to last {lasting.lasts.days} days, more than 31")
    assert told(replace(IMAGES, expires_at=NOW + timedelta(days=31))) == []


def test_a_plan_of_another_version():
    assert told(replace(IMAGES, version=2)) == [("PLAN_CHANGED", "the plan is of version 2, not 1")]


def test_only_what_blocks_all_of_a_plan_blocks_it():
    whole = Blocker(code=BlockerCode.NO_POLICY, message="there is no policy")
    part = Blocker(code=BlockerCode.INVENTORY_INCOMPLETE, message="not read", subject="warm0")
    assert told(replace(IMAGES, blockers=(part,))) == []
    assert told(replace(IMAGES, blockers=(part, whole))) == [
        ("PLAN_BLOCKED", "there is no policy [NO_POLICY]")
    ]


# -- how much ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["bounds", "ceilings"])
@pytest.mark.parametrize(
    ("most", "said"),
    [
        ({"max_items": 1}, "the plan takes 2 objects, and at most 1 are allowed"),
        (
            {"max_bytes": 200 * MIB - 1},
            f"the plan takes {200 * MIB} bytes, and at most {200 * MIB - 1} are allowed",
        ),
    ],
    ids=["items", "bytes"],
)
def test_the_lower_of_bounds_and_ceilings_counts(where, most, said):
    if where == "bounds":
        assert told(replace(IMAGES, bounds=Bounds(**most))) == [("BUDGET_EXCEEDED", said)]
    else:
        assert told(IMAGES, rules(ceilings=Ceilings(**most))) == [("BUDGET_EXCEEDED", said)]
    same = {key: value + 1 for key, value in most.items()}
    assert told(replace(IMAGES, bounds=Bounds(**same)), rules(ceilings=Ceilings(**same))) == []


def test_each_record_of_a_cache_is_an_object():
    made = plan(prune(records=[record(str(number)) for number in range(9)]))
    assert told(made, rules(ceilings=Ceilings(max_items=8))) == [
        ("BUDGET_EXCEEDED", "the plan takes 9 objects, and at most 8 are allowed")
    ]


@pytest.mark.parametrize("estimate", [None, -(10**15), 0, 1])
def test_a_figure_that_is_wrong_makes_no_room_for_others(estimate):
    """A prune is counted by its records whatever its estimate says, and no step by less than nothing."""
    made = plan(replace(prune(records=[record("a", 6 * MIB)]), estimate_bytes=estimate))
    ceilings = rules(ceilings=Ceilings(max_bytes=5 * MIB))
    assert told(made, ceilings) == [
        ("BUDGET_EXCEEDED", f"the plan takes {6 * MIB} bytes, and at most {5 * MIB} are allowed")
    ]
    less = plan(removal(estimate_bytes=6 * MIB), removal(name="x", estimate_bytes=-(10**15)))
    assert [code for code, _ in told(less, ceilings)] == ["BUDGET_EXCEEDED"]


def test_a_plan_that_may_take_longer_than_the_host_allows():
    (only,) = told(IMAGES, rules(ceilings=Ceilings(max_time=timedelta(minutes=29))))
    assert only == ("BUDGET_EXCEEDED", "the plan may take 0:30:00, the host allows 0:29:00")


# -- what ----------------------------------------------------------------------------------------------------


def test_a_host_that_allows_nothing():
    assert told(IMAGES, rules(allow=frozenset())) == [("NOT_ALLOWED", "the host does not allow remove_image")]


def test_each_verb_that_is_not_allowed_is_named_once():
    made = plan(removal(), removal(name="b"), removal(Verb.REMOVE_VOLUME, "data"))
    assert told(made, rules(allow=frozenset({Verb.PRUNE_RECORDS}))) == [
        ("NOT_ALLOWED", "the host does not allow remove_image"),
        ("NOT_ALLOWED", "the host does not allow remove_volume"),
    ]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (replace(IMAGES, mode=Mode.BOUNDED), "remove_image is no step of a bounded plan"),
        (replace(plan(prune()), mode=Mode.RETIREMENT), "prune_records is no step of a retirement plan"),
    ],
)
def test_a_step_of_the_other_phase(made, said):
    assert ("NOT_ALLOWED", said) in told(made)


@pytest.mark.parametrize("numbers", [(1, 1), (2, 1), (0, 1), (1, 3)])
def test_steps_that_are_not_numbered_one_by_one(numbers):
    steps = tuple(replace(one, number=number) for one, number in zip(IMAGES.actions, numbers, strict=True))
    assert ("PLAN_CHANGED", "the steps of the plan are not numbered one by one") in told(
        replace(IMAGES, actions=steps)
    )


def test_the_same_thing_twice():
    assert told(plan(removal(), removal())) == [
        ("PLAN_CHANGED", f"the plan names image {image('app:1').id} twice")
    ]


def test_a_verb_on_another_kind_would_be_held_against_the_wrong_patterns():
    disguised = removal(kind=Kind.RUNNER_WORKDIR)
    own = rules(no_touch=Protect(images=("app:1",)))
    assert told(plan(disguised), own) == [("PLAN_CHANGED", "step 1 is to remove_image a runner_workdir")]


# -- the no-touch set ----------------------------------------------------------------------------------------

TOUCHED = {
    "image by tag": (removal(), Protect(images=("app:1",)), "app:1"),
    "image by glob": (removal(), Protect(images=("app:*",)), "app:1"),
    "image by repository": (removal(), Protect(images=("app",)), "app"),
    "image by id": (removal(), Protect(images=(image().id,)), image().id),
    "image by another tag": (
        removal(references=("app:1", "warm:1")),
        Protect(images=("warm:*",)),
        "warm:1",
    ),
    "image by a digest's repository": (
        removal(references=("app:1", f"reg.example:5000/warm@sha256:{digest('x')}")),
        Protect(images=("reg.example:5000/warm",)),
        "reg.example:5000/warm",
    ),
    "container by name": (
        removal(Verb.REMOVE_CONTAINER, "web"),
        Protect(containers=("w?b",)),
        "web",
    ),
    "container by id": (
        removal(Verb.REMOVE_CONTAINER, "web"),
        Protect(containers=(digest("container web"),)),
        digest("container web"),
    ),
    "container of a warm builder": (
        removal(Verb.STOP_AND_REMOVE_CONTAINER, "buildx_buildkit_odoo-docker0"),
        Protect(builders=("odoo-docker",)),
        "odoo-docker",
    ),
    "state volume of a warm builder": (
        removal(Verb.REMOVE_VOLUME, "buildx_buildkit_odoo-docker0_state"),
        Protect(builders=("odoo-docker0",)),
        "odoo-docker0",
    ),
    "volume by glob": (removal(Verb.REMOVE_VOLUME, "data-1"), Protect(volumes=("data-[0-9]",)), "data-1"),
}


@pytest.mark.parametrize(("step", "protect", "name"), TOUCHED.values(), ids=TOUCHED)
def test_what_the_host_never_lets_be_touched(step, protect, name):
    (pattern,) = (*protect.images, *protect.containers, *protect.volumes, *protect.builders)
    assert told(plan(step), rules(no_touch=protect)) == [
        ("NO_TOUCH", f"the host does not let {name} be touched ({pattern})")
    ]
    assert told(plan(step), rules(no_touch=Protect(images=("x",), builders=("x",)))) == []


@pytest.mark.parametrize(
    ("verb", "kind", "fits"),
    [
        (Verb.REMOVE_DIRECTORY, Kind.RUNNER_WORKDIR, True),
        (Verb.REMOVE_DIRECTORY, Kind.RUN_CACHE, True),
        (Verb.REMOVE_DIRECTORY, Kind.VOLUME, False),
        (Verb.REMOVE_FILES, Kind.RUNNER_WORKDIR, True),
        (Verb.REMOVE_FILES, Kind.RUN_CACHE, False),
    ],
)
def test_directories_and_files_are_steps_of_their_own_kinds(verb, kind, fits):
    step = replace(removal(Verb.REMOVE_VOLUME, "data"), verb=verb, kind=kind)
    said = [] if fits else [("PLAN_CHANGED", f"step 1 is to {verb.value} a {kind.value}")]
    assert told(plan(step), rules()) == said


def test_a_pattern_of_another_kind_does_not_count():
    own = rules(no_touch=Protect(volumes=("app*",), containers=("app*",)))
    assert told(plan(removal()), own) == []


def test_a_warm_builder_may_be_pruned_down_to_its_budget():
    assert told(plan(prune("warm0")), rules(no_touch=Protect(builders=("warm*",)))) == []


def test_a_plan_that_removes_what_it_protects():
    step = removal()
    made = plan(step, untouched=(f"image {step.id}",))
    assert told(made) == [("NO_TOUCH", f"the plan names image {step.id} and protects it as well")]


# -- a prune -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"records": ()},
        {"budget": None},
        {"private_bytes": None},
        {"cap_bytes": None},
        {"cap_bytes": 0},
        {"budget": Budget(max_bytes=0, reserved_bytes=0, min_age=timedelta())},
        {"budget": Budget(max_bytes=-1, reserved_bytes=0, min_age=timedelta())},
    ],
)
def test_a_prune_without_a_bound(change):
    assert told(plan(replace(prune(), **change))) == [
        ("UNBOUNDED", "the prune of embedded has no records, no budget or no cap")
    ]


@pytest.mark.parametrize("off", [-1, 1, -(9 * GIB)])
def test_a_cap_that_is_not_what_the_records_leave(off):
    made = prune()
    assert made.cap_bytes is not None
    found = told(plan(replace(made, cap_bytes=made.cap_bytes + off)))
    assert found == [("UNBOUNDED", "the cap of the prune of embedded is not what its records leave")]


def test_a_record_of_less_than_nothing():
    made = prune(records=[record("a", 5), record("b", -5)])
    assert told(plan(made)) == [
        ("UNBOUNDED", "the cap of the prune of embedded is not what its records leave")
    ]


def test_a_record_twice():
    assert told(plan(prune(records=[record("a"), record("a")]))) == [
        ("PLAN_CHANGED", "the prune of embedded names a record twice")
    ]


@pytest.mark.parametrize("where", ["budget", "host"])
def test_a_cache_that_would_fall_under_its_reserve(where):
    left = 9 * GIB - 20 * MIB
    if where == "budget":
        over, fits = ((prune(budget=replace(BUDGET, reserved_bytes=left + more)), rules()) for more in (1, 0))
    else:
        over, fits = ((prune(), rules(reserves={"embedded": left + more, "x": 99 * GIB})) for more in (1, 0))
    assert told(plan(over[0]), over[1]) == [
        ("BUDGET_EXCEEDED", f"embedded would fall under its reserve of {left + 1} bytes")
    ]
    assert told(plan(fits[0]), fits[1]) == []


@pytest.mark.parametrize("name", ["odoo", "odoo0"])
def test_a_reserve_is_of_a_builder_by_its_own_name_or_its_nodes(name):
    floor = 9 * GIB
    assert told(plan(prune("odoo0")), rules(reserves={name: floor})) == [
        ("BUDGET_EXCEEDED", f"odoo0 would fall under its reserve of {floor} bytes")
    ]
    assert told(plan(prune("odoo0")), rules(reserves={"odo": floor, "odoo1": floor})) == []


def test_each_file_of_a_step_is_an_object():
    logs = removal(
        Verb.REMOVE_FILES,
        "logs",
        files=tuple(
            PlannedFile(name=f"{number}.log", device=1, inode=number, ctime_ns=1, size_bytes=1)
            for number in range(9)
        ),
    )
    assert told(plan(logs), rules(ceilings=Ceilings(max_items=8), directories=("/srv",))) == [
        ("BUDGET_EXCEEDED", "the plan takes 9 objects, and at most 8 are allowed")
    ]


def test_every_reason_is_told_at_once():
    made = plan(removal(), removal(), expires_at=NOW)
    found = told(made, rules(allow=frozenset(), ceilings=Ceilings(max_items=1)), engine_id=None)
    assert {code for code, _ in found} == {
        "WRONG_HOST",
        "PLAN_EXPIRED",
        "BUDGET_EXCEEDED",
        "NOT_ALLOWED",
        "PLAN_CHANGED",
    }
    assert isinstance(Refusal("A", "b"), Refusal)
    assert error_of("no such code") is HygieneError


# -- which steps ---------------------------------------------------------------------------------------------


def may(made: Any, *approvals: Any, own: Any = None, pruned: Any = (), now: Any = NOW) -> Any:
    named = [(f"a{number}", one) for number, one in enumerate(approvals)]
    return permitted(made, own or rules(), named, pruned_before=pruned, now=now)


def test_a_retirement_without_an_approval():
    found = may(IMAGES)
    assert found.actions == ()
    assert found.withheld == dict.fromkeys((1, 2), (Why.NOT_APPROVED, "nobody approved it"))
    assert found.approvals == ()


def test_only_the_steps_that_were_approved():
    found = may(IMAGES, approval(2))
    assert found.actions == (IMAGES.actions[1],)
    assert list(found.withheld) == [1]
    assert found.approvals == ("a0",)


def test_approvals_add_up_and_so_do_their_references():
    one = approval(1, references={1: ("app:1",)})
    other = approval(2, references={1: ("app:1", "app:x"), 2: ("app:2",)})
    found = may(IMAGES, one, other)
    assert found.actions == IMAGES.actions
    assert found.references == {1: ("app:1", "app:x"), 2: ("app:2",)}
    assert found.approvals == ("a0", "a1")


@pytest.mark.parametrize(
    "change",
    [
        {"until": NOW},
        {"until": NOW - timedelta(days=1)},
        {"machine_id": "f" * 32},
        {"engine_id": "other"},
        {"approved_by": replace(approval().approved_by, name="mallory")},
    ],
)
def test_a_yes_that_does_not_count(change):
    found = may(IMAGES, replace(approval(1, 2), **change))
    assert (found.actions, found.references, found.approvals) == ((), {}, ())


def test_an_approver_who_is_none_any_more():
    assert may(IMAGES, approval(1), own=rules(approvers=("bob",))).actions == ()


def test_a_step_that_the_plan_does_not_have():
    assert may(IMAGES, approval(99)).actions == ()


def test_a_prune_needs_no_approval():
    made = plan(prune())
    assert may(made).actions == made.actions


def test_the_first_prune_of_more_than_half_needs_one():
    half = prune(records=[record("a", 4 * GIB)], private_bytes=8 * GIB)
    more = prune(records=[record("a", 4 * GIB + 1)], private_bytes=8 * GIB)
    said = "the first prune of a builder that takes more than half of its cache needs an approval"
    assert may(plan(half)).actions
    assert may(plan(more)).withheld == {1: (Why.NOT_APPROVED, said)}
    assert may(plan(more), approval(1)).actions
    assert may(plan(more), pruned={"embedded"}).actions
    assert not may(plan(more), pruned={"other"}).actions
    assert may(plan(replace(more, private_bytes=None))).withheld, "unknown is no permission"


def test_every_verb_has_its_kind():
    assert set(KINDS) | {Verb.PRUNE_RECORDS} <= set(Verb)
    for verb in KINDS:
        assert told(plan(removal(verb, "x"))) == []
