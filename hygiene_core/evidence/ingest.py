"""New segments of the ledgers into the tables of the catalogue: verified, in order, in whole batches.

The statements are in `ingest.sql`; what they fill is documented in `schema.sql`.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import files as packaged
from operator import itemgetter
from typing import TypeAlias

from hygiene_core.errors import EvidenceBroken
from hygiene_core.evidence.duck import Connection
from hygiene_core.evidence.ledger import Head, LedgerFile
from hygiene_core.evidence.verify import sound

__all__ = ["Stored", "Taken", "acts_key", "after", "heads", "is_acts", "script", "take_all"]

_BATCH_FILES = 400
_BATCH_BYTES = 8 * 2**20  # compressed; about a tenth of what the lines take in memory

# Sizes come from a host. They are read as text: what is no 64-bit number becomes NULL.
_TYPES = {
    "VARCHAR": "k kind id name verdict size_bytes unique_bytes run_id mode tool_version status"
    " prev chain body_sha256",
    "VARCHAR[]": "names used_by ids",
    "INTEGER": "v",
    "BIGINT": "seq lines",
    "BOOLEAN": "full",
    "TIMESTAMPTZ": "started_at ended_at first_seen_at idle_since_at",
    "JSON": "host policy findings summary sections filesystems removals",
    "STRUCT(rule VARCHAR, detail VARCHAR, source VARCHAR)[]": "reasons",
    "STRUCT(created_at VARCHAR, last_used_at VARCHAR, state VARCHAR, labels JSON)": "facts",
}
_COLUMNS = {name: kind for kind, names in _TYPES.items() for name in names.split()}

_ACT_TYPES = {
    "VARCHAR": "k run_id digest mode machine_id engine_version tool_version when outcome why detail prev"
    " chain body_sha256 estimate_bytes claimed_bytes freed_bytes private_before_bytes private_after_bytes"
    " builder problem",
    "VARCHAR[]": "removed approvals",
    "BIGINT": "seq lines number call exit_status steps cached_steps",
    "DOUBLE": "seconds",
    "BOOLEAN": "by_looking full",
    "TIMESTAMPTZ": "at",
    "JSON": "host caller things kept snapshot problems",
}
_ACT_COLUMNS = {name: kind for kind, names in _ACT_TYPES.items() for name in names.split()}

Stored: TypeAlias = dict[str, list[LedgerFile]]
"""The files of each host's ledger, in order. Years of them are listed once a run.

A ledger of acts stands under `acts_key`; where it is missing it was not asked for, or may not be read.
"""


def acts_key(engine_id: str, name: str) -> str:
    """What a ledger of acts goes by among the hosts, which have no slash in their names."""
    return f"{engine_id}/{name}"


def is_acts(host: str) -> bool:
    """Whether it is the key of a ledger of acts."""
    return "/" in host


@dataclass(slots=True)
class Taken:
    """What the catalogue holds after an ingest, and how it came there."""

    heads: dict[str, Head]
    count: int = 0
    warnings: list[str] = field(default_factory=list)


def take_all(connection: Connection, stored: Stored, held: dict[str, Head]) -> Taken:
    """Take every segment after the heads that are held, in batches that commit whole."""
    taken = Taken(dict(held))
    for host in sorted({*stored, *(one for one in held if not is_acts(one))}):
        listed = stored.get(host, [])
        head, last = held.get(host), listed[-1].seq if listed else 0
        if head and head.seq > last:
            # The catalogue is the witness of what was lost; it is not made again on its own.
            taken.warnings.append(
                f"EVIDENCE_BROKEN: the ledger of {host} ends at run {last}, and run {head.seq} was recorded."
                " See: hygiene evidence verify"
            )
            continue
        for batch in _batches(after(head, listed)):
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


def _batches(listed: list[LedgerFile]) -> Iterator[list[LedgerFile]]:
    batch: list[LedgerFile] = []
    size = 0
    for file in listed:
        size += file.path.stat().st_size
        batch.append(file)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _take(connection: Connection, host: str, batch: list[LedgerFile], head: Head | None) -> Head:
    """Verify the chain of a batch and take it in, all or nothing."""
    connection.execute("BEGIN")
    try:
        # Both read the same bytes, and both let other threads run: the second processor halves the wait.
        with ThreadPoolExecutor(1) as second:
            verified = second.submit(_verified, host, batch, head)
            try:
                _stage(connection, host, batch)
                connection.execute(script("ingest_acts.sql" if is_acts(host) else "ingest.sql"))
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
        head = Head(file.seq, file.run_id, sound(file, host.rpartition("/")[2], head))
    if head is None:
        raise ValueError("an empty batch has no head")
    return head


def _stage(connection: Connection, host: str, batch: list[LedgerFile]) -> None:
    columns = _ACT_COLUMNS if is_acts(host) else _COLUMNS
    numbers = json.dumps([{"file": str(file.path), "number": file.seq} for file in batch])
    connection.execute(
        f"""
        CREATE TEMP TABLE line AS
        WITH numbered AS (
          SELECT told.file, told.number
          FROM (SELECT unnest(from_json(?, '[{{"file": "VARCHAR", "number": "BIGINT"}}]')) AS told)
        )
        SELECT ? AS host, numbered.number AS seq, l.* EXCLUDE (host, seq, filename, "full"),
          l."full" AS is_full, l.host AS about
        FROM read_json(?, format = 'newline_delimited', compression = 'gzip', filename = true,
          columns = {json.dumps(columns).replace('"', "'")}) l
        JOIN numbered ON numbered.file = l.filename
        """,  # noqa: S608 - the columns are a constant of this module
        [numbers, host, [str(file.path) for file in batch]],
    )
    short = connection.execute(
        "SELECT seq FROM line GROUP BY seq HAVING count(*) <> any_value(lines) + 1 ORDER BY seq LIMIT 1"
    ).fetchone()
    if short is not None:
        raise EvidenceBroken(f"run {short[0]} of {host} has another number of lines than its end line says.")


def after(head: Head | None, listed: list[LedgerFile]) -> list[LedgerFile]:
    """The files after a head; they are in order."""
    return listed if head is None else listed[bisect_right(listed, head.seq, key=itemgetter(0)) :]


def heads(connection: Connection) -> dict[str, Head]:
    """The newest run of each host in a database, and of each ledger of acts."""
    newest = "max(seq), arg_max(run_id, seq), arg_max(chain, seq)"
    rows = connection.execute(f"SELECT host, {newest} FROM run GROUP BY host").fetchall()  # noqa: S608 - ours
    told = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'act'").fetchone()
    if told and told[0]:  # a witness of an earlier version has no such table
        rows += connection.execute(
            f"SELECT engine_id || '/' || host AS ledger, {newest} FROM act GROUP BY ledger"  # noqa: S608 - ours
        ).fetchall()
    return {host: Head(seq, run_id, chain) for host, seq, run_id, chain in rows}


def script(name: str) -> str:
    """The text of a packaged SQL file."""
    return (packaged("hygiene_core.evidence") / name).read_text(encoding="utf-8")
