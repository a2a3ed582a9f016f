"""Directories on a real filesystem, with real mounts, handles, races and kills. Names begin with the fault.

F40 is a runner that updates itself, F41 a directory that is swapped, F39 a job, F20 a kill at a point.

They need a root that may look at every process. Where there is none, as in many a container, they run in a
process namespace of their own, all by one test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hygiene_core.host.actions import directories
from hygiene_core.host.actions import logs as logs_module
from hygiene_core.host.actions import quarantine as quarantine_module
from hygiene_core.host.actions.directories import drift_of, remove
from hygiene_core.host.actions.ground import Point
from hygiene_core.host.actions.quarantine import left_in_quarantine
from hygiene_core.host.actions.settling import put_back, whereabouts
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.activity import ProcessId
from hygiene_core.model.plan import Verb
from tests.faults.directory_scene import (
    OLD_LOG,
    OPEN_LOG,
    ROOT,
    Scene,
    apart,
    build,
    holding,
    plan,
    with_facts,
    worker,
)


def sees_processes() -> bool:
    """Whether the first process, which has the most power, can be looked at."""
    try:
        Path("/proc/1/cwd").readlink()
    except OSError:
        return False
    return True


SEES = sees_processes()


@pytest.mark.skipif(SEES, reason="every process can be seen from here: the tests run by themselves")
def test_everything_here_in_a_process_namespace_of_its_own():
    if os.geteuid() != 0:
        pytest.skip("only root makes namespaces and sees the handles of every process")
    space = ["unshare", "--pid", "--fork", "--mount", "--mount-proc"]
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", __file__]
    ran = subprocess.run([*space, *suite], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


CHECKOUT, LOGS, RUN = "lane-1/_work/odoo", "lane-1/_diag", "builds/run-1"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    if not SEES:
        pytest.skip("run by the first test, in a process namespace of its own")
    return build(tmp_path)


def is_whole(scene: Scene) -> bool:
    return (scene.checkout / "odoo" / "file").read_bytes() == b"x" * 5000


def ended(acted: Acted | int | None) -> tuple[Outcome, Why | None]:
    assert isinstance(acted, Acted)
    return acted.outcome, acted.why


# What is planned goes, and nothing else does.


def test_a_plan_names_each_directory_and_log_by_its_identity(scene: Scene):
    made = plan(scene)
    assert sorted(made) == ["builds/run-1", "builds/run-2", LOGS, CHECKOUT]
    seen = scene.checkout.stat()
    assert made[CHECKOUT].verb is Verb.REMOVE_DIRECTORY
    assert made[CHECKOUT].facts | {"changed_at": ""} == {
        "path": str(scene.checkout),
        "device": str(seen.st_dev),
        "inode": str(seen.st_ino),
        "ctime_ns": str(seen.st_ctime_ns),
        "changed_at": "",
        "runner": str(scene.lane),
        "work": f"{scene.lane}/_work",
    }
    assert [one.name for one in made[LOGS].files] == [OLD_LOG, OPEN_LOG]


def test_a_planned_directory_goes_and_all_around_it_stays(scene: Scene):
    action = plan(scene)[CHECKOUT]
    assert drift_of(action, scene.ground()) is None
    assert is_whole(scene)
    assert remove(action, scene.ground()) == Acted(outcome=Outcome.REMOVED, removed=(CHECKOUT,))
    assert sorted(one.name for one in (scene.lane / "_work").iterdir()) == ["_temp", "_tool"]
    assert (scene.lane.parent / "outside" / "precious").read_text() == "not yours"
    assert list(scene.quarantine.iterdir()) == []
    assert scene.quarantine.stat().st_mode & 0o777 == 0o700
    assert ended(remove(action, scene.ground())) == (Outcome.ALREADY_ABSENT, None)


def test_a_run_cache_goes(scene: Scene):
    assert ended(remove(plan(scene)[RUN], scene.ground())) == (Outcome.REMOVED, None)
    assert sorted(one.name for one in scene.builds.iterdir()) == [".hygiene-quarantine", "run-2"]


def test_a_name_that_no_text_can_hold_goes(scene: Scene):
    odd = os.fsencode(scene.lane / "_work") + b"/od\xff\\x41o"
    os.mkdir(odd)  # noqa: PTH102 - bytes
    acted = [remove(one, scene.ground()) for one in plan(scene).values() if "\\xff" in one.id]
    assert [one.outcome for one in acted] == [Outcome.REMOVED]
    assert not os.path.lexists(odd)


def test_a_tree_deeper_than_descriptors_and_paths_reach_goes(scene: Scene):
    current = os.open(scene.checkout, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deeper", dir_fd=current)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = inner
    os.close(current)
    try:
        assert ended(remove(plan(scene)[CHECKOUT], scene.ground())) == (Outcome.REMOVED, None)
        assert not scene.checkout.exists()
    finally:
        # pytest's own removal does not reach so deep.
        subprocess.run(["rm", "-rf", scene.lane], check=True)


# What a plan may not name.


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "relative",
        "{lane}",
        "{lane}/../lane-1/_work/odoo",
        "{lane}-2/x",
        "/etc",
        "{lane}/_work/odoo/",
        "{lane}/a\0b",
    ],
)
def test_a_path_that_is_not_below_an_allowed_root_is_refused(scene: Scene, path: str):
    action = with_facts(plan(scene)[CHECKOUT], path=path.format(lane=scene.lane))
    assert ended(remove(action, scene.ground())) == (Outcome.REFUSED, Why.NO_TOUCH)
    assert is_whole(scene)


@pytest.mark.parametrize(
    "name",
    [
        "bin",
        "bin.2.319.1",
        "externals.2.3",
        "_work",
        "_diag",
        "_work/_tool",
        "_work/_tool/python",
        "_work/_temp",
        "_work/_update",
        "_work/_actions/x",
        ".hygiene-quarantine",
        ".hygiene-quarantine/x",
    ],
)
def test_f40_what_is_the_runners_own_is_refused_whatever_the_plan_says(scene: Scene, name: str):
    (scene.lane / name).mkdir(parents=True, exist_ok=True)
    seen = (scene.lane / name).stat()
    facts = {"path": f"{scene.lane}/{name}", "device": str(seen.st_dev), "inode": str(seen.st_ino)}
    action = with_facts(plan(scene)[RUN], **facts, ctime_ns=str(seen.st_ctime_ns))
    assert ended(remove(action, scene.ground())) == (Outcome.REFUSED, Why.NO_TOUCH)
    assert (scene.lane / name).exists()


def test_the_work_folder_itself_is_refused_under_any_name(scene: Scene):
    action = plan(scene)[CHECKOUT]
    action = with_facts(action, work=action.facts["path"])
    assert ended(remove(action, scene.ground())) == (Outcome.REFUSED, Why.NO_TOUCH)


@pytest.mark.parametrize("fact", ["device", "inode", "ctime_ns", "work", "runner", "changed_at"])
def test_a_plan_that_leaves_out_a_fact_removes_nothing(scene: Scene, fact: str):
    acted = remove(with_facts(plan(scene)[CHECKOUT], **{fact: None}), scene.ground())
    assert acted.outcome in {Outcome.REFUSED, Outcome.SKIPPED}
    assert is_whole(scene)


# F40: a runner that updates itself.


def test_f40_an_update_protects_every_directory_of_the_runner(scene: Scene):
    made = plan(scene)
    (scene.lane / "_work" / "_update").mkdir()
    for name in (CHECKOUT, LOGS):
        assert ended(drift_of(made[name], scene.ground())) == (Outcome.KEPT, Why.NO_TOUCH)
        assert ended(remove(made[name], scene.ground())) == (Outcome.KEPT, Why.NO_TOUCH)
    assert is_whole(scene)
    assert not scene.quarantine.exists()
    assert sorted(plan(scene)) == ["builds/run-1", "builds/run-2"]


def test_f40_an_update_that_begins_after_the_move_puts_it_back(scene: Scene):
    update = scene.lane / "_work" / "_update"
    acted = remove(plan(scene)[CHECKOUT], scene.ground({Point.MOVED: update.mkdir}))
    assert ended(acted) == (Outcome.KEPT, Why.NO_TOUCH)
    assert acted.detail.endswith("it was put back")
    assert is_whole(scene)
    assert list(scene.quarantine.iterdir()) == []


def test_f40_an_update_through_a_link_counts(scene: Scene):
    action = plan(scene)[CHECKOUT]
    (scene.lane / "_work" / "_update").symlink_to("/nowhere")
    assert ended(remove(action, scene.ground())) == (Outcome.KEPT, Why.NO_TOUCH)


# F41: what is there is not what was planned.


def swap_for_link(scene: Scene, place: Path) -> None:
    place.rename(place.with_name("aside"))
    place.symlink_to(scene.lane.parent / "outside")


def swap_for_directory(_scene: Scene, place: Path) -> None:
    place.rename(place.with_name("aside"))
    (place / "odoo").mkdir(parents=True)
    (place / "odoo" / "new").write_text("new")


def swap_for_file(_scene: Scene, place: Path) -> None:
    place.rename(place.with_name("aside"))
    place.write_text("new")


SWAPS = [swap_for_link, swap_for_directory, swap_for_file]


@pytest.mark.parametrize("swap", SWAPS)
def test_f41_a_swap_before_the_check_is_seen(scene: Scene, swap):
    action = plan(scene)[CHECKOUT]
    swap(scene, scene.checkout)
    for act in (drift_of, remove):
        assert ended(act(action, scene.ground())) == (Outcome.SKIPPED, Why.CHANGED)
    assert (scene.lane / "_work" / "aside" / "odoo" / "file").exists()
    assert (scene.lane.parent / "outside" / "precious").exists()


@pytest.mark.parametrize("swap", SWAPS)
def test_f41_a_swap_between_check_and_move_is_put_back(scene: Scene, swap):
    action = plan(scene)[CHECKOUT]
    acted = remove(action, scene.ground({Point.CHECKED: lambda: swap(scene, scene.checkout)}))
    assert ended(acted) == (Outcome.SKIPPED, Why.CHANGED)
    assert acted.detail.endswith("it was put back")
    assert os.path.lexists(scene.checkout)
    assert (scene.lane / "_work" / "aside" / "odoo" / "file").exists()
    assert (scene.lane.parent / "outside" / "precious").exists()
    assert list(scene.quarantine.iterdir()) == []


@pytest.mark.parametrize("swap", SWAPS)
def test_f41_a_swap_of_the_directory_above_is_seen(scene: Scene, swap):
    action = plan(scene)[CHECKOUT]
    swap(scene, scene.lane / "_work")
    acted = remove(action, scene.ground())
    assert acted.outcome in {Outcome.SKIPPED, Outcome.ALREADY_ABSENT}
    assert (scene.lane / "aside" / "odoo" / "odoo" / "file").exists()


def test_f41_a_swap_of_the_directory_above_between_check_and_move_hits_the_planned_one(scene: Scene):
    action = plan(scene)[CHECKOUT]
    other = scene.lane / "_work" / "odoo" / "odoo"

    def swap() -> None:
        (scene.lane / "_work").rename(scene.lane / "aside")
        other.mkdir(parents=True)

    assert ended(remove(action, scene.ground({Point.CHECKED: swap}))) == (Outcome.REMOVED, None)
    assert other.exists()
    assert not (scene.lane / "aside" / "odoo").exists()


def test_f41_a_directory_that_was_made_anew_under_its_inode_is_another(scene: Scene):
    action = plan(scene)[CHECKOUT]
    (scene.checkout / "new").mkdir()
    assert ended(remove(action, scene.ground())) == (Outcome.SKIPPED, Why.CHANGED)
    assert is_whole(scene)


def test_a_change_deep_inside_is_a_change(scene: Scene):
    action = plan(scene)[CHECKOUT]
    (scene.checkout / "odoo" / ".git" / "objects" / "pack").write_text("new")
    for act in (drift_of, remove):
        assert ended(act(action, scene.ground())) == (Outcome.SKIPPED, Why.CHANGED)
    assert is_whole(scene)


def test_a_change_after_the_move_by_who_had_it_open_puts_it_back(scene: Scene):
    action = plan(scene)[CHECKOUT]
    inside = os.open(scene.checkout / "odoo", os.O_RDONLY)
    try:
        acted = remove(action, scene.ground({Point.MOVED: lambda: os.mkdir("late", dir_fd=inside)}))
    finally:
        os.close(inside)
    assert ended(acted) == (Outcome.SKIPPED, Why.CHANGED)
    assert (scene.checkout / "odoo" / "late").exists()
    assert is_whole(scene)


@pytest.mark.parametrize("point", ["odoo/odoo", "odoo/odoo/.git/objects"])
@pytest.mark.parametrize(
    "mount", ["mount -t tmpfs none {inside}", "mount --bind {outside} {inside}"], ids=["tmpfs", "bind"]
)
def test_f41_a_mount_inside_keeps_the_whole(scene: Scene, mount: str, point: str):
    inside = scene.lane / "_work" / point
    before = mount.format(inside=inside, outside=scene.lane.parent / "outside")
    for verb in ("drift_of", "remove"):
        acted = apart(scene, plan(scene)[CHECKOUT], before=before, verb=verb)
        assert ended(acted) == (Outcome.KEPT, Why.IN_USE)
        assert "mount point" in acted.detail
    assert is_whole(scene)
    assert (scene.lane.parent / "outside" / "precious").exists()
    assert not scene.quarantine.exists()


@pytest.mark.parametrize("place", ["_work/odoo", "_work"])
def test_f41_a_mount_at_the_directory_or_above_keeps_it(scene: Scene, place: str):
    path = scene.lane / place
    acted = apart(scene, plan(scene)[CHECKOUT], before=f"mount --bind {path} {path}")
    assert ended(acted) == (Outcome.KEPT, Why.IN_USE)
    assert "mount point" in acted.detail


def test_f41_a_mount_that_comes_after_the_check_is_put_back(scene: Scene):
    late = f"mount --bind {scene.lane.parent}/outside {scene.checkout}/odoo"
    acted = apart(scene, plan(scene)[CHECKOUT], at={Point.CHECKED: late})
    assert isinstance(acted, Acted)
    assert acted.outcome in {Outcome.KEPT, Outcome.FAILED}
    assert is_whole(scene)
    assert (scene.lane.parent / "outside" / "precious").exists()


def test_f41_a_mount_that_comes_last_stops_the_removal_where_it_is(scene: Scene):
    late = f"mount --bind {scene.lane.parent}/outside {scene.quarantine}/odoo-*.removing/odoo/.git"
    acted = apart(scene, plan(scene)[CHECKOUT], at={Point.REMOVING: late})
    assert ended(acted) == (Outcome.FAILED, Why.IN_USE)
    assert f"the rest is {scene.quarantine}/odoo-" in acted.detail
    assert (scene.lane.parent / "outside" / "precious").exists()


def test_a_part_that_another_namespace_mounts_is_in_use(scene: Scene):
    """As a container does that binds a checkout and has nothing of it open."""
    action = plan(scene)[CHECKOUT]
    target = scene.lane.parent / "bound"
    target.mkdir()
    bind = f"mount --make-rprivate / && mount --bind {scene.checkout}/odoo {target}"
    inner = f"{bind} && echo ready && exec sleep 60"
    with subprocess.Popen(["unshare", "-m", "sh", "-c", inner], cwd="/", stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"ready\n"
            acted = drift_of(action, scene.ground())
        finally:
            other.kill()
    assert ended(acted) == (Outcome.KEPT, Why.IN_USE)
    assert f"is mounted at {target} in the mount namespace of process" in acted.detail
    assert drift_of(action, scene.ground()) is None


# Handles.

HOLDS = {
    "file": "kept = open(argv[0] + '/odoo/file')",
    "directory": "import os; kept = os.open(argv[0] + '/odoo/.git', os.O_PATH)",
    "cwd": "import os; os.chdir(argv[0])",
    "root": "import os; os.chroot(argv[0])",
    "map": "import mmap; f = open(argv[0] + '/odoo/file'); k = mmap.mmap(f.fileno(), 0, prot=1); f.close()",
    "lock": "import os, fcntl; kept = os.open(argv[0], 0); fcntl.flock(kept, fcntl.LOCK_SH)",
    "deleted": "import os; p = argv[0] + '/odoo/gone'; kept = open(p, 'w'); os.unlink(p)",
}


@pytest.mark.parametrize("code", HOLDS.values(), ids=HOLDS)
def test_what_a_process_holds_is_kept(scene: Scene, code: str):
    with holding(code, scene.checkout):
        action = plan(scene)[CHECKOUT]
        for act in (drift_of, remove):
            assert ended(act(action, scene.ground())) == (Outcome.KEPT, Why.IN_USE)
    assert is_whole(scene)
    assert not scene.quarantine.exists()


@pytest.mark.parametrize("kind", ["file", "directory", "cwd", "map"])
def test_what_a_process_takes_between_check_and_move_is_put_back(scene: Scene, kind: str):
    action = plan(scene)[CHECKOUT]
    with ExitStack() as stack:
        take = lambda: stack.enter_context(holding(HOLDS[kind], scene.checkout))  # noqa: E731
        acted = remove(action, scene.ground({Point.CHECKED: take}))
    assert ended(acted) == (Outcome.KEPT, Why.IN_USE)
    assert acted.detail.endswith("it was put back")
    assert is_whole(scene)


def test_a_program_that_runs_from_it_is_in_use(scene: Scene):
    shutil.copy("/bin/sleep", scene.checkout / "tool")
    with subprocess.Popen([scene.checkout / "tool", "60"], cwd="/") as running:
        try:
            acted = drift_of(plan(scene)[CHECKOUT], scene.ground())
        finally:
            running.kill()
    assert ended(acted) == (Outcome.KEPT, Why.IN_USE)


def test_processes_that_cannot_be_seen_keep_everything(scene: Scene, tmp_path: Path):
    made = plan(scene)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "self").symlink_to("/proc/self")
    for name in (CHECKOUT, LOGS, RUN):
        acted = remove(made[name], scene.ground(proc=str(tmp_path / "proc")))
        assert ended(acted) == (Outcome.KEPT, Why.UNREADABLE)
    assert is_whole(scene)


@pytest.mark.parametrize("hidden", ["fd", "maps", "cwd", "mountinfo", "comm"])
def test_one_process_that_cannot_be_looked_at_keeps_everything(scene: Scene, tmp_path: Path, hidden: str):
    """A copy of one process's place, of which one part gives an error that is no disappearance."""
    proc = tmp_path / "proc"
    for pid in ("1", "77"):
        (proc / pid / "fd").mkdir(parents=True)
        for name, text in {
            "comm": "sh\n",
            "maps": "",
            "mountinfo": "",
            "stat": "1 (sh) S" + " 0" * 30,
        }.items():
            (proc / pid / name).write_text(text)
        (proc / pid / "ns").mkdir()
        (proc / pid / "ns" / "mnt").symlink_to(f"mnt:[{pid}]")
        for link in ("cwd", "root", "exe"):
            (proc / pid / link).symlink_to("/")
    (proc / "self").symlink_to("/proc/self")
    action = plan(scene)[CHECKOUT]
    assert drift_of(action, scene.ground(proc=str(proc))) is None
    part = proc / "77" / hidden
    shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink()
    part.symlink_to(part)  # to itself: ELOOP
    acted = remove(action, scene.ground(proc=str(proc)))
    assert ended(acted) == (Outcome.KEPT, Why.UNREADABLE)
    assert "process 77" in acted.detail
    assert is_whole(scene)


