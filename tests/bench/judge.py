"""100,000 resources: judged, found, written to the ledger and to DuckDB, each sample in a process of its own.

`python -m tests.bench.judge DIRECTORY` is one sample: it prints the seconds of each step as JSON.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from hygiene_core import pipeline, testing
from hygiene_core.evidence import duck, store
from hygiene_core.model.event import Emit, silent
from hygiene_core.model.host import Host
from hygiene_core.model.observation import Observation
from hygiene_core.model.policy import Ages, Budget, Limits, Policy, Protect
from hygiene_core.model.request import ObserveRequest
from hygiene_core.model.resource import BuildCacheRecord, Container, Image, Mount, Volume
from tests.bench.measure import Ended, Timing, run
from tests.bench.table import Row, mebibytes, render, time_row

__all__ = ["measure", "observation"]

IMAGES, CONTAINERS, VOLUMES, RECORDS = 40_000, 10_000, 20_000, 30_000
ROUNDS = 5
SHARE_CHANGED = 20

T = TypeVar("T")


def measure(work: Path, _full: bool) -> str:
    """Run the samples and put their medians into a table."""
    samples: list[dict[str, float]] = []
    ended: list[Ended] = []
    for number in range(ROUNDS + 1):
        out = work / f"sample-{number}.json"
        argv = [sys.executable, "-m", "tests.bench.judge", str(work / f"state-{number}")]
        ended.append(run(argv, out=out, cwd=Path(__file__).parents[2]))
        samples.append(json.loads(out.read_bytes()))

    # The first sample warmed the files.
    def taken(*names: str) -> Timing:
        return Timing(tuple(sum(sample[name] for name in names) for sample in samples[1:]))

    rows = [
        time_row("classify and findings", taken("classify"), goal_seconds=1.5),
        time_row("  processor time of it", taken("classify_cpu")),
        time_row("first run: write the ledger", taken("record")),
        time_row("first run: write DuckDB and publish", taken("publish")),
        time_row("first run: both", taken("record", "publish"), goal_seconds=2.0),
        time_row("  processor time of it", taken("record_cpu", "publish_cpu")),
        time_row(f"next run, 1 in {SHARE_CHANGED} changed: recall", taken("recall")),
        time_row("next run: write the ledger", taken("record_again")),
        time_row("next run: write DuckDB and publish", taken("publish_again")),
        time_row("next run: both", taken("record_again", "publish_again"), goal_seconds=2.0),
        time_row("  processor time of it", taken("record_again_cpu", "publish_again_cpu")),
        Row("evidence after both runs", mebibytes(samples[-1]["size_bytes"])),
        Row("peak memory of the whole sample", mebibytes(max(one.peak_bytes for one in ended))),
    ]
    title = (
        f"100,000 resources: {IMAGES:,} images, {CONTAINERS:,} containers, {VOLUMES:,} volumes,"
        f" {RECORDS:,} cache records"
    )
    return render(
        title,
        rows,
        [
            "Each sample is a process of its own with the cyclic collector off, as the command line runs it.",
            "Timed inside it: the stages of the pipeline, and publish() after them.",
        ],
    )


def observation() -> Observation:
    """What a pass over a very big host would have seen: layers shared, references in every direction."""
    images = [_image(number) for number in range(IMAGES)]
    containers = [_container(number, images) for number in range(CONTAINERS)]
    volumes = [
        testing.volume(f"volume-{number}", anonymous=number % 2 == 0, labels={"lane": str(number % 7)})
        for number in range(VOLUMES)
    ]
    return testing.observation(
        *images, *containers, *volumes, *(_record(number) for number in range(RECORDS))
    )


def _image(number: int) -> Image:
    name = f"registry.example/team/app-{number}:1"
    base, middle = number % 20, number % 400
    return testing.image(
        name,
        tags=() if number % 3 == 0 else (name,),
        shared_bytes=60 * testing.MIB,
        layers=tuple(
            f"sha256:{testing.digest(part)}"
            for part in (f"base-{base}", f"{base}-{middle}", f"{base}-{middle}-{number}")
        ),
        labels={"org.example.number": str(number), "org.example.lane": str(number % 7)},
    )


def _container(number: int, images: list[Image]) -> Container:
    used = images[number * 3 % IMAGES]
    volume = f"volume-{number * 2 + 1}"
    return testing.container(
        f"job-{number}",
        image_id=used.id,
        image_name=used.name,
        state="running" if number % 10 == 0 else "exited",
        mounts=(Mount(type="volume", name=volume, destination="/data"),),
    )


def _record(number: int) -> BuildCacheRecord:
    # Chains of ten, as the steps of a Dockerfile.
    parents = () if number % 10 == 0 else (testing.cache_record(f"step {number - 1}").id,)
    return testing.cache_record(
        f"step {number}",
        parents=parents,
        shared=number % 5 == 0,
        last_used_at=testing.NOW - timedelta(hours=number % 900),
    )


def _policy() -> Policy:
    week = timedelta(days=7)
    return Policy(
        source="/etc/hygiene/hygiene.toml",
        digest=testing.digest("policy"),
        protect=Protect(
            builders=("odoo-docker-chris-testing", "odoo-enterprise-chris-testing"),
            images=("odoo-docker:verify-devtools", "odoo-docker:verify-runtime", "registry.example/base*"),
            volumes=("keep-*",),
            labels=("keep=*",),
        ),
        limits=Limits(min_free_bytes=50 * testing.GIB, max_reclaimable_bytes=100 * testing.GIB),
        ages=Ages(
            grace=week,
            dangling_image=week,
            stopped_container=week,
            anonymous_volume=week,
            orphan_builder=week,
        ),
        budgets={
            "embedded": Budget(max_bytes=20 * testing.GIB, reserved_bytes=8 * testing.GIB, min_age=week)
        },
    )


class _Given:
    """A transport that saw what it is given."""

    def __init__(self, seen: Observation) -> None:
        self.seen = seen

    def observe(self, request: ObserveRequest, *, emit: Emit = silent) -> Observation:
        del request, emit
        return self.seen


def _sample(directory: Path) -> dict[str, float]:
    gc.disable()
    recall, observe, classify, record = pipeline.REPORT_STAGES
    seen = observation()
    kept = store.EvidenceStore(directory)
    duck.load()  # the command line does it while it waits for the Engine
    taken: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        began, cpu_before = time.perf_counter(), time.process_time()
        result = work()
        taken[name] = time.perf_counter() - began
        taken[f"{name}_cpu"] = time.process_time() - cpu_before
        return result

    def tools(shown: Observation) -> pipeline.Tools:
        host = Host(name="big", docker_socket="/none", policy=_policy())
        return pipeline.Tools(host=host, transport=_Given(shown), store=kept)

    first = tools(seen)
    begun = observe(recall(pipeline.Run(started_at=seen.started_at), first), first)
    judged = timed("classify_first", lambda: classify(begun, first))
    timed("record", lambda: record(judged, first))
    _published(timed("publish", kept.publish))

    # Nine days later: everything is known and old enough for every rule to be asked to its end.
    later = _changed(seen)
    again = tools(later)
    recalled = timed("recall", lambda: recall(pipeline.Run(started_at=later.started_at), again))
    observed = observe(recalled, again)
    rejudged = timed("classify", lambda: classify(observed, again))
    timed("record_again", lambda: record(rejudged, again))
    _published(timed("publish_again", kept.publish))
    taken["size_bytes"] = kept.size_bytes()
    return taken


def _changed(seen: Observation) -> Observation:
    later = timedelta(days=9)
    containers = tuple(
        replace(one, writable_bytes=(one.writable_bytes or 0) + 1) if number % SHARE_CHANGED == 0 else one
        for number, one in enumerate(seen.containers)
    )
    volumes: tuple[Volume, ...] = tuple(
        replace(one, size_bytes=(one.size_bytes or 0) + 1) if number % SHARE_CHANGED == 0 else one
        for number, one in enumerate(seen.volumes)
    )
    return replace(
        seen,
        started_at=seen.started_at + later,
        ended_at=seen.ended_at + later,
        containers=containers,
        volumes=volumes,
    )


def _published(said: store.Published) -> None:
    if said.warning:
        raise RuntimeError(said.warning)


if __name__ == "__main__":
    json.dump(_sample(Path(sys.argv[1])), sys.stdout)
