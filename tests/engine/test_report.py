"""The main job on every real engine: a host with traps gets the expected verdicts, and is not touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.evidence.store import EvidenceStore
from tests.engine.events import not_our_own
from tests.lab.host import LabHost
from tests.lab.scene import Scene, build_scene

pytestmark = pytest.mark.lab("engine")

WEEK = """
grace = "168h"
dangling_image = "168h"
tagged_image = "720h"
stopped_container = "168h"
anonymous_volume = "168h"
orphan_builder = "168h"
"""
SECOND = "\n".join(line.partition("=")[0] + '= "1s"' for line in WEEK.strip().splitlines())

BUDGET = """
[hosts.lab.budgets.embedded]
max = "1KiB"
reserved = "1B"
min_age = "1s"
allow_small_budget = true
"""

CONFIG = """
[evidence]
directory = "{state}"

[hosts.lab]
docker = "{socket}"
data_root = "{data_root}"

[hosts.lab.protect]
builders = ["odoo-docker-chris-testing"]
images = ["odoo-docker:verify-devtools", "odoo-docker:verify-runtime"]

[hosts.lab.ages]
{ages}
"""


@dataclass(frozen=True)
class Kit:
    """The command line on one lab host, with a state directory of its own."""

    host: LabHost
    scene: Scene
    folder: Path

    def run(self, *words: str, ages: str = WEEK, budget: str = "") -> subprocess.CompletedProcess[str]:
        config = self.folder / "hygiene.toml"
        state = self.folder / "state"
        text = CONFIG.format(
            state=state, socket=self.host.docker_url, data_root=self.host.data_root, ages=ages
        )
        config.write_text(text + budget)
        return subprocess.run(
            [sys.executable, "-m", "hygiene_core", *words, "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"},
        )

    def report(self, **policy: str) -> dict[str, Any]:
        ended = self.run("report", "--format", "json", **policy)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)


@pytest.fixture(scope="module")
def kit(lab_host: LabHost, tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return Kit(lab_host, build_scene(lab_host, rebuilt=True), tmp_path_factory.mktemp(lab_host.name))


@pytest.fixture(scope="module")
def first(kit: Kit) -> dict[str, Any]:
    """The first report of the host, under a policy of weeks."""
    return kit.report()


@pytest.fixture(scope="module")
def later(kit: Kit, first: dict[str, Any]) -> dict[str, Any]:
    """A report under a policy of seconds, once these have passed since everything was first seen."""
    kit.report(ages=SECOND, budget=BUDGET)
    due_at = datetime.now(UTC) + timedelta(seconds=1)
    while datetime.now(UTC) <= due_at:
        time.sleep(0.1)  # the grace itself is what passes here
    return kit.report(ages=SECOND, budget=BUDGET)


def verdicts(shown: dict[str, Any], kind: str, ids: dict[str, str]) -> dict[str, tuple[str, list[str]]]:
    """Verdict and rules by the role that a resource plays in the scene."""
    rows = {row["id"]: row for row in shown["resources"] if row["kind"] == kind}
    return {
        role: (rows[key]["verdict"], [reason["rule"] for reason in rows[key]["reasons"]])
        for role, key in ids.items()
    }


UNUSED = ("candidate", ["release.tagged_image"])
"""Of a window of a second, which the Engine's own events cover."""

