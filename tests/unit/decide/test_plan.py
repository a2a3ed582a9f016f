"""What every plan carries, and what blocks it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hygiene_core.decide.plan import PRECONDITIONS, RETIRED_KINDS, STOP_CONDITIONS, inventory_digest
from hygiene_core.decide.plan.room import Room
from hygiene_core.decide.sentence import sentence
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import HostIdentity, Observation
from hygiene_core.model.plan import BlockerCode, Mode, Selection, StayReason
from hygiene_core.model.policy import Bounds, Budget, Protect
from hygiene_core.testing import (
    NOW,
    builder,
    cache_record,
    container,
    engine,
    image,
    judged,
    observation,
    volume,
)
from tests.unit.decide.judging import BUDGET, policy
from tests.unit.decide.planning import planned
from tests.unit.docs_pages import ROOT, section, word

EMBEDDED = builder("embedded", driver="embedded", container_id=None, container_state=None, volume=None)
BUDGETED = policy(budgets={"embedded": BUDGET})
MODES = pytest.mark.parametrize("mode", Mode)


def blockers(plan: Any) -> list[tuple[str, str | None]]:
    return [(one.code.value, one.subject) for one in plan.blockers]


# -- what a plan carries ------------------------------------------------------------------------------------


@MODES
def test_a_plan_names_what_it_leaves_alone_and_which_builders_are_warm(mode: Mode):
    kept = [image("warm:1"), volume("data"), container("web")]
    rules = replace(
        BUDGETED,
        protect=Protect(images=("warm:1",), volumes=("data",), containers=("web",), builders=("warm",)),
    )
    seen = observation(*kept, image("app:1"), EMBEDDED, builder("warm0"), builder("cold0"))
    plan = planned(seen, rules, mode)
    assert {f"{one.kind.value} {one.id}" for one in kept} <= set(plan.untouched)
    assert not any(image("app:1").id in one or "cold0" in one for one in plan.untouched)
    assert {one.partition(" ")[0] for one in plan.untouched} <= {"image", "volume", "container"}
    assert plan.warm_builders == ("warm0",)


@MODES
def test_a_plan_names_its_host_its_run_its_policy_and_its_time(mode: Mode):
    seen = observation(image(), EMBEDDED)
    rules = replace(BUDGETED, bounds=Bounds(expiry=timedelta(hours=3)))
    plan = planned(seen, rules, mode, names=("x*",))
    assert plan.mode is mode
    assert plan.host.name == "chris-testing"
    assert plan.host.machine_id == seen.host.machine_id
    assert (plan.host.engine_id, plan.host.engine_version) == (engine().id, "26.1.5+dfsg1")
    assert plan.host.api_version == "1.45"
    assert (plan.run_id, plan.tool_version, plan.version) == ("run-1", "1.2.3", 1)
    assert (plan.made_at, plan.expires_at, plan.lasts) == (NOW, NOW + plan.lasts, timedelta(hours=3))
    assert (plan.policy_digest, plan.policy_sentence) == (rules.digest, sentence(rules))
    assert plan.selection == Selection(names=("x*",))
    assert plan.bounds == rules.bounds
    assert (plan.preconditions, plan.stop_conditions) == (PRECONDITIONS, STOP_CONDITIONS)
    assert (plan.actions, plan.blockers, plan.is_blocked, plan.left_out) == ((), (), False, 0)


@MODES
def test_the_same_facts_give_the_same_plan(mode: Mode):
    seen = observation(EMBEDDED, cache_record(size_bytes=9 * 2**30), image("a", tags=()), volume("v"))
    assert planned(seen, BUDGETED, mode) == planned(seen, BUDGETED, mode)


# -- the digest of the inventory ----------------------------------------------------------------------------

ROW = judged(image("app:1"))


@pytest.mark.parametrize(
    "other",
    [
        [],
        [ROW, ROW],
        [judged(image("app:2"))],
        [replace(ROW, kind=volume().kind)],
        [replace(ROW, id="sha256:0")],
        [replace(ROW, names=("app:1", "app:2"))],
        [replace(ROW, names=())],
        [replace(ROW, verdict=Verdict.RETAINED)],
        [replace(ROW, names=("\udcff",))],
    ],
)
def test_the_digest_changes_with_every_identity_name_and_verdict(other: list[Any]):
    assert re.fullmatch("[0-9a-f]{64}", inventory_digest(other))
    assert inventory_digest(other) != inventory_digest([ROW])


def test_the_digest_does_not_change_with_what_a_plan_does_not_rest_on():
    assert inventory_digest([replace(ROW, size_bytes=1, unique_bytes=2)]) == inventory_digest([ROW])
    assert inventory_digest(iter([ROW])) == inventory_digest([ROW])


def test_the_digest_is_pinned():
    """A plan of an earlier version has to compare."""
    assert inventory_digest([ROW, judged(container(), Verdict.IN_USE)]) == (
        "a9a96ea5978228f17aaff3130e49c1d66a0869afc9b73fa9ef1a9720b48e69dc"
    )


def test_a_plan_has_the_digest_of_all_rows_whatever_it_selects():
    seen = observation(image("a", tags=()), volume("v"))
    assert planned(seen).inventory_digest == planned(seen, kinds=("volume",)).inventory_digest
    assert planned(seen).inventory_digest != planned(observation(volume("v"))).inventory_digest


# -- blockers -----------------------------------------------------------------------------------------------


@MODES
def test_defaults_remove_nothing(mode: Mode):
    plan = planned(observation(), replace(BUDGETED, source=None), mode)
    assert blockers(plan) == [("NO_POLICY", None)]
    assert plan.is_blocked


def test_a_policy_without_a_budget_prunes_nothing_and_may_retire():
    assert blockers(planned(observation(EMBEDDED), policy(), Mode.BOUNDED)) == [("EMPTY_POLICY", None)]
    assert blockers(planned(observation(EMBEDDED), policy(), Mode.RETIREMENT)) == []


@MODES
@pytest.mark.parametrize("last", [timedelta(hours=1), -timedelta(days=36)])
def test_a_clock_in_doubt_blocks(mode: Mode, last: timedelta):
    plan = planned(observation(), BUDGETED, mode, memory=Memory(last_run_at=NOW + last))
    assert blockers(plan) == [("CLOCK_SUSPECT", None)]
    assert plan.blockers[0].message.startswith("the clock says ")


@MODES
@pytest.mark.parametrize(
    "fields",
    [
        {"engine": engine(id=None)},
        {"host": HostIdentity(machine_id=None, hostname="x", boot_id=None)},
    ],
)
def test_a_host_that_does_not_tell_who_it_is_blocks(mode: Mode, fields: dict[str, Any]):
    assert blockers(planned(observation(**fields), BUDGETED, mode)) == [("HOST_UNKNOWN", None)]


@MODES
def test_without_an_engine_everything_that_is_missing_is_told(mode: Mode):
    plan = planned(observation(engine=None, filesystems=()), BUDGETED, mode)
    assert blockers(plan) == [("HOST_UNKNOWN", None), ("DATA_ROOT_UNPROVEN", None)]
    assert plan.blockers[1].message.endswith("this Engine's: it was not seen")
    assert (plan.host.engine_id, plan.host.engine_version, plan.host.api_version) == (None, None, None)


@MODES
@pytest.mark.parametrize(
    ("version", "blocked"),
    [
        ("1.41", True),
        ("1.9", True),
        ("0.99", True),
        ("", True),
        ("1", True),
        ("1.x", True),
        ("1.-50", True),
        ("1.42", False),
        ("1.100", False),
        ("2.0", False),
        ("1.42.1", False),
    ],
)
def test_an_old_api_blocks(mode: Mode, version: str, blocked: bool):
    plan = planned(observation(engine=engine(api_version=version)), BUDGETED, mode)
    assert blockers(plan) == ([("API_TOO_OLD", None)] if blocked else [])
    assert not blocked or version in plan.blockers[0].message


@MODES
@pytest.mark.parametrize(
    ("reason", "told"), [("no engine-id file", "no engine-id file"), (None, "it was not seen")]
)
def test_a_data_root_that_is_not_proven_blocks(mode: Mode, reason: str | None, told: str):
    seen = observation(engine=engine(proven_data_root=None, data_root_reason=reason), filesystems=())
    plan = planned(seen, BUDGETED, mode)
    assert blockers(plan) == [("DATA_ROOT_UNPROVEN", None)]
    assert plan.blockers[0].message == f"the data root is not proven to be this Engine's: {told}"


@pytest.mark.parametrize("name", ["containers", "images", "volumes", "builders"])
@pytest.mark.parametrize("how", ["partial", "unavailable"])
def test_a_section_that_is_not_complete_blocks_its_part_of_a_retirement(name: str, how: str):
    seen = observation(**{how: {name: "deadline of 60 s"}})
    plan = planned(seen, policy())
    assert blockers(plan) == [("INVENTORY_INCOMPLETE", name)]
    assert plan.blockers[0].message == f"section {name} is not complete: deadline of 60 s"
    assert not plan.is_blocked


@pytest.mark.parametrize("name", ["build_cache", "events", "toolchain"])
def test_a_section_that_a_retirement_does_not_need_blocks_nothing(name: str):
    assert planned(observation(partial={name: "frozen"}), policy()).blockers == ()


SMALL = Budget(max_bytes=1, reserved_bytes=0, min_age=timedelta(0))


def caches(**fields: Any) -> Observation:
    return observation(
        EMBEDDED,
        builder("warm0", **fields),
        cache_record("a", id="a"),
        cache_record("b", id="warm0/b", builder="warm0"),
    )


BOTH = policy(budgets={"embedded": SMALL, "warm": SMALL})


def test_a_cache_that_was_not_read_is_left_out_and_the_others_go():
    plan = planned(caches(records_read=False, container_state="exited"), BOTH, Mode.BOUNDED)
    assert blockers(plan) == [("INVENTORY_INCOMPLETE", "warm0")]
    assert plan.blockers[0].message == (
        "the cache of warm0 is not known: its container is exited; not every record was read"
    )
    assert [one.id for one in plan.actions] == ["embedded"]
    assert [one.builder for one in plan.outlooks] == ["embedded"]
    assert not plan.is_blocked


def test_a_builder_without_container_has_no_cache_to_read():
    plan = planned(caches(records_read=False, container_state=None, container_id=None), BOTH, Mode.BOUNDED)
    assert "its container is not there" in plan.blockers[0].message


def test_the_engines_own_cache_that_was_not_read_is_left_out():
    seen = replace(caches(), sections=observation(partial={"build_cache": "frozen"}).sections)
    plan = planned(seen, BOTH, Mode.BOUNDED)
    assert blockers(plan) == [("INVENTORY_INCOMPLETE", "embedded")]
    assert plan.blockers[0].message == "the cache of embedded is not known: frozen"
    assert [one.id for one in plan.actions] == ["warm0"]


def test_a_cache_without_a_budget_need_not_be_known():
    plan = planned(caches(records_read=False), policy(budgets={"embedded": SMALL}), Mode.BOUNDED)
    assert plan.blockers == ()


def test_builders_that_may_not_all_be_seen_are_said():
    """One that was not seen may be over its budget: that is not the same as nothing to do."""
    plan = planned(observation(unavailable={"builders": "no containers"}), BOTH, Mode.BOUNDED)
    assert blockers(plan) == [("INVENTORY_INCOMPLETE", "builders")]
    assert plan.blockers[0].message == "not every builder is known: no containers"


def test_what_blocks_all_is_told_before_what_blocks_a_part():
    seen = replace(caches(records_read=False), engine=engine(api_version="1.41"))
    plan = planned(seen, replace(BOTH, source=None), Mode.BOUNDED)
    assert [code for code, _ in blockers(plan)] == ["NO_POLICY", "API_TOO_OLD", "INVENTORY_INCOMPLETE"]


# -- room ---------------------------------------------------------------------------------------------------


def test_room_is_taken_in_order_and_ends_with_the_first_that_does_not_fit():
    room = Room.of(Bounds(max_items=5, max_bytes=10))
    assert room.take([("a", 4), ("b", 6), ("c", 1), ("d", 0)]) == ["a", "b"]
    assert (room.items, room.size_bytes, room.left_out) == (3, 0, 2)
    assert room.take([("e", 0)]) == ["e"]


def test_what_does_not_fit_takes_nothing():
    room = Room.of(Bounds(max_items=2, max_bytes=10))
    assert not room.take_one(None)
    assert not room.take_one(11)
    assert not room.take_one(1, items=3)
    assert (room.items, room.size_bytes, room.left_out) == (2, 10, 5)
    assert room.take_one(10, items=2)
    assert (room.items, room.size_bytes) == (0, 0)


# -- the page -----------------------------------------------------------------------------------------------

PAGE = ROOT / "docs/concepts/plans.md"


@pytest.mark.parametrize(
    ("heading", "row", "words"),
    [
        ("What blocks a plan", 0, list(BlockerCode)),
        ("Why records stay", 0, list(StayReason)),
        ("When it may be applied", 0, [*PRECONDITIONS, *STOP_CONDITIONS]),
    ],
)
def test_the_page_has_every_word_in_its_order(heading: str, row: int, words: list[str]):
    # Two tables under one heading: the head lines of the second are no words of code.
    cells = [cells[row] for cells in section(PAGE, heading).rows]
    assert [word(cell) for cell in cells if cell.startswith("`")] == [str(one) for one in words]


def test_the_page_says_which_phase_a_blocker_blocks():
    phases = {word(row[0]): row[1] for row in section(PAGE, "What blocks a plan").rows}
    assert {code: phase for code, phase in phases.items() if phase != "both"} == {"EMPTY_POLICY": "bounded"}


def test_the_page_names_every_kind_in_their_order():
    text = section(PAGE, "Single objects").text.lower()
    places = [text.index(f"{kind.value}s") for kind in RETIRED_KINDS]
    assert places == sorted(places)
