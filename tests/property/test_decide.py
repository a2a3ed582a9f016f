"""What holds for every inventory, not only for those somebody thought of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from hygiene_core.decide.cache import select_records
from hygiene_core.decide.classify import classify
from hygiene_core.decide.layers import layer_tree
from hygiene_core.decide.plan.retirement import retire_actions
from hygiene_core.decide.plan.room import Room
from hygiene_core.decide.relations import builder_names
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import SectionName
from hygiene_core.model.plan import Selection
from hygiene_core.model.policy import Ages, Bounds, Budget, Protect, RunCacheRoot
from hygiene_core.model.resource import Image, Kind, Mount
from hygiene_core.testing import (
    NOW,
    builder,
    cache_record,
    diagnostic_log,
    image,
    observation,
    run_cache,
    runner,
    volume,
    workdir,
)
from tests.unit.decide.judging import BUDGET, container, context_of, judge, memory_of, policy

DAY = timedelta(days=1)


@st.composite
def image_trees(draw):
    """Images over a random tree of layers whose true sizes are known: (images, size of each chain prefix)."""
    sizes: dict[tuple[str, ...], int] = {(): 0}
    for n in range(draw(st.integers(1, 12))):
        parent = draw(st.sampled_from(sorted(sizes)))
        sizes[(*parent, f"l{n}")] = sizes[parent] + draw(st.integers(0, 100))
    chains = draw(st.lists(st.sampled_from(sorted(sizes)), min_size=1, max_size=8))
    images = []
    for n, chain in enumerate(chains):
        others = chains[:n] + chains[n + 1 :]
        shared = max(
            (sizes[chain[:k]] for k in range(len(chain) + 1) if any(o[:k] == chain[:k] for o in others)),
            default=0,
        )
        images.append(image(f"i{n}", layers=chain, size_bytes=sizes[chain], shared_bytes=shared))
    return images, sizes


def prefixes(images):
    return {one.layers[:k] for one in images for k in range(1, len(one.layers) + 1)}


def true_bytes(layers, sizes):
    return sum(sizes[prefix] - sizes[prefix[:-1]] for prefix in layers)


@given(image_trees(), st.data())
def test_a_removal_is_never_promised_more_than_it_frees(tree_and_sizes, data):
    images, sizes = tree_and_sizes
    going = data.draw(st.sets(st.sampled_from(range(len(images)))))
    gone = [one for n, one in enumerate(images) if n in going]
    kept = [one for n, one in enumerate(images) if n not in going]
    truth = true_bytes(prefixes(gone) - prefixes(kept), sizes)
    tree = layer_tree(images)
    assert tree.freed_bytes([one.id for one in gone]) <= truth
    assert tree.total_bytes <= true_bytes(prefixes(images), sizes)
    for one in gone:
        assert tree.unique_bytes(one.id) == tree.freed_bytes([one.id])


@given(image_trees())
def test_removing_everything_frees_every_layer_once(tree_and_sizes):
    images, sizes = tree_and_sizes
    tree = layer_tree(images)
    assert tree.freed_bytes([one.id for one in images]) == tree.total_bytes
    # With every branching point told by an image of its own, the figure is exact.
    told = [
        image(f"p{n}", layers=prefix, size_bytes=sizes[prefix], shared_bytes=None)
        for n, prefix in enumerate(sorted(prefixes(images)))
    ]
    assert layer_tree(told).total_bytes == true_bytes(prefixes(images), sizes)


@st.composite
def caches(draw):
    records = []
    for n in range(draw(st.integers(0, 12))):
        parents = draw(st.sets(st.sampled_from([r.id for r in records]))) if records else set()
        age = draw(st.integers(0, 20))
        records.append(
            cache_record(
                f"r{n}",
                id=f"r{n}",
                parents=tuple(sorted(parents)),
                size_bytes=draw(st.one_of(st.none(), st.integers(0, 50))),
                shared=draw(st.booleans()),
                in_use=draw(st.booleans()),
                last_used_at=NOW - age * DAY,
                type=draw(st.sampled_from(["regular", "source.local", "internal", "frontend"])),
            )
        )
    return records


@given(caches(), st.integers(0, 200), st.integers(0, 200), st.integers(0, 20))
def test_a_budget_takes_only_what_it_may_in_an_order_that_works(records, maximum, reserved, min_days):
    budget = Budget(max_bytes=maximum, reserved_bytes=reserved, min_age=min_days * DAY)
    chosen = select_records(records, budget, NOW)
    by_id = {record.id: record for record in records}
    gone: set[str] = set()
    left = chosen.private_bytes
    for record_id in chosen.selected:
        record = by_id[record_id]
        assert not record.in_use
        assert not record.shared
        assert NOW - record.last_used_at >= budget.min_age
        assert left > maximum, "nothing more may go once the budget is met"
        children = {r.id for r in records if record_id in r.parents}
        assert children <= gone, "a parent goes only after all its children"
        gone.add(record_id)
        left -= record.size_bytes
        assert left >= reserved
    assert left == chosen.remaining_bytes
    assert set(chosen.pinned_by.values()).isdisjoint(chosen.selected)


@st.composite
def inventories(draw):
    """A host with every kind of resource in random relations."""
    flag = st.booleans()
    labels = st.sampled_from([{}, {"hygiene.protect": "1"}, {"com.docker.compose.project": "shop"}])
    images = [
        image(f"i{n}:1", tags=() if draw(flag) else (f"i{n}:1",), labels=draw(labels)) for n in range(4)
    ]
    if draw(flag):
        images[1] = replace(images[1], parent_id=images[0].id)
    volumes = [volume(f"v{n}", anonymous=draw(flag), labels=draw(labels)) for n in range(3)]
    containers = [
        container(
            f"c{n}",
            image_id=draw(st.sampled_from(images)).id,
            state=draw(st.sampled_from(["running", "exited", "created", "odd"])),
            mounts=(Mount(type="volume", name=draw(st.sampled_from(volumes)).id, destination="/d"),),
            labels=draw(labels),
        )
        for n in range(draw(st.integers(0, 2)))
    ]
    builders = [
        builder(f"b{n}", container_id=None, container_state=None) for n in range(draw(st.integers(0, 2)))
    ]
    missing = draw(
        st.dictionaries(st.sampled_from([s.value for s in SectionName]), st.just("frozen"), max_size=2)
    )
    states = [volume(one.volume) for one in builders]
    return observation(*images, *volumes, *containers, *builders, *states, *draw(caches()), partial=missing)


AGES = st.sampled_from([timedelta(0), timedelta(days=3), timedelta(days=60)])
NEEDS = {
    Kind.IMAGE: {"images", "containers"},
    Kind.CONTAINER: {"containers"},
    Kind.VOLUME: {"volumes", "containers", "builders"},
    Kind.BUILD_CACHE: {"build_cache"},
    Kind.BUILDER: {"builders", "containers", "volumes"},
}


@given(inventories(), AGES)
def test_a_candidate_is_idle_unprotected_and_fully_seen(seen, age):
    rules = policy(budgets={"embedded": BUDGET})
    rows = judge(seen, rules, memory=memory_of(seen, since=NOW - age))
    missing = {name.value for name, one in seen.sections.items() if one.reason}
    used_images = {one.image_id for one in seen.containers} | {one.parent_id for one in seen.images}
    used_volumes = {mount.name for one in seen.containers for mount in one.mounts}
    for row in rows.values():
        assert row.reasons
        if row.verdict is not Verdict.CANDIDATE:
            continue
        assert not NEEDS[row.kind] & missing
        assert "hygiene.protect" not in getattr(row.facts, "labels", {})
        assert row.id not in used_images | used_volumes
        if isinstance(row.facts, Image):
            assert not row.names
        if row.kind is not Kind.BUILD_CACHE:
            assert age >= rules.ages.grace


@given(inventories())
def test_protecting_more_never_lets_go_of_more(seen):
    rules = policy(budgets={"embedded": BUDGET})
    everything = Protect(builders=("*",), images=("*",), volumes=("*",), containers=("*",))
    before = judge(seen, rules)
    after = judge(seen, replace(rules, protect=everything))
    for key, row in after.items():
        if row.kind is Kind.BUILD_CACHE:
            assert row.verdict is before[key].verdict
        else:
            assert row.verdict is Verdict.PROTECTED


@given(st.text(min_size=1, max_size=12), st.integers(0, 10**6))
def test_a_builder_is_known_by_its_name_whatever_its_index(name, index):
    assert name in builder_names(builder(f"{name}{index}"))


@given(inventories())
def test_nothing_that_was_never_seen_before_is_let_go(seen):
    rows = judge(seen, memory=Memory())
    assert not [row for row in rows.values() if row.verdict is Verdict.CANDIDATE]


@st.composite
def directories(draw):
    """Runners and run caches in any state: whatever may be missing of a directory is missing of some."""
    flag, days = st.booleans(), st.integers(0, 60)

    def fields():
        number = st.one_of(st.none(), st.integers(0, 9))
        stamp = draw(st.one_of(st.none(), days))
        return {
            "size_bytes": draw(st.one_of(st.none(), st.integers(0, 100))),
            "whole": draw(st.sampled_from([True, True, False])),
            "device": draw(number),
            "inode": draw(number),
            "ctime_ns": draw(number),
            "changed_at": None if stamp is None else NOW - stamp * DAY,
        }

    runners = [runner(f"lane-{n}", busy=draw(st.sampled_from([True, False, False, None]))) for n in range(2)]
    roles = ["checkout", "checkout", "tools", "actions", "temporary", "update"]
    rows = [
        workdir(f"lane-{draw(st.integers(0, 2))}/_work/d{n}", role=draw(st.sampled_from(roles)), **fields())
        for n in range(draw(st.integers(0, 5)))
    ]
    logs = [diagnostic_log(f"Worker_{n}.log", changed_at=NOW - draw(days) * DAY) for n in range(3)]
    rows.append(workdir("lane-0/_diag", role="diagnostics", logs=tuple(logs), **fields()))
    rows += [run_cache(f"builds/run-{n}", **fields()) for n in range(draw(st.integers(0, 6)))]
    binder = container("binds", mounts=(Mount(type="bind", source=f"{rows[0].path}/x", destination="/x"),))
    missing = draw(
        st.dictionaries(
            st.sampled_from(["runners", "run_caches", "containers"]), st.just("frozen"), max_size=1
        )
    )
    return observation(*runners, *rows, *([binder] if draw(flag) else []), partial=missing)


@given(directories(), AGES, st.integers(2, 300), st.booleans())
def test_no_directory_that_is_held_or_unknown_is_ever_planned(seen, age, high, everything):
    place = RunCacheRoot(
        name="builds", path="/srv/builds", prefix="run-", high_water_bytes=high, low_water_bytes=high // 2
    )
    ages = Ages(grace=7 * DAY, runner_checkout=20 * DAY, diagnostic_log=20 * DAY)
    rules = policy(ages=ages, run_caches=(place,))
    context = context_of(seen, rules, memory_of(seen, since=NOW - age))
    rows = classify(seen, context)
    verdicts = ("candidate", "retained") if everything else ("candidate",)
    made = retire_actions(rows, context, Selection(verdicts=verdicts), Room.of(Bounds()))
    by_id = {row.id: row for row in rows}
    busy = {one.name for one in seen.runners if one.busy is not False}
    updating = {one.runner for one in seen.runner_workdirs if one.role == "update"}
    bound = {mount.source.removesuffix("/x") for one in seen.containers for mount in one.mounts}
    partial = {name.value for name, one in seen.sections.items() if one.reason}
    for action in made:
        row = by_id[action.id]
        facts = row.facts
        assert row.verdict is Verdict.CANDIDATE
        assert "containers" not in partial
        assert facts.path not in bound
        assert {action.facts[name] for name in ("device", "inode", "ctime_ns")} <= set("0123456789")
        if row.kind is Kind.RUNNER_WORKDIR:
            assert "runners" not in partial
            assert facts.role in {"checkout", "diagnostics"}
            assert facts.runner in {one.name for one in seen.runners} - busy - updating
        if action.files:
            old = {one.name for one in facts.logs if NOW - one.changed_at >= 20 * DAY}
            assert {one.name for one in action.files} == old
            continue
        assert facts.whole
        assert facts.size_bytes is not None
        assert NOW - facts.changed_at >= (7 if row.kind is Kind.RUN_CACHE else 20) * DAY
        assert age >= 7 * DAY
    runs = [one for one in seen.run_caches if one.id in {action.id for action in made}]
    if runs:
        held = sum(one.size_bytes or 0 for one in seen.run_caches)
        assert held > high
        # Without the youngest of them the low water would not be reached.
        youngest = max(runs, key=lambda one: (one.changed_at, one.id))
        assert held - sum(one.size_bytes for one in runs) + youngest.size_bytes > high // 2
