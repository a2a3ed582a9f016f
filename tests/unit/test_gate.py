"""The activity gate over trees that look like `/proc`, and over the real one where that can be had."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hygiene_core.host.activity.processes import ProcessesReading, read_processes
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.gate import SAMPLES, Source, ancestry, sample, settled, watch_idle
from hygiene_core.model.activity import Activity, ProcessId, Signal, busy
from tests.unit.docs_pages import ROOT, section, word

T0 = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user, to see what that one may not")
EXECUTOR = "/var/lib/docker/buildkit/executor/wggoi8knjlnvq1oavus00z453"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A tree with a first process and nothing else."""
    made = tmp_path / "proc"
    process(made, 1, name="systemd", parent=0, started=2)
    return made


def process(
    proc: Path,
    pid: int,
    *,
    name: str = "bash",
    parent: int = 1,
    started: int = 100,
    state: str = "S",
    threads: int = 1,
    argv: tuple[str, ...] = ("bash",),
    exe: str | None = "/bin/bash",
    files: Iterable[str] = (),
) -> ProcessId:
    """A process as proc(5) shows it."""
    place = proc / str(pid)
    (place / "fd").mkdir(parents=True)
    fields = [state, parent, *range(5, 20), threads, 0, started, 4096, 7]
    (place / "stat").write_text(f"{pid} ({name}) {' '.join(map(str, fields))}\n")
    (place / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))
    if exe is not None:
        (place / "exe").symlink_to(exe)
    for number, target in enumerate(files):
        (place / "fd" / str(number)).symlink_to(target)
    return ProcessId(pid, started)


def read(
    proc: Path, *, data_root: str | None = None, exclude: Iterable[ProcessId] = (), seconds: float = 10
) -> ProcessesReading:
    return read_processes(proc, data_root, frozenset(exclude), Deadline.after(timedelta(seconds=seconds)))


# -- ancestry ------------------------------------------------------------------------------------------------


def test_the_ancestry_goes_up_to_the_first_process(proc: Path):
    worker = process(proc, 40, name="Runner.Worker", started=4000)
    shell = process(proc, 50, name="sh) S (1 2", parent=40, started=5000)
    mine = process(proc, 60, name="a b", parent=50, started=6000)
    process(proc, 70, parent=40)
    (proc / "self").symlink_to("60")
    assert ancestry(proc) == {mine, shell, worker, ProcessId(1, 2)}


def test_an_ancestor_that_cannot_be_read_ends_the_chain(proc: Path):
    mine = process(proc, 60, parent=50)
    (proc / "self").symlink_to("60")
    assert ancestry(proc) == {mine}
    assert ancestry(proc / "nowhere") == frozenset()


def test_a_chain_that_turns_back_ends(proc: Path):
    both = {process(proc, 60, parent=50), process(proc, 50, parent=60)}
    (proc / "self").symlink_to("60")
    assert ancestry(proc) == both


def test_the_real_ancestry_has_this_process():
    pids = {one.pid for one in ancestry()}
    assert {os.getpid(), os.getppid()} <= pids


def test_a_job_that_this_runs_in_is_left_out_and_another_is_not(tmp_path: Path):
    """A real process of that name, which runs what asks."""
    worker = tmp_path / "Runner.Worker"
    worker.write_bytes(Path("/bin/sh").resolve().read_bytes())
    worker.chmod(0o755)
    code = (
        "import datetime, os, pathlib\n"
        "from hygiene_core.host.activity.processes import ancestry, read_processes\n"
        "from hygiene_core.host.deadline import Deadline\n"
        "def pids(exclude):\n"
        "    limit = Deadline.after(datetime.timedelta(seconds=30))\n"
        "    seen = read_processes(pathlib.Path('/proc'), None, exclude, limit)\n"
        "    return {one.pid for one in seen.workers}\n"
        "print(os.getppid() in pids(()), os.getppid() in pids(ancestry()))\n"
    )
    done = subprocess.run(
        [worker, "-c", '"$0" -c "$1"; :', sys.executable, code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]


# -- runner jobs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen",
    [
        {"name": "Runner.Worker"},
        {"exe": "/home/r/bin/Runner.Worker"},
        {"exe": "/home/r/bin.2.330/Runner.Worker (deleted)"},
        {"argv": ("/home/r/bin/Runner.Worker", "spawnclient", "1", "2")},
        {"name": "Runner.Worker", "exe": None, "argv": ()},
        {"name": "Runner.Worker", "state": "D"},
        {"name": "Runner.Worker", "state": "Z", "threads": 5},
    ],
)
def test_a_worker_is_known_by_any_of_its_names(proc: Path, seen: dict[str, object]):
    worker = process(proc, 40, **seen)
    assert read(proc).workers == [worker]