IMAGES = {
    "base": ("protected", ["protect.warm_builder"]),
    "moved_old": ("in_use", ["use.container"]),
    "moved_new": UNUSED,
    "rebuilt_old": ("in_use", ["use.container"]),
    "rebuilt_new": UNUSED,
    "of_stopped": ("in_use", ["use.container"]),
    "of_created": ("in_use", ["use.container"]),
    "parent_legacy": ("in_use", ["use.child_image"]),
    "child_legacy": UNUSED,
    "parent_replaced": ("candidate", ["release.dangling_image"]),
    "child": UNUSED,
    "digest_only": UNUSED,
    "pulled": UNUSED,
    "shared_a": UNUSED,
    "shared_b": UNUSED,
    "dangling": ("candidate", ["release.dangling_image"]),
    "many_tags": UNUSED,
    "warm_devtools": ("protected", ["protect.policy"]),
    "warm_runtime": ("protected", ["protect.policy"]),
    "protected": ("protected", ["protect.label"]),
    "compose": ("protected", ["protect.compose_project"]),
    "compose_gone": UNUSED,
    "evil": UNUSED,
    "cached": UNUSED,
}
CONTAINERS = {
    "moved": ("in_use", ["use.active"]),
    "rebuilt": ("in_use", ["use.active"]),
    "stopped": ("candidate", ["release.stopped_container"]),
    "created": ("candidate", ["release.stopped_container"]),
    "paused": ("in_use", ["use.active"]),
    "warm_builder": ("protected", ["protect.warm_builder"]),
    "leaked_builder": ("candidate", ["release.stopped_container"]),
    "compose": ("in_use", ["use.active"]),
    "named": ("in_use", ["use.active"]),
    "anonymous": ("in_use", ["use.active"]),
    "named_stopped": ("candidate", ["release.stopped_container"]),
    "evil": ("candidate", ["release.stopped_container"]),
}
NAMED = ("retained", ["keep.named_volume", "keep.no_rule"])
VOLUMES = {
    "named": ("in_use", ["use.mount"]),
    "named_stopped": ("in_use", ["use.mount"]),
    "named_unused": NAMED,
    "anonymous": ("in_use", ["use.mount"]),
    "anonymous_unused": ("candidate", ["release.anonymous_volume"]),
    "options": ("retained", ["keep.named_volume", "keep.volume_elsewhere", "keep.no_rule"]),
    "leaked_state": ("candidate", ["release.leaked_state"]),
    "leaked_builder_state": ("in_use", ["use.mount"]),
    "warm_state": ("protected", ["protect.warm_builder"]),
    "protected": ("protected", ["protect.label"]),
    "compose": ("protected", ["protect.compose_project"]),
    "compose_gone": NAMED,
    "evil": NAMED,
}


