"""Warmth probes: small real builds in real builders, before and after an apply, and nobody's use."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ENGINES, lab_tree
from tests.lab import buildkit, images
from tests.lab.host import LabHost
from tests.lab.kit import Kit

pytestmark = pytest.mark.lab("engine")

NEW, OLD = "odoo-docker-chris-testing", "odoo-enterprise-chris-testing"
WARM = {NEW: buildkit.CURRENT, OLD: buildkit.OLD}
POLICY = f"protect.builders = [{', '.join(map(repr, WARM))}]\n" + "".join(
    f'[hosts.lab.budgets.{name}]\nmax = "40MB"\nmin_age = "1s"\nallow_small_budget = true\n' for name in WARM
)
PUBLISH = """\
FROM scratch AS base
COPY busybox /bin/sh
RUN --network=none ["/bin/sh", "-c", "echo 1 > /1"]
FROM base
RUN --network=none ["/bin/sh", "-c", "echo 2 > /2"]
"""
FILLING = """\
FROM scratch
COPY busybox /bin/sh
RUN --network=none ["/bin/sh", "-c", "dd if=/dev/urandom of=/a bs=1M count={}"]
"""


@pytest.fixture(scope="module")
def kit() -> Iterator[Kit]:
    tree, store = ENGINES["stable"]
    with LabHost.start(lab_tree(tree), store=store, name="warmth") as host:
        images.import_base(host)
        for name, version in WARM.items():
            buildkit.create_builder(host, name, version)
        made = Kit(host)
        made.configure(POLICY)
        for name in WARM:
            (made.acts / "pruned").mkdir(parents=True, exist_ok=True)
            (made.acts / f"pruned/{name}0").touch()
        yield made


def rules(kit: Kit, *probed: str, recipe: str = PUBLISH) -> None:
    busybox = kit.host.tree.path / "bin/busybox"
    if not busybox.exists():
        busybox = kit.host.tree.path / "usr/bin/busybox"
    files = {"Dockerfile": recipe.encode(), "busybox": busybox.read_bytes()}
    tables = "".join(kit.probe(name, files) for name in probed)
    kit.allow("prune_records", more=f'docker_cli = "{kit.client()}"\n{tables}')


def overfill(kit: Kit) -> None:
    for name in WARM:
        for number in range(3):
            buildkit.build(kit.host, name, FILLING.format(16 + number))
    time.sleep(1.2)


def release(kit: Kit) -> None:
    """Somebody uses what the probes build: it is the newest use."""
    for name in WARM:
        buildkit.build(kit.host, name, PUBLISH)
    time.sleep(1.2)


def apply(kit: Kit, status: int = 0) -> list[dict]:
    done = kit.hygiene("apply", "--mode", "bounded", "--format", "json", status=status)
    return [json.loads(line) for line in done.stdout.splitlines()]


def kinds(told: list[dict], k: str) -> list[dict]:
    return [one for one in told if one["k"] == k]


def last_uses(kit: Kit) -> dict[str, tuple]:
    report = json.loads(kit.hygiene("report", "--format", "json").stdout)
    return {
        one["id"]: (one["facts"]["last_used_at"], one["facts"]["usage_count"])
        for one in report["resources"]
        if one["kind"] == "build_cache"
    }


def test_a_publish_that_is_used_stays_cached_while_the_rest_goes(kit: Kit):
    rules(kit, NEW, OLD)
    overfill(kit)
    release(kit)
    told = apply(kit)
    assert [one["outcome"] for one in kinds(told, "settled")] == ["removed"] * 2
    probes = kinds(told, "warmth")
    assert [(one["when"], one["builder"]) for one in probes] == [
        (when, f"{name}0") for when in ("before", "after") for name in WARM
    ]
    assert [(one["cached_steps"], one["steps"], one["problem"]) for one in probes] == [(3, 3, None)] * 4
    assert all(one["seconds"] > 0 and one["used"] for one in probes)
    (verified,) = kinds(told, "verified")
    assert (verified["problems"], verified["unmeasured"]) == ([], [])
    for builder in kinds(told, "observed")[-1]["snapshot"]["builders"]:
        if builder["max_bytes"] is not None:
            assert builder["private_bytes"] <= builder["max_bytes"]


def test_a_probe_is_nobodys_use(kit: Kit):
    """What a report reads right after an apply is what it read before it."""
    assert kinds(apply(kit), "warmth") == [], "with nothing to remove nothing is built either"
    overfill(kit)
    release(kit)
    before = last_uses(kit)
    told = apply(kit)
    used = {one for probe in kinds(told, "warmth") for one in probe["used"]}
    after = last_uses(kit)
    assert used & after.keys()
    assert {key: after[key] for key in after if key in before} == {
        key: before[key] for key in after if key in before
    }
    buildkit.build(kit.host, NEW, PUBLISH)  # and a real use is one
    changed = {key for key, use in last_uses(kit).items() if key in after and use != after[key]}
    assert changed
    assert changed <= {key for key in after if key.startswith(f"{NEW}0/")}


def test_a_publish_that_nobody_uses_goes_and_the_run_has_failed(kit: Kit):
    """Its records are the least recently used: they go by the plan, and that is said loudly."""
    overfill(kit)
    told = apply(kit, status=4)
    (verified,) = kinds(told, "verified")
    assert verified["unmeasured"] == []
    assert verified["problems"]
    assert all("went cold" in one and "went by the plan" in one for one in verified["problems"])


def test_a_probe_that_cannot_be_built_measures_nothing(kit: Kit):
    rules(kit, NEW, recipe="FROM scratch\nCOPY missing /\n")
    overfill(kit)
    told = apply(kit)
    assert all("missing" in one["problem"] for one in kinds(told, "warmth"))
    (verified,) = kinds(told, "verified")
    assert verified["unmeasured"] == [f"{NEW}0", f"{OLD}0"]
    report = kit.hygiene("report").stdout
    assert "WARMTH_NOT_MEASURED" in report


def test_a_probe_that_hangs_is_cut_and_leaves_nothing_behind(kit: Kit):
    rules(kit, NEW, recipe=PUBLISH + 'RUN --network=none ["/bin/sh", "-c", "sleep 300"]\n')
    path = kit.etc / "hygiene/host.toml"
    path.write_text(path.read_text() + 'max_time = "2s"\n')
    overfill(kit)
    told = apply(kit)
    assert [one["problem"] for one in kinds(told, "warmth")] == ["its build did not end within 2 s"] * 2
    assert [one["outcome"] for one in kinds(told, "settled")] == ["removed"] * 2
    assert not [pid for pid in kit.host.processes() if b"sleep\x00300" in cmdline(pid)]


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