@pytest.mark.parametrize(
    "seen",
    [
        {"name": "Runner.Listener"},
        {"name": "sh", "argv": ("sh", "-c", "pkill Runner.Worker")},
        {"argv": ("tail", "/home/r/bin/Runner.Worker")},
        {"name": "Runner.Worker", "state": "Z", "threads": 0},
        {"name": "Runner.Worker", "state": "Z"},
        {"name": "Runner.Workers"},
    ],
)
def test_what_is_no_worker(proc: Path, seen: dict[str, object]):
    process(proc, 40, **seen)
    found = read(proc)
    assert (found.workers, found.problem) == ([], None)


def test_only_the_very_process_is_left_out(proc: Path):
    mine = process(proc, 40, name="Runner.Worker", started=4000)
    other = process(proc, 41, name="Runner.Worker", started=4001)
    found = read(proc, exclude=[mine])
    assert (found.workers, found.left_out) == ([other], 1)
    later = ProcessId(40, 3999)
    assert read(proc, exclude=[later]).workers == [mine, other]


# -- what cannot be read -------------------------------------------------------------------------------------


def test_a_process_that_went_meanwhile_is_no_problem(proc: Path):
    (proc / "40").mkdir()
    process(proc, 41)
    (proc / "41/cmdline").unlink()
    process(proc, 42)
    (proc / "42/fd").rmdir()
    process(proc, 43)
    (proc / "43/stat").write_text("")
    found = read(proc)
    assert (found.problem, found.files_problem) == (None, None)


def test_a_process_that_cannot_be_read_is_a_problem(proc: Path):
    (proc / "40/stat").mkdir(parents=True)
    process(proc, 41)
    (proc / "41/stat").write_text("41 (bash S 1")
    found = read(proc)
    assert found.problem == "2 processes could not be read (Is a directory)"
    assert found.files_problem == found.problem


def test_processes_that_are_hidden_are_a_problem(tmp_path: Path):
    process(tmp_path, 40)
    assert "hidden" in (read(tmp_path).problem or "")
    assert "cannot be listed" in (read(tmp_path / "nowhere").problem or "")


def test_a_pass_ends_with_its_time(proc: Path):
    assert read(proc, seconds=0).problem == "the processes could not all be read within 0 s"


def as_nobody(proc: Path) -> ProcessesReading:
    """What another user reads; only for a test that runs as root."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(tell, pickle.dumps(read(proc)))
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as said:
        found: ProcessesReading = pickle.load(said)
    os.waitpid(child, 0)
    return found


@as_root
def test_another_user_sees_the_jobs_and_not_the_files(tmp_path: Path):
    """What a process runs may not be read either: its name is enough."""
    program = tmp_path / "Runner.Worker"
    program.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "2147483"]) as worker:
        try:
            found = as_nobody(Path("/proc"))
        finally:
            worker.kill()
    assert worker.pid in {one.pid for one in found.workers}
    assert found.problem is None
    assert "could not be listed (Permission denied)" in (found.files_problem or "")


@pytest.fixture
def open_proc() -> Iterator[Path]:
    """A tree that another user can enter, with a first process that keeps its files to itself."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "proc"


@as_root
@pytest.mark.parametrize("name", ["systemd", "dockerd", "containerd", "buildkitd"])
def test_the_first_process_may_keep_its_files_to_itself_unless_it_receives_images(open_proc: Path, name: str):
    process(open_proc, 1, name=name, parent=0)
    (open_proc / "1/fd").chmod(0)
    said = (
        None if name == "systemd" else "the open files of 1 process could not be listed (Permission denied)"
    )
    assert as_nobody(open_proc).files_problem == said


@as_root
def test_no_other_process_may(open_proc: Path):
    process(open_proc, 1, parent=0)
    for pid in (40, 41):
        process(open_proc, pid)
        (open_proc / f"{pid}/fd").chmod(0)
    said = "the open files of 2 processes could not be listed (Permission denied)"
    assert as_nobody(open_proc).files_problem == said