# F39: a job.


def test_f39_a_worker_of_the_runner_keeps_its_directories(scene: Scene):
    made = plan(scene)
    with worker(scene.lane):
        for name in (CHECKOUT, LOGS):
            assert ended(remove(made[name], scene.ground())) == (Outcome.KEPT, Why.IN_USE)
        assert ended(remove(made[RUN], scene.ground())) == (Outcome.REMOVED, None)
    assert is_whole(scene)


def test_f39_a_worker_that_starts_after_the_move_puts_it_back(scene: Scene):
    with ExitStack() as stack:
        start = {Point.MOVED: lambda: stack.enter_context(worker(scene.lane))}
        acted = remove(plan(scene)[CHECKOUT], scene.ground(start))
    assert ended(acted) == (Outcome.KEPT, Why.IN_USE)
    assert is_whole(scene)


def test_a_worker_that_started_this_run_is_excluded(scene: Scene):
    action = plan(scene)[CHECKOUT]
    with worker(scene.lane) as running:
        started = int(Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[19])
        other = scene.ground(exclude={ProcessId(running.pid, started - 1)})
        assert ended(drift_of(action, other)) == (Outcome.KEPT, Why.IN_USE)
        assert drift_of(action, scene.ground(exclude={ProcessId(running.pid, started)})) is None


