"""The newest run of a host, as a reader with the standard library alone gets it in milliseconds.

    latest/<host>.jsonl    a line about the run and its resources in columns, then a line for each resource

The first line is an object: `format`, `seq`, `chain`, `report` (the report's document without its resources)
and `columns`: what a list shows of each resource, where its line begins (`offset`, counted from the second
line of the file) and how long it is (`length`, without its line end). Each other line is the row of one
resource, in the order of the columns. All of it is as `hygiene report --format json` has it.

It is made after each recorded run and by `hygiene evidence rebuild`, and can be deleted at any time. One that
is behind the ledger is still an answer: `Latest.runs_behind` tells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from hygiene_core.errors import EvidenceUnreadable
from hygiene_core.evidence import files

if TYPE_CHECKING:
    from types import TracebackType

    from hygiene_core.model.judgement import Judged
    from hygiene_core.model.report import Report

__all__ = ["FORMAT", "Latest", "forget", "hosts", "read", "save"]

FORMAT = 1
"""Of the file; one of another format is not read."""

PROJECT_LABEL = "com.docker.compose.project"

_FOLDER = "latest"
_MODE = 0o440
_BATCH_ROWS = 1024
_BUFFER_BYTES = 2**20  # the first line of a big host is 20 MiB

_NOTHING = type(None)
_TYPES: dict[str, frozenset[type]] = {
    "kind": frozenset({str}),
    "id": frozenset({str}),
    "name": frozenset({str}),
    "verdict": frozenset({str}),
    "size_bytes": frozenset({int, _NOTHING}),
    "unique_bytes": frozenset({int, _NOTHING}),
    "idle_since_at": frozenset({str, _NOTHING}),
    "first_seen_at": frozenset({str, _NOTHING}),
    "rule": frozenset({str}),
    "builder": frozenset({str, _NOTHING}),
    "repository": frozenset({str, _NOTHING}),
    "project": frozenset({str, _NOTHING}),
    "offset": frozenset({int}),
    "length": frozenset({int}),
}
"""The columns, and what may stand in each. `null` is "not known", or that this kind has no such thing."""


@dataclass(frozen=True, slots=True)
class Latest:
    """A run as it was read. It holds its file open until `close`, so that one that is replaced still answers.

    `columns` has a list for each name, all as long as there are resources; times are texts, RFC 3339 in UTC.
    """

    path: Path
    seq: int
    chain: str
    report: dict[str, Any]
    columns: dict[str, list[Any]]
    _stream: BinaryIO = field(repr=False, compare=False)
    _start: int = field(repr=False, compare=False)

    def __len__(self) -> int:
        """How many resources it has."""
        return len(self.columns["id"])

    def __bool__(self) -> bool:
        """It is a run, with or without resources."""
        return True

    def __enter__(self) -> Self:
        """Itself; it is closed at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    @property
    def host(self) -> str:
        """Whose run it is."""
        return self.path.stem

    def detail(self, number: int) -> dict[str, Any]:
        """The whole row of a resource by its place in the columns, read when it is asked for.

        Raises:
            IndexError: there is no such place.
            ValueError: it was closed.
            EvidenceUnreadable: the line cannot be read or is another resource's.
        """
        columns = self.columns
        length = columns["length"][number]
        try:
            line = os.pread(self._stream.fileno(), length + 1, self._start + columns["offset"][number])
        except OSError as error:
            raise _unreadable(self.path, _why(error)) from error
        row = _object(line, self.path) if len(line) == length + 1 and line.endswith(b"\n") else {}
        if any(row.get(name) != columns[name][number] for name in ("kind", "id", "verdict")):
            raise _damaged(self.path, f"the line of {columns['kind'][number]} {number} is another one")
        return row

    def runs_behind(self) -> int | None:
        """How many runs the ledger holds after this one; 0 if it is the newest.

        The names of the ledger's files are enough for that: who may read this file may list those, and not
        read them. `None` where the ledger does not hold this run. Whoever has the ledger's head compares
        `seq` and `chain` with it.

        Raises:
            EvidenceBroken: the ledger cannot be listed.
        """
        from hygiene_core.evidence.ledger import Ledger  # noqa: PLC0415 - not needed before the first screen

        listed = Ledger(self.path.parent.parent, self.host).files()
        run_id = self.report.get("run_id")
        if not any(file.seq == self.seq and file.run_id == run_id for file in listed):
            return None
        return sum(file.seq > self.seq for file in listed)

    def close(self) -> None:
        """Give the file back. The columns stay, the details are gone."""
        self._stream.close()


