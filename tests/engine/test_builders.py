"""Real BuildKit of two versions beside each other: every sort of builder gets the class that it has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.decide.classify import classify
from hygiene_core.decide.remember import gather
from hygiene_core.model.judgement import Judged
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.policy import Ages, Budget, Policy, Protect
from hygiene_core.model.request import Deadlines, ObserveRequest
from hygiene_core.model.resource import BuildCacheRecord
from hygiene_core.transport.local import LocalTransport
from tests.conftest import lab_tree
from tests.lab import buildkit
from tests.lab.errors import LabUnavailable
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")

DOCKER, ENTERPRISE = "odoo-docker-chris-testing", "odoo-enterprise-chris-testing"
KIB = 1024
POLICY = Policy(
    source="hygiene.toml",
    digest="0" * 64,
    protect=Protect(builders=(DOCKER, ENTERPRISE)),
    ages=Ages(grace=timedelta(0), orphan_builder=timedelta(hours=1), stopped_container=timedelta(hours=1)),
    budgets={
        DOCKER: Budget(max_bytes=2100 * KIB, reserved_bytes=0, min_age=timedelta(0)),
        ENTERPRISE: Budget(max_bytes=1 << 30, reserved_bytes=0, min_age=timedelta(0)),
        "stopped": Budget(max_bytes=1 << 30, reserved_bytes=0, min_age=timedelta(0)),
    },
)


@pytest.fixture(scope="module", params=["stable", "testing"])
def host(request: pytest.FixtureRequest) -> Iterator[LabHost]:
    """Two warm builders, a stopped one, a leaked one, a leaked volume, a kept volume, one of another home."""
    tree = lab_tree(request.param)
    try:
        for version in (buildkit.OLD, buildkit.CURRENT):
            buildkit.ensure_buildkit(version)
    except LabUnavailable as problem:
        pytest.skip(str(problem))  # also in CI: a module proxy is not a part of every machine
    with LabHost.start(tree, name=f"builders-{request.param}") as made:
        for name, version in ((DOCKER, buildkit.OLD), (ENTERPRISE, buildkit.CURRENT)):
            buildkit.create_builder(made, name, version)
            buildkit.build(made, name)
        for name in ("stopped", "leaked", "vanished", "kept"):
            buildkit.create_builder(made, name, buildkit.CURRENT)
        made.run("mkdir", "-p", "/home/other")
        buildkit.create_builder(made, "other", buildkit.CURRENT, home="/home/other")
        made.docker("stop", "buildx_buildkit_stopped0")
        for name in ("vanished", "kept"):
            made.docker("rm", "-f", f"buildx_buildkit_{name}0")
        # Their jobs were killed before they cleaned up: nobody has the instance file any more.
        for name in ("leaked", "vanished"):
            made.run("rm", f"/root/.docker/buildx/instances/{name}")
        yield made


def look(host: LabHost, *, homes: tuple[str, ...] = ("root", "home/other"), **more: object) -> Observation:
    seen_homes = tuple(str(host.folder / "upper" / home) for home in homes)
    return LocalTransport().observe(
        ObserveRequest(
            docker_socket=str(host.socket), data_root=str(host.data_root), homes=seen_homes, **more
        )
    )


def judged(seen: Observation, policy: Policy = POLICY) -> dict[str, Judged]:
    """As it stands after two hours in which nothing changed."""
    first = gather(seen, Memory(), policy, seen.ended_at)
    context = gather(seen, first.memory, policy, seen.ended_at + timedelta(hours=2))
    return {row.id: row for row in classify(seen, context)}


def told(row: Judged) -> tuple[str, str]:
    return row.verdict.value, row.reasons[0].rule


def test_every_builder_has_the_class_that_it_is(host: LabHost):
    rows = judged(look(host))
    assert {row.id: told(row) for row in rows.values() if row.kind == "builder"} == {
        "embedded": ("protected", "protect.embedded_builder"),
        f"{DOCKER}0": ("protected", "protect.policy"),
        f"{ENTERPRISE}0": ("protected", "protect.policy"),
        "stopped0": ("retained", "keep.builder"),
        "leaked0": ("candidate", "release.abandoned_builder"),
        "vanished0": ("candidate", "release.leaked_state"),
        "kept0": ("retained", "keep.instance"),
        "other0": ("in_use", "use.builder_active"),
    }
    volumes = {f"buildx_buildkit_{name}0_state": name for name in ("vanished", "kept", "leaked")}
    assert {name: told(rows[volume]) for volume, name in volumes.items()} == {
        "vanished": ("candidate", "release.leaked_state"),
        "kept": ("retained", "keep.instance"),
        "leaked": ("in_use", "use.mount"),
    }


def test_without_the_other_home_its_builder_would_be_called_abandoned_and_without_any_none(host: LabHost):
    assert told(judged(look(host, homes=("root",)))["other0"]) == ("candidate", "release.abandoned_builder")
    assert told(judged(look(host, homes=()))["leaked0"]) == ("in_use", "use.builder_active")
    assert told(judged(look(host, homes=("root", "nowhere")))["vanished0"]) == ("unknown", "unknown.section")


def test_each_tells_its_version_and_its_collection(host: LabHost):
    builders = {builder.id: builder for builder in look(host).builders}
    assert builders[f"{DOCKER}0"].version == buildkit.OLD
    assert builders[f"{ENTERPRISE}0"].version == buildkit.CURRENT
    for name in (DOCKER, ENTERPRISE):
        warm = builders[f"{name}0"]
        assert (warm.running_builds, warm.sessions, warm.records_read) == (0, 0, True)
        assert warm.last_build_at is not None
        assert warm.gc_policy
        assert warm.gc_policy[-1].everything
    assert builders["stopped0"].version is None


def test_every_record_has_its_why(host: LabHost):
    seen = look(host)
    assert seen.sections[SectionName.BUILDER_CACHE].availability is Availability.COMPLETE
    rows = judged(seen)
    records = [row for row in seen.build_cache if row.builder == f"{DOCKER}0"]
    assert {"regular", "exec.cachemount"} <= {record.type for record in records}
    rules = {row.reasons[0].rule for row in rows.values() if isinstance(row.facts, BuildCacheRecord)}
    assert rules <= {"cache.over_budget", "cache.pinned", "cache.budget_met", "cache.internal", "use.record"}
    mine = [rows[record.id] for record in records]
    assert any(told(row) == ("candidate", "cache.over_budget") for row in mine)
    enterprise = [rows[r.id] for r in seen.build_cache if r.builder == f"{ENTERPRISE}0"]
    assert {told(row) for row in enterprise} <= {
        ("retained", "cache.budget_met"),
        ("retained", "cache.pinned"),
        ("retained", "cache.internal"),
    }
    pinned = [row for row in rows.values() if row.reasons[0].rule == "cache.pinned"]
    assert pinned
    assert all(row.reasons[0].detail.rpartition(" ")[2] in rows for row in pinned)


def test_what_buildctl_prints_is_all_read(host: LabHost):
    seen = look(host)
    for name in (DOCKER, ENTERPRISE):
        printed = host.docker(
            *("exec", f"buildx_buildkit_{name}0", "buildctl", "du", "--format", "{{json .}}")
        ).stdout
        assert {row["id"] for row in json.loads(printed)} == {
            record.id.partition("/")[2] for record in seen.build_cache if record.builder == f"{name}0"
        }


def test_a_running_build_holds_its_builder(host: LabHost, tmp_path: Path):
    slow = buildkit.RECIPE + 'RUN --network=none ["/bin/sh", "-c", "until [ -e /stop ]; do :; done"]\n'
    context = tmp_path / "context.tar"
    context.write_bytes(buildkit.context(host, slow))
    with context.open("rb") as stdin, buildkit.building(host, "leaked", stdin):
        seen = look_until_it_builds(host)
        leaked = next(builder for builder in seen.builders if builder.id == "leaked0")
        assert leaked.running_builds == 1
        assert leaked.sessions
        row = judged(seen)["leaked0"]
        assert {reason.rule for reason in row.reasons} == {
            *("use.builder_active", "use.session", "use.build"),
        }


def look_until_it_builds(host: LabHost) -> Observation:
    for _ in range(100):
        seen = look(host)
        # The clients are counted before the builds: a look may fall between the two.
        if any(builder.running_builds and builder.sessions for builder in seen.builders):
            return seen
    raise AssertionError("the build was not seen in a hundred looks")


def test_a_paused_builder_is_named_and_costs_the_others_nothing(host: LabHost):
    container = f"buildx_buildkit_{ENTERPRISE}0"
    host.docker("pause", container)
    try:
        seen = look(host)
    finally:
        host.docker("unpause", container)
    section = seen.sections[SectionName.BUILDER_CACHE]
    assert section.availability is Availability.PARTIAL
    assert section.reason == f"{ENTERPRISE}0 is paused and cannot be asked"
    assert f"{DOCKER}0" in {record.builder for record in seen.build_cache}
    assert f"{ENTERPRISE}0" not in {record.builder for record in seen.build_cache}


def test_a_frozen_buildkit_ends_at_the_deadline_and_is_not_asked_twice(host: LabHost):
    """Its processes stand still: the exec goes on, and has no deadline of its own."""
    container = f"buildx_buildkit_{ENTERPRISE}0"
    pid = host.docker("inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
    host.run("pkill", "-STOP", "--parent", pid)  # the first process is Docker's init
    try:
        short = Deadlines(builder_cache=timedelta(seconds=2))
        first, again = look(host, deadlines=short), look(host, deadlines=short)
    finally:
        host.run("pkill", "-CONT", "--parent", pid)
    reasons = [seen.sections[SectionName.BUILDER_CACHE].reason or "" for seen in (first, again)]
    assert "within 2 s" in reasons[0]
    assert reasons[1] == (
        f"{ENTERPRISE}0 still runs the `buildctl` of an earlier look: it was not asked again"
    )
    assert f"{DOCKER}0" in {record.builder for record in first.build_cache}
