"""The bounded prune of one builder beside `docker builder prune` and `docker buildx prune`, to one target.

Both commands are broad: they run only here, against the lab's own Engine, on what was built a moment before.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from hygiene_core.decide.cache import UNTOUCHED_TYPES, age_reference
from hygiene_core.host.buildkit_wire import parse_du
from hygiene_core.host.df_wire import parse_build_cache
from hygiene_core.model.resource import BuildCacheRecord
from tests.bench.measure import Timing, seconds_of
from tests.bench.table import Row, mebibytes, render, time_row
from tests.lab import buildkit
from tests.lab.host import LabHost
from tests.lab.kit import Kit

__all__ = ["measure", "passed_over"]

BUILDS, USED_AGAIN, IMAGES = 12, 4, 4
"""Builds of a filling; how many of the first are used again at its end; how many of the last stay as images,
where images stay."""

TARGET_BYTES = 64 * 2**20
ROUNDS = 3
BUILDER = "pruned"
KIT = "hygiene apply"

_SETTLE_SECONDS = 30.0
_ALIKE = 0.02
_UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_RECIPE = """\
FROM scratch
COPY busybox /bin/sh
RUN --network=none ["/bin/sh", "-c", "dd if=/dev/urandom of=/a{0} bs=1M count={1}"]
RUN --network=none ["/bin/sh", "-c", "dd if=/dev/urandom of=/b{0} bs=1M count={2}"]
RUN --network=none ["/bin/sh", "-c", "dd if=/dev/urandom of=/c{0} bs=1M count={3}"]
"""
_BUDGET = f'max = "{TARGET_BYTES}B"\nmin_age = "1s"\nallow_small_budget = true\n'
_POLICY = (
    f"protect.builders = ['{BUILDER}']\n"
    f"[hosts.lab.budgets.embedded]\n{_BUDGET}[hosts.lab.budgets.{BUILDER}]\n{_BUDGET}"
)


def measure(_work: Path, _full: bool) -> str:
    """Start a host, and prune each builder in turns, filled again each time."""
    buildkit.ensure_buildkit(buildkit.CURRENT)
    # In debug the Engine's log has a line for each request.
    with LabHost.start("stable", name="pruning", extra_daemon_json={"debug": True}) as host:
        kit = Kit(host)
        kit.configure(_POLICY)
        kit.allow("prune_records")
        container = buildkit.create_builder(host, BUILDER, buildkit.CURRENT)
        engine = f"the builder inside Engine {host.tree.versions['engine']}"
        keep = ("--force", "--keep-storage", str(TARGET_BYTES))
        cases = [
            _Case(_Embedded(host), engine, {"docker builder prune": ("builder", "prune", *keep)}),
            _Case(
                _Embedded(host, kept=IMAGES),
                f"{engine}, {IMAGES} images kept",
                {
                    "docker builder prune": ("builder", "prune", *keep),
                    "docker builder prune --all": ("builder", "prune", "--all", *keep),
                },
            ),
            _Case(
                _InContainer(host, container),
                f"a container builder of BuildKit {buildkit.CURRENT.removeprefix('v')}",
                {"docker buildx prune": ("buildx", "prune", "--builder", BUILDER, *keep)},
            ),
        ]
        return "\n".join(_Bench(kit, case).table() for case in cases)


def passed_over(before: Sequence[BuildCacheRecord], gone: set[str]) -> int:
    """How many went although one that was used less lately stayed, and could have gone.

    A record counts as used as lately as the latest that stands on it: it can go only after that one.
    """
    by_id = {one.id: one for one in before}
    used: dict[str, float] = {}

    def touch(identity: str, at: float) -> None:
        if identity in by_id and at > used.get(identity, -1.0):
            used[identity] = at
            for parent in by_id[identity].parents:
                touch(parent, at)

    for one in before:
        touched = age_reference(one)
        touch(one.id, touched.timestamp() if touched else 0.0)
    stayed = [
        used[one.id]
        for one in before
        if not (one.id in gone or one.in_use or one.shared or one.type in UNTOUCHED_TYPES)
    ]
    return 0 if not stayed else sum(used[one] > min(stayed) for one in gone)


class _Embedded:
    """The builder inside the Engine, and how it is filled, read and emptied."""

    name = "default"

    def __init__(self, host: LabHost, kept: int = 0) -> None:
        self.host, self.kept = host, kept

    def records(self) -> tuple[BuildCacheRecord, ...]:
        parsed, _ = parse_build_cache(self.host.api().get("/system/df", type="build-cache"))
        return _all_of(parsed.rows, parsed.problem)

    def fill(self) -> None:
        for number in range(BUILDS):
            self._build(number, tag=f"lab/kept:{number}" if number >= BUILDS - self.kept else None)
        for number in range(USED_AGAIN):
            self._build(number)
        time.sleep(1.2)  # until the last record is older than the budget's `min_age`

    def empty(self) -> None:
        if tags := self.host.docker("images", "--quiet", "lab/kept").stdout.split():
            self.host.docker("rmi", *tags)
        self.host.docker("buildx", "prune", "--builder", self.name, "--all", "--force")
        if left := self.records():
            raise RuntimeError(f"{len(left)} records of {self.name} cannot be removed")

    def _build(self, number: int, *, tag: str | None = None) -> None:
        recipe = _RECIPE.format(number, 3 + number % 3, 2 + number % 2, 1 + number % 4)
        output = ("--load", "--tag", tag) if tag else ("--output", "type=cacheonly")
        self.host.docker(
            *("buildx", "build", "--builder", self.name, *output, "-"),
            input=buildkit.context(self.host, recipe),
        )


class _InContainer(_Embedded):
    name = BUILDER

    def __init__(self, host: LabHost, container: str) -> None:
        super().__init__(host)
        self.container = container

    def records(self) -> tuple[BuildCacheRecord, ...]:
        printed = self.host.docker("exec", self.container, "buildctl", "du", "--format", "{{json .}}")
        told = parse_du(printed.stdout.encode(), self.name)
        return _all_of(told.rows, told.problem)


def _all_of(rows: tuple[BuildCacheRecord, ...], problem: str | None) -> tuple[BuildCacheRecord, ...]:
    if problem is not None:
        raise RuntimeError(f"records cannot be read: {problem}")
    return rows


@dataclass(frozen=True, slots=True)
class _Case:
    """A builder, what it is called, and the commands that prune it beside the kit."""

    builder: _Embedded
    title: str
    commands: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Said:
    """What one who pruned told. `acting_seconds` is from intent to outcome, where that is told."""

    claimed_bytes: int
    calls: int = 1
    acting_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Pass:
    """One prune of a filled builder, and what was measured around it."""

    seconds: float
    said: _Said
    requests: int
    records: int
    before_bytes: int
    after_bytes: int
    measured_bytes: int
    gone: int
    passed_over: int


class _Bench:
    def __init__(self, kit: Kit, case: _Case) -> None:
        self.kit, self.host, self.case, self.builder = kit, kit.host, case, case.builder
        self.filled_bytes: int | None = None

    def table(self) -> str:
        subjects: dict[str, Callable[[], _Said]] = {KIT: self._apply}
        for name, words in self.case.commands.items():
            subjects[name] = partial(self._command, words)
        self._pass(self._approved)
        for name in self.case.commands:
            self._pass(subjects[name])
        taken: dict[str, list[_Pass]] = {name: [] for name in subjects}
        for _ in range(ROUNDS):
            for name, subject in subjects.items():
                taken[name].append(self._pass(subject))
        self.builder.empty()
        records = {one.records for passes in taken.values() for one in passes}
        title = f"prune to {mebibytes(TARGET_BYTES)}: {self.case.title}"
        notes = [
            f"{BUILDS} builds, {min(records)} to {max(records)} records. {ROUNDS} rounds in turns.",
            f"The first {USED_AGAIN} builds were used again at the end. Measured: `du` of the data root.",
            "Requests: what the Engine logged; what goes on inside /grpc and an exec it does not log.",
            "Passed over another: one that was used less lately, and could have gone, stayed.",
        ]
        return render(title, _rows(taken), notes)

    def _filled(self) -> tuple[BuildCacheRecord, ...]:
        """The records of a builder that was filled, all measured, none of them still shared by chance."""
        self.builder.empty()
        self.builder.fill()
        self.builder.records()  # BuildKit measures what is new when it is asked first
        records = self.builder.records()
        private = _private(records)
        if not self.builder.kept and any(one.shared for one in records):
            raise RuntimeError("records are shared with an image that nobody kept")
        if self.filled_bytes is None:
            self.filled_bytes = private
        if abs(private - self.filled_bytes) > self.filled_bytes * _ALIKE:
            raise RuntimeError(f"filled with {private} bytes, and with {self.filled_bytes} before")
        return records

    def _pass(self, subject: Callable[[], _Said]) -> _Pass:
        before = self._filled()
        used = self._used_bytes()
        said: list[_Said] = []
        logged = self.host.log.stat().st_size
        seconds = seconds_of(lambda: said.append(subject()))
        self.kit.await_end()
        requests = self.host.log.read_bytes()[logged:].count(b'msg="Calling ')
        after = self.builder.records()
        gone = {one.id for one in before} - {one.id for one in after}
        return _Pass(
            seconds=seconds,
            said=said[0],
            requests=requests,
            records=len(before),
            before_bytes=_private(before),
            after_bytes=_private(after),
            measured_bytes=used - self._used_bytes(),
            gone=len(gone),
            passed_over=passed_over(before, gone),
        )

    def _used_bytes(self) -> int:
        """The blocks that the data root takes, once they stand still: some is removed a moment later."""
        until = time.monotonic() + _SETTLE_SECONDS
        last = -1
        while (now := self._du()) != last and time.monotonic() < until:
            last = now
            time.sleep(0.5)
        return now

    def _du(self) -> int:
        done = subprocess.run(
            ["du", "--summarize", "--one-file-system", "--block-size=1", self.host.data_root],
            capture_output=True,
            text=True,
            check=False,  # files that go meanwhile
        )
        return int(done.stdout.split()[0])

    def _apply(self) -> _Said:
        return _told(self.kit.hygiene("apply", "--mode", "bounded", "--format", "json", status=0).stdout)

    def _approved(self) -> _Said:
        """The first prune of a builder by this kit would take more than half of it: somebody has to agree."""
        digest = self.kit.hygiene("plan", "--mode", "bounded", status=0).stdout.split()[1]
        (self.kit.etc / "items").write_text("1\n", encoding="utf-8")
        words = ("--items", "/etc/items", "--yes-digest", digest, "--reason", "the first prune")
        self.kit.hygiene("approve", digest, *words, status=0)
        return _told(self.kit.hygiene("apply", "--plan", digest, "--format", "json", status=0).stdout)

    def _command(self, words: Sequence[str]) -> _Said:
        printed = self.host.docker(*words).stdout
        total = re.search(r"^Total:\s*([0-9.]+)([kMG]?B)$", printed, re.MULTILINE)
        if total is None:
            raise RuntimeError(f"docker {' '.join(words)} told no total: {printed[-300:]}")
        return _Said(claimed_bytes=round(float(total[1]) * _UNITS[total[2]]))


def _told(printed: str) -> _Said:
    """What a run of the kit said of its only action."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in printed.splitlines()]
    intended = [one for one in lines if one["k"] == "intended"]
    settled = [one for one in lines if one["k"] == "settled"]
    if not intended or len(intended) != len(settled):
        raise RuntimeError(f"the kit pruned nothing, or not to the end: {printed[-500:]}")
    at = [[datetime.fromisoformat(one["at"]).timestamp() for one in part] for part in (intended, settled)]
    return _Said(
        claimed_bytes=sum(one["claimed_bytes"] or 0 for one in settled),
        calls=len(intended),
        acting_seconds=sum(at[1]) - sum(at[0]),
    )


