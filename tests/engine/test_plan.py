"""A plan of a real Engine's cache: exact private records, leaf first, and nothing on the host changes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.events import not_our_own
from tests.engine.test_report import BUDGET, CONFIG, SECOND, WEEK, events, state_digest
from tests.lab.host import LabHost
from tests.lab.scene import Scene

pytestmark = pytest.mark.lab("engine")


@dataclass(frozen=True)
class Kit:
    """The command line on one lab host, with a state directory of its own."""

    host: LabHost
    scene: Scene
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(self, *words: str, ages: str = SECOND, budget: str = BUDGET) -> subprocess.CompletedProcess[str]:
        config = self.folder / "hygiene.toml"
        config.write_text(
            CONFIG.format(
                state=self.state, socket=self.host.docker_url, data_root=self.host.data_root, ages=ages
            )
            + budget
        )
        return subprocess.run(
            [sys.executable, "-m", "hygiene_core", *words, "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "COLUMNS": "80"},
        )

    def plan(self, mode: str, *words: str, **policy: str) -> dict[str, Any]:
        ended = self.run("plan", "--mode", mode, "--format", "json", *words, **policy)
        assert ended.returncode == self.expected_status, ended.stderr
        plan: dict[str, Any] = json.loads(ended.stdout)
        stored = self.state / "plans" / f"{hashlib.sha256(ended.stdout.encode()).hexdigest()}.json"
        assert stored.read_text() == ended.stdout
        return plan

    @property
    def expected_status(self) -> int:
        """An Engine older than API 1.42 is looked at and never changed."""
        return 3 if self.is_old else 0

    @property
    def is_old(self) -> bool:
        with self.host.api() as api:
            version = api.get("/version")["ApiVersion"]
        return tuple(map(int, version.split("."))) < (1, 42)

    def cache(self) -> dict[str, dict[str, Any]]:
        """The Engine's own records, with their parents as every version tells them."""
        with self.host.api() as api:
            rows = api.get("/system/df")["BuildCache"]
        for row in rows:
            row["Parents"] = row.get("Parents") or ([row["Parent"]] if row.get("Parent") else [])
        return {row["ID"]: row for row in rows}


@pytest.fixture(scope="module")
def kit(lab_host: LabHost, lab_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    made = Kit(lab_host, lab_scene, tmp_path_factory.mktemp(f"plan-{lab_host.name}"))
    assert made.run("report", "--format", "json", ages=WEEK).returncode == 0
    time.sleep(2.1)  # the ages of a second, and a clock tick of the records
    return made


def test_a_cache_over_its_budget_names_exact_records_leaf_first(kit: Kit):
    cache = kit.cache()
    plan = kit.plan("bounded")
    (action,) = plan["actions"]
    assert (action["verb"], action["id"], action["container_id"]) == ("prune_records", "embedded", None)
    gone: list[str] = []
    for record in action["records"]:
        row = cache[record["id"]]
        assert not row["Shared"]
        assert not row["InUse"]
        assert record["size_bytes"] == row["Size"]
        assert {key for key, other in cache.items() if record["id"] in other["Parents"]} <= set(gone)
        gone.append(record["id"])
    assert gone
    private = sum(row["Size"] for row in cache.values() if not row["Shared"])
    assert action["private_bytes"] == private
    assert action["cap_bytes"] == private - sum(cache[key]["Size"] for key in gone) + 1
    (outlook,) = plan["outlooks"]
    assert sum(one["count"] for one in outlook["staying"]) + len(gone) == len(cache)
    assert plan["host"]["engine_id"]
    assert plan["host"]["machine_id"]


def test_an_old_engine_is_planned_and_blocked(kit: Kit):
    blockers = [one["code"] for one in kit.plan("bounded")["blockers"]]
    assert blockers == (["API_TOO_OLD"] if kit.is_old else [])


def test_a_cache_within_its_budget_is_left_alone(kit: Kit):
    roomy = BUDGET.replace("1KiB", "100GiB")
    plan = kit.plan("bounded", budget=roomy)
    assert plan["actions"] == []
    assert [one["planned_bytes"] for one in plan["outlooks"]] == [0]


def test_a_retirement_names_whole_identities_and_nothing_that_is_held(kit: Kit):
    shown = kit.run("report", "--format", "json")
    held = {
        (row["kind"], row["id"])
        for row in json.loads(shown.stdout)["resources"]
        if row["verdict"] in {"protected", "in_use", "unknown"}
    }
    plan = kit.plan("retirement", "--select", "verdict:candidate", "--select", "verdict:retained")
    named = {(one["kind"], one["id"]) for one in plan["actions"]}
    assert named.isdisjoint(held)
    assert ("image", kit.scene.images["dangling"]) in named
    many = next(one for one in plan["actions"] if one["id"] == kit.scene.images["many_tags"])
    with kit.host.api() as api:
        (listed,) = [row for row in api.get("/images/json") if row["Id"] == many["id"]]
        inspected = api.get(f"/images/{many['id']}/json")
    # With the containerd store an inspect derives a digest for each repository; the list tells one of them.
    told = [*listed["RepoTags"], *(listed["RepoDigests"] or [])]
    assert sorted(many["references"]) == sorted(one for one in told if not one.startswith("<none>"))
    assert {one for one in many["references"] if "@" not in one} == set(inspected["RepoTags"])
    for one in plan["actions"]:
        assert one["kind"] != "image" or one["id"].startswith("sha256:")
        assert len(one["id"].removeprefix("sha256:")) == 64 or one["kind"] == "volume"


@pytest.mark.parametrize("mode", ["bounded", "retirement"])
def test_a_plan_changes_nothing(kit: Kit, mode: str):
    before, since = state_digest(kit.host), time.time()
    kit.plan(mode)
    ended = kit.run("plan", "--mode", mode)
    assert ended.returncode == kit.expected_status, ended.stderr
    assert "\x1b" not in ended.stdout
    assert "Nothing was removed." in " ".join(ended.stdout.split())
    until = time.time()
    assert not_our_own(events(kit.host, since, until)) == []
    assert state_digest(kit.host) == before
