"""Each finding at, just over and just under its limit."""

# ruff: noqa: E501 - a table of findings reads best with one a line

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.decide.classify import classify
from hygiene_core.decide.findings import CODES, FindingCode, find, status_of
from hygiene_core.decide.relations import job_networks
from hygiene_core.decide.summary import summarise
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Network
from hygiene_core.model.policy import Limits, Protect
from hygiene_core.model.report import JobNetwork, Severity, Status
from hygiene_core.testing import NOW, builder, filesystem, image, observation, runner
from tests.unit.decide.judging import container, context_of, policy


def found(seen, rules=None, state_bytes=None, memory=None):
    context = context_of(seen, rules, memory)
    summary = summarise(seen, classify(seen, context), context)
    return find(seen, summary, context, state_bytes)


def codes(*args, **more):
    return [finding.code for finding in found(*args, **more)]


def limited(**limits):
    return policy(limits=Limits(**limits))


def test_a_quiet_host_has_none():
    assert found(observation()) == ()


def test_free_bytes():
    seen = observation(filesystems=(filesystem(free_bytes=100),))
    (one,) = found(seen, limited(min_free_bytes=101))
    assert (one.code, one.severity, one.figure, one.limit, one.unit) == (
        "FREE_BYTES_LOW", Severity.CRITICAL, 100, 101, "bytes",
    )  # fmt: skip
    assert one.subject == "/var/lib/docker"
    assert found(seen, limited(min_free_bytes=100)) == ()
    elsewhere = observation(filesystems=(filesystem("state", free_bytes=1),))
    assert found(elsewhere, limited(min_free_bytes=100)) == ()


def test_free_inodes():
    seen = observation(filesystems=(filesystem(total_inodes=1000, free_inodes=50),))
    (one,) = found(seen, limited(min_free_inodes_percent=5.1))
    assert (one.code, one.figure, one.limit, one.unit) == ("FREE_INODES_LOW", 5.0, 5.1, "percent")
    assert found(seen, limited(min_free_inodes_percent=5.0)) == ()
    thirds = observation(filesystems=(filesystem(total_inodes=3000, free_inodes=1000),))
    assert found(thirds, limited(min_free_inodes_percent=99))[0].figure == 33.3
    for nothing in ({"total_inodes": None}, {"free_inodes": None}, {"total_inodes": 0}):
        odd = observation(filesystems=(replace(seen.filesystems[0], **nothing),))
        assert found(odd, limited(min_free_inodes_percent=99)) == ()


def test_reclaimable():
    seen = observation(container(state="exited", writable_bytes=100))
    (one,) = found(seen, limited(max_reclaimable_bytes=99))
    assert (one.code, one.figure, one.limit) == ("RECLAIMABLE_HIGH", 100, 99)
    assert found(seen, limited(max_reclaimable_bytes=100)) == ()
    unknown = observation(container(state="exited", writable_bytes=None))
    assert found(unknown, limited(max_reclaimable_bytes=0)) == ()


def test_warm_builders():
    rules = policy(protect=Protect(builders=("w",)))
    assert codes(observation(builder("w0")), rules) == []
    assert codes(observation(), rules) == ["WARM_BUILDER_MISSING"]
    left = builder("w0", container_id=None, container_state=None)
    assert codes(observation(left), rules) == ["WARM_BUILDER_MISSING"]
    (one,) = found(observation(builder("w0", container_state="exited")), rules)
    assert (one.code, one.message) == ("WARM_BUILDER_STOPPED", "the warm builder w is exited")
    assert codes(observation(unavailable={"builders": "frozen"}), rules) == ["SECTION_INCOMPLETE"]


def test_warm_images():
    rules = policy(protect=Protect(images=("a:1",)))
    assert codes(observation(image("a:1")), rules) == []
    assert codes(observation(), rules) == ["WARM_IMAGE_MISSING"]
    assert codes(observation(partial={"images": "deadline"}), rules) == ["SECTION_INCOMPLETE"]


def test_orphans():
    stopped = builder("s0", container_state="exited")
    leaked = builder("l0", container_id=None, container_state=None)
    container_finding, volume_finding = found(observation(stopped, leaked))
    assert container_finding.message == (
        "a BuildKit container that is exited and that nobody keeps: buildx_buildkit_s0"
    )
    assert container_finding.next_step == "hygiene explain s0"
    assert volume_finding.message == "a BuildKit state volume without a container: buildx_buildkit_l0_state"
    assert volume_finding.subject == "buildx_buildkit_l0_state"


def test_incomplete_sections():
    seen = observation(partial={"volumes": "deadline of 3 s"}, unavailable={"images": "frozen"})
    assert [one.message for one in found(seen)] == [
        "images is unavailable: frozen",
        "volumes is partial: deadline of 3 s",
    ]


def test_the_clock():
    memory = Memory(last_run_at=NOW + timedelta(hours=2))
    assert codes(observation(), memory=memory) == ["CLOCK_SUSPECT"]


def test_another_engine():
    (one,) = found(observation(), memory=Memory(engine_id="another"))
    assert (one.code, one.next_step) == ("ENGINE_CHANGED", "hygiene history runs")
    assert one.message == "the Engine is another than in the last recorded run: every age begins anew"
    assert codes(observation(), memory=Memory(engine_id=observation().engine.id)) == []


def test_a_next_step_is_quoted_for_a_shell():
    (one,) = found(observation(builder("$(touch x);", container_state="exited")))
    assert one.next_step == "hygiene explain '$(touch x);'"


