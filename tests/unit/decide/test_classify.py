"""Every rule, alone: the case in which it decides."""

# ruff: noqa: E501 - the table of cases reads best with one case a line

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.decide.classify import ALL_RULES, classify, explain, unique_bytes
from hygiene_core.decide.layers import ImageSizes, layer_tree
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.observation import Observation
from hygiene_core.model.policy import Ages, Policy, Protect, RunCacheRoot
from hygiene_core.model.resource import Mount
from hygiene_core.testing import (
    GIB,
    MIB,
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
from tests.unit.decide.judging import (
    ALL_AGES,
    BUDGET,
    WEEK,
    chain,
    container,
    context_of,
    judge,
    memory_of,
    policy,
    rules_of,
)
from tests.unit.report_snapshots import VerdictSnapshot

DIRECTORIES = policy(
    ages=replace(ALL_AGES, runner_checkout=3 * WEEK, diagnostic_log=3 * WEEK),
    run_caches=(
        RunCacheRoot(
            name="builds", path="/srv/builds", prefix="run-", high_water_bytes=GIB, low_water_bytes=MIB
        ),
    ),
)
BINDS = container(
    "binds", mounts=(Mount(type="bind", source="/srv/lane-1/_work/odoo-docker/x", destination="/x"),)
)
DIAGNOSTICS = workdir(
    "lane-1/_diag",
    role="diagnostics",
    changed_at=NOW,
    logs=(
        diagnostic_log("Worker_1-utc.log", changed_at=NOW - 3 * WEEK, size_bytes=MIB),
        diagnostic_log("Worker_2-utc.log", changed_at=NOW - 3 * WEEK + timedelta(seconds=1)),
        diagnostic_log("Worker_3-utc.log", changed_at=None),
    ),
)
GRACE_ONLY = Ages(grace=WEEK)
UNTAGGED = image("left", tags=())
BIG_CACHE = tuple(
    cache_record(f"step {n}", size_bytes=3 * GIB, last_used_at=NOW - timedelta(days=30 - n)) for n in range(4)
)
LEAKED = builder("leaked0", container_id=None, container_state=None, image_id=None, image_name=None)
LEAKED_VOLUME = volume("buildx_buildkit_leaked0_state")
STOPPED_BUILDER = builder("old0", container_state="exited")
STOPPED_BUILDER_CONTAINER = container("buildx_buildkit_old0", id=STOPPED_BUILDER.container_id, state="exited")
ABANDONED = builder("builder-1f0c0", instances=(), sessions=0, running_builds=0)
STOPPED_KNOWN = replace(STOPPED_BUILDER, instances=("/root/.docker/buildx/instances/old",))
WARM = builder("odoo-docker-chris-testing0")
WARM_CONTAINER = container("buildx_buildkit_odoo-docker-chris-testing0", id=WARM.container_id)
WARM_IMAGE = image("moby/buildkit:buildx-stable-1")
WARM_VOLUME = volume(WARM.volume)
WARM_POLICY = policy(protect=Protect(builders=("odoo-docker-chris-testing",)))

# (case, the resource it is about, what else was seen, policy, verdict, rules)
CASES = [
    ("image named by the policy", image("a:1"), (), policy(protect=Protect(images=("a:*",))), "protected", ["protect.policy"]),
    ("image by repository", image("a:1"), (), policy(protect=Protect(images=("a",))), "protected", ["protect.policy"]),
    ("image by id", UNTAGGED, (), policy(protect=Protect(images=(UNTAGGED.id,))), "protected", ["protect.policy"]),
    ("container by name", container("db", state="exited"), (), policy(protect=Protect(containers=("db",))), "protected", ["protect.policy"]),
    ("volume by glob", volume("pg-data"), (), policy(protect=Protect(volumes=("pg-*",))), "protected", ["protect.policy"]),
    ("builder by name", WARM, (), WARM_POLICY, "protected", ["protect.policy"]),
    ("label on an image", image(labels={"hygiene.protect": "1"}), (), policy(), "protected", ["protect.label"]),
    ("label even if false", volume(labels={"hygiene.protect": "false"}), (), policy(), "protected", ["protect.label"]),
    ("label of the policy by key", image(labels={"keep": "x"}), (), policy(protect=Protect(labels=("ke*",))), "protected", ["protect.label"]),
    ("label of the policy by value", image(labels={"tier": "gold"}), (), policy(protect=Protect(labels=("tier=g*",))), "protected", ["protect.label"]),
    ("label of another value", image(labels={"tier": "iron"}), (), policy(protect=Protect(labels=("tier=g*",))), "unknown", ["unknown.coverage"]),
    ("warm builder's container", WARM_CONTAINER, (WARM,), WARM_POLICY, "protected", ["protect.warm_builder"]),
    ("warm builder's volume", WARM_VOLUME, (WARM,), WARM_POLICY, "protected", ["protect.warm_builder"]),
    ("warm builder's image", WARM_IMAGE, (WARM,), WARM_POLICY, "protected", ["protect.warm_builder"]),
    ("image of a live compose project", image(labels={"com.docker.compose.project": "shop"}), (container(labels={"com.docker.compose.project": "shop"}),), policy(), "protected", ["protect.compose_project"]),
    ("volume of a live compose project", volume(labels={"com.docker.compose.project": "shop"}), (container(labels={"com.docker.compose.project": "shop"}),), policy(), "protected", ["protect.compose_project"]),
    ("volume of a dead compose project", volume(labels={"com.docker.compose.project": "shop"}), (), policy(), "retained", ["keep.named_volume", "keep.no_rule"]),
    ("embedded builder", builder("embedded", driver="embedded"), (), policy(), "protected", ["protect.embedded_builder"]),
    ("image of a running container", image("a:1"), (container(image_id=image("a:1").id),), policy(), "in_use", ["use.container"]),
    ("image of a stopped container", image("a:1"), (container(image_id=image("a:1").id, state="exited"),), policy(), "in_use", ["use.container"]),
    ("old image, its tag moved, container running", UNTAGGED, (container(image_id=UNTAGGED.id, image_name="a:1"), image("a:1")), policy(), "in_use", ["use.container"]),
    ("new image of that tag", image("a:1"), (container(image_id=UNTAGGED.id, image_name="a:1"), UNTAGGED), policy(), "unknown", ["unknown.coverage"]),
    ("mounted image by name", image("a:1"), (container(mounts=(Mount(type="image", name="a:1", destination="/m"),)),), policy(), "in_use", ["use.container"]),
    ("mounted image by id", image("a:1"), (container(mounts=(Mount(type="image", source=image("a:1").id, destination="/m"),)),), policy(), "in_use", ["use.container"]),
    ("untagged parent", UNTAGGED, (image("child:1", parent_id=UNTAGGED.id),), policy(), "in_use", ["use.child_image"]),
    ("mounted volume", volume("d"), (container(state="exited", mounts=(Mount(type="volume", name="d", destination="/d"),)),), policy(), "in_use", ["use.mount"]),
    ("bind mount of that name", volume("d"), (container(mounts=(Mount(type="bind", name="d", destination="/d"),)),), policy(), "retained", ["keep.named_volume", "keep.no_rule"]),
    ("volume the Engine counts", volume(anonymous=True, engine_references=2), (), policy(), "in_use", ["use.mount"]),
    ("paused container", container(state="paused"), (), policy(), "in_use", ["use.active"]),
    ("record in use", cache_record(in_use=True), (), policy(), "in_use", ["use.record"]),
    ("builder whose state volume is protected", LEAKED, (replace(LEAKED_VOLUME, labels={"hygiene.protect": ""}),), policy(), "protected", ["protect.part"]),
    ("builder whose container is protected", STOPPED_BUILDER, (replace(STOPPED_BUILDER_CONTAINER, labels={"hygiene.protect": ""}),), policy(), "protected", ["protect.part"]),
    ("builder whose state volume is mounted", LEAKED, (LEAKED_VOLUME, container(state="exited", mounts=(Mount(type="volume", name=LEAKED_VOLUME.id, destination="/d"),))), policy(), "in_use", ["use.state_mount"]),
    ("builder whose state volume the Engine counts", LEAKED, (replace(LEAKED_VOLUME, engine_references=1),), policy(), "in_use", ["use.state_mount"]),
    ("builder whose state volume is elsewhere", LEAKED, (replace(LEAKED_VOLUME, driver="nfs"),), policy(), "retained", ["keep.volume_elsewhere"]),
    ("volume bound by its directory", volume("d", anonymous=True), (container(mounts=(Mount(type="bind", source=f"{volume('d', anonymous=True).mountpoint}/sub/", destination="/d"),)),), policy(), "in_use", ["use.mount"]),
    ("volume bound with its directory", volume("d", anonymous=True), (container(mounts=(Mount(type="bind", source=volume("d", anonymous=True).mountpoint.removesuffix("/_data"), destination="/d"),)),), policy(), "in_use", ["use.mount"]),
    ("stopped builder whose state volume is counted", STOPPED_BUILDER, (volume(STOPPED_BUILDER.volume, engine_references=1),), policy(), "retained", ["keep.builder"]),
    ("volume beside a bound directory", volume("d", anonymous=True), (container(mounts=(Mount(type="bind", source="/srv", destination="/d"), Mount(type="bind", destination="/e"))),), policy(), "candidate", ["release.anonymous_volume"]),
    ("untagged while a container mounts an image by name", UNTAGGED, (image("a:1"), container(mounts=(Mount(type="image", name="a:1", destination="/m"),))), policy(), "unknown", ["unknown.image_mount"]),
    ("mounted image without its tag", image("a:latest"), (container(mounts=(Mount(type="image", name="a", destination="/m"),)),), policy(), "in_use", ["use.container"]),
    ("label whose value was masked", volume("d", anonymous=True, labels={"a.key": "(masked)"}), (), policy(protect=Protect(labels=("a.key=keep",))), "protected", ["protect.label"]),
    ("label whose value was cut", volume("d", anonymous=True, labels={"a": "x… (cut)"}), (), policy(protect=Protect(labels=("a=*y",))), "protected", ["protect.label"]),
    ("builder whose name ends in digits", builder("odoo170"), (), policy(protect=Protect(builders=("odoo17",))), "protected", ["protect.policy"]),
    ("builder called like the embedded one", builder("buildx_buildkit_embedded"), (), policy(protect=Protect(builders=("embedded",))), "protected", ["protect.policy"]),
    ("image by digest, protected by repository", image("x", tags=(), digests=("ghcr.io/a/warm@sha256:00",)), (), policy(protect=Protect(images=("ghcr.io/a/warm",))), "protected", ["protect.policy"]),
    ("label among others", image(labels={"other": "x", "keep": "y"}), (), policy(protect=Protect(labels=("keep",))), "protected", ["protect.label"]),
    ("volume without a place", volume("d", anonymous=True, id="a" * 64), (volume("e"), replace(volume("f"), mountpoint=None)), policy(), "candidate", ["release.anonymous_volume"]),
    ("running plain builder", builder("plain0"), (), policy(), "in_use", ["use.builder_active"]),
    ("container in a new state", container(state="thawing"), (), policy(), "unknown", ["unknown.state"]),
    ("builder in a new state", builder("b0", container_state="thawing"), (), policy(), "unknown", ["unknown.builder_state"]),
    ("tagged image, unused", image("a:1"), (), policy(), "unknown", ["unknown.coverage"]),
    ("image pinned by digest", image("x", tags=(), digests=("r@sha256:00",)), (), policy(), "unknown", ["unknown.coverage"]),
    ("tagged image without a rule", image("a:1"), (), policy(ages=GRACE_ONLY), "retained", ["keep.no_rule"]),
    ("record without size", cache_record(size_bytes=None), (), policy(), "unknown", ["unknown.record"]),
    ("record without age", cache_record(last_used_at=None, created_at=None), (), policy(), "unknown", ["unknown.record"]),
    ("anonymous volume with options", volume(anonymous=True, options={"type": "tmpfs"}), (), policy(), "retained", ["keep.volume_elsewhere"]),
    ("volume of a plugin", volume("n", driver="nfs"), (), policy(), "retained", ["keep.named_volume", "keep.volume_elsewhere", "keep.no_rule"]),
    ("stopped builder", STOPPED_BUILDER, (STOPPED_BUILDER_CONTAINER,), policy(), "retained", ["keep.builder"]),
    ("state volume of a stopped builder", volume(STOPPED_BUILDER.volume), (STOPPED_BUILDER,), policy(), "retained", ["keep.builder"]),
    ("record shared with an image", cache_record(shared=True), (), policy(budgets={"embedded": BUDGET}), "retained", ["cache.shared", "cache.budget_met"]),
    ("record shared with a known image", cache_record(shared=True, shared_with="odoo:1"), (), policy(budgets={"embedded": BUDGET}), "retained", ["cache.shared", "cache.budget_met"]),
    ("record of BuildKit's own", cache_record(type="internal"), (), policy(budgets={"embedded": BUDGET}), "retained", ["cache.internal", "cache.budget_met"]),
    ("record without budget", cache_record(), (), policy(), "retained", ["cache.no_budget"]),
    ("record used lately", cache_record(last_used_at=NOW), (), policy(budgets={"embedded": BUDGET}), "retained", ["cache.young", "cache.budget_met"]),
    ("record never used, just made", cache_record(last_used_at=None, created_at=NOW), (), policy(budgets={"embedded": BUDGET}), "retained", ["cache.young", "cache.budget_met"]),
    ("record within the budget", cache_record(), (), policy(budgets={"embedded": BUDGET}), "retained", ["cache.budget_met"]),
    ("record held by its child", BIG_CACHE[0], (*BIG_CACHE[1:], cache_record("child", parents=(BIG_CACHE[0].id,), in_use=True)), policy(budgets={"embedded": BUDGET}), "retained", ["cache.pinned", "cache.budget_met"]),
    ("oldest record over the budget", BIG_CACHE[0], BIG_CACHE[1:], policy(budgets={"embedded": BUDGET}), "candidate", ["cache.over_budget"]),
    ("untagged and idle", UNTAGGED, (), policy(), "candidate", ["release.dangling_image"]),
    ("untagged, no rule", UNTAGGED, (), policy(ages=GRACE_ONLY), "retained", ["keep.no_rule"]),
    ("stopped for long", container(state="exited"), (), policy(), "candidate", ["release.stopped_container"]),
    ("stopped, no rule", container(state="created"), (), policy(ages=GRACE_ONLY), "retained", ["keep.no_rule"]),
    ("stopped container of a builder", STOPPED_BUILDER_CONTAINER, (STOPPED_BUILDER,), policy(ages=replace(ALL_AGES, orphan_builder=None)), "retained", ["keep.no_rule"]),
    ("anonymous and idle", volume(anonymous=True), (), policy(), "candidate", ["release.anonymous_volume"]),
    ("the runner's own update", workdir("lane-1/_work/_update", role="update"), (runner(busy=True),), policy(), "protected", ["protect.runner_update"]),
    ("work directory while a job runs", workdir(), (runner(busy=True),), policy(), "in_use", ["use.job"]),
    ("work directory of a runner that could not be seen", workdir(), (runner(busy=None),), policy(), "unknown", ["unknown.runner"]),
    ("work directory of no runner", workdir(), (), policy(), "unknown", ["unknown.runner"]),
    ("another directory of a runner that updates itself", workdir(), (runner(), workdir("lane-1/_work/_update", role="update")), DIRECTORIES, "protected", ["protect.runner_update"]),
    ("the runner's tools", workdir("lane-1/_work/_tool", role="tools"), (runner(),), DIRECTORIES, "protected", ["protect.runner_role"]),
    ("work directory of an idle runner", workdir(), (runner(),), policy(), "retained", ["keep.grace", "keep.no_rule"]),
    ("checkout within its age", workdir(changed_at=NOW - 2 * WEEK), (runner(),), DIRECTORIES, "retained", ["keep.idle_age"]),
    ("checkout beyond its age", workdir(changed_at=NOW - 4 * WEEK), (runner(),), DIRECTORIES, "candidate", ["release.runner_checkout"]),
    ("checkout that a container binds", workdir(changed_at=NOW - 4 * WEEK), (runner(), BINDS), DIRECTORIES, "in_use", ["use.bind"]),
    ("checkout without identity", workdir(inode=None), (runner(),), DIRECTORIES, "unknown", ["unknown.directory"]),
    ("checkout that was not read whole", workdir(whole=False), (runner(),), DIRECTORIES, "unknown", ["unknown.directory"]),
    ("checkout without a stamp", workdir(changed_at=None), (runner(),), DIRECTORIES, "unknown", ["unknown.directory"]),
    ("old logs", DIAGNOSTICS, (runner(),), DIRECTORIES, "candidate", ["release.diagnostic_logs"]),
    ("young logs", replace(DIAGNOSTICS, logs=DIAGNOSTICS.logs[1:]), (runner(),), DIRECTORIES, "retained", ["keep.young_logs"]),
    ("logs without a rule", DIAGNOSTICS, (runner(),), policy(), "retained", ["keep.no_rule"]),
    ("run cache", run_cache(), (), policy(), "retained", ["keep.grace", "keep.no_rule"]),
    ("run cache within its marks", run_cache(changed_at=NOW - 4 * WEEK), (), DIRECTORIES, "retained", ["keep.water"]),
    ("run cache over its high water", run_cache(changed_at=NOW - 4 * WEEK, size_bytes=9 * GIB), (), DIRECTORIES, "candidate", ["release.run_cache"]),
    ("run cache over its high water and young", run_cache(size_bytes=9 * GIB), (), DIRECTORIES, "retained", ["keep.grace"]),
    ("run cache without a size", run_cache(size_bytes=None), (), DIRECTORIES, "unknown", ["unknown.directory"]),
    ("named and idle", volume("data"), (), policy(), "retained", ["keep.named_volume", "keep.no_rule"]),
    ("leaked state volume", LEAKED_VOLUME, (LEAKED,), policy(), "candidate", ["release.leaked_state"]),
    ("what is left of a builder", LEAKED, (LEAKED_VOLUME,), policy(), "candidate", ["release.leaked_state"]),
    ("builder with a client", builder(sessions=1), (), policy(), "in_use", ["use.builder_active", "use.session"]),
    ("builder with a build", builder(running_builds=2), (), policy(), "in_use", ["use.builder_active", "use.build"]),
    ("abandoned builder", ABANDONED, (), policy(), "candidate", ["release.abandoned_builder"]),
    ("abandoned, but a client came", replace(ABANDONED, sessions=1), (), policy(), "in_use", ["use.builder_active", "use.session"]),
    ("abandoned, but a home was not read", replace(ABANDONED, instances=None), (), policy(), "in_use", ["use.builder_active"]),
    ("stopped and abandoned", replace(ABANDONED, container_state="exited", sessions=None, running_builds=None), (), policy(), "candidate", ["release.abandoned_builder"]),
    ("stopped builder that a file names", STOPPED_KNOWN, (), policy(), "retained", ["keep.builder", "keep.instance"]),
    ("left state that a file names", replace(LEAKED, instances=("/root/b",)), (LEAKED_VOLUME,), policy(), "retained", ["keep.instance"]),
    ("left volume that a file names", LEAKED_VOLUME, (replace(LEAKED, instances=("/root/b",)),), policy(), "retained", ["keep.instance"]),
    ("stopped container of a builder that a file names", STOPPED_BUILDER_CONTAINER, (STOPPED_KNOWN,), policy(), "retained", ["keep.instance"]),
    ("abandoned, but a client came and went unread", replace(ABANDONED, sessions=None), (), policy(), "in_use", ["use.builder_active"]),
    ("container of a job", container("job", labels={"abc123": ""}, state="exited"), (runner(label="abc123", busy=True),), policy(), "in_use", ["use.job"]),
    ("container of a job that is over", container("job", labels={"abc123": ""}, state="exited"), (runner(label="abc123"),), policy(), "candidate", ["release.stopped_container"]),
    ("leaked state volume, no rule", LEAKED_VOLUME, (LEAKED,), policy(ages=GRACE_ONLY), "retained", ["keep.no_rule"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "others", "rules", "verdict", "spoke"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_each_case_has_its_verdict_and_its_reasons(resource, others, rules, verdict, spoke):
    row = judge(observation(resource, *others), rules)[resource.id]
    assert (row.verdict.value, list(rules_of(row))) == (verdict, spoke)
    assert all(reason.detail and reason.source for reason in row.reasons)


def spelled(label, row):
    used = f" used by {', '.join(row.used_by)};" if row.used_by else ""
    head = f"{label}: {row.kind.value} {row.name} {list(row.names)} {row.verdict.value}"
    sizes = f"  {row.size_bytes} bytes, {row.unique_bytes} unique;{used} idle since {row.idle_since_at}"
    return "\n".join([head, sizes, *(f"  {r.rule}: {r.detail} ({r.source})" for r in row.reasons)])


@pytest.mark.parametrize("what", ["verdicts"])
def test_golden(what, snapshot):
    """Every sentence that a verdict can carry, as one reviewed file."""
    rows = [
        (label, judge(observation(resource, *others), rules)[resource.id])
        for label, resource, others, rules, *_ in CASES
    ]
    golden = "\n".join(spelled(label, row) for label, row in rows)
    assert golden + "\n" == snapshot(extension_class=VerdictSnapshot)
    assert all(isinstance(row.used_by, tuple) for _, row in rows)
    assert all(row.facts is resource for (_, row), (_, resource, *_) in zip(rows, CASES, strict=True))


def test_every_rule_has_a_case():
    elsewhere = {"keep.grace", "keep.idle_age", "unknown.section", "unknown.clock", "unknown.memory"}
    elsewhere |= {"release.tagged_image"}  # in test_coverage: it needs more than one look
    assert {rule.id for rule in ALL_RULES} == {rule for case in CASES for rule in case[5]} | elsewhere


def test_rules_stand_in_order_of_precedence():
    order = list(Verdict)
    positions = [order.index(rule.verdict) for rule in ALL_RULES]
    assert positions == sorted(positions)
    assert len({rule.id for rule in ALL_RULES}) == len(ALL_RULES)


@pytest.mark.parametrize(
    "resource",
    [UNTAGGED, container(state="exited"), volume(anonymous=True), LEAKED],
    ids=lambda r: r.kind.value,
)
class TestTime:
    def test_seen_for_the_first_time_it_is_in_its_grace(self, resource):
        row = judge(observation(resource), memory=Memory())[resource.id]
        assert row.verdict is Verdict.RETAINED
        assert "keep.grace" in rules_of(row)
        assert row.first_seen_at == NOW

    def test_grace_ends_to_the_second(self, resource):
        seen = observation(resource)
        memory = memory_of(seen, since=NOW - WEEK)
        assert judge(seen, memory=memory)[resource.id].verdict is Verdict.CANDIDATE
        memory = memory_of(seen, since=NOW - WEEK + timedelta(seconds=1))
        assert "keep.grace" in rules_of(judge(seen, memory=memory)[resource.id])

    def test_an_age_longer_than_the_grace_is_waited_for(self, resource):
        ages = Ages(**dict.fromkeys(Ages.__slots__, 2 * WEEK) | {"grace": WEEK})
        seen = observation(resource)
        row = judge(seen, policy(ages=ages), memory=memory_of(seen, since=NOW - WEEK))[resource.id]
        assert "keep.idle_age" in rules_of(row)
        assert "keep.grace" not in rules_of(row)

    def test_a_change_of_names_restarts_the_grace(self, resource):
        seen = observation(resource)
        key = (resource.kind.value, resource.id)
        was = Known(first_seen_at=NOW - 8 * WEEK, idle_since_at=NOW - 8 * WEEK, names=("was:tagged",))
        row = judge(seen, memory=Memory(entries={key: was}))[resource.id]
        assert "keep.grace" in rules_of(row)

    def test_a_clock_that_went_back_makes_ages_unknown(self, resource):
        seen = observation(resource)
        memory = replace(memory_of(seen), last_run_at=NOW + timedelta(hours=1))
        row = judge(seen, memory=memory)[resource.id]
        assert (row.verdict, rules_of(row)) == (Verdict.UNKNOWN, ("unknown.clock",))
        assert row.reasons[0].detail == (
            "the clock says 2026-05-04 03:02Z, before the last recorded run at 2026-05-04 04:02Z"
        )

    def test_a_small_step_back_is_nothing(self, resource):
        seen = observation(resource)
        memory = replace(memory_of(seen), last_run_at=NOW + timedelta(minutes=5))
        assert judge(seen, memory=memory)[resource.id].verdict is Verdict.CANDIDATE


MISSING = [
    (UNTAGGED, "containers"),
    (UNTAGGED, "images"),
    (container(state="exited"), "containers"),
    (volume(anonymous=True), "containers"),
    (volume(anonymous=True), "volumes"),
    (LEAKED_VOLUME, "builders"),
    (LEAKED, "builders"),
    (LEAKED, "containers"),
    (LEAKED, "volumes"),
]


@pytest.mark.parametrize(
    ("resource", "section"), MISSING, ids=lambda v: v if isinstance(v, str) else v.kind.value
)
@pytest.mark.parametrize("how", ["partial", "unavailable"])
def test_missing_evidence_is_never_permission(resource, section, how):
    seen = observation(resource, LEAKED, **{how: {section: "deadline of 3 s"}})
    row = judge(seen)[resource.id]
    assert (row.verdict, rules_of(row)) == (Verdict.UNKNOWN, ("unknown.section",))
    assert row.reasons[0].detail == f"section {section} is not complete: deadline of 3 s"


def test_a_section_that_was_never_asked_is_missing():
    seen = replace(observation(UNTAGGED), sections={})
    assert (
        judge(seen)[UNTAGGED.id].reasons[0].detail == "section containers is not complete: it was not asked"
    )


def test_a_record_needs_only_the_build_cache():
    record = BIG_CACHE[0]
    rules = policy(budgets={"embedded": BUDGET})
    seen = observation(*BIG_CACHE, unavailable={"containers": "frozen", "images": "frozen"})
    assert judge(seen, rules)[record.id].verdict is Verdict.CANDIDATE
    seen = observation(*BIG_CACHE, partial={"build_cache": "one row could not be read"})
    assert judge(seen, rules)[record.id].verdict is Verdict.UNKNOWN


def test_protection_stands_above_missing_evidence():
    found = image("a:1", labels={"hygiene.protect": ""})
    row = judge(observation(found, unavailable={"containers": "frozen"}))[found.id]
    assert row.verdict is Verdict.PROTECTED


def test_every_reason_of_the_deciding_verdict_is_kept():
    found = image("a:1", labels={"hygiene.protect": "yes"})
    row = judge(observation(found), policy(protect=Protect(images=("a:1",))))[found.id]
    assert rules_of(row) == ("protect.policy", "protect.label")


def unremembered(seen, rules):
    """A context whose memory was not brought up to the observation."""
    return replace(context_of(seen, rules), memory=Memory())


def test_no_history_is_unknown():
    seen = observation(UNTAGGED)
    (row,) = classify(seen, unremembered(seen, policy()))
    assert [(r.rule, r.detail) for r in row.reasons] == [
        ("unknown.memory", "no earlier observation is at hand")
    ]
    assert row.first_seen_at is None


def test_explain_asks_every_rule_and_keeps_the_verdict():
    seen = observation(UNTAGGED)
    told = chain(UNTAGGED, seen)
    assert told.judged == judge(seen)[UNTAGGED.id]
    asked = {rule.id for rule in ALL_RULES if UNTAGGED.kind in rule.kinds}
    assert {weighed.rule for weighed in told.rules} == asked
    spoke = {weighed.rule: weighed for weighed in told.rules if weighed.verdict}
    assert set(spoke) == {"release.dangling_image"}
    assert spoke["release.dangling_image"].detail == "untagged and unused, idle since 2026-03-05 03:02Z"
    assert all(weighed.detail == "no" for weighed in told.rules if weighed.verdict is None)
    assert all(weighed.asks.endswith("?") for weighed in told.rules)
    verdicts = {rule.id: rule.verdict for rule in ALL_RULES}
    assert all(weighed.would_give is verdicts[weighed.rule] for weighed in told.rules)


def test_an_explanation_knows_the_layers():
    base = image("base:1", layers=("base",), size_bytes=20, shared_bytes=None)
    app = image("app:1", layers=("base", "a"), size_bytes=30, shared_bytes=None)
    assert chain(app, observation(base, app)).judged.unique_bytes == 10


def test_an_explanation_does_not_promise_what_is_not_due():
    """The rules that let go are asked even where a stronger verdict stands: they must answer no."""
    for resource, memory in ((image("a:1"), None), (UNTAGGED, Memory())):
        seen = observation(resource)
        told = chain(resource, seen, memory=memory)
        assert [w.rule for w in told.rules if w.verdict is Verdict.CANDIDATE] == []
    tagged = chain(
        image("a:1"), observation(image("a:1")), policy(ages=replace(ALL_AGES, dangling_image=None))
    )
    assert "keep.no_rule" not in [w.rule for w in tagged.rules if w.verdict]


def test_an_age_bound_of_a_record_is_inclusive():
    record = cache_record(last_used_at=NOW - WEEK)
    row = judge(observation(record), policy(budgets={"embedded": BUDGET}))[record.id]
    assert rules_of(row) == ("cache.budget_met",)


def test_a_repository_behind_a_port():
    found = image("127.0.0.1:5000/app:1")
    row = judge(observation(found), policy(protect=Protect(images=("127.0.0.1:5000/app",))))[found.id]
    assert row.verdict is Verdict.PROTECTED


@pytest.mark.parametrize("memory", [None, Memory()], ids=["known", "not known"])
@pytest.mark.parametrize("case", CASES, ids=[c[0] for c in CASES])
def test_every_rule_can_be_asked_of_everything(case, memory):
    """A verdict stops at the first group that speaks; an explanation asks the weaker rules too."""
    _, resource, others, rules, verdict, spoke = case
    seen = observation(resource, *others)
    context = context_of(seen, rules) if memory is None else unremembered(seen, rules)
    told = explain(resource, context)
    said = [weighed.rule for weighed in told.rules if weighed.verdict is not None]
    assert set(said) >= {reason.rule for reason in told.judged.reasons}
    if memory is None:
        assert (told.judged.verdict.value, rules_of(told.judged)) == (verdict, tuple(spoke))


def test_rows_name_who_uses_them_and_stand_in_order():
    parent, child = image("p", tags=()), image("c:1", parent_id=image("p", tags=()).id)
    web = container(image_id=child.id, mounts=(Mount(type="volume", name="d", destination="/d"),))
    records = (cache_record("base"), cache_record("top", parents=(cache_record("base").id,)))
    seen = observation(parent, child, web, volume("d"), *records)
    rows = judge(seen)
    assert rows[parent.id].used_by == ("c:1",)
    assert rows[child.id].used_by == ("web",)
    assert rows["d"].used_by == ("web",)
    assert rows[records[0].id].used_by == (records[1].id,)
    assert rows[web.id].used_by == ()
    keys = [(row.kind.value, row.id) for row in rows.values()]
    assert keys == sorted(keys)


def test_long_lists_of_users_are_cut_with_their_number():
    found = image("a:1")
    for number, detail in ((3, "c0, c1, c2"), (4, "c0, c1, c2 and 1 more"), (5, "c0, c1, c2 and 2 more")):
        many = [container(f"c{n}", image_id=found.id) for n in range(number)]
        row = judge(observation(found, *many))[found.id]
        assert row.reasons[0].detail == f"used by container {detail}"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (image(layers=None, size_bytes=10, shared_bytes=4), 6),
        (image(layers=None, size_bytes=10, shared_bytes=None), None),
        (image(layers=None, size_bytes=None, shared_bytes=4), None),
        (image(layers=None, size_bytes=3, shared_bytes=4), 0),
        (cache_record(shared=True), 0),
        (cache_record(size_bytes=7), 7),
        (container(writable_bytes=None), None),
        (volume(size_bytes=9), 9),
        (builder(size_bytes=None), None),
    ],
)
def test_unique_bytes_without_a_layer_tree(resource, expected):
    assert unique_bytes(resource, ImageSizes(None, shared_is_whole=True)) == expected


def test_on_the_containerd_store_shared_sizes_are_not_subtracted():
    found = image(layers=None, size_bytes=10, shared_bytes=4)
    assert unique_bytes(found, ImageSizes(None, shared_is_whole=False)) is None


def test_unique_bytes_follow_the_layer_tree():
    a = image("a:1", layers=("base", "a"), size_bytes=30 * MIB, shared_bytes=20 * MIB)
    b = image("b:1", layers=("base", "b"), size_bytes=25 * MIB, shared_bytes=20 * MIB)
    sizes = ImageSizes(layer_tree((a, b)), shared_is_whole=True)
    assert unique_bytes(a, sizes) == 10 * MIB
    assert unique_bytes(b, sizes) == 5 * MIB


def test_rows_carry_the_bytes_of_the_layer_tree():
    base = image("base:1", layers=("base",), size_bytes=20, shared_bytes=None)
    app = image("app:1", layers=("base", "a"), size_bytes=30, shared_bytes=None)
    assert judge(observation(base, app))[app.id].unique_bytes == 10


def test_ages_of_tagged_and_untagged_images_and_of_builders_containers_differ():
    ages = Ages(grace=WEEK, tagged_image=WEEK)
    assert rules_of(judge(observation(UNTAGGED), policy(ages=ages))[UNTAGGED.id]) == ("keep.no_rule",)
    ages = replace(ALL_AGES, stopped_container=None)
    seen = observation(STOPPED_BUILDER_CONTAINER, STOPPED_BUILDER, container("plain", state="exited"))
    rows = judge(seen, policy(ages=ages))
    assert rows[STOPPED_BUILDER_CONTAINER.id].verdict is Verdict.CANDIDATE
    assert rules_of(rows[container("plain").id]) == ("keep.no_rule",)


def test_a_mounted_image_that_is_not_there_is_nobodys():
    seen = observation(image("a:1"), container(image_id="x", mounts=(Mount(type="image", destination="/m"),)))
    assert judge(seen)[image("a:1").id].verdict is Verdict.UNKNOWN


def test_only_digits_are_an_index():
    row = judge(observation(builder("boxX1")), policy(protect=Protect(builders=("bo",))))["boxX1"]
    assert row.verdict is Verdict.IN_USE
    row = judge(observation(builder("boxX1")), policy(protect=Protect(builders=("boxX",))))["boxX1"]
    assert row.verdict is Verdict.PROTECTED
    assert (
        judge(observation(builder("12")), policy(protect=Protect(builders=("",))))["12"].verdict
        is Verdict.IN_USE
    )


def test_a_container_that_ended_a_moment_ago_is_not_old():
    ended = container(state="exited", finished_at=NOW - timedelta(seconds=1))
    row = judge(observation(ended))[ended.id]
    assert row.reasons[0].detail == "idle since 2026-05-04 03:02Z; kept until 2026-05-11 03:02Z"


@pytest.mark.parametrize(
    "resource", [volume("d", anonymous=True), LEAKED_VOLUME, LEAKED], ids=lambda r: r.kind.value
)
def test_a_volume_that_was_made_anew_is_not_as_old_as_its_name(resource):
    made_at = NOW - timedelta(hours=1)
    others = (replace(LEAKED_VOLUME, created_at=made_at), LEAKED)
    resource = replace(resource, created_at=made_at) if resource.kind.value == "volume" else resource
    seen = observation(*{one.id: one for one in (*others, resource)}.values())
    assert "keep.grace" in rules_of(judge(seen)[resource.id])


def test_a_warm_builders_container_is_known_by_its_name_alone():
    """Without the volumes the builders cannot be told; their containers can."""
    seen = observation(replace(WARM_CONTAINER, state="exited"), unavailable={"volumes": "x", "builders": "x"})
    row = judge(seen, WARM_POLICY)[WARM_CONTAINER.id]
    assert rules_of(row) == ("protect.warm_builder",)


def test_a_long_time_without_a_run_may_be_a_clock_that_jumped():
    seen = observation(UNTAGGED)
    memory = replace(memory_of(seen), last_run_at=NOW - timedelta(days=35, seconds=1))
    row = judge(seen, memory=memory)[UNTAGGED.id]
    assert rules_of(row) == ("unknown.clock",)
    assert row.reasons[0].detail == (
        "the clock says 2026-05-04 03:02Z, over 35 days after the last recorded run at 2026-03-30 03:02Z"
    )
    memory = replace(memory, last_run_at=NOW - timedelta(days=35))
    assert judge(seen, memory=memory)[UNTAGGED.id].verdict is Verdict.CANDIDATE
    assert judge(seen, memory=replace(memory, last_run_at=None))[UNTAGGED.id].verdict is Verdict.CANDIDATE


def test_the_memory_of_another_engine_is_put_aside():
    seen = observation(UNTAGGED)
    mine, other = (replace(memory_of(seen), engine_id=one) for one in (seen.engine.id, "another"))
    assert judge(seen, memory=mine)[UNTAGGED.id].verdict is Verdict.CANDIDATE
    row = judge(seen, memory=other)[UNTAGGED.id]
    assert (row.verdict, row.first_seen_at) == (Verdict.RETAINED, NOW)
    nameless = replace(seen, engine=replace(seen.engine, id=None))
    assert judge(nameless, memory=other)[UNTAGGED.id].verdict is Verdict.CANDIDATE
    assert judge(replace(seen, engine=None), memory=other)[UNTAGGED.id].verdict is Verdict.CANDIDATE


def test_an_empty_host_has_no_rows():
    assert judge(observation()) == {}


def test_the_policy_of_a_builder_without_an_index():
    """`builder1` may be a builder of that very name, or the second node of `builder`: both protect."""
    for name in ("builder1", "builder"):
        rules: Policy = policy(protect=Protect(builders=(name,)))
        seen: Observation = observation(builder("builder1"))
        assert judge(seen, rules)["builder1"].verdict is Verdict.PROTECTED
    digits = builder("123")
    assert (
        judge(observation(digits), policy(protect=Protect(builders=("123",))))["123"].verdict
        is Verdict.PROTECTED
    )


@pytest.mark.parametrize("kind", ["builder", "volume", "container"])
def test_a_home_that_was_not_read_makes_unnamed_builders_and_their_parts_unknown(kind):
    unread = {"buildx_instances": "/home/x: Permission denied"}
    stopped = replace(STOPPED_BUILDER, instances=None)
    seen = observation(LEAKED, LEAKED_VOLUME, stopped, STOPPED_BUILDER_CONTAINER, partial=unread)
    row = judge(seen)[
        {"builder": LEAKED, "volume": LEAKED_VOLUME, "container": STOPPED_BUILDER_CONTAINER}[kind].id
    ]
    assert (row.verdict, rules_of(row)) == (Verdict.UNKNOWN, ("unknown.section",))
    assert row.reasons[0].detail.endswith("was not read: /home/x: Permission denied")


def test_what_is_no_part_of_a_builder_does_not_wait_for_homes():
    seen = observation(volume("data"), container("db", state="exited"), partial={"buildx_instances": "no"})
    assert {row.verdict for row in judge(seen).values()} == {Verdict.RETAINED, Verdict.CANDIDATE}


def test_records_of_a_builder_that_was_not_read_in_full_are_unknown():
    whole, part = builder("whole0"), builder("part0", records_read=False)
    records = [cache_record(f"{one.id}/r", id=f"{one.id}/r", builder=one.id) for one in (whole, part)]
    rows = judge(observation(whole, part, *records))
    assert rules_of(rows["whole0/r"]) == ("cache.no_budget",)
    assert rules_of(rows["part0/r"]) == ("unknown.section",)
    alone = judge(observation(records[0]))
    assert rules_of(alone["whole0/r"]) == ("unknown.section",)