def read(directory: Path, host: str) -> Latest | None:
    """The newest run that was kept of a host; `None` where there is none.

    Raises:
        UsageProblem: the host's name cannot be the name of a file.
        EvidenceUnreadable: it cannot be read, is damaged, or is of another format.
    """
    path = _path(directory, host)
    try:
        stream = path.open("rb", buffering=_BUFFER_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, _why(error)) from error
    try:
        with files.no_collection():
            return _opened(path, stream)
    except OSError as error:
        stream.close()
        raise _unreadable(path, _why(error)) from error
    except BaseException:
        stream.close()
        raise


def hosts(directory: Path) -> tuple[str, ...]:
    """Every host whose newest run was kept here."""
    try:
        with os.scandir(directory / _FOLDER) as found:
            names = [entry.name for entry in found]
    except OSError:
        return ()
    told = (name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl"))
    return tuple(sorted(filter(files.is_name, told)))


def save(
    directory: Path, report: Report, seq: int, chain: str, *, rows: Sequence[bytes] | None = None
) -> None:
    """Store a run, whole or not at all; `OSError` if that fails. The caller holds the ledger's lock.

    Args:
        directory: the state directory.
        report: the run.
        seq: its number in the ledger.
        chain: its hash there.
        rows: its resources as JSON, in their order, where somebody has made them already.
    """
    from hygiene_core.model.codec import encode_rows  # noqa: PLC0415 - readers need none of it

    path = _path(directory, report.host.name)
    rows = list(encode_rows(report.resources)) if rows is None else rows
    first = _first_line(report, seq, chain, rows)
    files.make_directory(path.parent)
    for left in path.parent.glob(f".{path.name}.*.tmp"):  # of a writer that was killed
        left.unlink(missing_ok=True)
    files.replace_file(path, _lines(first, rows), _MODE, shared=True)


def forget(directory: Path, host: str) -> None:
    """Remove what is kept of a host, if there is any; `OSError` if that fails."""
    _path(directory, host).unlink(missing_ok=True)


def _path(directory: Path, host: str) -> Path:
    return directory / _FOLDER / f"{files.check_name(host, 'host')}.jsonl"


def _opened(path: Path, stream: BinaryIO) -> Latest:
    first = stream.readline()
    start, size = len(first), os.fstat(stream.fileno()).st_size
    if not first.endswith(b"\n"):
        raise _damaged(path, "it ends within its first line")
    told = _object(first, path)
    del first  # of a big host it is as large as all that is kept of it
    if told.get("format") != FORMAT:
        raise _unreadable(path, f"its format is {told.get('format')!r}, and this version reads {FORMAT}")
    seq, chain, report, columns = (told.get(name) for name in ("seq", "chain", "report", "columns"))
    if type(seq) is not int or type(chain) is not str or not isinstance(report, dict):
        raise _damaged(path, "its first line does not say which run it is")
    host = report.get("host")
    if not isinstance(host, dict) or host.get("name") != path.stem:
        raise _damaged(path, "it is about another host")
    if not isinstance(columns, dict):
        raise _damaged(path, "it has no columns")
    if problem := _problem(columns, size - start):
        raise _damaged(path, problem)
    return Latest(path, seq, chain, report, columns, stream, start)


def _problem(columns: dict[str, Any], size_bytes: int) -> str | None:
    """What is wrong with the columns of a file whose rows take so many bytes; `None` if nothing is."""
    for name, allowed in _TYPES.items():
        column = columns.get(name)
        if not isinstance(column, list) or not allowed.issuperset(map(type, column)):
            return f"its column {name} is not what it has to be"
    if len({len(column) if isinstance(column, list) else None for column in columns.values()}) != 1:
        return "its columns are not of one length"
    ends = list(accumulate((length + 1 for length in columns["length"]), initial=0))
    if ends.pop() != size_bytes:
        return "its rows are not as long as its first line says"
    if ends != columns["offset"] or min(columns["length"], default=0) < 0:
        return "its rows are not where its first line says"
    return None


def _first_line(report: Report, seq: int, chain: str, rows: Sequence[bytes]) -> bytes:
    from hygiene_core.model.codec import adapter, encode, report_adapter  # noqa: PLC0415 - see `save`

    document = json.loads(encode(report_adapter(), replace(report, resources=())))
    del document["resources"]
    told = {
        "format": FORMAT,
        "seq": seq,
        "chain": chain,
        "report": document,
        "columns": _columns(report.resources, rows),
    }
    return encode(adapter(dict[str, Any]), told)


def _columns(resources: Sequence[Judged], rows: Sequence[bytes]) -> dict[str, list[Any]]:
    from hygiene_core.model.resource import BuildCacheRecord, Image  # noqa: PLC0415 - see `save`

    lengths = list(map(len, rows))
    ends = accumulate((length + 1 for length in lengths), initial=0)
    return {
        "kind": [row.kind for row in resources],
        "id": [row.id for row in resources],
        "name": [row.name for row in resources],
        "verdict": [row.verdict for row in resources],
        "size_bytes": [row.size_bytes for row in resources],
        "unique_bytes": [row.unique_bytes for row in resources],
        "idle_since_at": [row.idle_since_at for row in resources],
        "first_seen_at": [row.first_seen_at for row in resources],
        "rule": [row.reasons[0].rule if row.reasons else "" for row in resources],
        "builder": [
            row.facts.builder if isinstance(row.facts, BuildCacheRecord) else None for row in resources
        ],
        "repository": [_repository(row.names) if isinstance(row.facts, Image) else None for row in resources],
        "project": [_project(row) for row in resources],
        "offset": list(islice(ends, len(lengths))),
        "length": lengths,
    }


def _repository(names: Sequence[str]) -> str | None:
    """Of the first tag or digest reference, as `decide.relations.repository` has it; `None` without any."""
    if not names:
        return None
    name, at, _ = names[0].partition("@")
    return name if at else name.rpartition(":")[0]


def _project(row: Judged) -> str | None:
    """The compose project that its labels tell."""
    labels: dict[str, str] = getattr(row.facts, "labels", {})
    return labels.get(PROJECT_LABEL)


def _lines(first: bytes, rows: Sequence[bytes]) -> Iterable[bytes]:
    """The file in pieces: whole, it would be as large in memory as its rows once more."""
    yield first + b"\n"
    for start in range(0, len(rows), _BATCH_ROWS):
        yield b"\n".join(rows[start : start + _BATCH_ROWS]) + b"\n"


def _object(line: bytes, path: Path) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "a line of it is no JSON") from error
    if not isinstance(told, dict):
        raise _damaged(path, "a line of it is no object")
    return told


def _why(error: OSError) -> str:
    return os.strerror(error.errno or 0)


def _damaged(path: Path, what: str) -> EvidenceUnreadable:
    return _unreadable(path, f"it is damaged: {what}")


def _unreadable(path: Path, why: str) -> EvidenceUnreadable:
    return EvidenceUnreadable(
        f"{_FOLDER}/{path.name} cannot be read: {why}.", next_step="Make it anew: hygiene evidence rebuild"
    )
