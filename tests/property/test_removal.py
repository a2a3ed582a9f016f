"""Whatever a plan holds: what is let through is within the host's rules, and a prune within its bounds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hygiene_core.decide.permit import permitted, refusals
from hygiene_core.decide.recheck import recheck_records
from hygiene_core.model.host_rules import Ceilings
from hygiene_core.model.plan import Verb
from hygiene_core.model.policy import Bounds, Protect, first_match
from hygiene_core.model.resource import Kind
from hygiene_core.testing import NOW, cache_record
from tests.unit.decide.test_recheck import planned
from tests.unit.plans import ENGINE, KINDS, MACHINE, approval, plan, prune, record, removal, rules

NAMES = st.sampled_from(["a:1", "a:2", "b:1", "warm:1", "x", "data-1", "buildx_buildkit_warm0"])
GLOBS = st.lists(st.sampled_from(["a:*", "warm", "warm:1", "x", "data-[0-9]", "*"]), max_size=2).map(tuple)
SIZES = st.one_of(st.none(), st.integers(-(2**40), 2**40))


@st.composite
def steps(draw):
    verb = draw(st.sampled_from(list(Verb)))
    if verb not in KINDS:
        sizes = draw(st.lists(st.integers(0, 50), max_size=4))
        records = [record(str(number), size) for number, size in enumerate(sizes)]
        change = draw(st.sampled_from([{}, {"cap_bytes": 5}, {"private_bytes": 60}, {"records": ()}]))
        return replace(prune(draw(NAMES), records), estimate_bytes=draw(SIZES), **change)
    name = draw(NAMES)
    step = removal(verb, name, estimate_bytes=draw(SIZES))
    if verb is Verb.REMOVE_IMAGE:
        step = replace(step, references=draw(st.lists(NAMES, max_size=3).map(tuple)))
    return replace(step, kind=draw(st.sampled_from([step.kind, step.kind, step.kind, Kind.VOLUME])))


OWN = st.builds(
    lambda allow, globs, items, size: rules(
        allow=allow,
        no_touch=Protect(images=globs, containers=globs, volumes=globs),
        ceilings=Ceilings(max_items=items, max_bytes=size),
    ),
    st.frozensets(st.sampled_from(list(Verb))),
    GLOBS,
    st.integers(1, 6),
    st.integers(1, 2**41),
)
PLANS = st.builds(
    lambda actions, size: plan(*actions, bounds=Bounds(max_bytes=size)),
    st.lists(steps(), max_size=4),
    st.integers(1, 2**41),
)


@given(PLANS, OWN, st.sets(st.integers(0, 6)), st.booleans())
def test_what_is_let_through_is_within_the_hosts_rules(made, own, items, may_approve):
    if refusals(made, own, machine_id=MACHINE, engine_id=ENGINE, now=NOW):
        return
    yes = approval(*items)
    if not may_approve:
        yes = replace(yes, approved_by=replace(yes.approved_by, name="mallory"))
    found = permitted(made, own, [("y", yes)], pruned_before=(), now=NOW)
    globs = own.no_touch.images
    for action in found.actions:
        assert action.verb in own.allow
        if action.verb is Verb.PRUNE_RECORDS:
            assert action.records
            assert (action.cap_bytes or 0) > 0
            continue
        assert not first_match(globs, (action.id, action.name, *action.references))
        assert action.number in items
        assert may_approve
    assert sum(max(1, len(action.records)) for action in found.actions) <= own.ceilings.max_items
    taken = [max(0, action.estimate_bytes or 0) for action in found.actions]
    assert sum(taken) <= min(own.ceilings.max_bytes, made.bounds.max_bytes)
    assert {action.number for action in found.actions}.isdisjoint(found.withheld)
    assert len(found.actions) + len(found.withheld) == len(made.actions)


@st.composite
def caches(draw):
    """Records over a random graph, and a plan of some of them that may be out of date."""
    made = []
    for number in range(draw(st.integers(0, 10))):
        parents = draw(st.sets(st.sampled_from([one.id for one in made]), max_size=3)) if made else set()
        made.append(
            cache_record(
                id=f"r{number}",
                parents=tuple(sorted(parents)),
                size_bytes=draw(st.one_of(st.none(), st.integers(0, 100))),
                shared=draw(st.booleans()),
                in_use=draw(st.sampled_from([False, False, True])),
                usage_count=draw(st.integers(1, 2)),
            )
        )
    wanted = draw(st.permutations([one for one in made if one.size_bytes is not None]))
    plan_of = [
        planned(one, usage_count=draw(st.sampled_from([one.usage_count, one.usage_count, 9])))
        for one in wanted
    ]
    gone = draw(st.sets(st.sampled_from([one.id for one in made]))) if made else set()
    return plan_of, [one for one in made if one.id not in gone]


@given(caches(), st.integers(0, 400), st.integers(0, 400))
def test_what_still_goes_leaves_the_reserve_and_no_orphan(cache, target, reserve):
    wanted, records = cache
    found = recheck_records(wanted, records, target_bytes=target, reserved_bytes=reserve)
    going = {one.id for one in found.going}
    for one in records:
        if going & set(one.parents):
            assert one.id in going, "whatever stands on a record that goes, goes as well"
    freed = sum(one.size_bytes for one in found.going)
    if going:
        assert found.private_bytes - freed >= reserve
    assert found.cap_bytes > 0
    assert found.cap_bytes == found.private_bytes - freed + 1
    by_id = {one.id: one for one in records}
    for one in going:
        assert not by_id[one].shared
        assert not by_id[one].in_use
    assert going.isdisjoint(found.dropped)
    assert going | set(found.dropped) == {one.id for one in wanted}
    order = [one.id for one in wanted if one.id in going]
    assert [one.id for one in found.going] == order
