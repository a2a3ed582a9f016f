"""Years of runs of a fleet as ledger, faster than one run at a time.

`EvidenceStore.record` takes tens of milliseconds a run, because it makes the text of every row and writes
the index of known resources. Here the store's own `Session.append` writes every segment, and only the lines
are put together from rows that are kept as bytes. `verify_shortcut` records the first runs of a host through
the store itself as well and compares the files byte for byte.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hygiene_core import testing
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.record import FULL_EVERY
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.codec import encode, judged_adapter, report_adapter
from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.known import Memory
from hygiene_core.model.report import Report
from hygiene_core.model.resource import Kind

__all__ = ["HOSTS", "PER_DAY", "RESOURCES", "build", "host_name", "verify_shortcut"]

HOSTS, PER_DAY, RESOURCES = 10, 4, 2000
REPLACED, CHANGED = 20, 80
"""Of the 2,000 resources of a run, 20 are new, and 80 are not as they were: 5 % together."""

_VERIFIED_RUNS = FULL_EVERY + 3
_STEP = timedelta(days=1) / PER_DAY
_START = testing.NOW - timedelta(days=3 * 365)
_KINDS = (Kind.IMAGE, Kind.IMAGE, Kind.VOLUME, Kind.BUILD_CACHE, Kind.BUILD_CACHE, Kind.CONTAINER)
_VERDICTS = (Verdict.IN_USE, Verdict.RETAINED, Verdict.CANDIDATE)


def host_name(number: int) -> str:
    """The name of a host of the fleet."""
    return f"runner-{number:02d}"


def build(directory: Path, runs: int) -> None:
    """Write the ledgers of every host, two at a time."""
    with ProcessPoolExecutor(max_workers=2) as pool:
        for done in [pool.submit(_write, directory, host_name(number), runs) for number in range(HOSTS)]:
            done.result()


def verify_shortcut(work: Path) -> int:
    """Write the first runs of a host in both ways and compare; returns how many segments were equal.

    Raises:
        RuntimeError: a byte differs, so what the shortcut writes is not what the kit writes.
    """
    host = host_name(0)
    _write(work / "short", host, _VERIFIED_RUNS)
    store = EvidenceStore(work / "long")
    for moment in _Host(host).moments(_VERIFIED_RUNS):
        store.record(moment.report(), Memory())
    short, long = (sorted((work / way).glob("ledger/*/*/*.gz")) for way in ("short", "long"))
    if [path.name for path in short] != [path.name for path in long] or len(short) != _VERIFIED_RUNS:
        raise RuntimeError("the shortcut writes other files than the store")
    for one, other in zip(short, long, strict=True):
        if one.read_bytes() != other.read_bytes():
            raise RuntimeError(f"{one.name} differs between the shortcut and the store")
    return len(short)


def _write(directory: Path, host: str, runs: int) -> None:
    with Ledger(directory, host).locked() as session:
        for moment in _Host(host).moments(runs):
            document = moment.document()
            full = moment.number % FULL_EVERY == 0
            session.append(
                run_id=document.run_id,
                started_at=document.started_at,
                mode=document.mode,
                tool_version=document.tool_version,
                full=full,
                lines=moment.lines(full=full),
            )


@dataclass(slots=True)
class _Moment:
    """One run of a host: its resources by (kind, id), and what changed and went since the run before."""

    host: str
    number: int
    run_id: str
    at: datetime
    rows: dict[tuple[str, str], tuple[Judged, bytes]]
    changed: list[tuple[str, str]]
    gone: list[tuple[str, str]]

    def document(self) -> Report:
        """The report without its resources."""
        wave = self.number % 400 * testing.MIB
        base = _base(self.host)
        classes = {
            name: replace(one, size_bytes=100 * testing.GIB + wave, reclaimable_bytes=20 * testing.GIB + wave)
            for name, one in base.summary.classes.items()
        }
        return replace(
            base,
            run_id=self.run_id,
            started_at=self.at,
            ended_at=self.at + timedelta(seconds=2),
            filesystems=(testing.filesystem(free_bytes=330 * testing.GIB - 4 * wave),),
            summary=replace(base.summary, free_disk_bytes=330 * testing.GIB - 4 * wave, classes=classes),
        )

    def report(self) -> Report:
        """The whole report."""
        return replace(self.document(), resources=tuple(self.rows[key][0] for key in sorted(self.rows)))

    def lines(self, *, full: bool) -> Iterator[bytes]:
        """What the store would write of it."""
        document = self.document()
        line = b'{"k":"doc",' + encode(report_adapter(), document)[1:]
        if full and self.number and document.host.engine:
            last = (document.ended_at - _STEP).isoformat().replace("+00:00", "Z")
            before = {"last_run_at": last, "engine_id": document.host.engine.id}
            line = line[:-1] + b',"before":' + json.dumps(before, separators=(",", ":")).encode() + b"}"
        yield line
        for key in sorted(self.rows if full else self.changed):
            yield self.rows[key][1]
        for kind, name in sorted(self.gone):
            yield f'{{"k":"gone","kind":"{kind}","id":"{name}"}}'.encode()


_BASES: dict[str, Report] = {}


def _base(host: str) -> Report:
    if host not in _BASES:
        shape = testing.report(testing.judged(testing.image()), testing.judged(testing.volume()))
        _BASES[host] = replace(shape, host=replace(shape.host, name=host), resources=())
    return _BASES[host]


class _Host:
    """A host that changes a little with each run; the same name changes in the same way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.chance = random.Random(name)
        self.rows: dict[tuple[str, str], tuple[Judged, bytes]] = {}
        self.made = 0

    def moments(self, runs: int) -> Iterator[_Moment]:
        """The first `runs` runs."""
        for number in range(runs):
            at = _START + _STEP * number
            gone, changed = [], []
            if number:
                keys = list(self.rows)
                picked = self.chance.sample(range(len(keys)), REPLACED + CHANGED)
                gone = [keys[index] for index in picked[:REPLACED]]
                changed = [self._change(keys[index]) for index in picked[REPLACED:]]
                for key in gone:
                    del self.rows[key]
            changed += [self._make(at) for _ in range(RESOURCES - len(self.rows))]
            run_id = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
            yield _Moment(self.name, number, run_id, at, self.rows, changed, gone)

    def _make(self, at: datetime) -> tuple[str, str]:
        self.made += 1
        row = _row(_KINDS[self.made % len(_KINDS)], f"{self.name}-{self.made}", self.chance, at)
        return self._keep(row)

    def _change(self, key: tuple[str, str]) -> tuple[str, str]:
        row = self.rows[key][0]
        grown = (row.size_bytes or 0) + self.chance.randrange(1, testing.MIB)
        verdict = _VERDICTS[(_VERDICTS.index(row.verdict) + 1) % len(_VERDICTS)]
        return self._keep(replace(row, size_bytes=grown, unique_bytes=grown, verdict=verdict))

    def _keep(self, row: Judged) -> tuple[str, str]:
        key = (row.kind.value, row.id)
        self.rows[key] = (row, b'{"k":"res",' + judged_adapter().serializer.to_json(row)[1:])
        return key


def _row(kind: Kind, name: str, chance: random.Random, at: datetime) -> Judged:
    facts: Any
    size = chance.randrange(testing.MIB, testing.GIB)
    if kind is Kind.IMAGE:
        layers = tuple(f"sha256:{chance.getrandbits(256):064x}" for _ in range(4))
        facts = testing.image(
            f"registry.example/{name}:1", size_bytes=size, layers=layers, labels={"lane": "1"}
        )
    elif kind is Kind.VOLUME:
        facts = testing.volume(f"cache-{name}", size_bytes=size)
    elif kind is Kind.BUILD_CACHE:
        facts = testing.cache_record(f"RUN make {name}", size_bytes=size, last_used_at=at)
    else:
        facts = testing.container(f"job-{name}", writable_bytes=size, state="exited")
    return testing.judged(
        facts, chance.choice(_VERDICTS), unique_bytes=size, first_seen_at=at, idle_since_at=at
    )