# -- steps and pulls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ("runc", "--log", "x", "--log-format", "json", "run", "--bundle", EXECUTOR, "--keep", "wgg"),
        (
            "/usr/bin/buildkit-runc",
            "run",
            "--bundle",
            "/var/lib/buildkit/runc-overlayfs/executor/3z4g",
            "3z4g",
        ),
        ("buildkit-runc", "run", "--bundle=/srv/bk/runc-native/executor/3z4g", "3z4g"),
        ("runc", "run", "--bundle", "/home/u/.local/share/docker/buildkit/executor/3z4g", "3z4g"),
    ],
)
def test_a_step_of_a_build(proc: Path, argv: tuple[str, ...]):
    step = process(proc, 40, name="runc", argv=argv)
    assert read(proc).steps == [step]


@pytest.mark.parametrize(
    "argv",
    [
        ("runc", "--root", "/var/run/docker/runtime-runc/moby", "run", "--bundle", "/run/containerd/x", "x"),
        ("runc", "delete", "--bundle", EXECUTOR),
        ("runc", "init", EXECUTOR),
        ("grep", "run", "--bundle", EXECUTOR),
        ("runc", "run", "--bundle"),
        (),
    ],
)
def test_what_is_no_step(proc: Path, argv: tuple[str, ...]):
    process(proc, 40, name="runc", argv=argv)
    assert read(proc).steps == []


@pytest.mark.parametrize(
    "file",
    [
        "/var/lib/docker/tmp/GetImageBlob2611327246",
        "/mnt/scratch/GetImageBlob1 (deleted)",
        "/var/lib/docker/containerd/daemon/io.containerd.content.v1.content/ingest/bfc0/data",
        "/var/lib/containerd/io.containerd.content.v1.content/ingest/bfc0/data",
        "/var/lib/docker/buildkit/content/ingest/717e/data",
        "/var/lib/buildkit/runc-overlayfs/content/ingest/c939/data",
        "/data/docker/tmp/docker-import-1/x",
    ],
)
def test_a_file_that_is_being_received(proc: Path, file: str):
    engine = process(proc, 40, name="dockerd", files=["pipe:[1]", "/var/lib/docker/x.db", file])
    assert read(proc, data_root="/data/docker/").receivers == [engine]


@pytest.mark.parametrize(
    "file",
    [
        "/var/lib/docker/tmp/other",
        "/var/lib/containerd/io.containerd.content.v1.content/ingest",
        "/var/lib/containerd/io.containerd.content.v1.content/blobs/sha256/x",
        "/srv/GetImageBlob.go",
        "socket:[GetImageBlob1]",
        "/data/docker/tmpx/y",
    ],
)
def test_what_is_not_being_received(proc: Path, file: str):
    process(proc, 40, files=[file])
    assert read(proc, data_root="/data/docker").receivers == []
    assert read(proc).receivers == []


# -- a sample ------------------------------------------------------------------------------------------------


def take(proc: Path, tmp_path: Path, seconds: float = 5) -> tuple[Signal, ...]:
    return sample(
        str(tmp_path / "docker.sock"),
        "1.45",
        data_root="/var/lib/docker",
        exclude=(),
        within=Deadline.after(timedelta(seconds=seconds)),
        clock=lambda: T0,
        proc=proc,
    )


def test_a_sample_has_every_source_and_what_cannot_be_read_is_unknown(proc: Path, tmp_path: Path):
    process(proc, 40, name="Runner.Worker")
    signals = take(proc, tmp_path)
    assert {one.source for one in signals} == {source.value for source in Source}
    assert {one.read_at for one in signals} == {T0}
    engines = {Source.BUILD_HISTORY, Source.BUILD_SESSION, Source.BUILD_RECORDS}
    unknown = {one.source for one in signals if one.activity is Activity.UNKNOWN}
    assert unknown == engines
    assert all("There is no Engine socket" in one.detail for one in signals if one.source in engines)
    jobs = [one for one in signals if one.source == Source.RUNNER_JOB]
    assert [(one.activity, one.detail) for one in jobs] == [(Activity.ACTIVE, "process 40 is a runner's job")]


def test_a_process_whose_files_hang_costs_no_more_than_the_deadline(proc: Path, tmp_path: Path):
    process(proc, 40)
    (proc / "40/cmdline").unlink()
    os.mkfifo(proc / "40/cmdline")
    began = time.monotonic()
    signals = take(proc, tmp_path, seconds=0.5)
    assert time.monotonic() - began < 2
    held = {one.source: one.detail for one in busy(signals)}
    assert (
        held[Source.RUNNER_JOB] == held[Source.BUILD_STEP] == "the processes could not be read within 0.5 s"
    )
    assert held[Source.PULL] == "the open files could not be read within 0.5 s"
    (proc / "40/cmdline").write_bytes(b"")  # lets the thread go


