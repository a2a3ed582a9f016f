"""An image that only short jobs use, on a real Engine: with and without somebody who follows it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core import pipeline
from hygiene_core.clock import utc_now
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.follow import Follower
from hygiene_core.model.host import Host
from hygiene_core.model.judgement import Judged
from hygiene_core.model.policy import Ages, Policy
from hygiene_core.transport.local import LocalTransport
from tests.lab import images
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")

JOBS = int(os.environ.get("HYGIENE_SHORT_JOBS", "45"))
"""One job is seven events, so that 37 overrun the Engine's memory. `nox -s soak` has 500."""

WINDOW = timedelta(seconds=2)
POLICY = Policy(source="hygiene.toml", digest="0" * 64, ages=Ages(grace=timedelta(0), tagged_image=WINDOW))


class Kit:
    def __init__(self, host: LabHost, folder: Path) -> None:
        self.host = Host(
            name="lab", docker_socket=str(host.socket), data_root=str(host.data_root), policy=POLICY
        )
        self.store = EvidenceStore(folder)

    def report(self) -> dict[str, Judged]:
        tools = pipeline.Tools(host=self.host, transport=LocalTransport(), store=self.store)
        made = pipeline.make_report(tools).finished
        return {name: row for row in made.resources if row.kind == "image" for name in row.names}

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Somebody follows, in a thread, until the block ends."""
        ending = threading.Event()

        class Ended(Exception):
            pass

        def wait() -> None:
            if ending.wait(0.2):
                raise Ended

        def run() -> None:
            follower = Follower(self.host, LocalTransport(), self.store, utc_now, lambda _: None)
            try:
                follower.run(wait)
            except Ended:
                return

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()


@pytest.fixture
def kit(fresh_host: LabHost, tmp_path: Path) -> Kit:
    images.import_base(fresh_host)
    for name in ("used:1", "idle:1"):
        images.build(fresh_host, f"FROM {images.BASE}\nRUN echo {name} > /name\n", tag=name)
    return Kit(fresh_host, tmp_path / "state")


def wait_for_the_window() -> None:
    threading.Event().wait(WINDOW.total_seconds() + 0.5)


def run_jobs(host: LabHost, count: int) -> None:
    for _ in range(count):
        host.docker("run", "--rm", "--network=none", "used:1", "true")


def told(row: Judged) -> tuple[str, str]:
    return row.verdict.value, row.reasons[0].rule


def test_without_a_follower_many_short_jobs_never_make_it_a_candidate(kit: Kit, fresh_host: LabHost):
    kit.report()
    run_jobs(fresh_host, JOBS)
    assert told(kit.report()["used:1"]) in {("unknown", "unknown.coverage"), ("retained", "keep.idle_age")}


def test_an_overrun_leaves_every_tagged_image_unknown(kit: Kit, fresh_host: LabHost):
    """The events that were pushed out may have been of any image."""
    window = timedelta(seconds=12)
    ages = Ages(grace=timedelta(0), tagged_image=window)
    kit.host = replace(kit.host, policy=replace(POLICY, ages=ages))
    kit.report()
    run_jobs(fresh_host, 1)
    threading.Event().wait(window.total_seconds())
    assert told(kit.report()["idle:1"]) == ("candidate", "release.tagged_image")
    with fresh_host.api() as api:
        for _ in range(140):
            images.remove_container(api, images.container(api, images.BASE, state="created"))
    rows = kit.report()
    assert {name: told(rows[name]) for name in ("used:1", "idle:1")} == {
        "used:1": ("unknown", "unknown.coverage"),
        "idle:1": ("unknown", "unknown.coverage"),
    }


def test_with_a_follower_the_used_one_stays_and_the_idle_one_may_go(kit: Kit, fresh_host: LabHost):
    with kit.followed():
        kit.report()
        wait_for_the_window()
        run_jobs(fresh_host, JOBS)
        rows = kit.report()
    assert told(rows["used:1"]) == ("retained", "keep.idle_age")
    assert told(rows["idle:1"]) == ("candidate", "release.tagged_image")
    assert rows["used:1"].unused_since_at is not None
    assert utc_now() - rows["used:1"].unused_since_at < WINDOW + timedelta(minutes=1)


def test_a_few_jobs_are_seen_without_a_follower(kit: Kit, fresh_host: LabHost):
    """The Engine still has them all, from before the last report on."""
    kit.report()
    wait_for_the_window()
    run_jobs(fresh_host, 2)
    rows = kit.report()
    assert told(rows["used:1"]) == ("retained", "keep.idle_age")
    assert told(rows["idle:1"]) == ("candidate", "release.tagged_image")


def test_the_base_of_a_build_counts_as_used(kit: Kit, fresh_host: LabHost):
    images.build(fresh_host, f"FROM {images.BASE}\nRUN echo alone > /alone\n", tag="base:1")
    kit.report()
    wait_for_the_window()
    images.build(fresh_host, "FROM base:1\nRUN echo more > /more\n", tag="made:1")
    rows = kit.report()
    assert told(rows["base:1"]) == ("retained", "keep.idle_age")
    assert told(rows["idle:1"]) == ("candidate", "release.tagged_image")


def test_looking_at_builders_keeps_no_image_young(kit: Kit, fresh_host: LabHost):
    with fresh_host.api() as api:
        images.container(api, "used:1", name="buildx_buildkit_b0")
        kit.report()
        before = kit.report()["used:1"]
        images.remove_container(api, "buildx_buildkit_b0")
    after, again = kit.report()["used:1"], kit.report()["used:1"]
    assert before.unused_since_at is None
    assert after.unused_since_at == again.unused_since_at
