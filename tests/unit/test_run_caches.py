"""Run caches as directories of a real filesystem."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.observe import observe
from hygiene_core.host.probes import run_caches
from hygiene_core.host.probes.run_caches import RunCachesReading, read_run_caches
from hygiene_core.model.observation import Availability, SectionName
from hygiene_core.model.request import ObserveRequest


def read(*places: Path, prefix: str = "run-", seconds: float = 60) -> RunCachesReading:
    wanted = {place.name: (str(place), prefix) for place in places}
    return read_run_caches(wanted, Deadline.after(timedelta(seconds=seconds)))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "builds"
    for name in ("run-1", "run-22-3", "run-", "run-x", "run-1.old", "2", "run-1-2-3", "run-٣"):
        (made / name / "deep").mkdir(parents=True)
        (made / name / "deep" / "file").write_bytes(b"x" * 9000)
    (made / "run-5").write_text("no directory")
    (made / "run-6").symlink_to("run-1")
    return made


def test_only_directories_of_the_prefix_and_a_run_count(place: Path):
    seen = read(place)
    assert [(one.id, one.run, one.apparent_bytes) for one in seen.rows] == [
        ("builds/run-1", "1", 9000),
        ("builds/run-22-3", "22-3", 9000),
    ]
    assert seen.whole
    assert seen.problems == ()
    assert all(one.whole and one.size_bytes and one.entries == 3 and one.changed_at for one in seen.rows)


def test_each_directory_is_told_by_its_identity(place: Path):
    for one in read(place).rows:
        seen = Path(one.path).stat()
        assert (one.device, one.inode, one.ctime_ns) == (seen.st_dev, seen.st_ino, seen.st_ctime_ns)


def test_an_empty_prefix_takes_bare_numbers(place: Path):
    assert [one.id for one in read(place, prefix="").rows] == ["builds/2"]


def test_a_prefix_is_no_pattern(tmp_path: Path):
    for name in ("a.c-1", "abc-1"):
        (tmp_path / "p" / name).mkdir(parents=True)
    assert [one.id for one in read(tmp_path / "p", prefix="a.c-").rows] == ["p/a.c-1"]


def test_a_place_that_is_not_there_costs_itself_alone(place: Path, tmp_path: Path):
    seen = read(tmp_path / "none", place)
    assert len(seen.rows) == 2
    assert not seen.whole
    assert seen.problems == (f"none: {tmp_path}/none could not be listed (No such file or directory)",)


def test_a_deadline_leaves_lower_bounds(place: Path):
    seen = read(place, seconds=-1)
    assert [one.whole for one in seen.rows] == [False, False]
    assert seen.whole
    assert all("did not end within" in said for said in seen.problems)


def test_a_run_that_goes_meanwhile_is_no_problem(place: Path, monkeypatch: pytest.MonkeyPatch):
    real = run_caches.measure_tree

    def racing(path: str, deadline: Deadline):
        shutil.rmtree(path, ignore_errors=path.endswith("run-1"))
        return real(path, deadline)

    monkeypatch.setattr(run_caches, "measure_tree", racing)
    assert read(place) == RunCachesReading()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else")
def test_a_run_that_may_not_be_read_is_a_row_without_figures(place: Path, tmp_path: Path):
    (place / "run-1").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    os.seteuid(65534)
    try:
        seen = read(place)
    finally:
        os.seteuid(0)
    assert (seen.rows[0].whole, seen.rows[0].size_bytes, seen.whole) == (False, None, True)
    assert seen.problems == ("builds/run-1 could not be opened (Permission denied)",)


def test_a_look_has_a_section_of_them_where_they_are_configured(place: Path, tmp_path: Path):
    def look(**more: dict[str, tuple[str, str]]):
        return observe(ObserveRequest(docker_socket=str(tmp_path / "none.sock"), **more))

    seen = look(run_caches={"builds": (str(place), "run-")})
    assert [one.id for one in seen.run_caches] == ["builds/run-1", "builds/run-22-3"]
    assert seen.sections[SectionName.RUN_CACHES].availability is Availability.COMPLETE
    assert SectionName.RUN_CACHES not in look().sections
    lost = look(run_caches={"lost": (str(tmp_path / "lost"), "")}).sections[SectionName.RUN_CACHES]
    assert (lost.availability, lost.rows_missing) == (Availability.UNAVAILABLE, True)