# -- several samples -----------------------------------------------------------------------------------------


def signal(activity: Activity = Activity.IDLE, *, at: float = 0) -> Signal:
    return Signal(source="pull", activity=activity, read_at=T0 + timedelta(seconds=at))


def test_two_idle_samples_apart_are_settled():
    assert settled([(signal(),), (signal(at=1),)]) == ()


@pytest.mark.parametrize("activity", [Activity.ACTIVE, Activity.UNKNOWN])
def test_what_any_sample_saw_holds(activity: Activity):
    held = signal(activity)
    assert settled([(signal(), held), (signal(at=5),)]) == (held,)


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [(signal(),)],
        [(signal(),), ()],
        [(), ()],
        [(signal(),), (signal(at=0.9),)],
        [(signal(at=5),), (signal(),)],
        [(signal(),), (signal(at=2),), (signal(at=2.5),)],
    ],
)
def test_samples_that_prove_nothing_say_so(samples: list[tuple[Signal, ...]]):
    (told,) = settled(samples)
    assert (told.source, told.activity) == (SAMPLES, Activity.UNKNOWN)


class Host:
    """Gives the samples it was told to, the last for ever, and counts."""

    def __init__(self, *activities: Activity) -> None:
        self.activities = activities
        self.taken = 0
        self.slept: list[float] = []

    def take(self) -> tuple[Signal, ...]:
        self.taken += 1
        return (signal(self.activities[min(self.taken, len(self.activities)) - 1], at=self.taken),)

    def watch(
        self, *, samples: int = 2, until: Deadline | None = None, interval: float = 5
    ) -> tuple[Signal, ...]:
        return watch_idle(
            self.take,
            interval=timedelta(seconds=interval),
            samples=samples,
            until=until,
            sleep=self.slept.append,
        )


IDLE, ACTIVE, UNKNOWN = Activity.IDLE, Activity.ACTIVE, Activity.UNKNOWN


def test_a_watch_takes_as_many_idle_samples_as_it_must():
    host = Host(IDLE)
    assert host.watch(samples=3) == ()
    assert (host.taken, host.slept) == (3, [5, 5])
    once = Host(IDLE)
    assert (once.watch(samples=1), once.slept) == ((), [])


@pytest.mark.parametrize("activity", [ACTIVE, UNKNOWN])
def test_without_a_deadline_the_first_sample_that_is_not_idle_ends_it(activity: Activity):
    host = Host(IDLE, activity)
    assert [one.activity for one in host.watch()] == [activity]
    assert host.taken == 2


def test_with_a_deadline_it_waits_and_counts_anew():
    host = Host(ACTIVE, IDLE, UNKNOWN, IDLE, IDLE)
    assert host.watch(until=Deadline.after(timedelta(hours=1))) == ()
    assert host.taken == 5


def test_at_the_deadline_it_tells_the_last_sample():
    host = Host(IDLE, ACTIVE)
    held = watch_idle(
        host.take, interval=timedelta(milliseconds=5), until=Deadline.after(timedelta(seconds=0.1))
    )
    assert [one.activity for one in held] == [ACTIVE]
    assert host.taken > 2


def test_too_few_idle_samples_at_the_deadline_are_no_permission():
    (told,) = Host(IDLE).watch(until=Deadline.after(timedelta(seconds=1)))
    assert (told.source, told.activity) == (SAMPLES, UNKNOWN)
    assert told.detail == "1 of 2 idle samples were taken within 1 s"


def test_a_sample_without_signals_is_no_idle_one():
    (told,) = watch_idle(tuple, interval=timedelta(seconds=5), until=None)
    assert (told.source, told.activity) == (SAMPLES, UNKNOWN)


@pytest.mark.parametrize(("interval", "samples"), [(0, 2), (-1, 2), (5, 0)])
def test_a_watch_that_would_prove_nothing_is_an_error(interval: float, samples: int):
    with pytest.raises(ValueError, match="samples need"):
        Host(IDLE).watch(samples=samples, interval=interval)


# -- the page ------------------------------------------------------------------------------------------------


def test_every_source_stands_on_the_page_of_the_gate():
    rows = section(ROOT / "docs/concepts/gate.md", "The sources").rows
    assert [word(row[0]) for row in rows] == [source.value for source in Source]
    assert all(proves and misses for _, _, proves, misses in rows)


def test_what_counts_as_active_stands_on_the_page():
    rows = section(ROOT / "docs/concepts/gate.md", "What counts as active").rows
    assert [word(row[0]) for row in rows] == [activity.value for activity in Activity]
