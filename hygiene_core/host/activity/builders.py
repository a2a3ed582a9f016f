"""What the builders tell: their books, their clients, the cache records that they are making.

Each running container builder is asked on a thread and a connection of its own, so that one that hangs costs
the others nothing. What runs in its container is what a report runs there too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hygiene_core.errors import EngineProtocol, HygieneError
from hygiene_core.host.activity.source import Found, Work
from hygiene_core.host.buildkit_wire import parse_du, parse_histories
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.df_wire import parse_build_cache
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.exec import Session, run_in, running
from hygiene_core.host.probes.builders import find_builders
from hygiene_core.host.wire import parse_containers
from hygiene_core.model.activity import Activity
from hygiene_core.model.resource import IDLE_STATES, Builder

__all__ = ["BuilderTold", "BuildersReading", "read_builders", "read_embedded"]

Connect = Callable[[], EngineClient]

_BUILDCTL = "buildctl"
_ATTACHED = "dial-stdio"
_FORMAT = ("--format", "{{json .}}")
_HISTORIES = (_BUILDCTL, "debug", "histories", *_FORMAT)
_DU = (_BUILDCTL, "du", "--filter", "inuse,mutable", *_FORMAT)
"""Only records that are being written to: BuildKit 0.32 keeps those of a cancelled `RUN` in use for ever."""

_VERSION = (_BUILDCTL, "--version")
_LOOKS = frozenset({"du", "debug", "--version"})
_NAMED_VERSION = re.compile(rb" v?([0-9]+)\.([0-9]+)[.\s-]")
_HISTORIES_SINCE = (0, 12)
_FORMAT_SINCE = (0, 11)
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderTold:
    """What one builder told. `None`: its version has no such command."""

    id: str
    session: Found
    history: Found | None
    records: Found | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildersReading:
    """What the container builders told. `problem`: why one may be missing from the list."""

    told: tuple[BuilderTold, ...] = ()
    problem: str | None = None


def read_builders(connect: Connect, now: datetime, deadline: Deadline) -> BuildersReading:
    """Find the container builders and ask each that runs, all at once. Never raises for what a host does."""
    try:
        with connect() as client:
            listed = parse_containers(client.get_json("/containers/json", {"all": "1"}))
    except HygieneError as error:
        return BuildersReading(problem=error.message)
    asked: list[tuple[BuilderTold, Work[BuilderTold] | None]] = []
    for builder in find_builders(listed.rows, (), containers_are_whole=False):
        if builder.container_id is None or builder.container_state in IDLE_STATES:
            continue
        if builder.container_state != "running":
            asked.append((_all(builder, f"is {builder.container_state} and cannot be asked"), None))
            continue
        late = _all(builder, f"did not answer within {deadline}")
        asked.append((late, Work(f"builder-{builder.id}", _Asking(connect, builder, now).told)))
    told = tuple((work.result(deadline) if work else None) or otherwise for otherwise, work in asked)
    return BuildersReading(told=told, problem=listed.problem)


def read_embedded(connect: Connect) -> Found:
    """Whether the embedded builder makes records now. Never raises for what a host does.

    A record that is in use and that no build has ended with: BuildKit writes the last use and the count when
    a record is let go. In use alone is no sign, and neither is a record without last use that is not in use:
    those stay behind when an Engine ends in the middle of a build.
    """
    try:
        with connect() as client:
            parsed, _ = parse_build_cache(_build_cache(client))
    except HygieneError as error:
        return Found(Activity.UNKNOWN, error.message)
    new = [row for row in parsed.rows if row.in_use and row.last_used_at is None and not row.usage_count]
    if new:
        return Found(Activity.ACTIVE, f"the embedded builder is making {_counted(len(new), 'record')}")
    if parsed.problem is not None:
        return Found(Activity.UNKNOWN, parsed.problem)
    return Found(Activity.IDLE)


def _build_cache(client: EngineClient) -> Any:
    asked = {"type": "build-cache"}  # API 1.41 ignores it, and walks everything
    try:
        return client.get_json("/system/df", asked)
    except EngineProtocol as error:
        if error.http_status != _NOT_FOUND:
            raise
        # With the containerd store a snapshot may end while it is counted, right after a build.
        return client.get_json("/system/df", asked)


def _all(builder: Builder, why: str) -> BuilderTold:
    found = Found(Activity.UNKNOWN, f"{builder.id} {why}")
    return BuilderTold(id=builder.id, session=found, history=found, records=found)


class _Asking:
    """One builder, asked over one connection until the deadline of that."""

    def __init__(self, connect: Connect, builder: Builder, now: datetime) -> None:
        self._client = connect()
        self._builder = builder
        self._container = builder.container_id or ""
        self._now = now
        self._version: tuple[int, int] | None = None

    def told(self) -> BuilderTold:
        """Everything that it tells."""
        with self._client as client:
            try:
                sessions = running(client, self._container)
            except HygieneError as error:
                return _all(self._builder, f"did not tell its clients: {error.message}")
            session = self._attached(sessions)
            if any(map(_is_look, sessions)):
                why = "still runs the `buildctl` of an earlier look: it was not asked again"
                return replace(_all(self._builder, why), session=session)
            return BuilderTold(
                id=self._builder.id,
                session=session,
                history=self._asked("builds", self._history, _HISTORIES_SINCE),
                records=self._asked("records", self._records, _FORMAT_SINCE),
            )

    def _attached(self, sessions: tuple[Session, ...]) -> Found:
        count = sum(session.first_argument == _ATTACHED for session in sessions)
        if not count:
            return Found(Activity.IDLE)
        return Found(Activity.ACTIVE, f"{self._builder.id} has {_counted(count, 'client')} attached")

    def _asked(self, what: str, ask: Callable[[], Found], since: tuple[int, int]) -> Found | None:
        """What it tells; `None` where it fails because its version cannot tell."""
        try:
            return ask()
        except HygieneError as error:
            if isinstance(error, EngineProtocol) and self._is_older_than(since):
                return None
            return Found(Activity.UNKNOWN, f"{self._builder.id} did not tell its {what}: {error.message}")

    def _history(self) -> Found:
        history = parse_histories(run_in(self._client, self._container, _HISTORIES))
        if not history.running:
            return Found(Activity.IDLE)
        said = f"{self._builder.id} has {_counted(history.running, 'build')} that did not end"
        if history.oldest_started_at is not None:
            seconds = max(0, round((self._now - history.oldest_started_at).total_seconds()))
            said += f", the oldest since {seconds} s"
        return Found(Activity.ACTIVE, said)

    def _records(self) -> Found:
        parsed = parse_du(run_in(self._client, self._container, _DU), self._builder.id)
        if parsed.rows:
            said = f"{self._builder.id} is writing {_counted(len(parsed.rows), 'record')}"
            return Found(Activity.ACTIVE, said)
        if parsed.problem is not None:
            raise EngineProtocol(parsed.problem)
        return Found(Activity.IDLE)

    def _is_older_than(self, since: tuple[int, int]) -> bool:
        """By its own word; a version that cannot be had is not old."""
        if self._version is None:
            try:
                named = _NAMED_VERSION.search(run_in(self._client, self._container, _VERSION))
            except HygieneError:
                return False
            if named is None:
                return False
            self._version = int(named[1]), int(named[2])
        # A development version is named v0.0.0, whatever it is made of.
        return (0, 0) < self._version < since


def _is_look(session: Session) -> bool:
    return session.program == _BUILDCTL and session.first_argument in _LOOKS


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
