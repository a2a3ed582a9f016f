"""The DuckDB side of the evidence: a private catalogue that only the ingester opens, and its published copy.

    catalogue.duckdb      private, 0600, opened only under `.ingest.lock`
    evidence.duckdb       published, 0440, replaced whole; whoever holds it open blocks nobody

Both are made from the ledger and can be made again. Nothing here may fail a run: `publish` returns a warning.
Measured: readers on the ingester's own file starve it; copies do not (94 of 94 writers went through).
They are witnesses, too, of what the ledger held: see `witness.py`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from hygiene_core import __version__
from hygiene_core.errors import EvidenceBroken, EvidenceUnreadable, UsageProblem
from hygiene_core.evidence import duck, files
from hygiene_core.evidence.act_files import act_files
from hygiene_core.evidence.ingest import Stored, Taken, after, heads, script, take_all
from hygiene_core.evidence.ledger import Head, Ledger
from hygiene_core.evidence.witness import (
    LOCK_WAIT_SECONDS,
    PRIVATE,
    PUBLISHED,
    accept,
    disowned,
    forgotten,
    keep,
    standing,
)

__all__ = [
    "PUBLISHED",
    "SCHEMA_VERSION",
    "Publication",
    "bring_up_to_date",
    "export",
]

SCHEMA_VERSION = 6

_SPARE_BYTES = 8 * 2**20
_PUBLISHED_MODE = 0o440

_EXPORTS = {"parquet": "FORMAT parquet, COMPRESSION zstd", "jsonl": "FORMAT json"}
_EXPORTED = (
    "run", "section", "filesystem", "class_total", "finding", "resource", "resource_change", "unseen",
    "latest", "resource_seen", "act", "act_item", "act_removed", "act_builder",
    "act_probe",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Publication:
    """How far the published file is behind the ledgers, and why. `ingested` counts segments of this call."""

    pending: int
    ingested: int = 0
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def bring_up_to_date(
    directory: Path, hosts: Iterable[str], *, acts: Path | None = None, anew: bool = False
) -> Publication:
    """Take new segments into the catalogue and publish it.

    Args:
        directory: the state directory.
        hosts: every host that has a ledger there.
        acts: where this machine keeps what was removed from it; `None` leaves that out.
        anew: make the catalogue again from the ledgers, whatever it holds, and accept what they have lost.
    """
    names = tuple(hosts)
    try:
        import duckdb  # noqa: PLC0415 - a tenth of a second that a report does not wait for
    except ImportError as error:
        return _failed(_listed(directory, names, acts), None, f"DuckDB cannot be loaded ({error})")
    try:
        with files.locked(directory / ".ingest.lock", LOCK_WAIT_SECONDS):
            stored = _listed(directory, names, acts)
            if too_full := _too_full(directory):
                return _failed(stored, _heads_of(directory / PUBLISHED), too_full)
            taken = _ingest(directory, stored, anew=anew)
            notes = _publish(directory, stored, taken.heads, anew=anew)
            if anew:
                accept(directory)
            taken.warnings += standing(directory, stored)
        return Publication(_pending(stored, taken.heads), taken.count, tuple(taken.warnings), notes)
    except files.LockBusy as busy:
        why = str(busy)
    except (duckdb.Error, EvidenceBroken) as error:
        why = duck.text_of(error)
    except OSError as error:
        why = f"{os.strerror(error.errno or 0)} ({error.filename})"
    return _failed(_listed(directory, names, acts), _heads_of(directory / PUBLISHED), why)


def _too_full(directory: Path) -> str | None:
    """Why there is no room to publish: the last bytes of a full disk belong to the ledger."""
    catalogue = directory / PRIVATE
    needed_bytes = _SPARE_BYTES + (catalogue.stat().st_size if catalogue.exists() else 0)
    room = os.statvfs(directory)
    free_bytes = room.f_bavail * room.f_frsize
    if free_bytes >= needed_bytes:
        return None
    return f"{free_bytes:,} bytes are free, it takes {needed_bytes:,}, and the ledger comes first"


def _listed(directory: Path, hosts: Iterable[str], acts: Path | None) -> Stored:
    return {host: Ledger(directory, host).files() for host in hosts} | act_files(acts)


def _failed(stored: Stored, published: dict[str, Head] | None, why: str) -> Publication:
    return Publication(_pending(stored, published), 0, (f"{PUBLISHED} was not brought up to date: {why}.",))


def _pending(stored: Stored, published: dict[str, Head] | None) -> int:
    return sum(len(after((published or {}).get(host), listed)) for host, listed in stored.items())


# ---- the private catalogue


def _ingest(directory: Path, stored: Stored, *, anew: bool) -> Taken:
    import duckdb  # noqa: PLC0415 - as above

    path, why = directory / PRIVATE, None
    if not anew and path.exists():
        try:
            with closing(duck.connect(path, read_only=False)) as connection:
                held = heads(connection)
                lost = list(disowned(held, stored))
                another = [run.why for run in lost if not run.cut]
                why = _unusable(connection) or next(iter(another), None)
                # One that knows more than the ledger is the witness of it where it is.
                if why is None:
                    return take_all(connection, stored, held)
            keep(path, lost)
        except duckdb.Error as error:
            if duck.is_locked(error):
                raise
            why = duck.text_of(error)
    taken = _rebuild(path, stored)
    if why is not None:
        taken.warnings.insert(0, f"The catalogue was made again from the ledger: {why}.")
    return taken


def _rebuild(path: Path, stored: Stored) -> Taken:
    """Make the catalogue in a file of its own and put it in place: a full disk must not leave half of one."""
    fresh = path.with_name(f".{path.name}.new")
    _remove(fresh)
    try:
        with closing(duck.connect(fresh, read_only=False)) as connection:
            fresh.chmod(0o600)
            connection.execute(script("schema.sql"))
            connection.execute(script("history.sql"))
            connection.execute("INSERT INTO meta VALUES (?, ?)", [SCHEMA_VERSION, __version__])
            taken = take_all(connection, stored, {})
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


def _unusable(connection: duck.Connection) -> str | None:
    """Why the catalogue has to be made again, or `None`."""
    row = connection.execute("SELECT schema_version FROM meta").fetchone()
    version = None if row is None else row[0]
    if version != SCHEMA_VERSION:
        return f"it has version {version} of the tables, not {SCHEMA_VERSION}"
    return None


# ---- the published copy


def _publish(directory: Path, stored: Stored, held: dict[str, Head], *, anew: bool) -> tuple[str, ...]:
    """Put a copy of the closed catalogue in place, if the published file has other heads than it holds."""
    source, target = directory / PRIVATE, directory / PUBLISHED
    if not anew and held == _heads_of(target):
        return ()
    if not anew:
        keep(target, forgotten(target, stored, held))
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


def export(
    directory: Path, hosts: Iterable[str], target: Path, kind: str, *, acts: Path | None = None
) -> tuple[Path, ...]:
    """Write every table, and the views that people ask, as files of a new directory.

    Args:
        directory: the state directory.
        hosts: whose ledgers to take in first.
        target: a directory that is empty or does not exist.
        kind: `parquet` or `jsonl`.
        acts: where this machine keeps what was removed from it.

    Raises:
        UsageProblem: the directory holds something, or the kind is another.
        EvidenceUnreadable: the catalogue cannot be made or read, or the files cannot be written.
    """
    options = _EXPORTS.get(kind)
    if options is None:
        raise UsageProblem(f"evidence cannot be exported as {kind!r}; use {' or '.join(_EXPORTS)}.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageProblem(f"{target} is not an empty directory; nothing was written.")
    state = bring_up_to_date(directory, hosts, acts=acts)
    if state.pending:
        raise EvidenceUnreadable(f"{state.pending} runs could not be taken in. {' '.join(state.warnings)}")
    import duckdb  # noqa: PLC0415 - as above

    try:
        target.mkdir(parents=True, exist_ok=True)
        with (
            files.locked(directory / ".ingest.lock", LOCK_WAIT_SECONDS),
            closing(duck.connect(directory / PRIVATE, read_only=False)) as connection,
        ):
            return tuple(_copy_out(connection, name, target, kind, options) for name in _EXPORTED)
    except (duckdb.Error, files.LockBusy) as error:
        raise EvidenceUnreadable(f"the export was not finished: {duck.text_of(error)}.") from error
    except OSError as error:
        raise EvidenceUnreadable(f"the export was not finished: {os.strerror(error.errno or 0)}.") from error


def _copy_out(connection: duck.Connection, name: str, target: Path, kind: str, options: str) -> Path:
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
            return heads(connection) if row == (SCHEMA_VERSION,) else None
    except duckdb.Error:
        return None
