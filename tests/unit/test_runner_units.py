"""The systemd unit of a runner, by the files that systemd itself keeps, and the label of its jobs."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes.runners import read_runners
from hygiene_core.model.observation import Runner

UNIT = "actions.runner.example-odoo.lane-1.service"
SETTINGS = '{"agentName": "lane-1", "workFolder": "_work"}'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "lane-1"
    made.mkdir()
    (made / ".runner").write_text(SETTINGS)
    (made / ".service").write_text(f"{UNIT}\n")
    return made


@pytest.fixture
def system(tmp_path: Path) -> Path:
    made = tmp_path / "system"
    for folder in ("run/systemd/system", "etc/systemd/system/multi-user.target.wants"):
        (made / folder).mkdir(parents=True)
    return made


def runner(root: Path, system: Path) -> Runner:
    seen = read_runners({"lane-1": str(root)}, Deadline.after(timedelta(seconds=60)), system=system)
    return seen.runners[0]


def test_a_unit_that_nobody_installed(root: Path, system: Path):
    seen = runner(root, system)
    assert (seen.unit, seen.unit_state, seen.unit_enabled) == (UNIT, "missing", False)


def test_a_unit_that_is_enabled_and_stopped(root: Path, system: Path):
    unit = system / "etc/systemd/system" / UNIT
    unit.write_text("[Service]\n")
    (unit.parent / "multi-user.target.wants" / UNIT).symlink_to(unit)
    seen = runner(root, system)
    assert (seen.unit_state, seen.unit_enabled) == ("inactive", True)


@pytest.mark.parametrize("groups", ["sys/fs/cgroup/system.slice", "sys/fs/cgroup/systemd/system.slice"])
def test_a_unit_that_runs(root: Path, system: Path, groups: str):
    (system / groups / UNIT).mkdir(parents=True)
    assert runner(root, system).unit_state == "active"


def test_without_systemd_or_unit_nothing_is_known(root: Path, system: Path, tmp_path: Path):
    assert runner(root, tmp_path / "elsewhere").unit_state is None
    (root / ".service").unlink()
    assert (runner(root, system).unit, runner(root, system).unit_state) == (None, None)


def test_a_unit_that_is_a_path_is_asked_nothing(root: Path, system: Path):
    (root / ".service").write_text("../../etc/passwd")
    assert runner(root, system).unit_state is None


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_label_of_its_jobs(root: Path, system: Path, mark: str):
    (root / ".runner").write_text(mark + SETTINGS, encoding="utf-8")
    assert runner(root, system).label == hashlib.sha256(SETTINGS.encode()).hexdigest()[:6]
