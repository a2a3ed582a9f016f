"""Questions to the published evidence. A reader can read that one file, and nothing else of the machine.

The published file is replaced whole after each run. A reader keeps the one it opened, and blocks nobody by
that. To see what came later, close it and open it anew: within one process DuckDB gives the old file to
whoever opens the path while another reader of it is open.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hygiene_core.errors import EvidenceUnreadable, QueryProblem, UnknownResource, UnknownRun
from hygiene_core.evidence import duck
from hygiene_core.evidence.catalogue import PUBLISHED, SCHEMA_VERSION
from hygiene_core.model.table import Table

if TYPE_CHECKING:
    import duckdb

__all__ = ["MAX_ROWS", "Reader", "open_published"]

MAX_ROWS = 1_000_000
"""The most rows that one question gives: they are held in memory."""

_REBUILD = "Make it anew: hygiene evidence rebuild"
_SHORTEST_PREFIX = 6


def open_published(directory: Path) -> Reader:
    """Open the published evidence of a state directory.

    Where another process has it open for writing, which nothing of this kit does, a private copy is read.

    Raises:
        EvidenceUnreadable: it is missing, damaged, of another version, or not for this user.
    """
    path = directory / PUBLISHED
    if not path.is_file():
        raise EvidenceUnreadable(f"there is no {PUBLISHED} in {directory}.", next_step=_REBUILD)
    if not os.access(path, os.R_OK):
        raise EvidenceUnreadable(
            f"this user may not read {path}.", next_step="Join the group of the file, or run it as its owner."
        )
    import duckdb  # noqa: PLC0415 - a tenth of a second that only questions wait for

    try:
        return _checked(Reader(duck.connect(path, read_only=True)))
    except duckdb.Error as error:
        if not duck.is_locked(error):
            raise _unreadable(error) from error
    private = Path(tempfile.mkdtemp(prefix="hygiene-"))
    try:
        shutil.copyfile(path, private / PUBLISHED)
        return _checked(Reader(duck.connect(private / PUBLISHED, read_only=True), private))
    except (duckdb.Error, OSError) as error:
        shutil.rmtree(private)
        raise _unreadable(error) from error


class Reader:
    """An open published database, for one thread at a time; `cancel` may come from another."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, private: Path | None = None) -> None:
        self._connection = connection
        self._private = private

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and remove the private copy, if there is one."""
        self._connection.close()
        if self._private is not None:
            shutil.rmtree(self._private)
            self._private = None

    def cancel(self) -> None:
        """End the question that another thread is waiting for, with a `QueryProblem` there."""
        self._connection.interrupt()

    def query(self, sql: str, params: Sequence[Any] = ()) -> Table:
        """The answer to one SQL statement.

        Raises:
            QueryProblem: DuckDB refused it, it was cancelled, or it gives over `MAX_ROWS` rows.
        """
        import duckdb  # noqa: PLC0415 - loaded already by whoever opened this

        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1:
                raise QueryProblem(f"this is {len(statements)} statements; one is asked at a time.")
            self._connection.execute(statements[0], list(params))
            described = self._connection.description or []
            rows = self._connection.fetchmany(MAX_ROWS + 1)
        except duckdb.InterruptException:
            raise QueryProblem("the question was cancelled.") from None
        except (duckdb.Error, OverflowError, ValueError) as error:
            raise QueryProblem(f"{duck.text_of(error)}") from error
        if len(rows) > MAX_ROWS:
            raise QueryProblem(f"the answer has more than {MAX_ROWS:,} rows.", next_step="Add a LIMIT to it.")
        return Table(tuple(str(column[0]) for column in described), tuple(map(_plain_row, rows)))

    def runs(self, host: str | None = None, limit: int = 20) -> Table:
        """The newest runs of a host, or of all."""
        return self.query(
            "SELECT host, seq, run_id, started_at, status, free_disk_bytes, docker_reclaimable_bytes,"
            " candidate_bytes FROM runs WHERE ? IS NULL OR host = ? ORDER BY started_at DESC, host, seq DESC"
            " LIMIT ?",
            [host, host, limit],
        )

    def applies(self, host: str | None = None, limit: int = 20) -> Table:
        """The newest runs that removed things: of a host, by its name or by an Engine it had, or of all."""
        return self.query(
            """
            SELECT host, seq, run_id, mode, began_at, exit_status, halted, removed, freed_bytes,
              claimed_bytes, estimate_bytes, problems, caller
            FROM applies
            WHERE ? IS NULL OR host = ? OR engine_id IN (SELECT engine_id FROM run WHERE run.host = ?)
            ORDER BY began_at DESC, host, seq DESC LIMIT ?
            """,
            [host, host, host, limit],
        )

    def trend(self, host: str) -> Table:
        """Free disk and reclaimable bytes by class: every run of a fortnight, else the last of each day."""
        return self.query(
            """
            WITH mine AS (
              SELECT seq, started_at, free_disk_bytes FROM run WHERE host = ?
              QUALIFY max(started_at) OVER () - min(started_at) OVER () <= INTERVAL 14 DAY
                OR row_number() OVER (PARTITION BY date_trunc('day', started_at) ORDER BY seq DESC) = 1
            )
            SELECT mine.seq, mine.started_at, mine.free_disk_bytes,
              max(c.reclaimable_bytes) FILTER (c.class = 'images') AS images,
              max(c.reclaimable_bytes) FILTER (c.class = 'containers') AS containers,
              max(c.reclaimable_bytes) FILTER (c.class = 'volumes') AS volumes,
              max(c.reclaimable_bytes) FILTER (c.class = 'build_cache') AS build_cache
            FROM mine LEFT JOIN class_total c ON c.host = ? AND c.seq = mine.seq
            GROUP BY ALL ORDER BY mine.seq
            """,
            [host, host],
        )

    def growth(self, host: str, days: int = 30) -> Table:
        """Bytes and inodes a day of all that takes space, days until full, error of the last forecast.

        The rate is the median of the slopes between all pairs of runs in the window (Theil-Sen), without the
        pairs that have the one great clean-up between them. It is `None`, and `note` says why, for fewer than
        three runs or less than an hour. The newest run is forecast without it, from the run before. Of more
        than 120 runs every second, third and so on counts.
        """
        return self.query("SELECT * FROM growth(?, ?)", [host, days])

    def removed(
        self, host: str, kind: str | None = None, limit: int = 50, since: str | int | None = None
    ) -> Table:
        """What is gone, newest first: between which two runs it went, when and by whom as far as events tell.

        Args:
            host: whose resources.
            kind: only this kind.
            limit: how many.
            since: only what this run still showed: its id, the beginning of it, or its number.

        Raises:
            UnknownRun: no run, or more than one, answers to `since`.
        """
        first = 0 if since is None else self._number(host, since)
        return self.query(
            "SELECT kind, name, size_bytes, verdict, was_candidate, last_seen_at, removed_at, missed_at,"
            " last_seen_seq, missed_seq, back_seq, removed_by, id FROM removed"
            " WHERE host = ? AND (? IS NULL OR kind = ?) AND missed_seq > ?"
            " ORDER BY missed_seq DESC, size_bytes DESC NULLS LAST, kind, id LIMIT ?",
            [host, kind, kind, first, limit],
        )

    def diff(self, host: str, before: str | int, after: str | int) -> Table:
        """What appeared, went, grew, shrank or changed its verdict between two runs.

        Raises:
            UnknownRun: no run, or more than one, answers to `before` or `after`.
        """
        numbers = [host, self._number(host, before), self._number(host, after)]
        return self.query("SELECT * FROM diff(?, ?, ?)", numbers)

    def resource(self, host: str, wanted: str) -> Table:
        """Every change of the resources that answer to a name, an id, or the beginning of an id.

        Raises:
            UnknownResource: none does.
        """
        bare = wanted.removeprefix("sha256:")
        prefix = bare if len(bare) >= _SHORTEST_PREFIX else None
        table = self.query(
            """
            WITH wanted AS (
              SELECT res.host, res.rkey, res.kind, res.id, coalesce(l.name, res.name) AS name
              FROM resource res LEFT JOIN latest l ON l.host = res.host AND l.rkey = res.rkey
              WHERE res.host = ? AND (res.id = ? OR res.name = ? OR list_contains(l.names, ?)
                OR starts_with(replace(res.id, 'sha256:', ''), ?))
            )
            SELECT r.started_at, c.seq, CASE c.op WHEN 0 THEN 'gone' WHEN 1 THEN 'appeared' ELSE 'changed' END
              AS event, w.kind, w.name, c.size_bytes, c.unique_bytes, c.verdict, c.rule, w.id
            FROM wanted w
            JOIN resource_change c ON c.host = w.host AND c.rkey = w.rkey
            JOIN run r ON r.host = c.host AND r.seq = c.seq
            ORDER BY w.kind, w.id, c.seq
            """,
            [host, wanted, wanted, wanted, prefix],
        )
        if not table.rows:
            raise UnknownResource(
                f"no recorded run of {host} has seen a resource called {wanted!r}, nor an id that begins so."
            )
        return table

    def _number(self, host: str, run: str | int) -> int:
        text = str(run)
        found = self.query(
            "SELECT seq FROM run WHERE host = ? AND (run_id = ? OR seq = try_cast(? AS BIGINT)"
            " OR starts_with(run_id, ?)) ORDER BY run_id = ? DESC, seq = try_cast(? AS BIGINT) DESC, seq",
            [host, text, text, text or None, text, text],
        ).rows
        exact = bool(found) and (len(found) == 1 or str(found[0][0]) == text)
        if not exact:
            verb = "no run answers" if not found else f"{len(found)} runs answer"
            raise UnknownRun(f"{verb} to {text!r} on {host}.", next_step="See: hygiene history runs")
        return int(found[0][0])


def _checked(reader: Reader) -> Reader:
    version = None
    with suppress(QueryProblem):
        version = reader.query("SELECT schema_version FROM meta").rows[0][0]
    if version == SCHEMA_VERSION:
        return reader
    reader.close()
    what = "has no version" if version is None else f"has version {version}"
    raise EvidenceUnreadable(
        f"{PUBLISHED} {what}; this kit reads version {SCHEMA_VERSION}.", next_step=_REBUILD
    )


def _unreadable(error: Exception) -> EvidenceUnreadable:
    return EvidenceUnreadable(f"{PUBLISHED} cannot be opened: {duck.text_of(error)}.", next_step=_REBUILD)


def _plain_row(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row with the standard library's UTC, whichever zone class DuckDB used."""
    return tuple(
        cell.astimezone(UTC) if isinstance(cell, datetime) and cell.tzinfo is not None else cell
        for cell in row
    )
