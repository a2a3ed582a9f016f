"""The activity gate against real engines: builds, clients, pulls, a runner's job, an Engine that hangs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.host.activity.processes import ancestry
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.gate import Source, sample, settled, watch_idle
from hygiene_core.model.activity import Activity, ProcessId, Signal, busy
from tests.conftest import lab_tree
from tests.lab import buildkit, images, registry
from tests.lab.errors import LabUnavailable
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")

API = {"old": "1.41", "stable": "1.45", "testing": "1.51"}
BUILDERS = {"warm-old": buildkit.OLD, "warm-current": buildkit.CURRENT}
_FOREVER = "2147483"
SLOW = f"RUN sleep {_FOREVER}"
IN_BUILDER = f"""\
FROM scratch
COPY busybox /bin/sh
COPY busybox /bin/sleep
{SLOW.replace("RUN", "RUN --network=none")}
"""
_SECONDS = 60.0
Look = Callable[..., tuple[Signal, ...]]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Takes a sample of a lab host that sees the processes of that host alone: others run here too."""

    def taken(
        host: LabHost,
        *,
        seconds: float = 20,
        exclude: tuple[ProcessId, ...] = (),
        data_root: str | None = "/var/lib/docker",
    ) -> tuple[Signal, ...]:
        view = tmp_path / "proc"
        shutil.rmtree(view, ignore_errors=True)
        view.mkdir()
        for pid in host.processes():
            (view / str(pid)).symlink_to(f"/proc/{pid}")
        (view / "1").symlink_to(f"/proc/{host.pid}")
        return sample(
            str(host.socket),
            API[host.tree.name],
            data_root=data_root,
            exclude=exclude,
            within=Deadline.after(timedelta(seconds=seconds)),
            proc=view,
        )

    return taken


def until(look: Callable[[], tuple[Signal, ...]], wanted: Callable[[set[str]], bool]) -> tuple[Signal, ...]:
    """The first sample in which the sources that are at work are as wanted."""
    end = time.monotonic() + _SECONDS
    while True:
        signals = look()
        if wanted(active(signals)):
            return signals
        assert time.monotonic() < end, busy(signals)
        time.sleep(0.2)


def active(signals: tuple[Signal, ...]) -> set[str]:
    return {one.source for one in signals if one.activity is Activity.ACTIVE}


def unknown(signals: tuple[Signal, ...]) -> set[str]:
    return {one.source for one in signals if one.activity is Activity.UNKNOWN}


def details(signals: tuple[Signal, ...], source: Source) -> list[str]:
    return [one.detail for one in signals if one.source == source]