def _private(records: Sequence[BuildCacheRecord]) -> int:
    return sum(one.size_bytes or 0 for one in records if not one.shared)


def _rows(taken: dict[str, list[_Pass]]) -> list[Row]:
    kit = statistics.median(one.seconds for one in taken[KIT])
    rows: list[Row] = []
    for name, passes in taken.items():
        timing = Timing(tuple(one.seconds for one in passes))
        rows.append(time_row(name, timing, ratio=f"{timing.median / kit:.3f} x the kit"))
        acting = [one.said.acting_seconds for one in passes if one.said.acting_seconds is not None]
        if acting:
            rows.append(time_row("  of it, from intent to outcome", Timing(tuple(acting))))
        rows += [
            _count("  calls that remove", [one.said.calls for one in passes]),
            _count("  requests to the Engine", [one.requests for one in passes]),
            _bytes("  unshared before", [one.before_bytes for one in passes]),
            _over([one.after_bytes - TARGET_BYTES for one in passes]),
            _bytes("  claimed", [one.said.claimed_bytes for one in passes]),
            _bytes("  measured", [one.measured_bytes for one in passes]),
            _count("  records removed", [one.gone for one in passes]),
            _count("  of them, passed over another", [one.passed_over for one in passes]),
        ]
    return rows


def _count(what: str, figures: Sequence[int]) -> Row:
    return Row(what, f"{statistics.median(figures):g}", f"{min(figures)} - {max(figures)}")


def _bytes(what: str, figures: Sequence[int]) -> Row:
    spread = f"{mebibytes(min(figures))} - {mebibytes(max(figures))}"
    return Row(what, mebibytes(statistics.median(figures)), spread)


def _over(figures: Sequence[int]) -> Row:
    told = [f"{one / 2**20:+.2f} MiB" for one in (statistics.median(figures), min(figures), max(figures))]
    what = "  unshared after, against the target"
    return Row(what, told[0], f"{told[1]} - {told[2]}", goal="<= 0", met=max(figures) <= 0)
