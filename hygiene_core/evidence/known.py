"""The index of known resources: what the next run remembers, read in milliseconds. Standard library only.

    known/<host>.json      two lines of JSON: what it is about, and the entries by kind in columns

It is rebuilt from the ledger whenever it is missing, damaged, or about another chain, and catches up where it
is behind, so that it can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from hygiene_core.errors import EvidenceBroken
from hygiene_core.evidence import files, record
from hygiene_core.evidence.ledger import Head, Ledger, LedgerFile, head_of
from hygiene_core.evidence.segment import read_end
from hygiene_core.model.coverage import Span
from hygiene_core.model.known import Key, Known, Memory
from hygiene_core.model.report import Report

__all__ = ["KnownIndex", "anchor", "anchors", "at", "forget", "load", "rebuild", "save"]

INDEX_VERSION = 3
_MODE = 0o640


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownIndex:
    """What is known of a host's resources after the segment `head`; `None` before the first.

    `last_run_at` is the latest end of any run: where a clock was set back, the newest ended before it.
    """

    head: Head | None = None
    last_run_at: datetime | None = None
    engine_id: str | None = None
    covered: Span | None = None
    entries: dict[Key, Known] = field(default_factory=dict)
    fingerprints: dict[Key, str] = field(default_factory=dict)

    @property
    def memory(self) -> Memory:
        """The memory that a new run begins with."""
        return Memory(
            entries=self.entries,
            last_run_at=self.last_run_at,
            last_sequence=self.head.seq if self.head else 0,
            engine_id=self.engine_id,
            covered=self.covered,
        )

    def moved_on(self, delta: record.Delta, head: Head, report: Report) -> KnownIndex:
        """The index after one more run."""
        entries, fingerprints = self.entries.copy(), self.fingerprints.copy()
        for key in delta.gone:
            entries.pop(key, None)
            fingerprints.pop(key, None)
        for key, (known, fingerprint) in delta.changed.items():
            entries[key] = known
            fingerprints[key] = fingerprint
        return KnownIndex(
            head=head,
            last_run_at=_later(self.last_run_at, report.ended_at),
            engine_id=record.engine_id_of(report) or self.engine_id,
            covered=report.covered,
            entries=entries,
            fingerprints=fingerprints,
        )


def load(directory: Path, ledger: Ledger) -> KnownIndex:
    """The index at the ledger's head, made anew or caught up where the stored file is not that.

    Raises:
        EvidenceBroken: the ledger is shorter than the index, which must not happen unless segments were lost;
            or the ledger cannot be read.
    """
    with files.no_collection():
        # The index is read before the head: a run that another process adds in between does no harm.
        stored, told = _stored(_path(directory, ledger.host)), anchor(directory, ledger.host)
        listed = ledger.files()
        head = head_of(listed)
        if told and told.seq > (head.seq if head else 0):
            raise lost_tail(ledger.host, told, head)
        if stored is None or stored.head is None or not _is_of(stored.head, listed):
            return _rebuilt(ledger, head)
        if stored.head == head:
            return stored
        return _caught_up(stored, ledger)


def rebuild(ledger: Ledger) -> KnownIndex:
    """The index made from the ledger alone, whatever is stored."""
    with files.no_collection():
        return _rebuilt(ledger, ledger.head())


def at(ledger: Ledger, head: Head) -> KnownIndex:
    """The index as it was after an earlier segment, made from the ledger. Raises EvidenceBroken."""
    with files.no_collection():
        return _rebuilt(ledger, head)


def save(directory: Path, host: str, index: KnownIndex) -> None:
    """Store the index, whole or not at all; `OSError` if that fails."""
    if index.head is None:
        raise ValueError("an index before the first run is not stored")
    payload = _json(_columns(index))
    about = {
        "v": INDEX_VERSION,
        "host": host,
        "seq": index.head.seq,
        "run_id": index.head.run_id,
        "chain": index.head.chain,
        "last_run_at": _stamp(index.last_run_at),
        "engine_id": index.engine_id,
        "covered": None
        if index.covered is None
        else [_stamp(index.covered.since_at), _stamp(index.covered.until_at)],
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    files.make_directory(_path(directory, host).parent)
    files.replace_file(_path(directory, host), _json(about) + b"\n" + payload + b"\n", _MODE)


def anchor(directory: Path, host: str) -> Head | None:
    """The head that the stored index remembers, a witness of the ledger's length; `None` without an index."""
    try:
        with _path(directory, host).open("rb") as stream:
            about = json.loads(stream.readline())
        return Head(int(about["seq"]), str(about["run_id"]), str(about["chain"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def anchors(directory: Path) -> dict[str, Head]:
    """The head that each stored index remembers, by host."""
    told = {path.stem: anchor(directory, path.stem) for path in (directory / "known").glob("*.json")}
    return {host: head for host, head in told.items() if head is not None}


def forget(directory: Path, host: str) -> None:
    """Remove the index of a host, if there is one; `OSError` if that fails."""
    _path(directory, host).unlink(missing_ok=True)


def lost_tail(host: str, told: Head, head: Head | None) -> EvidenceBroken:
    """The error of a ledger that is shorter than it once was."""
    last = head.seq if head else 0
    return EvidenceBroken(
        f"the ledger of {host} ends at run {last}, and run {told.seq} ({told.run_id}) was recorded:"
        f" the newest {told.seq - last} are missing. Nothing was recorded.",
        next_step="Bring the missing files back, or accept the loss: hygiene evidence rebuild",
    )


def _path(directory: Path, host: str) -> Path:
    return directory / "known" / f"{host}.json"


def _stored(path: Path) -> KnownIndex | None:
    try:
        first, _, payload = path.read_bytes().partition(b"\n")
        about = json.loads(first)
        payload = payload.rstrip(b"\n")
        if about["v"] != INDEX_VERSION or about["sha256"] != hashlib.sha256(payload).hexdigest():
            return None
        return _from_columns(about, json.loads(payload))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None  # it is only an index: whatever is wrong with it, the ledger knows


def _is_of(told: Head, listed: list[LedgerFile]) -> bool:
    """Whether the ledger holds the segment that the index was made at."""
    for file in reversed(listed):
        if file.seq == told.seq:
            return file.run_id == told.run_id and bool(read_end(file.path)["chain"] == told.chain)
    return False


def _rebuilt(ledger: Ledger, head: Head | None) -> KnownIndex:
    if head is None:
        return KnownIndex()
    index = KnownIndex()
    for lines in record.segments_from_full(ledger, head.seq):
        index = _taken(index, lines, head)
    return index


def _caught_up(index: KnownIndex, ledger: Ledger) -> KnownIndex:
    known_seq = index.head.seq if index.head else 0
    for file in ledger.files():
        if file.seq > known_seq:
            head = Head(file.seq, file.run_id, ledger.segment(file).chain)
            index = _taken(index, ledger.lines(file), head)
    return index


def _taken(index: KnownIndex, lines: Iterable[bytes], head: Head) -> KnownIndex:
    entries, fingerprints = index.entries.copy(), index.fingerprints.copy()
    last_run_at, engine_id, covered = index.last_run_at, index.engine_id, index.covered
    for line in lines:
        if record.is_row(line):
            key, known, fingerprint = record.known_of(line)
            entries[key], fingerprints[key] = known, fingerprint
        elif gone := record.key_of_gone(line):
            entries.pop(gone, None)
            fingerprints.pop(gone, None)
        elif run := record.run_of(line):
            last_run_at, engine_id = _later(last_run_at, run.ended_at), run.engine_id or engine_id
            covered = run.covered
    return KnownIndex(
        head=head,
        last_run_at=last_run_at,
        engine_id=engine_id,
        covered=covered,
        entries=entries,
        fingerprints=fingerprints,
    )


def _columns(index: KnownIndex) -> dict[str, Any]:
    """Entries by kind in columns; times and layers stand once in a table, because most are the same."""
    by_kind: dict[str, list[tuple[str, Known]]] = {}
    for (kind, name), known in index.entries.items():
        by_kind.setdefault(kind, []).append((name, known))
    times: dict[tuple[datetime | None, ...], int] = {}
    digests = dict.fromkeys(chain.from_iterable(known.layers or () for known in index.entries.values()))
    number_of = dict(zip(digests, count(), strict=False)).__getitem__
    kinds = {
        kind: {
            "id": [name for name, _ in rows],
            "times": [
                times.setdefault(
                    (known.first_seen_at, known.idle_since_at, known.changed_at, known.unused_since_at),
                    len(times),
                )
                for _, known in rows
            ],
            "names": [known.names for _, known in rows],
            "layers": [
                None if known.layers is None else [*map(number_of, known.layers)] for _, known in rows
            ],
            "fingerprint": [index.fingerprints[kind, name] for name, _ in rows],
        }
        for kind, rows in by_kind.items()
    }
    return {"times": [[_stamp(at) for at in row] for row in times], "digests": list(digests), "kinds": kinds}


def _from_columns(about: dict[str, Any], stored: dict[str, Any]) -> KnownIndex:
    times = [tuple(_time(at) for at in row) for row in stored["times"]]
    layer_of = stored["digests"].__getitem__
    entries: dict[Key, Known] = {}
    fingerprints: dict[Key, str] = {}
    for kind, columns in stored["kinds"].items():
        keys = [(kind, name) for name in columns["id"]]
        fingerprints.update(zip(keys, columns["fingerprint"], strict=True))
        rows = zip(keys, columns["times"], columns["names"], columns["layers"], strict=True)
        for key, stamps, names, layers in rows:
            first_seen_at, idle_since_at, changed_at, unused_since_at = times[stamps]
            if first_seen_at is None:
                raise ValueError(f"{key} has no first_seen_at")
            entries[key] = Known(
                first_seen_at=first_seen_at,
                idle_since_at=idle_since_at,
                changed_at=changed_at,
                names=tuple(names),
                layers=None if layers is None else tuple(map(layer_of, layers)),
                unused_since_at=unused_since_at,
            )
    return KnownIndex(
        head=Head(about["seq"], about["run_id"], about["chain"]),
        last_run_at=_time(about["last_run_at"]),
        engine_id=about["engine_id"],
        covered=_span(about["covered"]),
        entries=entries,
        fingerprints=fingerprints,
    )


def _later(before: datetime | None, at: datetime) -> datetime:
    return at if before is None else max(before, at)


def _span(stored: list[str] | None) -> Span | None:
    return None if stored is None else Span(*map(datetime.fromisoformat, stored))


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _time(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