def test_a_worker_of_another_runner_is_none_of_ours(scene: Scene, tmp_path: Path):
    (tmp_path / "lane-10" / "bin").mkdir(parents=True)
    with worker(tmp_path / "lane-10"):
        assert drift_of(plan(scene)[CHECKOUT], scene.ground()) is None


# What cannot be removed, and what cannot be put back.


@pytest.fixture
def immutable(scene: Scene):
    place = scene.checkout / "odoo" / "file"
    made = subprocess.run(["chattr", "+i", place], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no immutable files here: {made.stderr.strip()}")
    yield place
    for root in (scene.quarantine, scene.lane):
        for found in root.rglob("file"):
            subprocess.run(["chattr", "-i", found], check=False)


def test_an_immutable_file_fails_and_is_named(scene: Scene, immutable: Path):
    action = plan(scene)[CHECKOUT]
    acted = remove(action, scene.ground())
    assert ended(acted) == (Outcome.FAILED, Why.CONFLICT)
    assert acted.detail.startswith(
        "not all of it could be removed: file (Operation not permitted); the rest is"
    )
    (left,) = left_in_quarantine(str(scene.lane))
    assert (left.name, left.inode, left.begun) == ("odoo", int(action.facts["inode"]), True)
    assert left.path in acted.detail
    assert [str(p.relative_to(left.path)) for p in sorted(Path(left.path).rglob("*"))] == [
        "odoo",
        "odoo/file",
    ]
    assert ended(put_back(action, scene.ground())) == (Outcome.FAILED, Why.CONFLICT)


def test_a_name_that_was_taken_is_not_overwritten(scene: Scene):
    action = plan(scene)[CHECKOUT]

    def meanwhile() -> None:
        (scene.lane / "_work" / "_update").mkdir()
        scene.checkout.mkdir()
        (scene.checkout / "fresh").write_text("of the next job")

    acted = remove(action, scene.ground({Point.MOVED: meanwhile}))
    assert ended(acted) == (Outcome.FAILED, Why.CONFLICT)
    (left,) = left_in_quarantine(str(scene.lane))
    assert f"is left whole in {left.path}" in acted.detail
    assert not left.begun
    assert (Path(left.path) / "odoo" / "file").exists()
    assert (scene.checkout / "fresh").exists()
    assert ended(put_back(action, scene.ground())) == (Outcome.FAILED, Why.CONFLICT)
    shutil.rmtree(scene.checkout)
    assert ended(put_back(action, scene.ground())) == (Outcome.KEPT, None)
    assert is_whole(scene)


@pytest.mark.parametrize("race", ["link", "open", "foreign", "file"])
def test_a_quarantine_that_is_not_ours_alone_is_not_used(scene: Scene, race: str):
    action = plan(scene)[CHECKOUT]
    match race:
        case "link":
            scene.quarantine.symlink_to(scene.lane.parent / "outside")
        case "file":
            scene.quarantine.write_text("")
        case _:
            scene.quarantine.mkdir(mode=0o700)
            scene.quarantine.chmod(0o755) if race == "open" else os.chown(scene.quarantine, 12345, 0)
    assert ended(remove(action, scene.ground())) == (Outcome.KEPT, Why.CONFLICT)
    assert is_whole(scene)


def test_a_quarantine_on_another_filesystem_is_not_used(scene: Scene):
    scene.quarantine.mkdir(mode=0o700)
    acted = apart(scene, plan(scene)[CHECKOUT], before=f"mount -t tmpfs -o mode=0700 none {scene.quarantine}")
    assert ended(acted) == (Outcome.KEPT, Why.CONFLICT)
    assert is_whole(scene)


def test_what_lies_in_the_quarantine_under_its_name_is_not_overwritten(scene: Scene):
    action = plan(scene)[CHECKOUT]
    taken = scene.quarantine / f"odoo-{action.facts['inode']}"
    taken.mkdir(parents=True)
    scene.quarantine.chmod(0o700)
    assert ended(remove(action, scene.ground())) == (Outcome.FAILED, Why.CONFLICT)
    assert is_whole(scene)
    assert taken.exists()


def test_a_library_without_renameat2_removes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quarantine_module.ctypes, "CDLL", lambda *_, **__: object())
    assert ended(remove(plan(scene)[CHECKOUT], scene.ground())) == (Outcome.FAILED, Why.CONFLICT)
    assert is_whole(scene)


