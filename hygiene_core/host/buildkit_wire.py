"""The JSON that `buildctl` prints, validated row by row into the model: BuildKit 0.12 to 0.32.

Two shapes differ: a time is RFC 3339 up to 0.16 and `{"seconds", "nanos"}` later, and a GC rule has
`keepBytes` up to 0.16 and three bounds later. A build record carries the build's arguments: they are dropped
while it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter
from pydantic_core import from_json

from hygiene_core.errors import EngineProtocol
from hygiene_core.host.mask import mask_text
from hygiene_core.host.rows import Bytes, Moment, Name, Row, moment
from hygiene_core.host.wire import Parsed, read_rows
from hygiene_core.model.resource import BuildCacheRecord, GcRule

__all__ = ["History", "Worker", "parse_du", "parse_histories", "parse_workers"]


def _stamp(value: Any) -> Any:
    """A time in either shape."""
    if isinstance(value, dict):
        seconds, nanos = value.get("seconds", 0), value.get("nanos", 0)
        if not isinstance(seconds, int) or not isinstance(nanos, int):
            return value  # the validation says what is wrong
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=nanos // 1000)
    return moment(value)


Stamp = Annotated[datetime | None, BeforeValidator(_stamp)]


class _UsageRow(Row):
    """One record of `buildctl du`."""

    id: Name
    size: Bytes | None = None
    in_use: bool = Field(default=False, alias="inUse")
    shared: bool = False
    created_at: Moment = Field(None, alias="createdAt")
    last_used_at: Moment = Field(None, alias="lastUsedAt")
    usage_count: int | None = Field(None, alias="usageCount")
    parents: list[str] | None = None
    description: str = ""
    type: str = Field("", alias="recordType")


class _GcRow(Row):
    filters: list[str] | None = Field(None, alias="filter")
    everything: bool = Field(default=False, alias="all")
    keep_nanoseconds: int | None = Field(None, alias="keepDuration")
    keep: Bytes | None = Field(None, alias="keepBytes")
    reserved: Bytes | None = Field(None, alias="reservedSpace")
    most: Bytes | None = Field(None, alias="maxUsedSpace")
    free: Bytes | None = Field(None, alias="minFreeSpace")


class _VersionRow(Row):
    version: str = ""


class _WorkerRow(Row):
    """One worker of `buildctl debug workers`."""

    id: Name
    gc: list[_GcRow] | None = Field(None, alias="gcPolicy")
    version: _VersionRow | None = Field(None, alias="buildkitVersion")


class _BuildRow(Row):
    ref: str = Field("", alias="Ref")
    created_at: Stamp = Field(None, alias="CreatedAt")
    completed_at: Stamp = Field(None, alias="CompletedAt")


class _EventRow(Row):
    """One event of `buildctl debug histories`; the kind STARTED is zero, which is left out."""

    kind: int = Field(0, alias="type")
    record: _BuildRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What BuildKit says of itself. `gc_policy` is empty where it collects no garbage."""

    version: str | None
    gc_policy: tuple[GcRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The builds that have not ended, by BuildKit's own books, and when the newest of the others ended.

    `ended` are the references of those that did.
    """

    running: int
    last_build_at: datetime | None
    ended: frozenset[str] = frozenset()
    oldest_started_at: datetime | None = None


_RECORDS = TypeAdapter(list[_UsageRow])
_WORKERS = TypeAdapter(list[_WorkerRow])
_EVENTS = TypeAdapter(list[_EventRow])
_STARTED = 0


def parse_du(output: bytes, builder: str) -> Parsed[BuildCacheRecord]:
    """The records of `buildctl du`: one array, or `null` when there is none. Raises EngineProtocol."""

    def record(row: _UsageRow) -> BuildCacheRecord:
        return BuildCacheRecord(
            id=f"{builder}/{row.id}",
            builder=builder,
            type=row.type,
            description=mask_text(row.description),
            size_bytes=row.size,
            shared=row.shared,
            in_use=row.in_use,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            usage_count=row.usage_count,
            parents=tuple(f"{builder}/{parent}" for parent in row.parents or ()),
        )

    value = _one_value("du", output)
    return read_rows("cache records", _RECORDS, _UsageRow, [] if value is None else value, record)


def parse_workers(output: bytes) -> Worker:
    """The first worker of `buildctl debug workers`: a builder has one. Raises EngineProtocol."""
    value = _one_value("debug workers", output)
    parsed = read_rows("workers", _WORKERS, _WorkerRow, value, lambda row: row)
    if not parsed.rows:
        raise EngineProtocol(f"BuildKit names no worker that can be read ({parsed.problem or 'none'}).")
    first = parsed.rows[0]
    return Worker(
        version=mask_text(first.version.version) or None if first.version else None,
        gc_policy=tuple(map(_gc_rule, first.gc or ())),
    )


def parse_histories(output: bytes) -> History:
    """The events of `buildctl debug histories`, one JSON object a line. Raises EngineProtocol."""
    parsed = read_rows("build records", _EVENTS, _EventRow, list(_values(output)), lambda row: row)
    if parsed.problem is not None:
        raise EngineProtocol(f"{parsed.problem}.")
    open_builds: dict[str, datetime | None] = {}
    ended: dict[str, datetime] = {}
    for event in parsed.rows:
        if event.record is None:
            continue
        if event.record.completed_at is not None:
            ended[event.record.ref] = event.record.completed_at
        elif event.kind == _STARTED:
            open_builds[event.record.ref] = event.record.created_at
    return History(
        running=len(open_builds),
        last_build_at=max(ended.values(), default=None),
        ended=frozenset(ended),
        oldest_started_at=min((at for at in open_builds.values() if at is not None), default=None),
    )


def _gc_rule(row: _GcRow) -> GcRule:
    nanoseconds = row.keep_nanoseconds
    return GcRule(
        everything=row.everything,
        filters=tuple(map(mask_text, row.filters or ())),
        keep_for=timedelta(microseconds=nanoseconds // 1000) if nanoseconds else None,
        # Zero is "no bound" in each of them. Up to 0.16 the one figure was a floor and a ceiling.
        reserved_bytes=row.reserved or None,
        max_used_bytes=row.most or row.keep or None,
        min_free_bytes=row.free or None,
    )


def _one_value(command: str, output: bytes) -> Any:
    try:
        return from_json(output, allow_inf_nan=False)
    except ValueError as error:
        raise EngineProtocol(
            f"The answer of `buildctl {command}` is not one JSON value ({len(output)} bytes)."
        ) from error


def _values(output: bytes) -> Iterator[Any]:
    for number, line in enumerate(output.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield from_json(line, allow_inf_nan=False)
        except ValueError as error:
            raise EngineProtocol(f"Line {number} of `buildctl debug histories` is not JSON.") from error