def expected(table: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    return {role: told for role, told in table.items() if role in ids}


class TestVerdicts:
    """After the grace, under a policy that lets go of everything it can."""

    def test_images(self, kit: Kit, later: dict[str, Any]):
        assert set(kit.scene.images) | set(kit.scene.absent) >= set(IMAGES)
        assert verdicts(later, "image", kit.scene.images) == expected(IMAGES, kit.scene.images)

    def test_containers(self, kit: Kit, later: dict[str, Any]):
        assert verdicts(later, "container", kit.scene.containers) == CONTAINERS

    def test_volumes(self, kit: Kit, later: dict[str, Any]):
        assert verdicts(later, "volume", kit.scene.volumes) == VOLUMES

    def test_builders(self, kit: Kit, later: dict[str, Any]):
        leaked = kit.scene.volumes["leaked_state"].removeprefix("buildx_buildkit_").removesuffix("_state")
        ids = {name: name for name in ("embedded", "odoo-docker-chris-testing0", "leaked0", leaked)}
        assert verdicts(later, "builder", ids) == {
            "embedded": ("protected", ["protect.embedded_builder"]),
            "odoo-docker-chris-testing0": ("protected", ["protect.policy", "protect.part"]),
            "leaked0": ("retained", ["keep.builder"]),
            leaked: ("candidate", ["release.leaked_state"]),
        }

    def test_build_cache(self, kit: Kit, later: dict[str, Any]):
        rows = {row["id"]: row for row in later["resources"] if row["kind"] == "build_cache"}
        for record in kit.scene.build_cache["shared"]:
            assert rows[record]["verdict"] in {"retained", "in_use"}
            assert rows[record]["unique_bytes"] == 0
        gone = [key for key, row in rows.items() if row["verdict"] == "candidate"]
        assert gone, "the budget of one KiB lets nothing go"
        assert set(gone) <= set(kit.scene.build_cache["private"])
        parents = {
            parent for key, row in rows.items() if key not in gone for parent in row["facts"]["parents"]
        }
        assert not parents & set(gone), "a record that stays has a parent that would go"

    def test_nothing_else_is_a_candidate(self, kit: Kit, later: dict[str, Any]):
        named = {*kit.scene.images.values(), *kit.scene.containers.values(), *kit.scene.volumes.values()}
        others = [
            row
            for row in later["resources"]
            if row["verdict"] == "candidate"
            and row["id"] not in named
            and row["kind"] in {"container", "volume"}
        ]
        assert others == []


def test_on_the_first_look_nothing_is_old_enough(first: dict[str, Any]):
    assert [row["id"] for row in first["resources"] if row["verdict"] == "candidate"] == []
    assert first["summary"]["candidate_bytes"] == 0


def test_shared_layers_are_counted_once(kit: Kit, first: dict[str, Any]):
    rows = {row["id"]: row for row in first["resources"] if row["kind"] == "image"}
    pair = [rows[kit.scene.images[role]] for role in ("shared_a", "shared_b")]
    for row in pair:
        assert row["unique_bytes"] < 2**19 < 2**20 < row["size_bytes"]
    assert first["summary"]["classes"]["images"]["size_bytes"] < sum(
        row["size_bytes"] for row in rows.values()
    )


def test_the_summary_names_what_is_warm_and_what_is_leaked(kit: Kit, first: dict[str, Any]):
    summary = first["summary"]
    assert [(one["name"], one["state"]) for one in summary["warm_builders"]] == [
        ("odoo-docker-chris-testing", "running")
    ]
    assert [(one["name"], one["present"]) for one in summary["warm_images"]] == [
        ("odoo-docker:verify-devtools", True),
        ("odoo-docker:verify-runtime", True),
    ]
    assert (summary["orphan_buildkit_containers"], summary["orphan_buildkit_volumes"]) == (1, 1)
    assert summary["free_disk_bytes"] > 0
    assert first["status"] == "attention"
    assert {"ORPHAN_BUILDKIT_CONTAINER", "ORPHAN_BUILDKIT_VOLUME"} == {f["code"] for f in first["findings"]}


def state_digest(host: LabHost) -> str:
    """Everything the Engine tells of itself that does not change by itself."""
    with host.api() as api:
        told: dict[str, Any] = {
            "images": sorted(api.get("/images/json", all="1"), key=lambda row: row["Id"]),
            "volumes": sorted(api.get("/volumes")["Volumes"], key=lambda row: row["Name"]),
            "networks": sorted(row["Id"] for row in api.get("/networks")),
            "cache": sorted(api.get("/system/df")["BuildCache"] or [], key=lambda row: row["ID"]),
            "containers": [
                api.get(f"/containers/{row['Id']}/json")
                for row in sorted(api.get("/containers/json", all="1"), key=lambda row: row["Id"])
            ],
        }
        told["inspected"] = [api.get(f"/images/{row['Id']}/json") for row in told["images"]]
    return json.dumps(told, sort_keys=True)


def events(host: LabHost, since: float, until: float) -> list[dict[str, Any]]:
    with host.api() as api:
        body = api.call("GET", "/events", query={"since": f"{since:.6f}", "until": f"{until:.6f}"}).body
    return [json.loads(line) for line in body.splitlines()]


def test_a_report_changes_nothing(kit: Kit, first: dict[str, Any]):
    before, since = state_digest(kit.host), time.time()
    kit.report()
    assert kit.run("explain", "lab-named").returncode == 0
    until = time.time()
    assert not_our_own(events(kit.host, since, until)) == []
    assert state_digest(kit.host) == before


def test_the_evidence_gives_back_what_was_printed(kit: Kit, first: dict[str, Any], later: dict[str, Any]):
    again = kit.run("report", "--run", first["run_id"], "--format", "json")
    assert json.loads(again.stdout) == first
    store = EvidenceStore(kit.folder / "state")
    assert store.verify("lab")["lab"].ok
    ended = kit.run(
        "query",
        "SELECT verdict, count(*) AS n FROM resource_change WHERE seq = 1 GROUP BY 1",
        "--format",
        "json",
    )
    assert ended.returncode == 0, ended.stderr
    assert sum(row["n"] for row in json.loads(ended.stdout)) == len(first["resources"])
    changed = kit.run("history", "diff", "1", later["run_id"], "--format", "json")
    assert {row["id"] for row in json.loads(changed.stdout)} >= {kit.scene.images["dangling"]}


def test_an_unchanged_host_costs_no_rows(kit: Kit, later: dict[str, Any]):
    kit.report(ages=SECOND, budget=BUDGET)
    kit.report(ages=SECOND, budget=BUDGET)
    count = "SELECT seq, count(*) AS n FROM resource_change GROUP BY 1 ORDER BY 1 DESC LIMIT 1"
    newest = json.loads(kit.run("query", count, "--format", "json").stdout)[0]
    runs = json.loads(kit.run("history", "runs", "--format", "json").stdout)
    assert newest["seq"] < runs[0]["seq"], "the last run wrote rows although nothing had changed"


def test_hostile_labels_are_shown_as_text(kit: Kit):
    for command in (["report"], ["report", "--format", "markdown"], ["explain", "lab-evil"], ["resources"]):
        shown = kit.run(*command)
        assert shown.returncode == 0, shown.stderr
        assert "\x1b" not in shown.stdout
        assert "\u202e" not in shown.stdout