def test_a_deadline_before_the_move_removes_nothing(scene: Scene):
    assert ended(remove(plan(scene)[CHECKOUT], scene.ground(seconds=-1))) == (Outcome.FAILED, Why.TIMEOUT)
    assert is_whole(scene)
    assert not scene.quarantine.exists()


def test_a_deadline_in_the_removal_names_what_is_left(scene: Scene):
    class Over:
        expired = False

        def __str__(self) -> str:
            return "60 s"

    limit = Over()
    late = {Point.REMOVING: lambda: setattr(limit, "expired", True)}
    acted = remove(plan(scene)[CHECKOUT], replace(scene.ground(late), deadline=limit))
    assert ended(acted) == (Outcome.FAILED, Why.TIMEOUT)
    assert [one.begun for one in left_in_quarantine(str(scene.lane))] == [True]


# F20: killed at each point.


@pytest.mark.parametrize("point", list(Point))
def test_f20_a_kill_at_any_point_can_be_told_and_settled(scene: Scene, point: Point):
    action = plan(scene)[CHECKOUT]
    assert apart(scene, action, kill=point) == -9
    left = left_in_quarantine(str(scene.lane))
    if point is Point.CHECKED:
        assert left == ()
        assert is_whole(scene)
        assert whereabouts(action, scene.ground()).value == "in_place"
    else:
        assert [(one.name, one.begun) for one in left] == [("odoo", point is Point.REMOVING)]
        assert not scene.checkout.exists()
        assert (Path(left[0].path) / "odoo" / "file").exists()
        assert whereabouts(action, scene.ground()).value == ("begun" if left[0].begun else "quarantined")
    acted = put_back(action, scene.ground())
    if point is Point.REMOVING:
        assert ended(acted) == (Outcome.FAILED, Why.CONFLICT)
        assert left[0].path in acted.detail
    else:
        assert ended(acted) == (Outcome.KEPT, None)
        assert is_whole(scene)
        assert left_in_quarantine(str(scene.lane)) == ()


