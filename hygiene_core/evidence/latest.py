"""The newest run of a host, as a reader with the standard library alone gets it in milliseconds.

    latest/<host>.jsonl    a line about the run and its resources in columns, then a line for each resource

The first line is an object: `format`, `seq`, `chain`, `report` (the report's document without its resources)
and `columns`: what a list shows of each resource, and the `length` of its line without the line end. A column
is a list; one that says the same again and again is a table: its `values`, and `at`, which of them each row
has. That takes half the memory to read. Each other line is the row of one resource, in the order of the
columns. All of it is as `hygiene report --format json` has it.

It is made after each recorded run and by `hygiene evidence rebuild`, and can be deleted at any time. One that
is behind the ledger is still an answer: `Latest.runs_behind` tells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, count, groupby, repeat
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from hygiene_core.errors import EvidenceUnreadable
from hygiene_core.evidence import files

if TYPE_CHECKING:
    from types import TracebackType

    from hygiene_core.model.judgement import Judged
    from hygiene_core.model.report import Report

__all__ = ["FORMAT", "Latest", "columns_of", "forget", "hosts", "read", "save"]

FORMAT = 1
"""Of the file; one of another format is not read."""

PROJECT_LABEL = "com.docker.compose.project"

_FOLDER = "latest"
_MODE = 0o440
_BATCH_ROWS = 1024
_BUFFER_BYTES = 2**20  # the first line of a big host is 20 MiB

_Types = frozenset[type]
_TEXT: _Types = frozenset({str})
_TEXT_IF_ANY: _Types = frozenset({str, type(None)})
_FIGURE: _Types = frozenset({int, type(None)})
_PLACE: _Types = frozenset({int})
_LISTS: dict[str, _Types] = {
    "id": _TEXT,
    "name": _TEXT,
    "size_bytes": _FIGURE,
    "unique_bytes": _FIGURE,
    "length": _PLACE,
}
_TABLES: dict[str, _Types] = {
    "kind": _TEXT,
    "verdict": _TEXT,
    "idle_since_at": _TEXT_IF_ANY,
    "first_seen_at": _TEXT_IF_ANY,
    "rule": _TEXT,
    "builder": _TEXT_IF_ANY,
    "repository": _TEXT_IF_ANY,
    "project": _TEXT_IF_ANY,
}
"""The columns and what may stand in them. `null` is "not known", or that this kind has no such thing."""


@dataclass(frozen=True, slots=True)
class Latest:
    """A run as it was read. It holds its file open until `close`, so that one that is replaced still answers.

    `columns` are lists, all as long as there are resources: `kind`, `id`, `name`, `verdict`, `size_bytes`,
    `unique_bytes`, `idle_since_at`, `first_seen_at` (RFC 3339 in UTC), `rule` (of the first reason, or ""),
    `builder` of cache records, `repository` of images, the compose `project`, and where the line of the row
    is: its `offset` from the second line of the file on, and its `length`.
    """

    path: Path
    seq: int
    chain: str
    report: dict[str, Any] = field(repr=False)
    columns: dict[str, list[Any]] = field(repr=False)
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
    except PermissionError as error:
        raise EvidenceUnreadable(
            f"this user may not read {path}.", next_step="Join the group of the file, or run it as its owner."
        ) from error
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
    try:
        return Latest(path, seq, chain, report, _lists(columns, size - start), stream, start)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _damaged(path, "its columns are not what they have to be") from error


def _lists(stored: Any, size_bytes: int) -> dict[str, list[Any]]:
    """The columns of a file whose rows take so many bytes; some error of Python if they cannot be."""
    columns = {name: _checked(stored[name], allowed) for name, allowed in _LISTS.items()}
    for name, allowed in _TABLES.items():
        values, at = _checked(stored[name]["values"], allowed), _checked(stored[name]["at"], _PLACE)
        if min(at, default=0) < 0:
            raise ValueError("a place before the first")
        columns[name] = list(map(values.__getitem__, at))
    if len(set(map(len, columns.values()))) != 1:
        raise ValueError("columns of different length")
    ends = list(accumulate((length + 1 for length in columns["length"]), initial=0))
    if ends.pop() != size_bytes or min(columns["length"], default=0) < 0:
        raise ValueError("rows that are not as long as is said")
    return columns | {"offset": ends}


def _checked(column: Any, allowed: _Types) -> list[Any]:
    if not isinstance(column, list) or not allowed.issuperset(map(type, column)):
        raise TypeError("a column of other things")
    return column


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


def columns_of(resources: Sequence[Judged]) -> dict[str, list[Any]]:
    """The columns of a look that was just made, without places in a file; times are moments, not texts."""

    def column(name: str) -> list[Any]:
        return list(map(attrgetter(name), resources))

    return {
        "id": column("id"),
        "name": column("name"),
        "size_bytes": column("size_bytes"),
        "unique_bytes": column("unique_bytes"),
        # An enum is hashed by a slow call; its text is not.
        "kind": list(map(str, column("kind"))),
        "verdict": list(map(str, column("verdict"))),
        "idle_since_at": column("idle_since_at"),
        "first_seen_at": column("first_seen_at"),
        "rule": [row.reasons[0].rule if row.reasons else "" for row in resources],
        **_of_the_facts(resources),
    }


def _columns(resources: Sequence[Judged], rows: Sequence[bytes]) -> dict[str, Any]:
    made = columns_of(resources)
    tables = {name: _table(made[name]) for name in _TABLES}
    return {**made, **tables, "length": list(map(len, rows))}


def _of_the_facts(resources: Sequence[Judged]) -> dict[str, list[Any]]:
    """What only some kinds have; the others are not asked one by one."""
    made: dict[str, list[Any]] = {"builder": [], "repository": [], "project": []}
    for kind, rows in groupby(resources, attrgetter("kind")):
        facts: list[Any] = [row.facts for row in rows]
        told: dict[str, Iterable[str | None]] = {}
        if kind == "build_cache":
            told["builder"] = (one.builder for one in facts)
        elif kind == "image":
            told["repository"] = (_repository(one.names) for one in facts)
        if hasattr(facts[0], "labels"):
            told["project"] = (one.labels.get(PROJECT_LABEL) for one in facts)
        for name, column in made.items():
            column.extend(told.get(name, repeat(None, len(facts))))
    return made


def _repository(names: Sequence[str]) -> str | None:
    """Of the first tag or digest reference, as `decide.relations.repository` has it; `None` without any."""
    if not names:
        return None
    name, at, _ = names[0].partition("@")
    return name if at else name.rpartition(":")[0]


def _table(column: list[Any]) -> dict[str, list[Any]]:
    values = list(dict.fromkeys(column))
    number_of = dict(zip(values, count(), strict=False))
    return {"values": values, "at": list(map(number_of.__getitem__, column))}


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