@contextmanager
def client(host: LabHost, *command: str, stdin: bytes | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A docker client that is asked to stop at the end of the block, which it takes as it takes Ctrl-C.

    Not by SIGINT: that is ignored by everything that a shell without job control started in the background.
    """
    started = subprocess.Popen(
        host.command(*command),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": "/root", "DOCKER_BUILDKIT": "1"},
        start_new_session=True,
    )
    assert started.stdin is not None
    try:
        if stdin is not None:
            started.stdin.write(stdin)
            started.stdin.close()
        yield started
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGTERM)
        if not started.stdin.closed:
            started.stdin.close()
        started.wait(_SECONDS)


def end_steps(host: LabHost) -> None:
    """End what the steps of builds run."""
    for pid in host.processes():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0" + _FOREVER.encode()):
                os.kill(pid, signal.SIGKILL)


def idle(look: Look, host: LabHost) -> tuple[Signal, ...]:
    def looked() -> tuple[Signal, ...]:
        if host.tree.name == "old":
            end_steps(host)  # its Engine may go on with a step whose client was stopped
        return look(host)

    signals = until(looked, lambda now: not now)
    assert busy(signals) == ()
    return signals


# -- any engine ----------------------------------------------------------------------------------------------


def test_an_idle_host_is_idle_by_every_source(lab_host: LabHost, look: Look):
    first = look(lab_host)
    assert [(one.source, one.activity) for one in first] == [
        (source, Activity.IDLE)
        for source in Source
        for _ in range(2 if source is Source.BUILD_RECORDS else 1)
    ]
    assert watch_idle(lambda: look(lab_host), interval=timedelta(seconds=1), until=None) == ()
    time.sleep(1)
    assert settled([first, look(lab_host)]) == ()


def test_a_build_in_the_engine_and_its_end(lab_host: LabHost, look: Look):
    images.import_base(lab_host)
    recipe = f"FROM {images.BASE}\nCOPY busybox /b\n{SLOW}\n"
    with client(lab_host, "docker", "build", "-", stdin=buildkit.context(lab_host, recipe)):
        seen = until(lambda: look(lab_host), lambda now: {Source.BUILD_STEP, Source.BUILD_RECORDS} <= now)
        assert unknown(seen) == set()
        assert "carries out a step of a build" in details(seen, Source.BUILD_STEP)[0]
        held = watch_idle(lambda: look(lab_host), interval=timedelta(seconds=1), until=None)
        assert Source.BUILD_STEP in {one.source for one in held}
    idle(look, lab_host)


@pytest.mark.parametrize("last", ["RUN true", "RUN false"])
def test_nothing_is_left_of_a_build_that_succeeded_or_failed(lab_host: LabHost, look: Look, last: str):
    images.import_base(lab_host)
    recipe = f"FROM {images.BASE}\nCOPY busybox /b\n{last}\n"
    sent = buildkit.context(lab_host, recipe)
    for _ in range(2):  # the second time what succeeded comes from the cache
        done = lab_host.docker("build", "-", input=sent, check=False, env={"DOCKER_BUILDKIT": "1"})
        assert (done.returncode == 0) is (last == "RUN true")
        idle(look, lab_host)


def test_records_of_a_build_that_died_with_its_engine_are_no_build(lab_host: LabHost, look: Look):
    images.import_base(lab_host)
    recipe = f"FROM {images.BASE}\nCOPY busybox /died\n{SLOW}\n"
    with client(lab_host, "docker", "build", "-", stdin=buildkit.context(lab_host, recipe)):
        until(lambda: look(lab_host), lambda now: Source.BUILD_STEP in now)
        lab_host.kill_engine()
        lab_host.start_engine()
    idle(look, lab_host)


@pytest.mark.parametrize("by", ["pull", "build"])
def test_a_pull_that_goes_on(lab_host: LabHost, look: Look, by: str):
    spec = images.ImageSpec(tags=(), layers=(images.layer({by: os.urandom(1 << 20)}),))
    hold = threading.Event()
    image = f"{registry.ADDRESS}/{by}:1"
    with registry.serve(lab_host, {by: spec}, hold=hold):
        sent = buildkit.context(lab_host, f"FROM {image}\nCOPY busybox /b\n") if by == "build" else None
        command = ("docker", "pull", image) if by == "pull" else ("docker", "build", "-")
        with client(lab_host, *command, stdin=sent) as pulling:
            try:
                seen = until(lambda: look(lab_host, data_root=None), lambda now: Source.PULL in now)
            finally:
                hold.set()
            assert unknown(seen) == set()
            assert "receiving content of images" in details(seen, Source.PULL)[0]
            assert pulling.wait(_SECONDS) == 0
    idle(look, lab_host)


def test_a_runners_job_unless_it_is_our_own(lab_host: LabHost, look: Look):
    lab_host.run("cp", "/bin/sleep", "/run/Runner.Worker")
    with client(lab_host, "/run/Runner.Worker", "2147483"):
        seen = until(lambda: look(lab_host), lambda now: Source.RUNNER_JOB in now)
        assert {one.source for one in busy(seen)} == {Source.RUNNER_JOB}
        pid = int(details(seen, Source.RUNNER_JOB)[0].split()[1])
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        own = ProcessId(pid, int(text.rpartition(")")[2].split()[19]))
        assert busy(look(lab_host, exclude=(own,))) == ()
        assert busy(look(lab_host, exclude=(*ancestry(), ProcessId(pid, own.started - 1)))) != ()
    idle(look, lab_host)


def test_a_frozen_engine_is_unknown_within_the_deadline(lab_host: LabHost, look: Look):
    lab_host.freeze()
    try:
        began = time.monotonic()
        seen = look(lab_host, seconds=2)
        took = time.monotonic() - began
    finally:
        lab_host.thaw()
    assert took < 3
    assert unknown(seen) == {Source.BUILD_HISTORY, Source.BUILD_SESSION, Source.BUILD_RECORDS}
    idle(look, lab_host)


def test_an_engine_that_is_gone_is_unknown(lab_host: LabHost, look: Look):
    lab_host.stop_engine()
    try:
        seen = look(lab_host)
    finally:
        lab_host.start_engine()
    assert unknown(seen) == {Source.BUILD_HISTORY, Source.BUILD_SESSION, Source.BUILD_RECORDS}
    idle(look, lab_host)


# -- container builders --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def builders() -> Iterator[LabHost]:
    """The stable engine with a builder of each version of BuildKit."""
    tree = lab_tree("stable")
    try:
        for version in BUILDERS.values():
            buildkit.ensure_buildkit(version)
    except LabUnavailable as problem:
        pytest.skip(str(problem))  # also in CI: a module proxy is not a part of every machine
    with LabHost.start(tree, name="gate-builders") as host:
        for name, version in BUILDERS.items():
            buildkit.create_builder(host, name, version)
        yield host


@pytest.mark.parametrize("name", BUILDERS)
def test_a_build_in_a_builder_and_its_end(builders: LabHost, look: Look, name: str):
    wanted = {Source.BUILD_HISTORY, Source.BUILD_SESSION, Source.BUILD_STEP, Source.BUILD_RECORDS}
    sent = buildkit.context(builders, IN_BUILDER)
    with client(builders, "docker", "buildx", "build", "--builder", name, "-", stdin=sent):
        seen = until(lambda: look(builders), lambda now: wanted <= now)
        assert unknown(seen) == set()
        assert f"{name}0 has 1 client attached" in details(seen, Source.BUILD_SESSION)
        (said,) = (one for one in details(seen, Source.BUILD_HISTORY) if one)
        assert said.startswith(f"{name}0 has 1 build that did not end, the oldest since ")
        assert f"{name}0 is writing 1 record" in details(seen, Source.BUILD_RECORDS)
    # Of a build that was stopped, BuildKit 0.32 keeps records in use for ever.
    idle(look, builders)
    buildkit.build(builders, name)
    idle(look, builders)


def test_a_client_that_is_attached(builders: LabHost, look: Look):
    container = "buildx_buildkit_warm-old0"
    with client(builders, "docker", "exec", "-i", container, "buildctl", "dial-stdio"):
        seen = until(lambda: look(builders), lambda now: Source.BUILD_SESSION in now)
        assert {one.source for one in busy(seen)} == {Source.BUILD_SESSION}
    idle(look, builders)


def test_a_builder_that_cannot_be_asked_is_unknown_and_a_stopped_one_is_idle(builders: LabHost, look: Look):
    container = "buildx_buildkit_warm-current0"
    builders.docker("pause", container)
    try:
        seen = look(builders)
    finally:
        builders.docker("unpause", container)
    assert unknown(seen) == {Source.BUILD_HISTORY, Source.BUILD_SESSION, Source.BUILD_RECORDS}
    assert {one.detail for one in busy(seen)} == {"warm-current0 is paused and cannot be asked"}
    builders.docker("stop", container)
    try:
        assert busy(look(builders)) == ()
    finally:
        builders.docker("start", container)
        until_it_answers(builders, container)


def until_it_answers(host: LabHost, container: str) -> None:
    end = time.monotonic() + _SECONDS
    while host.docker("exec", container, "buildctl", "debug", "workers", check=False).returncode != 0:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_frozen_buildkit_is_unknown_within_the_deadline_and_is_not_asked_twice(
    builders: LabHost, look: Look
):
    container = "buildx_buildkit_warm-current0"
    pid = builders.docker("inspect", "--format", "{{.State.Pid}}", container).stdout.strip()
    builders.run("pkill", "-STOP", "--parent", pid)  # the first process is Docker's init
    try:
        began = time.monotonic()
        first, again = look(builders, seconds=2), look(builders, seconds=2)
        took = time.monotonic() - began
    finally:
        builders.run("pkill", "-CONT", "--parent", pid)
    assert took < 5
    for seen in (first, again):
        assert {Source.BUILD_HISTORY, Source.BUILD_RECORDS} <= unknown(seen)
        assert all("warm-current0" in one.detail for one in busy(seen))
    assert any("earlier look: it was not asked again" in one.detail for one in again)
    idle(look, builders)


# -- builders whose `buildctl` is a script: old and odd ones -------------------------------------------------

ANCIENT = """\
case "$*" in
--version) echo 'buildctl github.com/moby/buildkit v0.11.6 ';;
du*) echo null;;
*) echo "No help topic for 'histories'" >&2; exit 3;;
esac"""
"""What BuildKit 0.11.6 says."""

UNTOLD = ANCIENT.replace("v0.11.6", "v0.0.0+unknown")
FAILING = ANCIENT.replace("v0.11.6", "v0.16.0")
LEAKED = """\
case "$*" in
du*) echo null;;
*) echo '{"record":{"Ref":"r","CreatedAt":"2026-05-04T08:00:00Z"}}';;
esac"""


@pytest.fixture
def scripted(fresh_host: LabHost) -> Callable[[str], LabHost]:
    """Makes a host with one builder, whose `buildctl` is a script."""

    def made(script: str) -> LabHost:
        images.import_base(fresh_host)
        name = "buildx_buildkit_odd0"
        fresh_host.docker("run", "--detach", "--name", name, images.BASE, *images.FOREVER)
        fresh_host.docker(
            *("exec", "-i", name, "sh", "-c", "cat > /bin/buildctl; chmod +x /bin/buildctl"),
            input=f"#!/bin/sh\n{script}\n",
        )
        return fresh_host

    return made


def test_a_builder_too_old_for_a_history_is_not_unknown(scripted: Callable[[str], LabHost], look: Look):
    seen = look(scripted(ANCIENT))
    assert busy(seen) == ()
    assert details(seen, Source.BUILD_HISTORY) == [
        "the BuildKit of odd0 is too old for a history of builds: its clients and steps were read instead"
    ]


@pytest.mark.parametrize("script", [UNTOLD, FAILING], ids=["no version", "not so old"])
def test_a_builder_that_does_not_tell_its_history_is_unknown(
    scripted: Callable[[str], LabHost], look: Look, script: str
):
    seen = look(scripted(script))
    assert {one.source for one in busy(seen)} == {Source.BUILD_HISTORY}
    assert "odd0 did not tell its builds" in busy(seen)[0].detail


def test_a_build_that_was_left_in_the_books_is_active_with_its_age(
    scripted: Callable[[str], LabHost], look: Look
):
    (held,) = busy(look(scripted(LEAKED)))
    assert (held.source, held.activity) == (Source.BUILD_HISTORY, Activity.ACTIVE)
    assert held.detail.startswith("odd0 has 1 build that did not end, the oldest since ")
    assert held.detail.endswith(" s")