def test_a_way_back_that_is_gone_is_told(scene: Scene):
    action = plan(scene)[CHECKOUT]
    assert apart(scene, action, kill=Point.MOVED) == -9
    (scene.lane / "_work").rename(scene.lane / "aside")
    acted = put_back(action, scene.ground())
    assert ended(acted) == (Outcome.FAILED, Why.CONFLICT)
    assert left_in_quarantine(str(scene.lane))[0].path in acted.detail


def test_what_is_gone_is_told_as_gone(scene: Scene):
    action = plan(scene)[CHECKOUT]
    assert remove(action, scene.ground()).outcome is Outcome.REMOVED
    assert whereabouts(action, scene.ground()).value == "gone"
    # A new directory may well get the inode of the old one.
    scene.checkout.mkdir()
    assert whereabouts(action, scene.ground()).value == "gone"
    assert ended(put_back(action, scene.ground())) == (Outcome.ALREADY_ABSENT, None)


# Logs.


def test_old_logs_go_and_the_directory_stays(scene: Scene):
    action = plan(scene)[LOGS]
    assert drift_of(action, scene.ground()) is None
    acted = remove(action, scene.ground())
    assert acted == Acted(outcome=Outcome.REMOVED, removed=(OLD_LOG, OPEN_LOG))
    assert [one.name for one in (scene.lane / "_diag").iterdir()] == ["notes.txt"]
    assert ended(drift_of(action, scene.ground())) == (Outcome.ALREADY_ABSENT, None)


