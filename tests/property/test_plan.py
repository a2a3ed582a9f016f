"""What holds for every plan, whatever the policy, the inventory and the selection are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, event, given
from hypothesis import strategies as st

from hygiene_core.decide.classify import classify
from hygiene_core.decide.layers import layer_tree
from hygiene_core.model.codec import decode, encode, plan_adapter
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.observation import SectionName
from hygiene_core.model.plan import Mode, Verb
from hygiene_core.model.policy import Bounds, Budget, Protect
from hygiene_core.model.resource import Builder, Image, Kind, Mount
from hygiene_core.testing import NOW, builder, observation, runner, section, volume
from tests.property.test_decide import DAY, caches, image_trees, inventories, prefixes, true_bytes
from tests.unit.decide.judging import ALL_AGES, LONG_AGO, container, context_of, memory_of, policy
from tests.unit.decide.planning import EVERY_VERDICT, planned

EMBEDDED = builder("embedded", driver="embedded", container_id=None, container_state=None, volume=None)
HELD = {Verdict.PROTECTED, Verdict.IN_USE, Verdict.UNKNOWN}
LISTS = {
    SectionName.IMAGES: "images",
    SectionName.CONTAINERS: "containers",
    SectionName.VOLUMES: "volumes",
    SectionName.BUILD_CACHE: "build_cache",
    SectionName.BUILDERS: "builders",
}


@st.composite
def orphans(draw):
    """A builder with its container and its volume, in every state between warm and forgotten."""
    flag = st.booleans()
    state = draw(st.sampled_from(["running", "exited", "odd"]))
    made = builder(
        "left0",
        container_state=state,
        instances=draw(st.sampled_from([(), (), (), None, ("/root/.docker/buildx/instances/left",)])),
        sessions=draw(st.sampled_from([0, 0, 0, 1])),
        running_builds=draw(st.sampled_from([0, 0, 0, 1])),
        image_id=None,
    )
    mount = Mount(type="volume", name=made.volume, destination="/var/lib/buildkit")
    labels = st.sampled_from([{}, {}, {}, {"lane": ""}, {"hygiene.protect": "1"}])
    part = container(
        "buildx_buildkit_left0",
        id=made.container_id,
        state=state,
        labels=draw(labels),
        mounts=(mount,) if draw(flag) else (),
        finished_at=NOW - draw(st.sampled_from([1, 60])) * DAY,
    )
    kept = volume(made.volume, labels=draw(labels), created_at=LONG_AGO)
    spy = [container("spy", mounts=(mount,))] if draw(flag) else []
    return made, [part, *spy], kept


@st.composite
def hosts(draw):
    """An inventory, with a forgotten builder beside it; one of its sections may not be there at all."""
    seen = draw(inventories())
    if draw(st.booleans()):
        made, parts, kept = draw(orphans())
        seen = replace(
            seen,
            builders=(*seen.builders, made),
            containers=(*seen.containers, *parts),
            volumes=(*seen.volumes, kept),
        )
    if draw(st.booleans()):
        seen = replace(seen, builders=(*seen.builders, EMBEDDED))
    gone = draw(st.sampled_from([None, None, None, *LISTS]))
    if gone is not None:
        away = section(gone, "unavailable", reason="frozen")
        seen = replace(seen, sections={**seen.sections, gone: away}, **{LISTS[gone]: ()})
    return seen


BOUNDS = st.builds(Bounds, max_items=st.integers(1, 12), max_bytes=st.integers(1, 2**29))
BUDGETS = st.builds(
    Budget,
    max_bytes=st.integers(0, 200),
    reserved_bytes=st.integers(0, 200),
    min_age=st.integers(0, 20).map(lambda days: days * DAY),
    min_free_bytes=st.one_of(st.none(), st.integers(1, 10**13)),
)
PATTERNS = st.lists(st.sampled_from(["*", "i0*", "c1", "v?", "b0", "left*", "*state"]), max_size=2).map(tuple)


@st.composite
def policies(draw):
    return policy(
        source=draw(st.sampled_from(["hygiene.toml", None])),
        protect=draw(
            st.builds(Protect, builders=PATTERNS, images=PATTERNS, volumes=PATTERNS, containers=PATTERNS)
        ),
        ages=replace(ALL_AGES, grace=draw(st.sampled_from([DAY, 7 * DAY]))),
        bounds=draw(BOUNDS),
        budgets=draw(st.dictionaries(st.sampled_from(["embedded", "b", "left"]), BUDGETS, max_size=2)),
    )


SELECTIONS = st.fixed_dictionaries(
    {"verdicts": st.sampled_from([("candidate",), ("candidate", "retained"), EVERY_VERDICT.verdicts])},
    optional={
        "kinds": st.lists(st.sampled_from([kind.value for kind in Kind]), max_size=3).map(tuple),
        "names": st.lists(st.sampled_from(["*", "i*", "*left*", "embedded"]), max_size=2).map(tuple),
        "min_bytes": st.integers(0, 2**28),
    },
)
SINCE = st.sampled_from([0, 3, 60]).map(lambda days: NOW - days * DAY)


def check_nothing_held(seen, rules, plan, memory):
    rows = {(row.kind, row.id): row for row in classify(seen, context_of(seen, rules, memory))}
    builders = {one.container_id: one for one in seen.builders if one.container_id}
    planned_ids = set()
    for action in plan.actions:
        event(action.verb.value)
        assert (action.kind, action.id) not in planned_ids
        planned_ids.add((action.kind, action.id))
        if action.verb is Verb.PRUNE_RECORDS:
            assert plan.mode is Mode.BOUNDED
            for record in action.records:
                assert rows[Kind.BUILD_CACHE, record.id].verdict is Verdict.CANDIDATE
            continue
        assert plan.mode is Mode.RETIREMENT
        row = rows[action.kind, action.id]
        if row.verdict not in HELD:
            continue
        # Only of a builder that may go, and only what the builder itself holds.
        first = plan.actions[action.after[0] - 1] if action.after else action
        owner = builders[first.id]
        assert rows[Kind.BUILDER, owner.id].verdict is Verdict.CANDIDATE
        assert row.verdict is Verdict.IN_USE
        if action.after:
            assert {one.rule for one in row.reasons} == {"use.mount"}
            assert row.used_by == (first.name,)
        else:
            assert {one.rule for one in row.reasons} == {"use.active"}


@given(hosts(), policies(), st.sampled_from(Mode), SELECTIONS, SINCE)
def test_nothing_that_is_held_is_ever_planned(seen, rules, mode, selection, since):
    memory = memory_of(seen, since=since)
    check_nothing_held(seen, rules, planned(seen, rules, mode, memory=memory, **selection), memory)


@given(orphans(), st.sampled_from(EVERY_VERDICT.verdicts), st.booleans())
def test_nothing_of_a_builder_that_something_else_holds_is_ever_planned(made, verdict, busy):
    found, parts, kept = made
    lane = runner(label="lane", busy=busy)
    seen = observation(found, *parts, kept, lane)
    plan = planned(seen, verdicts=("candidate", verdict))
    check_nothing_held(seen, policy(), plan, memory_of(seen))


@given(hosts(), policies(), st.sampled_from(Mode), SELECTIONS)
def test_a_plan_stays_within_its_bounds_and_counts_its_steps(seen, rules, mode, selection):
    plan = planned(seen, rules, mode, **selection)
    items = sum(len(one.records) or 1 for one in plan.actions)
    assert items <= rules.bounds.max_items
    assert plan.estimate_bytes is not None
    assert plan.estimate_bytes <= rules.bounds.max_bytes
    assert [one.number for one in plan.actions] == list(range(1, len(plan.actions) + 1))
    assert all(before < one.number for one in plan.actions for before in one.after)


@given(hosts(), policies(), st.sampled_from(Mode), SELECTIONS)
def test_planning_twice_gives_equal_bytes_that_mean_the_plan(seen, rules, mode, selection):
    first = planned(seen, rules, mode, **selection)
    again = planned(seen, rules, mode, **selection)
    stored = encode(plan_adapter(), first, indent=1)
    assert stored == encode(plan_adapter(), again, indent=1)
    assert decode(plan_adapter(), stored) == first


@st.composite
def pruned(draw):
    """Records, the budget of their builder, and the plan of both."""
    records, budget = draw(caches()), draw(BUDGETS)
    rules = policy(budgets={"embedded": budget}, bounds=draw(BOUNDS))
    free = draw(st.integers(0, 10**13))
    disk = replace(observation().filesystems[0], free_bytes=free)
    seen = observation(EMBEDDED, *records, filesystems=(disk,))
    return records, budget, planned(seen, rules, Mode.BOUNDED)


@given(pruned())
def test_a_prune_goes_leaf_first_and_never_under_the_reserve(made):
    records, budget, plan = made
    for outlook in plan.outlooks:
        assert outlook.planned_bytes == sum(one.estimate_bytes for one in plan.actions)
        if outlook.planned_bytes:
            assert outlook.remaining_bytes >= budget.reserved_bytes
        stay = sum(one.count for one in outlook.staying)
        assert stay + sum(len(one.records) for one in plan.actions) == len(records)
    for action in plan.actions:
        gone: set[str] = set()
        for record in action.records:
            children = {one.id for one in records if record.id in one.parents}
            assert children <= gone, "a parent goes only after all its children"
            gone.add(record.id)
        assert action.cap_bytes == action.private_bytes - action.estimate_bytes + 1
        assert action.cap_bytes > 0
        assert action.private_bytes == sum(one.size_bytes or 0 for one in records if not one.shared)


@given(pruned())
def test_a_budget_that_is_not_met_says_why(made):
    """Where all that stays is called enough, it is enough."""
    _, _, plan = made
    for outlook in plan.outlooks:
        if not outlook.is_met:
            assert {one.why.value for one in outlook.staying} - {"budget_met"}


@given(image_trees(), st.data())
def test_images_never_promise_a_layer_twice_nor_one_that_another_holds(tree_and_sizes, data):
    images, sizes = tree_and_sizes
    assume(len({one.id for one in images}) == len(images))
    kept = data.draw(st.sets(st.sampled_from(range(len(images)))))
    labelled = [
        replace(one, tags=(), labels={"hygiene.protect": "1"} if n in kept else {})
        for n, one in enumerate(images)
    ]
    rules = policy(bounds=Bounds(max_items=data.draw(st.integers(1, 8))))
    plan = planned(observation(*labelled), rules)
    going = {one.id for one in plan.actions}
    assert going.isdisjoint(labelled[n].id for n in kept)
    gone = [one for one in labelled if one.id in going]
    stay = [one for one in labelled if one.id not in going]
    assert plan.estimate_bytes <= true_bytes(prefixes(gone) - prefixes(stay), sizes)
    tree = layer_tree(labelled)
    assert plan.estimate_bytes == tree.freed_bytes(going)


@given(hosts(), policies(), SELECTIONS)
def test_an_image_goes_with_all_its_references_and_without_a_container(seen, rules, selection):
    plan = planned(seen, rules, Mode.RETIREMENT, **selection)
    images = {one.id: one for one in seen.images}
    for action in plan.actions:
        if action.kind is Kind.IMAGE:
            found = images[action.id]
            assert isinstance(found, Image)
            assert set(action.references) == set(found.names)
            assert all(one.image_id != action.id for one in seen.containers)


@given(hosts(), policies(), SELECTIONS, st.integers(0, 10**6))
def test_more_bounds_never_let_through_less_of_what_goes_first(seen, rules, selection, more):
    """A narrower bound cuts records off the end; it never brings another to the front."""
    tight = planned(seen, rules, Mode.BOUNDED, **selection)
    wide = replace(rules, bounds=replace(rules.bounds, max_items=rules.bounds.max_items + more))
    loose = {one.id: one.records for one in planned(seen, wide, Mode.BOUNDED, **selection).actions}
    for action in tight.actions[:1]:
        assert loose[action.id][: len(action.records)] == action.records


@given(hosts(), policies(), SELECTIONS)
def test_a_selection_only_narrows(seen, rules, selection):
    unbound = replace(rules, bounds=Bounds(max_items=10**6, max_bytes=10**15))
    everything = planned(seen, unbound, verdicts=EVERY_VERDICT.verdicts)
    some = planned(seen, unbound, **selection)
    assert {one.id for one in some.actions} <= {one.id for one in everything.actions}


def test_the_builders_of_the_strategy_do_go():
    """Otherwise the properties above would hold of nothing."""
    made = builder(
        "left0", container_state="running", instances=(), sessions=0, running_builds=0, image_id=None
    )
    assert isinstance(made, Builder)
    part = container("buildx_buildkit_left0", id=made.container_id, state="running")
    seen = observation(made, part, volume(made.volume, created_at=NOW - timedelta(days=60)))
    assert [one.verb for one in planned(seen).actions] == [
        Verb.STOP_AND_REMOVE_CONTAINER,
        Verb.REMOVE_VOLUME,
    ]
