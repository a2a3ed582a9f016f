"""A report as the lines of a segment, and back: only what changed is written.

    {"k":"doc", ...}                    the report without its resources
    {"k":"res", "kind", "id", ...}      a resource that is new, or whose row is not what it was
    {"k":"gone", "kind", "id"}          a resource that a complete section no longer shows
    {"k":"unseen", "kind", "ids"}       what this run could not look at; `ids` null is all of that kind
    {"k":"kept", "kind", "id", ...}     in a full segment: the last row of what is unseen in this run

A `res` or `kept` line is the row of the report as printed; its last member `known` is there only if the
memory of the resource (see `model/known.py`) cannot be read off the row. The `doc` line of a full segment has
a last member `before`: what the runs before it remember of the host as a whole.

**Unseen is not gone.** A resource that is absent while its section is not complete keeps its row: this report
does not show it, and the next complete one finds it unchanged, with its age, and writes nothing. So a run's
report is the state (every row that is not gone) without what the run itself names as unseen. Where another
Engine answers, though, what the old one had is gone, whatever could be seen: its ages are nobody's.

Every `FULL_EVERY`th segment is full: it holds every row of the state, so that a replay begins there.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hygiene_core.errors import EvidenceBroken, UnknownRun
from hygiene_core.evidence.ledger import Ledger, LedgerFile
from hygiene_core.model.codec import adapter, decode, encode, encode_rows, report_adapter
from hygiene_core.model.coverage import Span
from hygiene_core.model.judgement import Judged
from hygiene_core.model.known import Key, Known, Memory
from hygiene_core.model.observation import SectionName, would_show
from hygiene_core.model.report import Report
from hygiene_core.model.resource import Builder, Image, Kind

__all__ = ["FULL_EVERY", "Delta", "State", "known_of", "replay", "state_at"]

FULL_EVERY = 28
"""A week of four runs a day lies between two full segments."""

_FINGERPRINT_BYTES = 16
_IDS_IN_A_LINE = 1000
_RES, _KEPT = b'{"k":"res",', b'{"k":"kept",'
_PLAIN = re.compile(rb'\{"k":"(res|kept|gone)","kind":"([a-z_]+)","id":"([^"\\]*)"')


class Delta:
    """What a report adds to the state before it: iterate once over the lines, then ask for the rest.

    The lines are made while they are iterated over, so that packing them goes on beside. `changed` holds the
    memory and the fingerprint of every row that was written, `gone` what to forget, `rows` every row of the
    report as it is printed, written or not; all are whole after the last line.
    """

    def __init__(
        self,
        report: Report,
        memory: Memory,
        previous: Mapping[Key, str],
        *,
        before: Memory | None = None,
        kept: Callable[[], Mapping[Key, bytes]] | None = None,
    ) -> None:
        """Describe a report after a state.

        Args:
            report: its resources in the order (kind, id), none twice.
            memory: as this run leaves it.
            previous: the fingerprint of every row of the state before.
            before: the memory that the state before left; its entries are not asked for.
            kept: for a full segment: how to get the rows of the state before; else `None`.
        """
        self._report = report
        self._memory = memory
        self._previous = previous
        self._before = before or Memory()
        self._kept = kept
        self.changed: dict[Key, tuple[Known, str]] = {}
        self.gone: tuple[Key, ...] = ()
        self.rows: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        yield _doc(self._report, None if self._kept is None else self._before)
        shown: set[Key] = set()
        yield from self._rows(shown)
        gone, unseen = _absent(self._report, self._before, self._previous, shown)
        self.gone = tuple(gone)
        if self._kept is not None and unseen:
            before = self._kept()
            for key in unseen:
                yield _KEPT + before[key]
        for kind, name in gone:
            yield _json({"k": "gone", "kind": kind, "id": name})
        yield from _unseen_lines(unseen, shown)

    def _rows(self, shown: set[Key]) -> Iterator[bytes]:
        """The `res` lines; every key of the report is added to `shown`."""
        kind_of = {kind: kind.value for kind in Kind}  # an enum's own `value` is a slow call in a long loop
        entries, previous, now = self._memory.entries, self._previous, self._report.ended_at
        last: Key = ("", "")
        for row, text in zip(self._report.resources, encode_rows(self._report.resources), strict=True):
            key = (kind_of[row.kind], row.id)
            if key <= last:
                raise ValueError("the resources of a report must stand in the order (kind, id), none twice")
            shown.add(key)
            last = key
            self.rows.append(text)
            known = entries.get(key) or _remembered(row, now)
            rest = text[1:] if _tells(row, known) else text[1:-1] + b',"known":' + _known_json(known) + b"}"
            fingerprint = _fingerprint(rest)
            if previous.get(key) != fingerprint:
                self.changed[key] = (known, fingerprint)
            elif self._kept is None:
                continue
            yield _RES + rest


@dataclass(slots=True)
class State:
    """A ledger's state after one segment: the raw rows without their `k`, and what that run did not see."""

    document: bytes = b""
    rows: dict[Key, bytes] = field(default_factory=dict)
    unseen: set[Key] = field(default_factory=set)
    unseen_kinds: set[str] = field(default_factory=set)

    def take(self, line: bytes) -> None:
        """Move on by one line of a segment."""
        if line.startswith((_RES, _KEPT)):
            self.rows[_key(line)] = line[line.index(b",") + 1 :]
        elif line.startswith(b'{"k":"doc",'):
            self.document = line
            self.unseen.clear()
            self.unseen_kinds.clear()
        elif line.startswith(b'{"k":"gone",'):
            self.rows.pop(_key(line), None)
        elif line.startswith(b'{"k":"unseen",'):
            told = json.loads(line)
            if told["ids"] is None:
                self.unseen_kinds.add(told["kind"])
            else:
                self.unseen.update((told["kind"], name) for name in told["ids"])

    def shown(self) -> list[bytes]:
        """The rows that the run showed, in the report's order."""
        visible = (key for key in self.rows if key not in self.unseen and key[0] not in self.unseen_kinds)
        return [b"{" + self.rows[key] for key in sorted(visible)]


