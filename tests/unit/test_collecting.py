"""The tiers that a configuration makes, against what the programs themselves compute."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.host.buildkit_wire import parse_workers
from hygiene_core.model.collecting import buildkit_version, container_policy, embedded_policy, version_of
from hygiene_core.model.engine_config import BuildkitdConfig, BuildkitdRule, EngineGc, EngineGcRule, Space
from hygiene_core.model.resource import GcRule
from hygiene_core.testing import GIB

DATA = Path(__file__).parents[1] / "data/buildkit"
DISK = 500 * GIB
TWO_DAYS, SIXTY_DAYS = timedelta(days=2), timedelta(days=60)
CHEAP = ("type==source.local", "type==exec.cachemount", "type==source.git.checkout")
ON = EngineGc(enabled=True)
GB = 10**9
NEW, OLD = (0, 32, 2), (0, 16, 0)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("26.1.5+dfsg1", (26, 1, 5)),
        ("28.2", (28, 2, 0)),
        ("v0.32.2", (0, 32, 2)),
        ("29.0.0-rc.1", (29, 0, 0)),
        ("dev", None),
        ("", None),
        (None, None),
    ],
)
def test_a_version(text, numbers):
    assert version_of(text) == numbers


@pytest.mark.parametrize(
    ("version", "image", "numbers"),
    [
        ("v0.32.2", "moby/buildkit:v0.16.0", (0, 32, 2)),
        (None, "moby/buildkit:v0.16.0", (0, 16, 0)),
        (None, "moby/buildkit:v0.16.0-rootless", (0, 16, 0)),
        (None, "docker.io/moby/buildkit:v0.16.0@sha256:00", (0, 16, 0)),
        (None, "moby/buildkit:buildx-stable-1", None),
        (None, "example/thing:v0.16.0", None),
        (None, None, None),
    ],
)
def test_the_version_of_a_builder(version, image, numbers):
    assert buildkit_version(version, image) == numbers


@pytest.mark.parametrize(
    ("version", "enabled", "collects"),
    [
        ("28.1.1", None, False),
        ("28.2.0", None, True),
        ("28.1.1", True, True),
        ("29.7.2", False, False),
        ("20.10.24+dfsg1", None, False),
    ],
)
def test_whether_the_engine_collects(version, enabled, collects):
    assert bool(embedded_policy(EngineGc(enabled=enabled), version, DISK)) is collects


def test_an_engine_without_a_version_is_not_guessed():
    assert embedded_policy(ON, "dev", DISK) is None


def test_the_default_of_old_engines_is_one_cap():
    cheap, old, ours, everything = embedded_policy(ON, "26.1.5+dfsg1", DISK) or ()
    assert cheap == GcRule(
        filters=(",".join(CHEAP),), keep_for=TWO_DAYS, max_used_bytes=7046965916
    )  # e x pi x phi percent of 51 GB
    assert old == GcRule(keep_for=SIXTY_DAYS, max_used_bytes=51 * GB)
    assert ours == GcRule(max_used_bytes=51 * GB)
    assert everything == GcRule(everything=True, max_used_bytes=51 * GB)


def test_the_ages_of_20_10_hold_nothing_back():
    rules = embedded_policy(EngineGc(enabled=True, keep_bytes=GIB), "20.10.24+dfsg1", None) or ()
    assert [rule.keep_for for rule in rules] == [None] * 4
    assert [rule.max_used_bytes for rule in rules] == [512 * 10**6, GIB, GIB, GIB]


@pytest.mark.parametrize(
    ("version", "reserved", "most", "free"),
    [("28.0.0", 51, 7, 26), ("28.5.0", 51, 7, 26), ("28.5.1", 51, 401, 101), ("29.7.2", 51, 401, 101)],
)
def test_the_default_of_three_bounds(version, reserved, most, free):
    *_, everything = embedded_policy(ON, version, DISK) or ()
    assert everything == GcRule(
        everything=True,
        reserved_bytes=reserved * GB,
        max_used_bytes=most * GB,
        min_free_bytes=free * GB,
    )


def test_the_cheap_tier_matches_from_29_6_on():
    assert [(embedded_policy(ON, version, DISK) or ())[0].filters for version in ("29.5.3", "29.6.0")] == [
        (",".join(CHEAP),),
        CHEAP,
    ]


def test_one_bound_turns_the_others_off():
    *_, everything = embedded_policy(EngineGc(enabled=True, keep_bytes=20 * GIB), "29.0.0", None) or ()
    assert everything == GcRule(everything=True, reserved_bytes=20 * GIB)
    both = EngineGc(enabled=True, keep_bytes=20 * GIB, reserved_bytes=GIB, min_free_bytes=GIB)
    *_, everything = embedded_policy(both, "29.0.0", None) or ()
    assert everything == GcRule(everything=True, reserved_bytes=GIB, min_free_bytes=GIB)


@pytest.mark.parametrize("version", ["27.5.1", "28.5.2"])
def test_a_share_of_an_unknown_disk_is_not_known(version):
    assert embedded_policy(ON, version, None) is None


def test_a_policy_replaces_the_default():
    rules = (
        EngineGcRule(filters=("type==source.local",), keep_for=TWO_DAYS, keep_bytes=GIB),
        EngineGcRule(everything=True, keep_bytes=0, max_used_bytes=9 * GIB, min_free_bytes=GIB),
    )
    gc = EngineGc(enabled=True, keep_bytes=5 * GIB, policy=rules)
    # One bound alone is read before 28.0, and the default stands in where it is not set.
    assert embedded_policy(gc, "27.5.1", None) == (
        GcRule(filters=("type==source.local",), keep_for=TWO_DAYS, max_used_bytes=GIB),
        GcRule(everything=True, max_used_bytes=5 * GIB),
    )
    assert embedded_policy(gc, "28.0.0", None) == (
        GcRule(filters=("type==source.local",), keep_for=TWO_DAYS, reserved_bytes=GIB),
        GcRule(everything=True, max_used_bytes=9 * GIB, min_free_bytes=GIB),
    )
    assert embedded_policy(EngineGc(enabled=True, policy=()), "29.0.0", None) == ()


def test_a_rule_that_an_old_engine_does_not_start_with_is_not_in_effect():
    gc = EngineGc(enabled=True, keep_bytes=GIB, policy=(EngineGcRule(everything=True, max_used_bytes=GIB),))
    assert embedded_policy(gc, "27.5.1", None) is None
    assert embedded_policy(gc, "28.0.0", None) == (GcRule(everything=True, max_used_bytes=GIB),)


def test_the_default_of_buildkit_is_what_it_tells_itself():
    """The recorded workers ran with defaults, on a disk whose size one of their bounds tells to 10 GiB."""
    old = parse_workers((DATA / "0.16.0/workers.json").read_bytes()).gc_policy
    assert old[-1].max_used_bytes == 26 * GB
    assert container_policy(BuildkitdConfig(), OLD, 10 * 25 * GIB) == old
    new = parse_workers((DATA / "0.32.2/workers.json").read_bytes()).gc_policy
    assert new[-1].min_free_bytes == 51 * GB
    assert container_policy(BuildkitdConfig(), NEW, 5 * 50 * GIB) == new


def test_a_container_that_is_told_to_collect_nothing():
    assert container_policy(BuildkitdConfig(enabled=False), None, None) == ()


def bounds(config: BuildkitdConfig, version, disk: int | None = None):
    rules = container_policy(config, version, disk)
    if rules is None:
        return None
    return rules[-1].reserved_bytes, rules[-1].max_used_bytes, rules[-1].min_free_bytes


@pytest.mark.parametrize(
    ("config", "version", "disk", "expected"),
    [
        (BuildkitdConfig(keep=Space(GIB)), OLD, None, (None, GIB, None)),
        (BuildkitdConfig(keep=Space(GIB)), NEW, None, (GIB, None, None)),
        (BuildkitdConfig(keep=Space(GIB)), None, None, (GIB, None, None)),
        (BuildkitdConfig(keep=Space(GIB), max_used=Space(5)), NEW, None, (None, 5, None)),
        (BuildkitdConfig(keep=Space(percent=50)), OLD, DISK, (None, 251 * GB, None)),
        (BuildkitdConfig(keep=Space(percent=50)), OLD, None, None),
        (BuildkitdConfig(max_used=Space(percent=50), reserved=Space(1)), NEW, DISK, (1, 251 * GB, None)),
        (BuildkitdConfig(max_used=Space(percent=50), reserved=Space(1)), NEW, None, None),
        (BuildkitdConfig(), NEW, DISK, (10 * GB, 100 * GB, 101 * GB)),
        (BuildkitdConfig(), NEW, 10 * GIB, (2 * GB, 9 * GB, 3 * GB)),
        (BuildkitdConfig(), NEW, None, None),
        (BuildkitdConfig(), None, DISK, None),
        (BuildkitdConfig(), OLD, None, None),
    ],
)
def test_the_bounds_of_a_container(config, version, disk, expected):
    assert bounds(config, version, disk) == expected


def test_the_rules_of_a_container():
    rule = BuildkitdRule(everything=True, filters=("a",), keep_for=TWO_DAYS, keep=Space(7))
    config = BuildkitdConfig(policy=(rule,))
    plain = {"everything": True, "filters": ("a",), "keep_for": TWO_DAYS}
    assert container_policy(config, OLD, None) == (GcRule(**plain, max_used_bytes=7),)
    assert container_policy(config, NEW, None) == (GcRule(**plain, reserved_bytes=7),)
    several = BuildkitdConfig(policy=(rule, BuildkitdRule(reserved=Space(1), max_used=Space(percent=10))))
    assert container_policy(several, NEW, None) is None
    assert (container_policy(several, NEW, DISK) or ())[1] == GcRule(reserved_bytes=1, max_used_bytes=51 * GB)
    assert container_policy(several, OLD, None) == (GcRule(**plain, max_used_bytes=7), GcRule())
