"""What the look after an apply proves: the word of the apply counts for nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hygiene_core.decide.snapshot import snapshot
from hygiene_core.decide.verify import verified
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.journal import Settled, Verified, WarmthProbed
from hygiene_core.model.plan import Plan, Verb
from hygiene_core.model.policy import Protect
from hygiene_core.testing import (
    GIB,
    MIB,
    NOW,
    builder,
    cache_record,
    container,
    image,
    observation,
    volume,
)
from tests.unit.plans import BUDGET, plan, prune, record, removal, rules

OWN = rules(no_touch=Protect(images=("warm:1",), volumes=("data",), containers=("web",)))
KEPT = (image("warm:1"), volume("data"), container("web"))
GONE = removal()
WARM = builder("warm0")
SEEN = (observation(WARM), observation(WARM))
EMBEDDED = builder("embedded", driver="embedded", container_id=None, container_state=None, volume=None)


def line(made: Plan, settled: Any, before: Any, after: Any, *, own: Any = OWN, **fields: Any) -> Verified:
    return verified(
        made,
        settled,
        before=snapshot(before, made, own),
        after=snapshot(after, made, own),
        seen=after,
        now=NOW,
        **fields,
    )


def check(*given: Any, **fields: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = line(*given, **fields)
    return found.problems, found.notes


def outcome(number: int = 1, word: Outcome = Outcome.REMOVED, **fields: Any) -> Settled:
    return Settled(at=NOW, number=number, outcome=word, **fields)


def test_a_run_that_did_what_it_said():
    before = observation(*KEPT, image("app:1"))
    assert check(plan(GONE), [outcome()], before, observation(*KEPT)) == ((), ())


# -- the no-touch set ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", KEPT, ids=["image", "volume", "container"])
def test_a_protected_thing_that_is_gone(lost):
    before = observation(*KEPT)
    after = observation(*(one for one in KEPT if one is not lost))
    problems, _ = check(plan(), [], before, after)
    assert problems == (f"the protected {lost.kind.value} {lost.id} is gone",)


@pytest.mark.parametrize("lost", KEPT, ids=["image", "volume", "container"])
def test_a_protected_thing_that_could_not_be_looked_for(lost):
    after = observation(
        *(one for one in KEPT if one is not lost), partial={f"{lost.kind.value}s": "deadline of 60 s"}
    )
    problems, notes = check(plan(), [], observation(*KEPT), after)
    assert problems == (
        f"whether the protected {lost.kind.value} {lost.id} is still there could not be read",
    )
    assert notes == (f"{lost.kind.value}s was not complete afterwards: deadline of 60 s",)


def test_what_only_lost_its_name_was_not_removed():
    untagged = replace(KEPT[0], tags=())
    assert check(plan(), [], observation(*KEPT), observation(untagged, *KEPT[1:])) == ((), ())


def test_more_of_it_is_nobodys_harm():
    assert check(plan(), [], observation(), observation(*KEPT)) == ((), ())


def test_what_the_plan_wanted_untouched():
    kept = image("other:1")
    made = plan(untouched=(f"image {kept.id}",))
    problems, _ = check(made, [], observation(kept), observation())
    assert problems == (f"the protected image {kept.id} is gone",)


# -- what was said to be gone --------------------------------------------------------------------------------

STILL = {
    Verb.REMOVE_IMAGE: ("app:1", image("app:1")),
    Verb.REMOVE_VOLUME: ("old", volume("old")),
    Verb.REMOVE_CONTAINER: ("c", container("c")),
    Verb.STOP_AND_REMOVE_CONTAINER: ("c", container("c")),
}


@pytest.mark.parametrize("verb", STILL)
@pytest.mark.parametrize("word", list(Outcome))
def test_what_is_still_there_was_not_removed(verb, word):
    name, thing = STILL[verb]
    step = removal(verb, name, id=thing.id)
    problems, _ = check(plan(step), [outcome(word=word)], observation(thing), observation(thing))
    said = (f"1 of step 1 ({name}) are still there: {thing.id}",)
    assert problems == (said if word in {Outcome.REMOVED, Outcome.ALREADY_ABSENT} else ())


@pytest.mark.parametrize("word", list(Outcome))
def test_files_that_are_still_there(word):
    logs = removal(Verb.REMOVE_FILES, "logs")
    made, seen = plan(removal(), logs), observation()
    said = (f"1 of step 2 (logs) are still there: {logs.id}",)
    found = line(made, [outcome(), outcome(2, word)], seen, seen, left=[2])
    assert found.problems == (said if word in {Outcome.REMOVED, Outcome.ALREADY_ABSENT} else ())
    partly = outcome(2, word, why=Why.IN_USE)
    assert line(made, [outcome(), partly], seen, seen, left=[2]).problems == ()
    assert line(made, [outcome(), outcome(2, word)], seen, seen, left=[1]).problems == ()


def test_records_that_are_still_there():
    made = plan(prune(records=[record("a"), record("b"), record("c")]))
    left = observation(cache_record(id="b"), cache_record(id="c"))
    problems, _ = check(made, [outcome(removed=("a", "b"))], left, left)
    assert problems == ("1 of step 1 (embedded) are still there: b",)


# -- warm builders -------------------------------------------------------------------------------------------


def cache(*sizes: int) -> list[Any]:
    return [
        cache_record(id=f"warm0/{number}", builder="warm0", size_bytes=size)
        for number, size in enumerate(sizes)
    ]


def warm(after: Any, *, before: Any = None, settled: Any = (), made: Any = None) -> tuple[str, ...]:
    made = made or plan(prune("warm0", records=[record("warm0/0", 100 * MIB)]), warm_builders=("warm0",))
    was = observation(WARM, *cache(GIB, GIB)) if before is None else before
    found = line(made, settled, was, after)
    assert found.unmeasured == ("warm0",)
    return found.problems


def test_a_warm_builder_as_it_was():
    assert warm(observation(WARM, *cache(GIB, GIB))) == ()


def test_what_the_host_keeps_warm_counts_though_the_plan_does_not_say_so():
    own = rules(no_touch=Protect(builders=("warm0",)))
    made = plan(prune("other0"))
    before, after = observation(WARM, *cache(GIB, GIB)), observation()
    found = line(made, (), before, after, own=own)
    assert found.problems == ("the warm builder warm0 is gone",)
    assert found.unmeasured == ("warm0",)


def test_a_warm_builder_that_is_gone():
    assert warm(observation()) == ("the warm builder warm0 is gone",)


def test_a_warm_builder_that_could_not_be_looked_for():
    after = observation(unavailable={"builders": "the containers could not be read"})
    assert warm(after) == ("whether the warm builder warm0 is still there could not be read",)


def test_a_warm_builder_that_was_not_there_before_either():
    assert warm(observation(), before=observation()) == ()


@pytest.mark.parametrize("state", ["exited", "paused", None])
def test_a_warm_builder_that_does_not_run_any_more(state):
    after = observation(replace(WARM, container_state=state), *cache(GIB, GIB))
    assert warm(after) == (f"the warm builder warm0 does not run any more: {state}",)


def test_a_warm_builder_that_was_stopped_before():
    stopped = observation(replace(WARM, container_state="exited"), *cache(GIB, GIB))
    assert warm(stopped, before=stopped) == ()


@pytest.mark.parametrize("change", [{"container_id": "f" * 64}, {"volume": "other"}])
def test_a_warm_builder_that_was_made_anew(change):
    after = observation(replace(WARM, **change), *cache(GIB, GIB))
    assert warm(after) == ("the warm builder warm0 has another container or state volume than before",)


def test_a_warm_cache_that_fell_under_its_reserve():
    assert BUDGET.reserved_bytes == GIB
    assert warm(observation(WARM, *cache(GIB - 1))) == (
        f"the cache of the warm builder warm0 holds {GIB - 1} bytes, less than {GIB}",
    )
    assert warm(observation(WARM, *cache(GIB))) == ()


def test_the_largest_record_removed_is_allowed_for():
    settled = [outcome(removed=("warm0/0", "of another"))]
    floor = GIB - 100 * MIB
    assert warm(observation(WARM, *[cache(0, floor)[1]]), settled=settled) == ()
    assert warm(observation(WARM, *[cache(0, floor - 1)[1]]), settled=settled) == (
        f"the cache of the warm builder warm0 holds {floor - 1} bytes, less than {floor}",
    )


def test_a_cache_that_was_under_its_reserve_before():
    small = observation(WARM, *cache(5))
    assert warm(small, before=small) == ()
    assert len(warm(observation(WARM, *cache(4)), before=small)) == 1


def test_a_warm_cache_that_could_not_be_read():
    unread = observation(replace(WARM, records_read=False))
    said = ("the cache of the warm builder warm0 could not be read afterwards",)
    assert warm(unread) == said
    assert warm(unread, before=unread) == (), "nor could it be before"


def test_a_warm_builder_that_nobody_planned_for_has_no_reserve():
    assert warm(observation(WARM), made=plan(warm_builders=("warm0",))) == ()


@pytest.mark.parametrize(
    ("word", "held", "said"),
    [
        (Outcome.REMOVED, 8 * GIB, ()),
        (Outcome.REMOVED, 8 * GIB + 1, (f"of its own, {8 * GIB} are allowed",)),
        (Outcome.KEPT, 8 * GIB + 1, ()),
    ],
)
def test_a_pruned_builder_that_is_above_its_budget(word, held, said):
    seen = observation(EMBEDDED, cache_record(id="c", size_bytes=held))
    problems, notes = check(plan(prune()), [outcome(word=word)], seen, seen)
    assert problems == ()
    assert notes == tuple(f"embedded is above its budget: it holds {held} bytes {words}" for words in said)


def test_a_cache_that_could_not_be_read_is_above_no_budget():
    seen = observation(EMBEDDED, unavailable={"build_cache": "no answer"})
    _, notes = check(plan(prune()), [outcome()], seen, seen)
    assert notes == ("build_cache was not complete afterwards: no answer",)


def test_the_engines_own_builder_is_no_container():
    made = plan(prune(), warm_builders=("embedded",))
    assert check(made, [], observation(), observation())[0] == ()
    was, now = (observation(EMBEDDED, cache_record(id="c", size_bytes=size)) for size in (2 * GIB, GIB - 1))
    assert check(made, [], was, was)[0] == ()
    assert check(made, [], was, now)[0] == (
        f"the cache of the warm builder embedded holds {GIB - 1} bytes, less than {GIB}",
    )
    assert check(made, [], was, observation())[0] == ("the warm builder embedded is gone",)


def test_every_warm_builder_is_looked_at_whatever_the_one_before_it_is():
    """None was there before, none is now; the Engine's own is no container; and each of the others counts."""
    made = plan(prune("embedded"), warm_builders=("a0", "b0", "embedded", "z0"))
    before = observation(builder("b0"), builder("z0"), EMBEDDED, cache_record(id="c", size_bytes=GIB))
    assert check(made, [], before, observation(EMBEDDED, cache_record(id="c", size_bytes=GIB)))[0] == (
        "the warm builder b0 is gone",
        "the warm builder z0 is gone",
    )