def state_at(ledger: Ledger, seq: int) -> State:
    """The state after run `seq`, from the last full segment on.

    Raises:
        UnknownRun: the ledger has no such run.
        EvidenceBroken: a segment on the way cannot be trusted.
    """
    state = State()
    for lines in segments_from_full(ledger, seq):
        for line in lines:
            state.take(line)
    return state


def replay(ledger: Ledger, seq: int) -> Report:
    """Exactly the report that was recorded as run `seq`.

    Raises:
        UnknownRun: the ledger has no such run.
        EvidenceBroken: a segment on the way cannot be trusted.
    """
    state = state_at(ledger, seq)
    try:
        report = decode(report_adapter(), state.document)
        rows: list[Judged] = decode(adapter(list[Judged]), b"[" + b",".join(state.shown()) + b"]")
    except ValueError as error:
        first = str(error).partition("\n")[0]
        raise EvidenceBroken(
            f"run {seq} of {ledger.host} is not a report this version can read: {first}."
        ) from error
    return replace(report, resources=tuple(rows))


def segments_from_full(ledger: Ledger, seq: int) -> list[list[bytes]]:
    """The body lines of every segment from the last full one through `seq`, oldest first."""
    files = [file for file in ledger.files() if file.seq <= seq]
    if not files or files[-1].seq != seq:
        raise UnknownRun(f"the ledger of {ledger.host} has no run {seq}.", next_step="hygiene history runs")
    found: list[list[bytes]] = []
    for file in reversed(files):
        found.append(ledger.lines(file))
        if _is_full(file, found[-1]):
            return found[::-1]
    raise EvidenceBroken(f"the ledger of {ledger.host} has no full run at or before run {seq}.")


def known_of(line: bytes) -> tuple[Key, Known, str]:
    """Key, memory and fingerprint of a `res` or `kept` line."""
    row = json.loads(line)
    told = row.get("known")
    if told is None:
        layers = row["facts"].get("layers") if row["kind"] == "image" else None
        told = {"names": sorted(row["names"]), "layers": layers, **{n: row.get(n) for n in _OF_THE_ROW}}
    known = Known(
        first_seen_at=datetime.fromisoformat(told["first_seen_at"]),
        idle_since_at=_time(told.get("idle_since_at")),
        changed_at=_time(told.get("changed_at")),
        names=tuple(told["names"]),
        layers=None if told["layers"] is None else tuple(told["layers"]),
        unused_since_at=_time(told.get("unused_since_at")),
    )
    return (row["kind"], row["id"]), known, _fingerprint(line[line.index(b",") + 1 :])


_OF_THE_ROW = ("first_seen_at", "idle_since_at", "unused_since_at")
_TIMES = (*_OF_THE_ROW, "changed_at")


def key_of_gone(line: bytes) -> Key | None:
    """The key of a `gone` line; `None` for any other."""
    return _key(line) if line.startswith(b'{"k":"gone",') else None


def is_row(line: bytes) -> bool:
    """Whether `known_of` can read the line."""
    return line.startswith((_RES, _KEPT))


