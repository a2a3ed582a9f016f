"""The DuckDB files as witnesses of what the ledgers held: what is lost from a ledger is still told there.

A file that is of another ledger is not lost when it is made again: it stays as `catalogue.duckdb.kept-<seq>`,
and becomes `catalogue.duckdb.accepted-<seq>` with `hygiene evidence rebuild`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from hygiene_core.errors import EvidenceBroken, EvidenceUnreadable
from hygiene_core.evidence import duck, files
from hygiene_core.evidence.ingest import Stored, after, heads, is_acts
from hygiene_core.evidence.ledger import Head
from hygiene_core.evidence.segment import read_end

__all__ = [
    "LOCK_WAIT_SECONDS",
    "PRIVATE",
    "PUBLISHED",
    "Disowned",
    "Witnesses",
    "accept",
    "disowned",
    "forgotten",
    "keep",
    "standing",
    "witnesses",
]

PUBLISHED = "evidence.duckdb"
PRIVATE = "catalogue.duckdb"

LOCK_WAIT_SECONDS = 15.0
"""How long one waits for another that has `.ingest.lock`."""


class Disowned(NamedTuple):
    """A recorded run that the ledger does not hold. `cut` says that the ledger ends before it."""

    seq: int
    why: str
    cut: bool


@dataclass(frozen=True, slots=True)
class Witnesses:
    """The heads of each host that the database files tell of, and why a file could not be asked."""

    heads: dict[str, tuple[Head, ...]]
    notes: tuple[str, ...] = ()


def witnesses(directory: Path) -> Witnesses:
    """What the database files say that was recorded. Trouble with them is a note, never an error."""
    found: dict[str, tuple[Head, ...]] = {}
    notes: list[str] = []
    for path in (directory / PUBLISHED, *_kept(directory), directory / PRIVATE):
        if not path.exists():
            continue
        try:
            told = _told_by(path)
        except EvidenceUnreadable as error:
            notes.append(error.message)
            continue
        for host, head in told.items():
            found[host] = (*found.get(host, ()), head)
    return Witnesses(found, tuple(notes))


def _told_by(path: Path) -> dict[str, Head]:
    """The heads in a database file, of whatever version.

    Raises:
        EvidenceUnreadable: it cannot be read.
    """
    try:
        failures: tuple[type[Exception], ...] = (*duck.failures(), files.LockBusy)
    except ImportError as error:
        raise EvidenceUnreadable(
            f"{path.name} was not compared: DuckDB cannot be loaded ({error})"
        ) from error
    try:
        if path.name != PRIVATE:
            return _heads_in(path)
        # A reader of the ingester's own file starves it, so this waits for its turn.
        with files.locked(path.with_name(".ingest.lock"), LOCK_WAIT_SECONDS):
            return _heads_in(path)
    except failures as error:
        raise EvidenceUnreadable(f"{path.name} was not compared: {duck.text_of(error)}") from error
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise EvidenceUnreadable(f"{path.name} was not compared: {why}") from error


def _heads_in(path: Path) -> dict[str, Head]:
    with closing(duck.connect(path, read_only=True)) as connection:
        return heads(connection)


def disowned(told: dict[str, Head], stored: Stored) -> Iterator[Disowned]:
    """The heads of hosts that are not in their ledgers.

    Raises:
        EvidenceBroken: the segment of that number cannot be read.
    """
    for host, head in told.items():
        if is_acts(host) and host not in stored:
            continue  # it was not asked for, or this user may not read it
        listed = stored.get(host, [])
        last = listed[-1].seq if listed else 0
        if head.seq > last:
            why = f"the ledger of {host} ends at run {last}, and run {head.seq} was recorded"
            yield Disowned(head.seq, why, cut=True)
        for file in after(replace(head, seq=head.seq - 1), listed)[:1]:
            if file.seq == head.seq and read_end(file.path)["chain"] != head.chain:
                why = f"run {head.seq} of {host} is another one in the ledger"
                yield Disowned(head.seq, why, cut=False)


def forgotten(target: Path, stored: Stored, held: dict[str, Head]) -> Iterator[Disowned]:
    """What the published file tells and the catalogue that replaces it does not."""
    if not target.exists():
        return
    try:
        told = _told_by(target)
    except EvidenceUnreadable:
        return  # nobody could read it as a witness either
    yield from (run for run in disowned(told, stored) if not run.cut)
    for host, head in told.items():
        if host not in held or held[host].seq < head.seq:
            yield Disowned(head.seq, f"run {head.seq} of {host} was published", cut=True)


def keep(path: Path, lost: Iterable[Disowned]) -> None:
    """Give a file that is about to be replaced a second name, once, if it tells of lost runs."""
    for run in lost:
        with suppress(FileExistsError):
            os.link(path, path.with_name(f"{PRIVATE}.kept-{run.seq}"))
        return


def _kept(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{PRIVATE}.kept-*"))


def standing(directory: Path, stored: Stored) -> list[str]:
    """A warning for each kept file that the ledgers still contradict."""
    warnings: list[str] = []
    for path in _kept(directory):
        try:
            warnings += [
                f"EVIDENCE_BROKEN: {run.why}. What was recorded before is kept in {path.name}."
                " See: hygiene evidence verify"
                for run in disowned(_told_by(path), stored)
            ]
        except (EvidenceBroken, EvidenceUnreadable) as error:
            warnings.append(f"{error.message.rstrip('.')}. See: hygiene evidence verify")
    return warnings


def accept(directory: Path) -> None:
    """Let the kept files be history: the ledgers are the truth as they are now."""
    for path in _kept(directory):
        path.replace(path.with_name(path.name.replace(".kept-", ".accepted-")))
