"""The rows of the console: filtered, sorted and grouped, with what is not known always last."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hygiene_core.testing import GIB, MIB, NOW
from hygiene_tui.inventory import SORTS, Inventory, Order, Tab
from hygiene_tui.query import parse


def ago(days: int | None) -> str | None:
    return None if days is None else (NOW - timedelta(days=days)).isoformat()


ROWS: list[tuple[Any, ...]] = [
    # kind, id, name, verdict, unique, idle days, age days, rule, builder, repository, project
    (
        "image",
        "sha256:a1",
        "registry.ci/web:1",
        "candidate",
        9 * GIB,
        72,
        90,
        "image.idle",
        None,
        "web",
        None,
    ),
    ("image", "sha256:b2", "registry.ci/api:2", "in_use", 2 * GIB, None, 30, "image.used", None, "api", None),
    ("volume", "cargo", "cargo", "protected", 5 * GIB, 1, 400, "volume.name", None, None, "shop"),
    ("volume", "old", "old", "candidate", None, 50, None, "volume.idle", None, None, None),
    ("build_cache", "x1", "RUN make", "retained", 10 * MIB, 3, 3, "cache.young", "embedded", None, None),
    ("build_cache", "x2", "COPY . .", "unknown", 20 * MIB, None, 3, "cache.unread", "warm0", None, None),
    ("builder", "warm0", "warm0", "protected", 0, None, 9, "builder.warm", None, None, None),
    ("runner_workdir", "w", "odoo", "retained", 7 * MIB, 4, 9, "runner.young", None, None, None),
]
NAMES = (
    *("kind", "id", "name", "verdict", "unique_bytes", "idle_since_at", "first_seen_at", "rule"),
    *("builder", "repository", "project"),
)


@pytest.fixture
def seen() -> Inventory:
    columns = {name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)}
    for name in ("idle_since_at", "first_seen_at"):
        columns[name] = [ago(days) for days in columns[name]]
    return Inventory(columns, NOW, lambda row: {"number": row})


BY_NAME = Order("name")


def select(seen: Inventory, typed: str = "", tab: Tab = Tab.ALL, order: Order = BY_NAME) -> list[str]:
    return [ROWS[row][1] for row in seen.select(tab, parse(typed), order, NOW)]


@pytest.mark.parametrize(
    ("typed", "tab", "found"),
    [
        ("", Tab.IMAGES, {"sha256:a1", "sha256:b2"}),
        ("", Tab.RUNNERS, {"w"}),
        ("", Tab.ALL, {row[1] for row in ROWS}),
        ("REGISTRY", Tab.ALL, {"sha256:a1", "sha256:b2"}),
        ("registry -api", Tab.ALL, {"sha256:a1"}),
        ("cache.young", Tab.ALL, {"x1"}),
        ("b2", Tab.ALL, {"sha256:b2"}),
        ("kind:volume", Tab.ALL, {"cargo", "old"}),
        ("kind:volume", Tab.IMAGES, set()),
        ("verdict:candidate", Tab.ALL, {"sha256:a1", "old"}),
        ("size>4GiB", Tab.ALL, {"sha256:a1", "cargo"}),
        ("size<10MiB", Tab.ALL, {"warm0", "w"}),
        ("idle>3d", Tab.ALL, {"sha256:a1", "old", "w"}),
        ("idle<3d", Tab.ALL, {"cargo"}),
        ("idle>3d idle<60d", Tab.ALL, {"old", "w"}),
        ("nothing like that", Tab.ALL, set()),
    ],
)
def test_what_is_shown(seen, typed, tab, found):
    shown = select(seen, typed, tab)
    assert set(shown) == found
    assert len(shown) == len(found)


@pytest.mark.parametrize(
    ("by", "first", "unknown"),
    [
        ("size", ["sha256:a1", "cargo", "sha256:b2"], {"old"}),
        ("idle", ["sha256:a1", "old", "w"], {"sha256:b2", "x2", "warm0"}),
        ("age", ["cargo", "sha256:a1", "sha256:b2"], {"old"}),
        ("name", ["x2", "x1", "cargo"], set()),
        ("kind", ["x1", "x2", "warm0"], set()),
        ("verdict", ["cargo", "warm0", "sha256:b2"], set()),
        ("rule", ["warm0", "x2", "x1"], set()),
    ],
)
def test_orders(seen, by, first, unknown):
    ordered = select(seen, order=Order(by))
    assert ordered[: len(first)] == first
    assert set(ordered[len(ordered) - len(unknown) :]) == unknown
    turned = select(seen, order=Order(by, reverse=True))
    assert set(turned[len(turned) - len(unknown) :]) == unknown, "what is not known is last either way"
    known = [one for one in ordered if one not in unknown]
    assert sorted(known) == sorted(one for one in turned if one not in unknown)
    assert turned[0] != ordered[0]


def test_every_order_can_be_asked(seen):
    assert {len(select(seen, order=Order(by))) for by in SORTS} == {len(ROWS)}


def test_groups_sum_what_is_known_and_count_what_is_not(seen):
    rows = seen.select(Tab.VOLUMES, parse(""), Order(), NOW)
    groups = seen.groups(rows, "project")
    assert [(one.name, one.size_bytes, one.unknown) for one in groups] == [("shop", 5 * GIB, 0), ("", 0, 1)]
    everything = seen.select(Tab.ALL, parse(""), Order(), NOW)
    by_builder = seen.groups(everything, "builder")
    assert [one.name for one in by_builder] == ["warm0", "embedded", ""]
    assert sum(len(one.rows) for one in by_builder) == len(ROWS)


def test_a_row(seen):
    row = seen.row_of("image", "sha256:a1")
    assert row == 0
    assert (seen.size_bytes(row), seen.idle(row, NOW), seen.age(row, NOW)) == (
        9 * GIB,
        timedelta(days=72),
        timedelta(days=90),
    )
    assert (seen.size_bytes(3), seen.age(3, NOW), seen.idle(1, NOW)) == (None, None, None)
    assert seen.row_of("volume", "sha256:a1") is None
    assert seen.detail(4) == {"number": 4}


def test_counts_and_bytes(seen):
    assert seen.counts() == {
        "all": 8,
        "images": 2,
        "containers": 0,
        "volumes": 2,
        "build cache": 2,
        "builders": 1,
        "runners": 1,
        "candidate": 2,
        "in_use": 1,
        "protected": 2,
        "retained": 2,
        "unknown": 1,
    }
    assert seen.bytes_by_verdict()["candidate"] == 9 * GIB
    assert len(seen) == 8
