"""What a usable `hygiene.toml` comes to: hosts, policies, warnings and digests."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.config import check_lines, load
from hygiene_core.config.digest import policy_digest
from hygiene_core.config.selection import parse_selection
from hygiene_core.model.host import Host
from hygiene_core.model.policy import (
    Ages,
    Budget,
    Limits,
    Policy,
    Protect,
    RunCacheRoot,
    RunnerRoot,
    first_match,
)
from hygiene_core.model.request import Deadlines
from hygiene_core.testing import GIB
from tests.unit.config_files import EXAMPLE, LAB, WEEK, WHOLE, refused, written


def test_a_whole_file(tmp_path: Path):
    path = written(tmp_path, WHOLE)
    policy = Policy(
        source=str(path),
        digest="",
        protect=Protect(
            builders=("warm", "*-warm"),
            images=("a:1", "sha256:*"),
            volumes=("data-[0-9]",),
            containers=("web?",),
            labels=("keep", "owner=[!x]*"),
        ),
        limits=Limits(
            min_free_bytes=50 * GIB,
            min_free_inodes_percent=12.5,
            max_reclaimable_bytes=100 * 10**9,
            max_state_bytes=GIB,
            max_days_without_apply=7,
        ),
        ages=Ages(
            grace=timedelta(days=2),
            dangling_image=timedelta(days=3),
            tagged_image=timedelta(days=30),
            stopped_container=timedelta(days=4),
            anonymous_volume=timedelta(days=5),
            orphan_builder=timedelta(days=6),
        ),
        budgets={
            "embedded": Budget(max_bytes=20 * GIB, reserved_bytes=16 * GIB, min_age=timedelta(minutes=90)),
            "warm": Budget(max_bytes=GIB // 2, reserved_bytes=GIB // 4, min_age=WEEK),
        },
        runner_roots=(RunnerRoot(name="lane-1", path="/srv/lane-1"),),
        run_caches=(RunCacheRoot(name="builds", path="/srv/builds", prefix="run-"),),
    )
    one = Host(
        name="one",
        docker_socket="/run/one.sock",
        data_root="/mnt/docker",
        daemon_config="/mnt/daemon.json",
        deadlines=Deadlines(
            engine=timedelta(seconds=1),
            images=timedelta(seconds=2),
            containers=timedelta(seconds=3),
            volumes=timedelta(seconds=4),
            build_cache=timedelta(seconds=5),
        ),
        policy=replace(policy, digest=policy_digest(policy)),
    )
    made = load(path, {})
    assert made.hosts["one"] == one
    assert made.hosts["two.example"].policy.protect == Protect(images=("b:1",))
    assert made.hosts["two.example"].policy.ages == Ages(grace=WEEK)
    assert made.hosts["two.example"].deadlines == Deadlines()
    assert (made.source, made.state_directory, made.warnings) == (str(path), "/srv/evidence", ())


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path):
    path = tmp_path / "hygiene.toml"
    path.write_bytes(b"\xef\xbb\xbf" + LAB.replace("\n", "\r\n").encode())
    assert set(load(path, {}).hosts) == {"lab"}


def test_the_line_of_a_fault_is_found_past_windows_line_ends(tmp_path: Path):
    path = tmp_path / "hygiene.toml"
    path.write_bytes((LAB + "[hosts.lab.ages]\ngrace = 24\n").replace("\n", "\r\n").encode())
    assert ": line 4: hosts.lab.ages.grace: 24 has no unit" in refused(path).message


def test_the_example_of_the_first_host():
    made = load(EXAMPLE, {})
    host = made.hosts["chris-testing"]
    assert host.docker_socket == "/var/run/docker.sock"
    assert host.policy.protect == Protect(
        builders=("odoo-docker-chris-testing", "odoo-enterprise-chris-testing"),
        images=("odoo-docker:verify-devtools", "odoo-docker:verify-runtime"),
    )
    assert set(host.policy.budgets) == {"embedded", *host.policy.protect.builders}
    assert all(budget.reserved_bytes >= 8 * GIB for budget in host.policy.budgets.values())
    ages = host.policy.ages
    assert {ages.grace, ages.dangling_image, ages.stopped_container, ages.anonymous_volume} == {WEEK}
    assert (host.policy.runner_roots, made.warnings) == ((), ())


@pytest.mark.parametrize(
    "pattern", ["*a" * 255 + "b", "?*" * 255 + "b", "*?" * 255 + "b", "*[!b]" * 100 + "b"]
)
def test_a_pattern_that_would_try_forever_is_soon_done(tmp_path: Path, pattern: str):
    """A name is 4,096 letters long at most; the search for a match gives up nothing that it found."""
    made = load(written(tmp_path, f'{LAB}[hosts.lab.protect]\nimages = ["{pattern}"]\n'), {})
    images = made.hosts["lab"].policy.protect.images
    before = time.process_time()
    assert first_match(images, ("a" * 4096,)) is None
    assert time.process_time() - before < 1


# Warnings.


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("", "line 1: hosts.lab: no policy: nothing is protected by name, limited or let go"),
        (
            '[hosts.lab.protect]\nimages = ["a", "**"]',
            'line 4: hosts.lab.protect.images[1]: "**" protects all images',
        ),
        (
            '[hosts.lab.protect]\nlabels = ["*=*"]',
            'line 4: hosts.lab.protect.labels[0]: "*=*" protects whatever has a label',
        ),
        (
            '[hosts.lab.ages]\ngrace = "2h"',
            "line 4: hosts.lab.ages.grace: 2h is less than a day",
        ),
        (
            '[hosts.lab.ages]\ndangling_image = "48h"',
            (
                "line 4: hosts.lab.ages.dangling_image: 48h is shorter than the grace of 168h, "
                "which holds for everything"
            ),
        ),
        (
            '[hosts.lab.protect]\nbuilders = ["warm-builder"]\n[hosts.lab.budgets.warm-bilder]\nmax = "8GiB"',
            (
                "line 5: hosts.lab.budgets.warm-bilder: a budget for a builder that protect.builders does "
                'not name; did you mean "warm-builder"?'
            ),
        ),
        (
            '[hosts.lab.limits]\n[hosts.copy]\ndocker = "unix:///run/lab.sock"\n[hosts.copy.limits]',
            "line 5: hosts.copy.docker: hosts.lab has the same socket: one Engine, remembered twice",
        ),
    ],
)
def test_what_is_perhaps_not_meant_is_a_warning(tmp_path: Path, text: str, warning: str):
    path = written(tmp_path, f"{LAB}{text}\n")
    assert load(path, {}).warnings == (warning,)
    assert f"warning: {warning}" in check_lines(path, {})


def test_a_file_that_everybody_may_change_is_a_warning(tmp_path: Path):
    path = written(tmp_path, f"{LAB}[hosts.lab.limits]\n")
    path.chmod(0o646)
    assert load(path, {}).warnings == ("every user of this machine may change this file",)


# The digest.


def test_the_digest_is_pinned():
    """Plans are bound to it: a change of how it is made refuses every plan that is under way."""
    assert load(EXAMPLE, {}).hosts["chris-testing"].policy.digest == (
        "863cc49006578a52b2951ab0b667358e265e56441ebd4a3100dd499598cdd3ad"
    )


def test_the_digest_does_not_depend_on_where_the_file_lies(tmp_path: Path):
    moved = load(written(tmp_path, EXAMPLE.read_text()), {}).hosts["chris-testing"].policy
    there = load(EXAMPLE, {}).hosts["chris-testing"].policy
    assert moved.source != there.source
    assert moved.digest == there.digest


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        ('"*-warm"', '"*-cold"'),
        ('"50GiB"', '"51GiB"'),
        ("12.5", "12.6"),
        ('"72h"', '"73h"'),
        ('reserved = "16GiB"', 'reserved = "15GiB"'),
        ('"90m"', '"91m"'),
        ('"/srv/lane-1"', '"/srv/lane-2"'),
    ],
)
def test_the_digest_follows_the_policy(tmp_path: Path, was: str, is_now: str):
    before = load(written(tmp_path, WHOLE), {}).hosts["one"].policy.digest
    assert was in WHOLE
    after = load(written(tmp_path, WHOLE.replace(was, is_now)), {}).hosts["one"].policy.digest
    assert before != after


def test_ages_and_marks_of_directories(tmp_path: Path):
    more = """
[hosts.lab.ages]
runner_checkout = "720h"
diagnostic_log = "30d"
[[hosts.lab.run_caches]]
name = "builds"
path = "/srv/builds"
high_water = "2GiB"
low_water = "1GiB"
[[hosts.lab.run_caches]]
name = "other"
path = "/srv/other"
"""
    policy = load(written(tmp_path, LAB + more), {}).hosts["lab"].policy
    assert (policy.ages.runner_checkout, policy.ages.diagnostic_log) == (
        timedelta(days=30),
        timedelta(days=30),
    )
    marks = [(place.high_water_bytes, place.low_water_bytes) for place in policy.run_caches]
    assert marks == [(2 * GIB, GIB), (None, None)]


def test_a_plan_can_be_narrowed_to_directories():
    chosen = parse_selection(["kind:runner_workdir", "kind:run_cache"])
    assert chosen.kinds == ("runner_workdir", "run_cache")
