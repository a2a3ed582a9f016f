"""What came back, what was built again, and the findings about removals."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.decide.findings.removals import removals
from hygiene_core.decide.naming import named
from hygiene_core.decide.permit import Permitted
from hygiene_core.decide.returning import LISTED, acts_of
from hygiene_core.model.act import Why
from hygiene_core.model.acts import Acts, Apply, BuiltAgain, CameBack, History, Removed
from hygiene_core.model.journal import NamedRecord, NamedThing
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.plan import Action, Mode, PlannedRecord, Verb
from hygiene_core.model.policy import Limits
from hygiene_core.model.resource import Kind
from hygiene_core.testing import GIB, MIB, NOW, cache_record, image, observation, volume
from tests.unit.decide.judging import LONG_AGO, container, context_of, policy

WENT = NOW - timedelta(days=5)
LATER = NOW - timedelta(days=3)
BUILDER = "odoo-docker-chris-testing0"
APPLY = Apply(
    run_id="0123456789abcdef",
    mode="bounded",
    digest="d",
    caller="chris",
    began_at=WENT,
    ended_at=WENT,
    exit_status=0,
)


def gone(kind="image", identity="sha256:old", name="app:1", **fields):
    made = {"references": (name,) if kind == "image" else (), "run_id": "run-1", "removed_at": WENT}
    return Removed(kind=kind, id=identity, name=name, **made | fields)


def record_gone(description, **fields):
    return gone("build_cache", f"{BUILDER}/x", description, builder=BUILDER, **fields)


def known_since(seen, at):
    """A memory in which everything was first seen at one time."""
    entries = {
        (one.kind.value, one.id): Known(first_seen_at=at, idle_since_at=at, names=tuple(sorted(one.names)))
        for one in (*seen.images, *seen.containers, *seen.volumes, *seen.build_cache)
    }
    return Memory(entries=entries, last_run_at=NOW - timedelta(days=1))


def told(history, *resources, since=LATER, **fields):
    seen = observation(*resources, **fields)
    return acts_of(history, seen, context_of(seen, memory=known_since(seen, since)))


def test_nothing_is_known():
    assert told(History(reason="not for this user"), image("app:1")) == Acts(reason="not for this user")


def test_what_is_known_is_handed_on():
    history = History(
        last=APPLY, last_bounded=APPLY, unsettled=("a",), running=("b",), busy=2, busy_since_at=WENT
    )
    assert told(history) == Acts(
        last=APPLY, last_bounded=APPLY, unsettled=("a",), running=("b",), busy=2, busy_since_at=WENT
    )


def test_an_image_came_back_by_a_reference_under_another_id():
    new = image("app:1")
    made = told(History(removed=(gone(),)), new)
    assert made.came_back == (
        CameBack(
            kind="image",
            id=new.id,
            name="app:1",
            size_bytes=100 * MIB,
            run_id="run-1",
            removed_at=WENT,
            back_since_at=LATER,
        ),
    )
    assert (made.came_back_count, made.came_back_bytes) == (1, 100 * MIB)


def test_an_image_came_back_by_its_id_alone():
    untagged = image("app:1", tags=())
    (one,) = told(History(removed=(gone(identity=untagged.id, references=()),)), untagged).came_back
    assert one.name == untagged.id
    assert told(History(removed=(gone(references=("other:1",), name="other:1"),)), untagged).came_back == ()


def test_a_name_of_another_kind_is_another_thing():
    assert told(History(removed=(gone("volume", "app:1"),)), image("app:1")).came_back == ()


def test_containers_and_volumes_tell_themselves_since_when():
    history = History(removed=(gone("container", "c1", "web"), gone("volume", "data", "data")))
    again = LATER + timedelta(hours=7)
    made = told(history, container("web", created_at=again), volume("data", created_at=again))
    assert [(one.kind, one.name, one.back_since_at) for one in made.came_back] == [
        ("volume", "data", again),
        ("container", "web", again),
    ]


@pytest.mark.parametrize("created_at", [None, LONG_AGO])
def test_a_creation_that_is_not_told_or_older_says_nothing(created_at):
    history = History(removed=(gone("volume", "data", "data"),))
    (one,) = told(history, volume("data", created_at=created_at)).came_back
    assert one.back_since_at == LATER
    (other,) = told(history, volume("data", created_at=created_at), since=LONG_AGO).came_back
    assert other.back_since_at is None


def test_each_thing_that_is_there_stands_once_by_its_last_removal():
    history = History(
        removed=(gone(run_id="run-2", removed_at=LATER), gone(identity="sha256:older", run_id="run-1"))
    )
    (one,) = told(history, image("app:1"), since=NOW - timedelta(days=1)).came_back
    assert one.run_id == "run-2"


def test_what_went_while_it_was_looked_at_did_not_come_back():
    seen = observation()
    history = History(removed=(gone(removed_at=seen.started_at),))
    assert told(history, image("app:1")).came_back_count == 0


def test_a_size_that_is_not_known_makes_the_sum_unknown():
    history = History(removed=(gone(), gone(name="app:2", identity="sha256:b")))
    made = told(history, image("app:1", size_bytes=None), image("app:2", size_bytes=GIB))
    assert [one.name for one in made.came_back] == ["app:2", "app:1"]
    assert (made.came_back_count, made.came_back_bytes) == (2, None)


def test_many_are_counted_and_the_biggest_listed():
    names = [f"app:{number}" for number in range(LISTED + 3)]
    history = History(removed=tuple(gone(name=name, identity=name) for name in names))
    made = told(history, *(image(name, size_bytes=number) for number, name in enumerate(names)))
    assert (len(made.came_back), made.came_back_count) == (LISTED, LISTED + 3)
    assert made.came_back[0].size_bytes == LISTED + 2


def record(description, number=0, **fields):
    made = {"id": f"{BUILDER}/n{number}", "builder": BUILDER, "created_at": LATER, "size_bytes": GIB}
    return cache_record(description, **made | fields)


def test_records_are_built_again_one_for_one():
    history = History(removed=(record_gone("RUN make"), record_gone("RUN make"), record_gone("COPY .")))
    seen = [record("RUN make", number) for number in range(3)]
    assert told(history, *seen).built_again == (
        BuiltAgain(builder=BUILDER, count=2, removed_count=3, size_bytes=2 * GIB),
    )


@pytest.mark.parametrize(
    "there",
    [
        record("RUN other"),
        record("RUN make", created_at=LONG_AGO),
        record("RUN make", builder="another"),
        record(""),
    ],
    ids=["another step", "was there all the time", "another builder", "without a description"],
)
def test_what_is_no_record_that_was_built_again(there):
    history = History(removed=(record_gone("RUN make"), record_gone("")))
    assert told(history, there).built_again == ()


def test_a_record_without_a_time_goes_by_our_first_look():
    history = History(removed=(record_gone("RUN make"),))
    there = record("RUN make", created_at=None)
    assert len(told(history, there).built_again) == 1
    assert told(history, there, since=LONG_AGO).built_again == ()


def test_records_of_unknown_size():
    history = History(removed=(record_gone("RUN make"),))
    (one,) = told(history, record("RUN make", size_bytes=None)).built_again
    assert one.size_bytes is None


def test_a_builder_that_is_not_there_any_more():
    assert told(History(removed=(record_gone("RUN make"), gone("build_cache", "x", "RUN")))).built_again == ()


# ---- findings


def found(acts, **limits):
    rules = policy(limits=Limits(**limits))
    return removals(acts, context_of(observation(), rules))


@pytest.mark.parametrize("acts", [None, Acts(reason="not for this user", unsettled=("a",)), Acts(last=APPLY)])
def test_nothing_to_say(acts):
    assert found(acts, max_days_without_apply=1) == []


def test_an_unsettled_run():
    (one,) = found(Acts(unsettled=("0123456789abcdef",)))
    assert (one.code, one.severity, one.next_step) == ("UNSETTLED_RUN", "critical", "hygiene settle")
    assert one.message.startswith("the run 01234567 was cut off")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"problems": 1}, "1 problem was found afterwards"),
        ({"problems": 2, "outcomes": {"failed": 1}}, "2 problems were found afterwards"),
        ({"outcomes": {"failed": 1, "removed": 4}}, "1 call failed"),
        ({"outcomes": {"failed": 3}}, "3 calls failed"),
        ({"halted": "FOREIGN", "exit_status": 4}, "it stopped early, FOREIGN"),
    ],
)
def test_an_apply_that_did_not_end_well(fields, said):
    (one,) = found(Acts(last=replace(APPLY, **fields)))
    assert (one.code, one.severity, one.next_step) == ("APPLY_FAILED", "critical", "hygiene acts 01234567")
    assert one.message == f"the last apply did not end well: {said}"


def test_an_apply_that_was_kept_from_it_is_no_failure():
    assert found(Acts(last=replace(APPLY, halted="JOB_RUNNING", exit_status=5))) == []


@pytest.mark.parametrize(
    ("count", "said"), [(1, "1 step of the last apply was"), (2, "2 steps of the last apply were")]
)
def test_an_apply_that_waits_for_a_person_is_told(count, said):
    (one,) = found(Acts(last=replace(APPLY, outcomes={"refused": count, "removed": 1})))
    assert (one.code, one.severity, one.next_step) == ("APPLY_REFUSED", "warning", "hygiene acts 01234567")
    assert one.message == f"{said} refused"


def test_starving():
    acts = Acts(last_bounded=APPLY, busy=3, busy_since_at=NOW - timedelta(days=2))
    (one,) = found(acts, max_days_without_apply=5)
    assert (one.code, one.severity, one.figure, one.limit) == ("APPLY_STARVED", "warning", 5, 5)
    assert one.message == "no bounded apply has ended well for 5 days: 3 runs found the host busy"
    assert found(acts, max_days_without_apply=6) == []
    assert found(acts) == []
    never = replace(acts, last_bounded=None, busy=1)
    assert "for 2 days: 1 run found" in found(never, max_days_without_apply=2)[0].message
    assert found(never, max_days_without_apply=3) == []


@pytest.mark.parametrize(("size_bytes", "unit"), [(GIB, "bytes"), (None, None)])
def test_what_came_back_is_told(size_bytes, unit):
    again = BuiltAgain(builder=BUILDER, count=2, removed_count=9, size_bytes=size_bytes)
    first, second = found(Acts(came_back_count=1, came_back_bytes=size_bytes, built_again=(again,)))
    assert (first.code, first.severity, first.figure, first.unit) == ("CAME_BACK", "info", size_bytes, unit)
    assert first.message == "1 thing is there again that an apply removed"
    assert (second.subject, second.figure, second.unit) == (BUILDER, size_bytes, unit)
    assert second.message == f"2 of 9 removed records of {BUILDER} were built again"
    (many,) = found(Acts(came_back_count=2))
    assert many.message == "2 things are there again that an apply removed"


# ---- names for the journal


def action(number, verb=Verb.REMOVE_IMAGE, **fields):
    made = {
        "kind": Kind.IMAGE,
        "id": f"sha256:{number}",
        "name": f"app:{number}",
        "estimate_bytes": number,
        "reasons": ("untagged",),
        "references": (f"app:{number}",),
    }
    return Action(number=number, verb=verb, **made | fields)


RECORDS = (PlannedRecord(id="a", size_bytes=5, last_used_at=None, usage_count=None, description="RUN make"),)
PRUNE = action(
    2, Verb.PRUNE_RECORDS, kind=Kind.BUILDER, id=BUILDER, name=BUILDER, references=(), records=RECORDS
)


class Planned:
    """The two fields of a plan that are asked."""

    def __init__(self, mode, *actions):
        self.mode = mode
        self.actions = actions


@pytest.mark.parametrize(("mode", "numbers"), [(Mode.RETIREMENT, [1]), (Mode.BOUNDED, [1, 2])])
def test_names_of_what_may_be_done_and_of_what_a_bounded_run_refuses(mode, numbers):
    allowed = Permitted(
        actions=(action(1),), references={}, withheld={2: (Why.NOT_APPROVED, "the first of its builder")}
    )
    made = named(Planned(mode, action(1), PRUNE), allowed, NOW)
    assert [one.number for one in made.things] == numbers
    assert made.things[0] == NamedThing(
        number=1,
        verb="remove_image",
        kind="image",
        id="sha256:1",
        name="app:1",
        references=("app:1",),
        estimate_bytes=1,
    )
    assert all(one.records == () for one in made.things)


def test_records_are_named_by_what_they_were_a_step_of():
    allowed = Permitted(actions=(PRUNE,), references={}, withheld={})
    (one,) = named(Planned(Mode.BOUNDED, PRUNE), allowed, NOW).things
    assert one.records == (NamedRecord(id="a", description="RUN make", size_bytes=5),)
