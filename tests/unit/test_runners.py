"""Runner roots laid out as the runner's installer lays them out, with real processes that come and go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes import diagnostics, walk
from hygiene_core.host.probes.runners import RunnersReading, read_runners

SETTINGS = {
    "agentId": 7,
    "agentName": "chris-testing-lane-1",
    "gitHubUrl": "https://github.com/example/odoo",
    "workFolder": "_work",
}


def read(root: Path, **more: Path) -> RunnersReading:
    roots = {"lane-1": root, **more}
    return read_runners({n: str(p) for n, p in roots.items()}, Deadline.after(timedelta(seconds=60)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "lane-1"
    for folder in ("_work/odoo/odoo", "_work/_tool/python", "_work/_actions", "_work/_temp", "_work/_update"):
        (made / folder).mkdir(parents=True)
    (made / "_work/_PipelineMapping").mkdir()
    (made / "_diag").mkdir()
    (made / "_diag/Runner_20260501-010203-utc.log").write_bytes(b"x" * 300)
    (made / "bin.2.319.1").mkdir()
    (made / "bin").symlink_to("bin.2.319.1")
    (made / ".runner").write_bytes(b"\xef\xbb\xbf" + json.dumps(SETTINGS).encode())
    (made / ".credentials").write_text("never read")
    (made / ".service").write_text("actions.runner.example-odoo.chris-testing-lane-1.service\n")
    (made / "_work/odoo/odoo/file").write_bytes(b"x" * 1000)
    return made


@contextmanager
def process(root: Path, name: str) -> Iterator[None]:
    """A real process of that name, its program below the root."""
    program = root / "bin" / name
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as running:
        try:
            # The kernel lets the parent go on a moment before it has given the process its name.
            while Path(f"/proc/{running.pid}/comm").read_text().strip() != name[:15]:
                time.sleep(0.001)
            yield
        finally:
            running.kill()


def test_who_a_runner_is(root):
    runner = read(root).runners[0]
    assert (runner.name, runner.path) == ("lane-1", str(root.resolve()))
    assert (runner.agent_name, runner.url) == ("chris-testing-lane-1", "https://github.com/example/odoo")
    assert runner.unit == "actions.runner.example-odoo.chris-testing-lane-1.service"
    assert (runner.work_folder, runner.version) == ("_work", "2.319.1")


def test_what_its_directories_hold(root):
    seen = read(root)
    assert (seen.problems, seen.whole) == ((), True)
    assert {one.id: (one.role, one.apparent_bytes) for one in seen.workdirs} == {
        "lane-1/_diag": ("diagnostics", 300),
        "lane-1/_work/_actions": ("actions", 0),
        "lane-1/_work/_temp": ("temporary", 0),
        "lane-1/_work/_tool": ("tools", 0),
        "lane-1/_work/_update": ("update", 0),
        "lane-1/_work/odoo": ("checkout", 1000),
    }
    assert all(one.whole and one.size_bytes and one.changed_at for one in seen.workdirs)


def test_a_job_comes_and_goes(root, tmp_path):
    other = tmp_path / "lane-2"
    shutil.copytree(root, other, symlinks=True)

    def states() -> list[tuple[bool | None, bool | None]]:
        return [(one.listening, one.busy) for one in read(root, other=other).runners]

    assert states() == [(False, False), (False, False)]
    with process(root, "Runner.Listener"):
        assert states() == [(True, False), (False, False)]
        with process(root, "Runner.Worker"):
            assert states() == [(True, True), (False, False)]
        assert states() == [(True, False), (False, False)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", ".runner is not the JSON that a runner writes"),
        (b"[]", ".runner is not the JSON that a runner writes"),
        (b"[" * 60_000, ".runner is not the JSON that a runner writes"),
        (b"\xff\xfe\x00", ".runner cannot be read (it is not text)"),
    ],
)
def test_a_broken_identity_costs_only_itself(root, content, said):
    (root / ".runner").write_bytes(content)
    seen = read(root)
    assert seen.problems == (f"lane-1: {said}",)
    assert seen.runners[0].agent_name is None
    assert len(seen.workdirs) == 6


def test_fields_of_another_kind_are_left_out(root):
    (root / ".runner").write_text(json.dumps({"agentName": 7, "gitHubUrl": None, "workFolder": ""}))
    assert (read(root).runners[0].agent_name, len(read(root).workdirs)) == (None, 6)


def test_a_root_without_a_runner(root):
    (root / ".runner").unlink()
    assert read(root).problems == ("lane-1: .runner is not there: no runner is configured in this root",)


def test_a_root_that_is_not_there(root, tmp_path):
    seen = read(root, gone=tmp_path / "gone")
    assert seen.problems == (f"gone: {tmp_path}/gone is not a directory here",)
    assert (seen.whole, [one.name for one in seen.runners]) == (False, ["lane-1"])


@pytest.mark.parametrize("folder", ["nul\0in", "\ud800"])
def test_a_work_folder_that_no_path_can_be(root, folder):
    (root / ".runner").write_text(json.dumps(SETTINGS | {"workFolder": folder}))
    seen = read(root)
    assert not seen.whole
    assert "could not be listed" in seen.problems[0]


def test_a_work_folder_elsewhere(root, tmp_path):
    elsewhere = tmp_path / "big" / "work"
    shutil.move(root / "_work", elsewhere)
    (root / ".runner").write_text(json.dumps(SETTINGS | {"workFolder": str(elsewhere)}))
    assert "lane-1/work/odoo" in {one.id for one in read(root).workdirs}


def test_before_the_first_job_there_is_no_work_folder(root):
    shutil.rmtree(root / "_work")
    seen = read(root)
    assert (seen.problems, [one.id for one in seen.workdirs]) == ((), ["lane-1/_diag"])


def test_links_below_a_root_are_not_followed_and_the_root_may_be_one(root, tmp_path):
    (root / "_work" / "linked").symlink_to(tmp_path)
    link = tmp_path / "link"
    link.symlink_to(root)
    seen = read(link)
    assert "lane-1/_work/linked" not in {one.id for one in seen.workdirs}
    assert len(seen.workdirs) == 6


def test_names_that_are_not_text_keep_their_own_identity(root):
    for name in (b"\xff", b"\\xff"):
        os.mkdir(os.fsencode(root) + b"/_work/" + name)  # noqa: PTH102 - pathlib takes no bytes
    ids = [one.id for one in read(root).workdirs]
    assert {"lane-1/_work/\\xff", "lane-1/_work/\\\\xff"} < set(ids)
    assert len(set(ids)) == len(ids)


def test_processes_that_cannot_be_seen_are_unknown_and_not_idle(root, tmp_path):
    seen = read_runners({"lane-1": str(root)}, Deadline.after(timedelta(seconds=60)), proc=tmp_path / "none")
    assert (seen.runners[0].listening, seen.runners[0].busy) == (None, None)
    assert "no runner is known to be idle" in seen.problems[0]


def test_a_worker_whose_program_cannot_be_told_makes_busy_unknown(root, tmp_path):
    proc = tmp_path / "proc"
    for number, name in (("1", "init"), ("7", "Runner.Worker")):
        (proc / number).mkdir(parents=True)
        (proc / number / "comm").write_text(f"{name}\n")
    (proc / "7" / "exe").write_text("not a link: reading it as one fails as a forbidden one does")
    (proc / "7" / "cmdline").write_bytes(b"Runner.Worker\0spawnclient\0")
    seen = read_runners({"lane-1": str(root)}, Deadline.after(timedelta(seconds=60)), proc=proc)
    assert (seen.runners[0].listening, seen.runners[0].busy) == (False, None)
    (proc / "7" / "cmdline").write_bytes(os.fsencode(root.resolve()) + b"/bin/Runner.Worker\0")
    seen = read_runners({"lane-1": str(root)}, Deadline.after(timedelta(seconds=60)), proc=proc)
    assert seen.runners[0].busy is True


def test_a_deadline_leaves_lower_bounds_with_a_reason(root):
    seen = read_runners({"lane-1": str(root)}, Deadline.after(timedelta()))
    assert all(not one.whole for one in seen.workdirs)
    assert any("did not end within" in said for said in seen.problems)


# Identities and logs.


def test_each_directory_is_told_by_its_identity(root: Path):
    for one in read(root).workdirs:
        seen = Path(one.path).stat()
        assert (one.device, one.inode, one.ctime_ns) == (seen.st_dev, seen.st_ino, seen.st_ctime_ns)


def logs(root: Path):
    (found,) = [one for one in read(root).workdirs if one.role == "diagnostics"]
    return found.logs


def test_logs_are_told_oldest_first_and_nothing_else_of_diag(root: Path):
    place = root / "_diag"
    for name in (
        "Worker_1-utc.log",
        "Worker_2-utc.log",
        "notes.log",
        "Worker_.log",
        "Worker_3.log.gz",
        "pages",
    ):
        (place / name).write_bytes(b"y" * 10)
        time.sleep(0.01)
    (place / "Worker_4.log").mkdir()
    (place / "Worker_5.log").symlink_to("notes.log")
    os.utime(place / "Worker_2-utc.log", (1, 1))  # an old stamp makes no old log: its change time is new
    found = logs(root)
    assert [one.name for one in found] == [
        "Runner_20260501-010203-utc.log",
        "Worker_1-utc.log",
        "Worker_2-utc.log",
    ]
    seen = (place / "Worker_1-utc.log").stat()
    told = found[1]
    assert (told.device, told.inode, told.ctime_ns) == (seen.st_dev, seen.st_ino, seen.st_ctime_ns)
    assert (told.apparent_bytes, told.size_bytes) == (10, seen.st_blocks * 512)
    assert told.changed_at == walk.moment(seen.st_mtime_ns)


def test_no_more_than_a_thousand_logs_are_told(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(diagnostics, "LISTED", 2)
    for number in range(3):
        (root / "_diag" / f"Worker_{number}.log").write_bytes(b"")
        time.sleep(0.01)
    assert [one.name for one in logs(root)] == ["Runner_20260501-010203-utc.log", "Worker_0.log"]


def test_logs_that_cannot_be_read_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    assert diagnostics.read_logs(str(tmp_path / "none"), told) == ()
    assert told == ["the logs of none could not be read (No such file or directory)"]
    (tmp_path / "Worker_1.log").write_text("")
    for error, said in (
        (FileNotFoundError(2, "gone"), []),
        (OSError(5, "broken"), ["the log Worker_1.log could not be looked at (broken)"]),
    ):
        told.clear()

        def failing(*_: object, raised: OSError = error, **__: object):
            raise raised

        with monkeypatch.context() as patched:
            patched.setattr(diagnostics.os, "stat", failing)
            assert diagnostics.read_logs(str(tmp_path), told) == ()
        assert told == said


def test_what_is_about_to_be_removed_is_no_checkout(root: Path):
    (root / "_work" / ".hygiene-quarantine" / "odoo-7").mkdir(parents=True)
    assert not [one for one in read(root).workdirs if "quarantine" in one.id]
