"""A policy says itself in one sentence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hygiene_core.decide.sentence import sentence
from hygiene_core.model.policy import Ages, Budget, Limits, Policy, Protect
from hygiene_core.testing import GIB, MIB

WEEK = timedelta(hours=168)


def said(**fields: object) -> str:
    return sentence(Policy(**{"source": "hygiene.toml", "digest": "", "ages": Ages(grace=WEEK)} | fields))


def clause(**fields: object) -> str:
    """What the fields add to the sentence of a policy without them."""
    before, after = said().split("; "), said(**fields).split("; ")
    return "; ".join(part for part in after if part not in before)


def test_the_built_in_defaults():
    assert said(source=None) == (
        "Built-in protective defaults: keep everything seen idle for less than 168 h; keep nothing by name; "
        "let go of nothing by age; leave every build cache alone; no limits are set."
    )


def test_a_whole_policy():
    assert said(
        protect=Protect(builders=("a", "b"), images=("c:1", "c:2")),
        ages=Ages(grace=WEEK, dangling_image=WEEK, anonymous_volume=WEEK, stopped_container=2 * WEEK),
        budgets={"embedded": Budget(max_bytes=20 * GIB, reserved_bytes=8 * GIB, min_age=WEEK)},
        limits=Limits(min_free_bytes=50 * GIB, min_free_inodes_percent=10.0, max_reclaimable_bytes=100 * GIB),
    ) == (
        "Keep everything seen idle for less than 168 h; keep 2 warm builders and 2 warm images; "
        "let go of dangling images and anonymous volumes idle for 168 h and stopped containers idle for "
        "336 h; prune the embedded cache down to 20 GiB, never under 8 GiB, and no record used in the last "
        "168 h; ask for attention at less than 50 GiB free, less than 10 % of inodes free or more than "
        "100 GiB reclaimable."
    )


@pytest.mark.parametrize(
    ("protect", "expected"),
    [
        (Protect(builders=("a",)), "keep 1 warm builder"),
        (Protect(images=("a*",)), "keep the warm images of 1 pattern"),
        (Protect(images=("a", "b*", "c?")), "keep 1 warm image and the warm images of 2 patterns"),
        (
            Protect(volumes=("a", "b"), containers=("c",), labels=("keep",)),
            "keep 2 volumes, 1 container and whatever carries the label 'keep'",
        ),
        (Protect(labels=("a", "b=c")), "keep whatever carries one of the labels 'a' or 'b=c'"),
    ],
)
def test_what_is_kept_by_name(protect: Protect, expected: str):
    assert clause(protect=protect) == expected


def test_an_age_under_the_grace_is_said_as_the_grace():
    ages = Ages(grace=WEEK, dangling_image=timedelta(hours=1))
    assert clause(ages=ages) == "let go of dangling images idle for 168 h"


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (timedelta(days=3), "72 h"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(seconds=90), "90 s"),
    ],
)
def test_spans(span: timedelta, expected: str):
    assert clause(ages=Ages(grace=span)).endswith(f"for less than {expected}")


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (512 * MIB, "512 MiB"),
        (500 * 10**6, "476.8 MiB"),
        (3 * GIB // 2, "1.5 GiB"),
        (2**40 - 1, "1.0 TiB"),
        (2**63 - 1, "8 EiB"),
    ],
)
def test_sizes(size_bytes: int, expected: str):
    assert clause(limits=Limits(max_state_bytes=size_bytes)) == (
        f"ask for attention at more than {expected} of evidence."
    )


@pytest.mark.parametrize(("days", "expected"), [(1, "1 day"), (7, "7 days")])
def test_days_without_an_apply(days: int, expected: str):
    assert clause(limits=Limits(max_days_without_apply=days)) == (
        f"ask for attention at {expected} without an apply on a busy host."
    )


def test_builders_with_the_same_budget_are_said_together():
    same = Budget(max_bytes=20 * GIB, reserved_bytes=8 * GIB, min_age=WEEK)
    other = Budget(max_bytes=30 * GIB, reserved_bytes=8 * GIB, min_age=timedelta(hours=24))
    assert clause(budgets={"embedded": same, "big": other, "warm": same}) == (
        "prune the caches of embedded and warm each down to 20 GiB, never under 8 GiB, and no record used in "
        "the last 168 h; prune the big cache down to 30 GiB, never under 8 GiB, and no record used in the "
        "last 24 h"
    )


def test_free_space_that_prunes_further():
    wants = Budget(max_bytes=20 * GIB, reserved_bytes=8 * GIB, min_age=WEEK, min_free_bytes=50 * GIB)
    assert clause(budgets={"embedded": wants}) == (
        "prune the embedded cache down to 20 GiB, never under 8 GiB, and no record used in the last 168 h, "
        "and further where less than 50 GiB are free"
    )
