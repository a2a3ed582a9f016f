"""The bounds of plans and the free space of budgets, as `hygiene.toml` has them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.config import load
from hygiene_core.model.policy import Bounds, Policy
from hygiene_core.testing import GIB
from tests.unit.config_files import LAB, written


def policy_of(tmp_path: Path, text: str) -> Policy:
    return load(written(tmp_path, LAB + text), {}).hosts["lab"].policy


@pytest.mark.parametrize("text", ["", "[hosts.lab.bounds]\n"])
def test_there_are_bounds_without_any_key(tmp_path: Path, text: str):
    bounds = policy_of(tmp_path, text).bounds
    assert bounds == Bounds()
    assert (bounds.max_items, bounds.max_bytes) == (5000, 500 * GIB)
    assert (bounds.max_time, bounds.expiry) == (timedelta(minutes=30), timedelta(hours=24))


def test_every_bound_is_read(tmp_path: Path):
    text = '[hosts.lab.bounds]\nmax_items = 7\nmax_bytes = "2GiB"\nmax_time = "90s"\nexpiry = "4h"\n'
    assert policy_of(tmp_path, text).bounds == Bounds(
        max_items=7, max_bytes=2 * GIB, max_time=timedelta(seconds=90), expiry=timedelta(hours=4)
    )


@pytest.mark.parametrize("least", [1, 1_000_000])
def test_the_ends_of_a_count_are_counts(tmp_path: Path, least: int):
    assert policy_of(tmp_path, f"[hosts.lab.bounds]\nmax_items = {least}\n").bounds.max_items == least


def test_all_of_a_disk_is_a_percentage(tmp_path: Path):
    text = "[hosts.lab.limits]\nmin_free_inodes_percent = 100\n"
    assert policy_of(tmp_path, text).limits.min_free_inodes_percent == 100


def test_free_space_belongs_to_a_budget_and_is_not_set_by_itself(tmp_path: Path):
    budget = '[hosts.lab.budgets.embedded]\nmax = "8GiB"\n'
    assert policy_of(tmp_path, budget).budgets["embedded"].min_free_bytes is None
    made = policy_of(tmp_path, budget + 'min_free = "50GiB"\n')
    assert made.budgets["embedded"].min_free_bytes == 50 * GIB


def test_bounds_are_a_part_of_what_a_plan_is_bound_to(tmp_path: Path):
    bounds = ["max_items = 7", 'max_bytes = "2GiB"', 'max_time = "90s"', 'expiry = "4h"']
    budget = '[hosts.lab.budgets.embedded]\nmax = "8GiB"\n'
    texts = ["", *(f"[hosts.lab.bounds]\n{one}\n" for one in bounds), budget, f'{budget}min_free = "1GiB"\n']
    assert len({policy_of(tmp_path, text).digest for text in texts}) == len(texts)
