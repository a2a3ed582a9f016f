"""The activity gate on real engines: builds, clients, jobs and pulls are seen, and gone when they end."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.host import gate
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.processes import ancestry, process_id
from hygiene_core.model.activity import Activity, Signal, busy
from tests.conftest import ENGINES, lab_tree
from tests.lab import buildkit, images
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")

SLEEPS = """\
FROM {}
COPY busybox /bin/sh
RUN --network=none ["/bin/sh", "-c", "sleep 6"]
"""
BUILDERS = {"old": buildkit.OLD, "current": buildkit.CURRENT}


@pytest.fixture(scope="module", params=["stable", "testing", "testing-containerd"])
def host(request: pytest.FixtureRequest) -> Iterator[LabHost]:
    tree, store = ENGINES[request.param]
    with LabHost.start(lab_tree(tree), store=store, name=f"gate-{request.param}") as made:
        images.import_base(made)
        for name, version in BUILDERS.items():
            buildkit.create_builder(made, name, version)
        yield made


def sample(host: LabHost, *, version: str | None = None, seconds: float = 30) -> tuple[Signal, ...]:
    return gate.sample(
        str(host.socket),
        version or host.api().get("/version")["ApiVersion"],
        exclude=(),
        within=Deadline.after(timedelta(seconds=seconds)),
        proc=Path(f"/proc/{host.pid}/root/proc"),  # other lab hosts are at work too
    )


def at_work(host: LabHost) -> set[str]:
    return {signal.source for signal in busy(sample(host))}


def await_idle(host: LabHost, seconds: float = 20) -> set[str]:
    until = time.monotonic() + seconds
    while (found := at_work(host)) and time.monotonic() < until:
        time.sleep(0.2)
    return found


def test_an_idle_host_is_idle(host: LabHost):
    signals = sample(host)
    assert {signal.source for signal in signals} == set(gate.SOURCES)
    assert busy(signals) == ()


@pytest.mark.parametrize("name", list(BUILDERS))
def test_a_build_in_a_container_is_seen_by_several_sources(host: LabHost, name: str):
    context = host.folder / "context"
    context.write_bytes(buildkit.context(host, SLEEPS.format("scratch")))
    with context.open("rb") as stdin, buildkit.building(host, name, stdin):
        until = time.monotonic() + 20
        while "build_step" not in at_work(host) and time.monotonic() < until:
            time.sleep(0.1)
        assert {"build_step", "build_history", "build_session", "build_records"} <= at_work(host)
    assert await_idle(host) == set()


def test_a_build_in_the_engine_is_seen(host: LabHost):
    build = threading.Thread(
        target=lambda: host.docker(
            *("build", "-"),
            input=images.layer({"Dockerfile": b"FROM " + images.BASE.encode() + b"\nRUN sleep 3\n"}),
            env={"DOCKER_BUILDKIT": "1"},
            check=False,
        )
    )
    build.start()
    seen: set[str] = set()
    while build.is_alive():
        seen |= at_work(host)
    build.join()
    assert {"build_step", "build_records"} <= seen
    assert await_idle(host) == set()


def test_a_job_of_a_runner_is_seen_and_our_own_ancestor_is_not(host: LabHost, tmp_path: Path):
    program = tmp_path / "Runner.Worker"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "30"]) as job:
        try:
            here = Path("/proc")
            comm = here / str(job.pid) / "comm"
            while comm.read_text() != "Runner.Worker\n":  # named a moment after `Popen` returns
                time.sleep(0.01)
            assert process_id(job.pid) in gate.find_work((), here).workers
            assert process_id(job.pid) not in gate.find_work(ancestry(job.pid), here).workers
        finally:
            job.kill()


def test_a_pull_is_seen_by_what_it_has_open(host: LabHost, tmp_path: Path):
    """A download is held open here by a process of ours at a path like the Engine's own."""
    for place in ("tmp/GetImageBlob123", "io.containerd.content.v1.content/ingest/abc/data"):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        with path.open("wb"):
            assert gate.find_work((), Path("/proc")).pulls >= 1


def test_a_frozen_engine_is_not_known_to_be_idle(host: LabHost):
    version = host.api().get("/version")["ApiVersion"]
    host.freeze()
    try:
        signals = sample(host, version=version, seconds=1)
    finally:
        host.thaw()
    unknown = {one.source for one in signals if one.activity is Activity.UNKNOWN}
    assert unknown == {"build_history", "build_session", "build_records"}


def test_an_engine_that_is_not_there_is_not_known_to_be_idle(tmp_path: Path):
    signals = gate.sample(
        str(tmp_path / "none.sock"), "1.45", exclude=(), within=Deadline.after(timedelta(seconds=1))
    )
    assert {one.activity for one in signals if one.source.startswith("build_h")} == {Activity.UNKNOWN}
