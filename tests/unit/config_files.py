"""Configuration files for the tests: where the faulty ones lie, and ways to write and refuse one."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.config import load
from hygiene_core.errors import ConfigProblem

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "tests/data/config"
EXAMPLE = ROOT / "docs/examples/chris-testing.toml"
REFUSALS = tomllib.loads((FAULTS / "expected/refusals.toml").read_text())

WEEK = timedelta(hours=168)
LAB = '[hosts.lab]\ndocker = "unix:///run/lab.sock"\n'
NAME_RULE = "a name is 1 to 63 of A-Z a-z 0-9 . _ - and begins with a letter or a digit"
WHOLE = """
[evidence]
directory = "/srv/evidence/"

[hosts.one]
docker = "unix:///run/one.sock"
transport = "local"
data_root = "/mnt//docker/"
daemon_config = "/mnt/daemon.json"

[hosts.one.protect]
builders = ["warm", "*-warm"]
images = ["a:1", "sha256:*"]
volumes = ["data-[0-9]"]
containers = ["web?"]
labels = ["keep", "owner=[!x]*"]

[hosts.one.limits]
min_free = "50GiB"
min_free_inodes_percent = 12.5
max_reclaimable = "100GB"
max_state = "1 GiB"
max_days_without_apply = 7

[hosts.one.ages]
grace = "2d"
dangling_image = "72h"
tagged_image = "720h"
stopped_container = "4d"
anonymous_volume = "5d"
orphan_builder = "6d"

[hosts.one.budgets.embedded]
max = "20GiB"
reserved = "16GiB"
min_age = "90m"

[hosts.one.budgets.warm]
max = "512MiB"
allow_small_budget = true

[[hosts.one.runner_roots]]
name = "lane-1"
path = "/srv/lane-1"

[[hosts.one.run_caches]]
name = "builds"
path = "/srv/builds"
prefix = "run-"

[hosts.one.deadlines]
engine = "1s"
images = "2s"
containers = "3s"
volumes = "4s"
build_cache = "5s"

[hosts."two.example"]
docker = "unix:///run/two.sock"
protect.images = ["b:1"]
"""
"""A file that says everything that can be said."""


def written(folder: Path, text: str) -> Path:
    path = folder / "hygiene.toml"
    path.write_text(text)
    return path


def refused(path: Path | None, environ: dict[str, str] | None = None, **search: Any) -> ConfigProblem:
    with pytest.raises(ConfigProblem) as caught:
        load(path, environ or {}, **search)
    assert caught.value.exit_status == 2
    assert caught.value.code == "CONFIG"
    return caught.value