def test_every_protected_thing_is_looked_for_whatever_the_one_before_it_is():
    kept = (image("warm:1"), volume("data"), container("web"))
    untagged = replace(kept[0], tags=())
    problems, _ = check(plan(), [], observation(*kept), observation(untagged))
    assert problems == (
        f"the protected container {kept[2].id} is gone",
        f"the protected volume {kept[1].id} is gone",
    )


def test_the_embedded_cache_is_allowed_the_largest_record_that_went():
    made = plan(prune("embedded", records=[record("a", 100 * MIB)]), warm_builders=("embedded",))
    was, now = (
        observation(EMBEDDED, cache_record(id="c", size_bytes=size)) for size in (2 * GIB, GIB - 100 * MIB)
    )
    assert check(made, [outcome(removed=("a",))], was, now)[0] == ()


# -- probes --------------------------------------------------------------------------------------------------


def probe(when: Any, cached_steps: int | None, **fields: Any) -> WarmthProbed:
    made: dict[str, Any] = {"at": NOW, "builder": "warm0", "steps": 5, "seconds": 1.0}
    return WarmthProbed(when=when, cached_steps=cached_steps, **made | fields)


COLD = "warm0 went cold: {} of the 5 steps of its probe came from the cache, {} before{}"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (probe("before", 5), probe("after", 5), ()),
        (probe("before", 4), probe("after", 5), ()),
        (probe("before", 5), probe("after", 4), (COLD.format(4, 5, ""),)),
        (
            probe("before", 5, used=("a", "b")),
            probe("after", 0),
            (COLD.format(0, 5, "; 1 of its records went by the plan"),),
        ),
        (
            probe("before", 5),
            probe("after", None, problem="no answer"),
            ("the probe of warm0 could be built before and not afterwards: no answer",),
        ),
        (probe("before", None, problem="no answer"), probe("after", 0), ()),
        (probe("before", 5, builder="other0"), probe("after", 0), ()),
    ],
)
def test_a_builder_that_went_cold(before, after, said):
    made = plan(prune("warm0"))
    found = line(made, [outcome(removed=("b", "c"))] if before.used else [], *SEEN, probes=[before, after])
    assert found.problems == said
    assert found.notes == ()


def test_what_a_probe_measured():
    made = plan(warm_builders=("other0", "warm0"))
    none = (
        [],
        [probe("before", 5)],
        [probe("after", None, problem="no answer")],
        [probe("after", 5, builder="another0")],
    )
    assert [line(made, [], *SEEN, probes=probes).unmeasured for probes in none] == [("other0", "warm0")] * 4
    assert line(made, [], *SEEN, probes=[probe("after", 0)]).unmeasured == ("other0",)