def test_a_log_that_is_open_is_kept(scene: Scene):
    action = plan(scene)[LOGS]
    log = scene.lane / "_diag" / OPEN_LOG
    with holding("kept = open(argv[0], 'a')", log):
        assert drift_of(action, scene.ground()) is None
        acted = remove(action, scene.ground())
    assert (acted.outcome, acted.why, acted.removed) == (Outcome.REMOVED, Why.IN_USE, (OLD_LOG,))
    assert f"{OPEN_LOG} is open in process" in acted.detail
    assert log.exists()


def test_a_log_that_is_opened_after_the_check_is_put_back(scene: Scene):
    log = scene.lane / "_diag" / OPEN_LOG
    with ExitStack() as stack:
        take = {Point.CHECKED: lambda: stack.enter_context(holding("kept = open(argv[0])", log))}
        acted = remove(plan(scene)[LOGS], scene.ground(take))
    assert (acted.outcome, acted.why, acted.removed) == (Outcome.REMOVED, Why.IN_USE, (OLD_LOG,))
    assert log.read_bytes() == b"y" * 5000


def test_f39_a_job_that_starts_after_the_check_puts_all_logs_back(scene: Scene):
    with ExitStack() as stack:
        start = {Point.MOVED: lambda: stack.enter_context(worker(scene.lane))}
        acted = remove(plan(scene)[LOGS], scene.ground(start))
    assert ended(acted) == (Outcome.KEPT, Why.IN_USE)
    assert acted.removed == ()
    assert sorted(one.name for one in (scene.lane / "_diag").iterdir()) == [OPEN_LOG, OLD_LOG, "notes.txt"]


