"""The DuckDB side of the evidence: a private catalogue that only the ingester opens, and its published copy.

    catalogue.duckdb      private, 0600, opened only under `.ingest.lock`
    evidence.duckdb       published, 0440, replaced whole; whoever holds it open blocks nobody

Both are made from the ledger and can be made again. Nothing here may fail a run: `publish` returns a warning.
Measured: readers on the ingester's own file starve it; copies do not (94 of 94 writers went through).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib.resources import files as packaged
from pathlib import Path
from typing import TYPE_CHECKING

from hygiene_core import __version__
from hygiene_core.errors import EvidenceBroken, EvidenceUnreadable, UsageProblem
from hygiene_core.evidence import duck, files
from hygiene_core.evidence.ledger import Head, Ledger, LedgerFile
from hygiene_core.evidence.verify import sound

if TYPE_CHECKING:
    import duckdb

__all__ = ["PUBLISHED", "SCHEMA_VERSION", "Publication", "bring_up_to_date", "export"]

PUBLISHED = "evidence.duckdb"
PRIVATE = "catalogue.duckdb"
SCHEMA_VERSION = 1

_LOCK_WAIT_SECONDS = 15.0
_BATCH_FILES = 400
_BATCH_BYTES = 8 * 2**20  # compressed; about a tenth of what the lines take in memory
_PUBLISHED_MODE = 0o440

_EXPORTS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "jsonl": "FORMAT json"}
_EXPORTED = (
    "run", "section", "filesystem", "class_total", "finding", "resource", "resource_change", "unseen",
    "latest", "resource_seen",
)  # fmt: skip

# Sizes come from a host. They are read as text: what is no 64-bit number becomes NULL.
_TYPES = {
    "VARCHAR": "k kind id name verdict size_bytes unique_bytes run_id mode tool_version status"
    " prev chain body_sha256",
    "VARCHAR[]": "names used_by ids",
    "INTEGER": "v",
    "BIGINT": "seq lines",
    "BOOLEAN": "full",
    "TIMESTAMPTZ": "started_at ended_at first_seen_at idle_since_at",
    "JSON": "host policy findings summary sections filesystems",
    "STRUCT(rule VARCHAR, detail VARCHAR, source VARCHAR)[]": "reasons",
    "STRUCT(created_at VARCHAR, last_used_at VARCHAR, state VARCHAR, labels JSON)": "facts",
}
_COLUMNS = {name: kind for kind, names in _TYPES.items() for name in names.split()}


@dataclass(frozen=True, slots=True)
class Publication:
    """How far the published file is behind the ledgers, and why. `ingested` counts segments of this call."""

    pending: int
    ingested: int = 0
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def bring_up_to_date(directory: Path, hosts: Iterable[str], *, anew: bool = False) -> Publication:
    """Take new segments into the catalogue and publish it.

    Args:
        directory: the state directory.
        hosts: whose ledgers to take in.
        anew: make the catalogue again from the ledgers, whatever it holds.
    """
    ledgers = {host: Ledger(directory, host) for host in hosts}
    try:
        import duckdb  # noqa: PLC0415 - a tenth of a second that a report does not wait for
    except ImportError as error:
        return _failed(ledgers, None, f"DuckDB cannot be loaded ({error})")
    try:
        with files.locked(directory / ".ingest.lock", _LOCK_WAIT_SECONDS):
            taken = _ingest(directory, ledgers, anew=anew)
            notes = _publish(directory, taken.heads, anew=anew)
        return Publication(_pending(ledgers, taken.heads), taken.count, tuple(taken.warnings), notes)
    except files.LockBusy as busy:
        why = str(busy)
    except (duckdb.Error, EvidenceBroken) as error:
        why = duck.text_of(error)
    except OSError as error:
        why = f"{os.strerror(error.errno or 0)} ({error.filename})"
    return _failed(ledgers, _heads_of(directory / PUBLISHED), why)


def _failed(ledgers: dict[str, Ledger], published: dict[str, Head] | None, why: str) -> Publication:
    return Publication(_pending(ledgers, published), 0, (f"{PUBLISHED} was not brought up to date: {why}.",))


def _pending(ledgers: dict[str, Ledger], published: dict[str, Head] | None) -> int:
    held = {host: head.seq for host, head in (published or {}).items()}
    return sum(file.seq > held.get(host, 0) for host, ledger in ledgers.items() for file in ledger.files())


# ---- the private catalogue


@dataclass(slots=True)
class _Taken:
    """What the catalogue holds after an ingest, and how it came there."""

    heads: dict[str, Head]
    count: int = 0
    warnings: list[str] = field(default_factory=list)


def _ingest(directory: Path, ledgers: dict[str, Ledger], *, anew: bool) -> _Taken:
    import duckdb  # noqa: PLC0415 - as above

    path, why = directory / PRIVATE, None
    if not anew and path.exists():
        try:
            with closing(duck.connect(path, read_only=False)) as connection:
                held = _heads(connection)
                why = _unusable(connection, ledgers, held)
                if why is None:
                    return _take_all(connection, ledgers, held)
        except duckdb.Error as error:
            if duck.is_locked(error):
                raise
            why = duck.text_of(error)
    taken = _rebuild(path, ledgers)
    if why is not None:
        taken.warnings.insert(0, f"The catalogue was made again from the ledger: {why}.")
    return taken


def _rebuild(path: Path, ledgers: dict[str, Ledger]) -> _Taken:
    """Make the catalogue in a file of its own and put it in place: a full disk must not leave half of one."""
    fresh = path.with_name(f".{path.name}.new")
    _remove(fresh)
    try:
        with closing(duck.connect(fresh, read_only=False)) as connection:
            fresh.chmod(0o600)
            connection.execute(_sql("schema.sql"))
            connection.execute("INSERT INTO meta VALUES (?, ?)", [SCHEMA_VERSION, __version__])
            taken = _take_all(connection, ledgers, {})
        # A log left beside a replaced file makes every later open fail.
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}.wal").unlink()
        fresh.replace(path)
    finally:
        _remove(fresh)
    return taken


def _remove(path: Path) -> None:
    for name in (path, path.with_name(f"{path.name}.wal")):
        with suppress(FileNotFoundError):
            name.unlink()


def _unusable(
    connection: duckdb.DuckDBPyConnection, ledgers: dict[str, Ledger], held: dict[str, Head]
) -> str | None:
    """Why the catalogue has to be made again, or `None`."""
    row = connection.execute("SELECT schema_version FROM meta").fetchone()
    version = None if row is None else row[0]
    if version != SCHEMA_VERSION:
        return f"it has version {version} of the tables, not {SCHEMA_VERSION}"
    for host, head in held.items():
        ledger = ledgers.get(host)
        for file in ledger.files() if ledger else ():
            if file.seq == head.seq and ledger and ledger.segment(file).chain != head.chain:
                return f"run {head.seq} of {host} is another one in the ledger"
    return None


def _heads(connection: duckdb.DuckDBPyConnection) -> dict[str, Head]:
    rows = connection.execute(
        "SELECT host, max(seq), arg_max(run_id, seq), arg_max(chain, seq) FROM run GROUP BY host"
    ).fetchall()
    return {host: Head(seq, run_id, chain) for host, seq, run_id, chain in rows}


def _take_all(
    connection: duckdb.DuckDBPyConnection, ledgers: dict[str, Ledger], held: dict[str, Head]
) -> _Taken:
    """Take every segment after the heads that are held, in batches that commit whole."""
    taken = _Taken(dict(held))
    for host in sorted(ledgers):
        stored, head = ledgers[host].files(), held.get(host)
        last = stored[-1].seq if stored else 0
        if head and head.seq > last:
            # The catalogue is the witness of what was lost; it is not made again on its own.
            taken.warnings.append(
                f"The ledger of {host} ends at run {last}, and run {head.seq} was recorded."
                " See: hygiene evidence verify"
            )
            continue
        for batch in _batches([file for file in stored if file.seq > (head.seq if head else 0)]):
            part, problem = batch, None
            try:
                head = _take(connection, host, batch, head)
            except EvidenceBroken as error:
                problem = error.message.rstrip(".")
                part = _sound_part(host, batch, head)
                head = _take(connection, host, part, head) if part else head
            taken.count += len(part)
            if head is not None:
                taken.heads[host] = head
            if problem is not None:
                taken.warnings.append(f"{problem}. See: hygiene evidence verify")
                break
    # What is copied afterwards is the file alone, so nothing may be left in the log beside it.
    connection.execute("CHECKPOINT")
    return taken


def _sound_part(host: str, batch: list[LedgerFile], head: Head | None) -> list[LedgerFile]:
    """The segments of a batch before the first that is not sound."""
    for number in range(len(batch)):
        try:
            head = _verified(host, batch[number : number + 1], head)
        except EvidenceBroken:
            return batch[:number]
    return batch


def _batches(stored: list[LedgerFile]) -> Iterator[list[LedgerFile]]:
    batch: list[LedgerFile] = []
    size = 0
    for file in stored:
        size += file.path.stat().st_size
        batch.append(file)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _take(
    connection: duckdb.DuckDBPyConnection, host: str, batch: list[LedgerFile], head: Head | None
) -> Head:
    """Verify the chain of a batch and take it in, all or nothing."""
    connection.execute("BEGIN")
    try:
        # Both read the same bytes, and both let other threads run: the second processor halves the wait.
        with ThreadPoolExecutor(1) as second:
            verified = second.submit(_verified, host, batch, head)
            try:
                _stage(connection, host, batch)
                connection.execute(_sql("ingest.sql"))
            finally:
                # What is wrong with a segment says more than what DuckDB made of it.
                newest = verified.result()
        connection.execute("COMMIT")
    except BaseException:
        with suppress(Exception):  # the first error says what happened
            connection.execute("ROLLBACK")
        raise
    return newest


def _verified(host: str, batch: list[LedgerFile], head: Head | None) -> Head:
    """The head after a batch whose every segment is sound and follows the one before."""
    for number, file in enumerate(batch, start=head.seq + 1 if head else 1):
        if file.seq != number:
            raise EvidenceBroken(f"{file.path.name} does not follow run {number - 1} of {host}")
        head = Head(file.seq, file.run_id, sound(file, host, head))
    if head is None:
        raise ValueError("an empty batch has no head")
    return head


def _stage(connection: duckdb.DuckDBPyConnection, host: str, batch: list[LedgerFile]) -> None:
    numbers = json.dumps([{"file": str(file.path), "number": file.seq} for file in batch])
    connection.execute(
        f"""
        CREATE TEMP TABLE line AS
        WITH numbered AS (
          SELECT told.file, told.number
          FROM (SELECT unnest(from_json(?, '[{{"file": "VARCHAR", "number": "BIGINT"}}]')) AS told)
        )
        SELECT ? AS host, number AS seq, l.* EXCLUDE (host, seq, filename, "full"), l."full" AS is_full,
          l.host AS about
        FROM read_json(?, format = 'newline_delimited', compression = 'gzip', filename = true,
          columns = {json.dumps(_COLUMNS).replace('"', "'")}) l
        JOIN numbered ON numbered.file = l.filename
        """,  # noqa: S608 - the columns are a constant of this module
        [numbers, host, [str(file.path) for file in batch]],
    )
    short = connection.execute(
        "SELECT seq FROM line GROUP BY seq HAVING count(*) <> any_value(lines) + 1 ORDER BY seq LIMIT 1"
    ).fetchone()
    if short is not None:
        raise EvidenceBroken(f"run {short[0]} of {host} has another number of lines than its end line says.")


# ---- the published copy


def _publish(directory: Path, held: dict[str, Head], *, anew: bool) -> tuple[str, ...]:
    """Put a copy of the closed catalogue in place, if the published file has other heads than it holds."""
    source, target = directory / PRIVATE, directory / PUBLISHED
    if not anew and held == _heads_of(target):
        return ()
    fresh = target.with_name(f".{target.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    try:
        shutil.copyfile(source, fresh)
        notes = files.give_to_group(fresh)
        fresh.chmod(_PUBLISHED_MODE)
        with suppress(FileNotFoundError):
            target.with_name(f"{target.name}.wal").unlink()
        fresh.replace(target)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()
    return notes


# ---- the archive


def export(directory: Path, hosts: Iterable[str], target: Path, kind: str) -> tuple[Path, ...]:
    """Write every table, and the views that people ask, as files of a new directory.

    Args:
        directory: the state directory.
        hosts: whose ledgers to take in first.
        target: a directory that is empty or does not exist.
        kind: `parquet` or `jsonl`.

    Raises:
        UsageProblem: the directory holds something, or the kind is another.
        EvidenceUnreadable: the catalogue cannot be made or read, or the files cannot be written.
    """
    options = _EXPORTS.get(kind)
    if options is None:
        raise UsageProblem(f"evidence cannot be exported as {kind!r}; use {' or '.join(_EXPORTS)}.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageProblem(f"{target} is not an empty directory; nothing was written.")
    state = bring_up_to_date(directory, hosts)
    if state.pending:
        raise EvidenceUnreadable(f"{state.pending} runs could not be taken in. {' '.join(state.warnings)}")
    import duckdb  # noqa: PLC0415 - as above

    try:
        target.mkdir(parents=True, exist_ok=True)
        with (
            files.locked(directory / ".ingest.lock", _LOCK_WAIT_SECONDS),
            closing(duck.connect(directory / PRIVATE, read_only=False)) as connection,
        ):
            return tuple(_copy_out(connection, name, target, kind, options) for name in _EXPORTED)
    except (duckdb.Error, files.LockBusy) as error:
        raise EvidenceUnreadable(f"the export was not finished: {duck.text_of(error)}.") from error
    except OSError as error:
        raise EvidenceUnreadable(f"the export was not finished: {os.strerror(error.errno or 0)}.") from error


def _copy_out(
    connection: duckdb.DuckDBPyConnection, name: str, target: Path, kind: str, options: str
) -> Path:
    path = target / f"{name}.{kind}"
    quoted = str(path).replace("'", "''")
    connection.execute(f"COPY (FROM {name} ORDER BY ALL) TO '{quoted}' ({options})")
    return path


def _heads_of(path: Path) -> dict[str, Head] | None:
    """The heads in a database file; `None` if it cannot be read, whatever the reason."""
    import duckdb  # noqa: PLC0415 - as above

    if not path.exists():
        return None
    try:
        with closing(duck.connect(path, read_only=True)) as connection:
            row = connection.execute("SELECT schema_version FROM meta").fetchone()
            return _heads(connection) if row == (SCHEMA_VERSION,) else None
    except duckdb.Error:
        return None


def _sql(name: str) -> str:
    return (packaged("hygiene_core.evidence") / name).read_text(encoding="utf-8")
