"""A report of a lab host with three real builders of 3,500 cache records, beside the bare `buildctl du`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.exec import run_in
from tests.bench.host import NAME, config_text, sections
from tests.bench.measure import Ended, Timing, interleaved, repeated, run, seconds_of
from tests.bench.table import Row, mebibytes, render, time_row
from tests.lab import buildkit
from tests.lab.host import LabHost

__all__ = ["measure"]

BUILDERS = {"current-a": buildkit.CURRENT, "current-b": buildkit.CURRENT, "old": buildkit.OLD}
RECORDS = 3500
BUILDS, CHAINS, STEPS, MOUNTS = 7, 20, 20, 99
"""Of each builder: builds, and for each of them the stages, the COPY steps in a stage, the cache mounts."""

ROUNDS = 9
FIRST_ROUNDS = 4
_API = "1.45"
_DU = ("buildctl", "du", "--format", "{{json .}}")
_LIMIT = timedelta(seconds=120)
_ALLOWED_SECONDS = 1.0
_REPORT_STATUSES = (0, 4)  # 4 where this machine has no machine-id: the report says incomplete, and is whole


@dataclass(frozen=True, slots=True)
class _Container:
    builder: str
    name: str
    records: int
    printed_bytes: int


def measure(work: Path, _full: bool) -> str:
    """Start the host, fill its builders, and measure."""
    for version in set(BUILDERS.values()):
        buildkit.ensure_buildkit(version)
    with LabHost.start("stable", name="builders", in_memory=True) as host:
        containers: list[_Container] = []
        filling = seconds_of(lambda: containers.extend(_fill(host)))
        config = work / "hygiene.toml"
        config.write_text(config_text(host) + _policy(), encoding="utf-8")
        bench = _Bench(work, config, host, containers)
        rows, notes = bench.rows()
        count = sum(one.records for one in containers)
        title = (
            f"report: {len(containers)} builders with {count:,} cache records,"
            f" BuildKit {' and '.join(sorted(set(BUILDERS.values())))}, Engine {host.tree.versions['engine']}"
        )
        return render(title, rows, [f"The builders were filled in {filling:.0f} s.", *notes])


def _policy() -> str:
    """Warm builders over their budgets, so that every record has to be put in order and judged."""
    lines = [f"[hosts.{NAME}.protect]", f"builders = {json.dumps(list(BUILDERS))}"]
    for name in BUILDERS:
        lines += [f"[hosts.{NAME}.budgets.{name}]", 'max = "1MiB"', 'reserved = "1KiB"', 'min_age = "1s"']
        lines.append("allow_small_budget = true")
    return "\n".join(lines) + "\n"


def _fill(host: LabHost) -> list[_Container]:
    made = []
    for name, version in BUILDERS.items():
        container = buildkit.create_builder(host, name, version)
        for number in range(BUILDS):
            buildkit.build(host, name, _recipe(f"{name}-{number}"))
        # BuildKit measures what is new a moment after a build: what is compared has to stand still.
        host.docker("exec", container, *_DU)
        printed = host.docker("exec", container, *_DU).stdout
        made.append(_Container(name, container, len(json.loads(printed)), len(printed)))
    for one in made:
        if abs(one.records - RECORDS) > RECORDS // 50:
            raise RuntimeError(f"{one.builder} was filled with {one.records} records, not about {RECORDS}")
    return made


def _recipe(build: str) -> str:
    """Chains of COPY on one base, and a RUN that mounts them all beside new caches; no text stands twice."""
    lines = ["FROM scratch AS base", "COPY busybox /bin/sh"]
    for chain in range(CHAINS):
        lines.append(f"FROM base AS chain{chain}")
        lines += [f"COPY Dockerfile /srv/{build}/{chain}/{step}" for step in range(STEPS)]
    mounts = [f"--mount=type=cache,id={build}-{n},target=/caches/{n}" for n in range(MOUNTS)]
    mounts += [f"--mount=type=bind,from=chain{n},target=/chains/{n}" for n in range(CHAINS)]
    command = '["/bin/sh", "-c", "for c in /caches/*; do echo 1 > $c/1; done; echo 1 > /1"]'
    lines += ["FROM base", f"RUN --network=none {' '.join(mounts)} {command}"]
    return "\n".join(lines) + "\n"


class _Bench:
    def __init__(self, work: Path, config: Path, host: LabHost, containers: Sequence[_Container]) -> None:
        self.work, self.host, self.containers, self.out = work, host, containers, work / "report.json"
        self.options = ["--config", str(config), "--host", NAME, "--format", "json"]
        self.ended: dict[str, list[Ended]] = {"unrecorded": [], "known": [], "fresh": []}
        self.read: list[float] = []

    def rows(self) -> tuple[list[Row], list[str]]:
        known = self.work / "known"
        self._report("known", known)  # every record is new to this one
        subjects: dict[str, Callable[[], float]] = {
            "bare": lambda: seconds_of(self._bare),
            "docker": lambda: seconds_of(self._docker_exec),
            "walk": lambda: seconds_of(self._walk),
            "unrecorded": lambda: self._report("unrecorded", self.work / "nothing", "--unrecorded"),
            "known": lambda: self._report("known", known),
        }
        for name, subject in subjects.items():
            subject()
            if name in self.ended:
                self._check()
        for taken in self.ended.values():
            taken.clear()
        self.read.clear()
        timings = interleaved(subjects, ROUNDS)
        read = Timing(tuple(self.read))
        first = repeated(self._first, FIRST_ROUNDS)
        self._check()
        return self._rows(timings, first, read), self._notes()

    def _rows(self, taken: dict[str, Timing], first: Timing, read: Timing) -> list[Row]:
        bare = taken["bare"].median

        def report(what: str, name: str, *, goal: bool) -> list[Row]:
            timing = first if name == "fresh" else taken[name]
            cpu = Timing(tuple(one.cpu_seconds for one in self.ended[name]))
            limit = bare + _ALLOWED_SECONDS
            return [
                time_row(
                    what,
                    timing,
                    ratio=f"{timing.median / bare:.2f} x bare",
                    goal_seconds=limit if goal else None,
                    goal=f"<= bare + 1 s = {limit:.2f} s" if goal else None,
                ),
                Row("  more than bare", f"{timing.median - bare:.2f} s"),
                time_row("  processor time of it", cpu),
                Row("  peak memory of it", mebibytes(max(one.peak_bytes for one in self.ended[name]))),
            ]

        return [
            time_row("the bare `buildctl du`, three at once", taken["bare"]),
            time_row(
                "the same by three `docker exec`",
                taken["docker"],
                ratio=f"{taken['docker'].median / bare:.2f} x bare",
            ),
            time_row("the Engine's walk of their volumes, alone", taken["walk"]),
            *report("report --unrecorded", "unrecorded", goal=True),
            *report("report, recorded, records known", "known", goal=True),
            time_row("  reading the builders", read, ratio=f"{read.median / bare:.2f} x bare"),
            *report("report, recorded, every record new", "fresh", goal=False),
        ]

    def _notes(self) -> list[str]:
        size = sum(one.printed_bytes for one in self.containers)
        told = ", ".join(f"{one.builder} {one.records:,}" for one in self.containers)
        return [
            f"Records: {told}; `buildctl du` prints {size / 2**20:.1f} MiB of them.",
            "bare: the kit's own `run_in` on three threads, a connection each; bytes read and not parsed,",
            "no start of a Python in it. Reports: whole processes of `python -m hygiene_core`.",
            "Reading the builders: the section `builder_cache`, from its start to its end. The Engine walks",
            "the volumes of the builders at the same time.",
        ]

    def _bare(self) -> None:
        def one(container: _Container) -> int:
            with EngineClient(str(self.host.socket), Deadline.after(_LIMIT), _API) as client:
                return len(run_in(client, container.name, _DU))

        with ThreadPoolExecutor(len(self.containers)) as threads:
            received = list(threads.map(one, self.containers))
        # A cache mount that is used once more has another count and time, some bytes longer or shorter.
        for got, one in zip(received, self.containers, strict=True):
            if abs(got - one.printed_bytes) > one.printed_bytes // 100:
                raise RuntimeError(f"{one.builder} printed {got} bytes, not about {one.printed_bytes}")

    def _docker_exec(self) -> None:
        clients = []
        for container in self.containers:
            argv = self.host.command("docker", "exec", container.name, *_DU)
            argv[0] = shutil.which("nsenter") or "/usr/bin/nsenter"
            clients.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL, env=_INSIDE))
        if any(client.wait() != 0 for client in clients):
            raise RuntimeError("a `docker exec` failed")

    def _walk(self) -> None:
        with EngineClient(str(self.host.socket), Deadline.after(_LIMIT), _API) as client:
            client.get_json("/system/df", {"type": "volume"})

    def _report(self, which: str, state: Path, *options: str) -> float:
        ended = run(
            [sys.executable, "-m", "hygiene_core", "report", *self.options, *options],
            out=self.out,
            env={"HYGIENE_STATE_DIR": str(state)},
            statuses=_REPORT_STATUSES,
        )
        self.ended[which].append(ended)
        if which == "known":
            section = sections(self.out)["builder_cache"]
            began, end = (datetime.fromisoformat(section[key]) for key in ("started_at", "ended_at"))
            self.read.append((end - began).total_seconds())
        return ended.seconds

    def _first(self) -> float:
        fresh = self.work / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        return self._report("fresh", fresh)

    def _check(self) -> None:
        """What was timed has to be a whole report of these builders, or the times mean nothing."""
        told = json.loads(self.out.read_bytes())
        section = told["sections"]["builder_cache"]
        counts = {
            one.builder: sum(
                row["kind"] == "build_cache" and row["id"].startswith(f"{one.builder}0/")
                for row in told["resources"]
            )
            for one in self.containers
        }
        wanted = {one.builder: one.records for one in self.containers}
        if section["availability"] != "complete" or counts != wanted:
            raise RuntimeError(f"the report is not of all records: {counts}, {section['reason']}")


_INSIDE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