@pytest.mark.parametrize("how", ["grown", "replaced", "link", "touched"])
def test_f41_a_log_that_is_another_now_is_skipped(scene: Scene, how: str):
    action = plan(scene)[LOGS]
    log = scene.lane / "_diag" / OLD_LOG
    match how:
        case "grown":
            log.write_bytes(b"y" * 5001)
        case "touched":
            os.utime(log, (1, 1))
        case _:
            log.unlink()
            log.write_bytes(b"y" * 5000) if how == "replaced" else log.symlink_to("notes.txt")
    acted = remove(action, scene.ground())
    assert (acted.outcome, acted.why, acted.removed) == (Outcome.REMOVED, Why.CHANGED, (OPEN_LOG,))
    assert os.path.lexists(log)


def test_f41_a_log_that_is_replaced_after_the_check_is_put_back(scene: Scene):
    log = scene.lane / "_diag" / OLD_LOG

    def swap() -> None:
        log.rename(log.with_name("aside"))
        log.write_text("fresh")

    acted = remove(plan(scene)[LOGS], scene.ground({Point.CHECKED: swap}))
    assert (acted.outcome, acted.why, acted.removed) == (Outcome.REMOVED, Why.CHANGED, (OPEN_LOG,))
    assert log.read_text() == "fresh"


def test_a_file_that_is_no_log_is_refused_whatever_the_plan_says(scene: Scene):
    action = plan(scene)[LOGS]
    seen = (scene.lane / "_diag" / "notes.txt").stat()
    for name in ("notes.txt", "../.runner", "Worker_../x.log"):
        named = replace(action.files[0], name=name, inode=seen.st_ino, ctime_ns=seen.st_ctime_ns)
        acted = remove(replace(action, files=(named,)), scene.ground())
        assert ended(acted) == (Outcome.REFUSED, Why.NO_TOUCH)
    assert (scene.lane / "_diag" / "notes.txt").exists()