@dataclass(frozen=True, slots=True)
class RunTold:
    """What a `doc` line knows: the latest end of a run, the newest Engine id, how far use was followed."""

    ended_at: datetime
    engine_id: str | None
    covered: Span | None


def run_of(line: bytes) -> RunTold | None:
    """What a `doc` line knows; `None` for any other line."""
    if not line.startswith(b'{"k":"doc",'):
        return None
    told = json.loads(line)
    engine, before = told["host"]["engine"] or {}, told.get("before") or {}
    ends = (_time(told["ended_at"]), _time(before.get("last_run_at")))
    covered = told.get("covered")
    return RunTold(
        max(filter(None, ends)),
        engine.get("id") or before.get("engine_id"),
        None
        if covered is None
        else Span(*(datetime.fromisoformat(covered[end]) for end in ("since_at", "until_at"))),
    )


def engine_id_of(report: Report) -> str | None:
    """The id of the Engine that a run read; `None` if it read none, or one that did not tell it."""
    return report.host.engine.id if report.host.engine else None


def _is_full(file: LedgerFile, lines: list[bytes]) -> bool:
    try:
        return json.loads(lines[0])["full"] is True
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise EvidenceBroken(f"{file.path.name}: it has no header line.") from error


def _doc(report: Report, before: Memory | None) -> bytes:
    line = b'{"k":"doc",' + encode(report_adapter(), replace(report, resources=()))[1:]
    if before is None or before.last_run_at is None:
        return line
    told = {"last_run_at": _stamp(before.last_run_at), "engine_id": before.engine_id}
    return line[:-1] + b',"before":' + _json(told) + b"}"


def _remembered(row: Judged, now: datetime) -> Known:
    return Known(
        first_seen_at=row.first_seen_at or now,
        idle_since_at=row.idle_since_at,
        unused_since_at=row.unused_since_at,
        names=tuple(sorted(row.names)),
        layers=row.facts.layers if isinstance(row.facts, Image) else None,
    )


def _tells(row: Judged, known: Known) -> bool:
    """Whether `known_of` can read the memory off the row."""
    return (
        known.changed_at is None
        and known.first_seen_at == row.first_seen_at
        and known.idle_since_at == row.idle_since_at
        and known.unused_since_at == row.unused_since_at
        and known.layers == (row.facts.layers if isinstance(row.facts, Image) else None)
        and (known.names == row.names if len(row.names) < 2 else known.names == tuple(sorted(row.names)))  # noqa: PLR2004 - one name is sorted
    )


def _known_json(known: Known) -> bytes:
    told: dict[str, Any] = {name: _stamp(getattr(known, name)) for name in _TIMES}
    return _json(told | {"names": known.names, "layers": known.layers})


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)


def _fingerprint(rest: bytes) -> str:
    return hashlib.blake2b(rest, digest_size=_FINGERPRINT_BYTES).hexdigest()


def _absent(
    report: Report, before: Memory, previous: Mapping[Key, str], shown: AbstractSet[Key]
) -> tuple[list[Key], list[Key]]:
    """What the state holds and the report does not show: gone, and unseen."""
    absent = sorted(key for key in previous if key not in shown)
    engine_id = engine_id_of(report)
    if engine_id and before.engine_id and engine_id != before.engine_id:
        return absent, []
    builders = {row.id: row.facts for row in report.resources if isinstance(row.facts, Builder)}
    sections = {SectionName(name): section for name, section in report.sections.items()}
    gone: list[Key] = []
    unseen: list[Key] = []
    for key in absent:
        (gone if would_show(*key, sections, builders) else unseen).append(key)
    return gone, unseen


def _unseen_lines(unseen: list[Key], shown: AbstractSet[Key]) -> Iterator[bytes]:
    ids: dict[str, list[str]] = {}
    for kind, name in unseen:
        ids.setdefault(kind, []).append(name)
    seen_kinds = {key[0] for key in shown}
    for kind, names in ids.items():
        if kind not in seen_kinds:
            yield _json({"k": "unseen", "kind": kind, "ids": None})
            continue
        # DuckDB reads lines of up to 16 MiB.
        for start in range(0, len(names), _IDS_IN_A_LINE):
            yield _json({"k": "unseen", "kind": kind, "ids": names[start : start + _IDS_IN_A_LINE]})


def _key(line: bytes) -> Key:
    if match := _PLAIN.match(line):
        return match[2].decode(), match[3].decode()
    row = json.loads(line)
    return row["kind"], row["id"]


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")