def test_the_kits_own_state():
    (one,) = found(observation(), limited(max_state_bytes=10), state_bytes=11)
    assert (one.code, one.figure, one.limit) == ("STATE_LARGE", 11, 10)
    assert found(observation(), limited(max_state_bytes=10), state_bytes=10) == ()
    assert found(observation(), limited(max_state_bytes=10), state_bytes=None) == ()
    assert found(observation(), state_bytes=10**12) == ()


def test_no_policy():
    (one,) = found(observation(), policy(source=None))
    assert (one.code, one.next_step) == ("NO_POLICY", "hygiene config init")


def test_the_worst_stands_first():
    rules = policy(source=None, limits=Limits(min_free_bytes=10**15), protect=Protect(images=("b:1", "a:1")))
    ordered = [(one.code, one.subject) for one in found(observation(), rules)]
    assert ordered == [
        ("FREE_BYTES_LOW", "/var/lib/docker"),
        ("NO_POLICY", None),
        ("WARM_IMAGE_MISSING", "a:1"),
        ("WARM_IMAGE_MISSING", "b:1"),
    ]


def test_every_finding_is_complete():
    """All fields of every finding at once; `find` is the only place that fills them."""
    wanted = limited(
        min_free_bytes=10**15, min_free_inodes_percent=99.5, max_reclaimable_bytes=1, max_state_bytes=1
    )
    rules = replace(wanted, source=None, protect=Protect(builders=("gone", "old"), images=("gone:1",)))
    seen = observation(
        container(state="exited", writable_bytes=5),
        builder("old0", container_state="exited"),
        builder("s0", container_state="exited"),
        builder("l0", container_id=None, container_state=None),
        partial={"host": "no machine-id"},
        filesystems=(filesystem(total_inodes=200, free_inodes=100, free_bytes=7),),
    )
    memory = Memory(last_run_at=NOW + timedelta(hours=2))
    assert [
        (f.code, f.severity.value, f.message, f.subject, f.figure, f.limit, f.unit, f.next_step)
        for f in found(seen, rules, state_bytes=2, memory=memory)
    ] == [
        ("CLOCK_SUSPECT", "critical", "the clock says 2026-05-04 03:02Z, before the last recorded run at 2026-05-04 05:02Z", None, None, None, None, None),
        ("FREE_BYTES_LOW", "critical", "/var/lib/docker has less free space than the policy asks", "/var/lib/docker", 7, 10**15, "bytes", "hygiene history trend"),
        ("FREE_INODES_LOW", "critical", "/var/lib/docker has fewer free inodes than the policy asks", "/var/lib/docker", 50.0, 99.5, "percent", "hygiene history trend"),
        ("WARM_BUILDER_MISSING", "critical", "the warm builder gone has no container", "gone", None, None, None, "hygiene history resource gone"),
        ("NO_POLICY", "warning", "no configuration was found; protective defaults were used", None, None, None, None, "hygiene config init"),
        ("ORPHAN_BUILDKIT_CONTAINER", "warning", "a BuildKit container that is exited and that nobody keeps: buildx_buildkit_s0", "buildx_buildkit_s0", None, None, None, "hygiene explain s0"),
        ("ORPHAN_BUILDKIT_VOLUME", "warning", "a BuildKit state volume without a container: buildx_buildkit_l0_state", "buildx_buildkit_l0_state", None, None, None, "hygiene explain l0"),
        ("RECLAIMABLE_HIGH", "warning", "Docker holds more reclaimable bytes than the policy allows", None, 5, 1, "bytes", "hygiene resources --verdict candidate"),
        ("SECTION_INCOMPLETE", "warning", "host is partial: no machine-id", "host", None, None, None, None),
        ("STATE_LARGE", "warning", "the kit's own evidence takes more space than the policy allows", None, 2, 1, "bytes", None),
        ("WARM_BUILDER_STOPPED", "warning", "the warm builder old is exited", "old", None, None, None, None),
        ("WARM_IMAGE_MISSING", "warning", "the warm image gone:1 is not there", "gone:1", None, None, None, None),
    ]  # fmt: skip


def test_every_code_has_a_severity_and_a_meaning():
    assert set(CODES) == set(FindingCode)
    assert all(code.meaning.endswith(".") for code in CODES.values())


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (observation(), Status.HEALTHY),
        (observation(partial={"volumes": "deadline"}), Status.INCOMPLETE),
        (observation(unavailable={"host": "no machine-id"}), Status.INCOMPLETE),
    ],
)
def test_status(seen, status):
    assert status_of(seen, found(seen)) is status


def test_a_warning_asks_for_attention_and_a_note_does_not():
    seen = observation()
    warning = found(seen, policy(source=None))
    assert status_of(seen, warning) is Status.ATTENTION
    assert status_of(seen, tuple(replace(one, severity=Severity.INFO) for one in warning)) is Status.HEALTHY


def network(label: str, number: int = 1) -> Network:
    return Network(id=f"{number:064x}", name=f"github_network_{number}", driver="bridge", labels={label: ""})


def test_networks_that_a_job_left_are_told_while_its_runner_has_none():
    mine = runner(label="abc123")
    networks = (network("abc123"), network("abc123", 2), network("other", 3))
    seen = observation(mine, runner("lane-2", label=None), networks=networks)
    (one,) = found(seen)
    assert (one.code, one.severity, one.subject, one.figure) == (
        "JOB_NETWORKS_LEFT", Severity.INFO, "lane-1", 2,
    )  # fmt: skip
    assert one.message.startswith("2 networks are left of the jobs of the runner lane-1, ")
    single = observation(mine, networks=networks[:1])
    assert found(single)[0].message.startswith("1 network is left ")
    for busy in (True, None):
        assert found(observation(runner(label="abc123", busy=busy), networks=networks)) == ()
    assert job_networks(seen)[0] == JobNetwork(id=f"{1:064x}", name="github_network_1", runner="lane-1")