def test_logs_are_removed_from_diag_alone(scene: Scene):
    action = plan(scene)[LOGS]
    place = scene.lane / "_work" / "_temp"
    seen = place.stat()
    facts = {"path": str(place), "device": str(seen.st_dev), "inode": str(seen.st_ino)}
    assert ended(remove(with_facts(action, **facts), scene.ground())) == (Outcome.REFUSED, Why.NO_TOUCH)


@pytest.mark.parametrize("point", [Point.MOVED, Point.RECHECKED])
def test_f20_logs_of_a_killed_run_are_put_back(scene: Scene, point: Point):
    action = plan(scene)[LOGS]
    assert apart(scene, action, kill=point) == -9
    assert [one.name for one in left_in_quarantine(str(scene.lane))] == [OPEN_LOG, OLD_LOG]
    assert whereabouts(action, scene.ground()).value == "quarantined"
    assert ended(put_back(action, scene.ground())) == (Outcome.KEPT, None)
    assert left_in_quarantine(str(scene.lane)) == ()
    assert whereabouts(action, scene.ground()).value == "in_place"


def test_a_race_of_renames_never_costs_what_was_not_planned(scene: Scene):
    """Somebody swaps the name all the time: whatever goes, it is the planned directory or nothing."""
    work, action = scene.lane / "_work", plan(scene)[CHECKOUT]
    precious = work / "next"
    precious.mkdir()
    (precious / "work").write_text("of the next job")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for old, new in (("odoo", "aside"), ("next", "odoo"), ("odoo", "next"), ("aside", "odoo")):
                if not (work / new).exists():
                    with suppress(FileNotFoundError):  # it is in the quarantine just now
                        (work / old).rename(work / new)

    racing = threading.Thread(target=swap)
    racing.start()
    try:
        acted = [remove(action, scene.ground()) for _ in range(40)]
    finally:
        stop.set()
        racing.join()
    left = [Path(one.path) for one in left_in_quarantine(str(scene.lane))]
    assert any((place / "work").exists() for place in (*work.iterdir(), *left))
    assert {one.outcome for one in acted} <= {
        Outcome.SKIPPED,
        Outcome.FAILED,
        Outcome.ALREADY_ABSENT,
        Outcome.KEPT,
        Outcome.REMOVED,
    }
    if not any(one.outcome is Outcome.REMOVED for one in acted):
        assert any((place / "odoo" / "file").exists() for place in (*work.iterdir(), *left))


# F21: the Nth call fails, N = 1, 2, … until none does.

CALLS = ("open", "stat", "fstat", "listdir", "readlink", "rmdir", "unlink", "mkdir", "fsync")


class Breaking:
    """Lets the Nth call of the kernel fail, and says whether there was one."""

    def __init__(self, patched: pytest.MonkeyPatch, number: int) -> None:
        self.left = number
        for name in CALLS:
            patched.setattr(os, name, self.of(getattr(os, name)))
        real = quarantine_module.move
        for module in (quarantine_module, directories, logs_module):
            patched.setattr(module, "move", self.of(real))

    def of(self, real):
        def call(*arguments, **more):
            self.left -= 1
            if not self.left:
                raise OSError(5, "Input/output error")
            return real(*arguments, **more)

        return call


@pytest.mark.parametrize("name", [CHECKOUT, LOGS])
def test_f21_whichever_call_fails_the_outcome_says_where_everything_is(tmp_path: Path, name: str):
    if not SEES:
        pytest.skip("run by the first test, in a process namespace of its own")
    seen = set()
    for number in range(1, 100_000):
        scene = build(tmp_path / str(number))
        action = plan(scene)[name]
        with pytest.MonkeyPatch.context() as patched:
            breaking = Breaking(patched, number)
            acted = remove(action, scene.ground())
            broke = breaking.left <= 0
        left = left_in_quarantine(str(scene.lane))
        seen.add(acted.outcome)
        assert acted.detail or acted.outcome is Outcome.REMOVED
        if name == CHECKOUT:
            whole = scene.checkout.exists() and is_whole(scene)
            gone = CHECKOUT in acted.removed
            assert gone or whole or (left and left[0].path in acted.detail), acted
            assert not (acted.outcome is Outcome.KEPT and not whole), acted
            assert not gone or (not left and not scene.checkout.exists())
        else:
            there = {one.name for one in (scene.lane / "_diag").iterdir()}
            for log in (OLD_LOG, OPEN_LOG):
                assert (log in acted.removed) + (log in there) + (log in {one.name for one in left}) == 1
            for one in left:
                assert one.name in acted.detail, acted
        if not broke:
            break
        shutil.rmtree(tmp_path / str(number))
    assert number > 30
    assert seen >= {Outcome.REMOVED, Outcome.KEPT, Outcome.FAILED}
