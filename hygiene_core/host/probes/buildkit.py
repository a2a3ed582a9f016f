"""What the BuildKit in a builder's container says of itself: by its own client, run in that container.

Only running containers are asked: that one is stopped is its state, and no failure to read it. Each builder
is read on a thread and a connection of its own, so that one that hangs costs the others nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from hygiene_core.errors import HygieneError
from hygiene_core.host.buildkit_wire import parse_du, parse_histories, parse_workers
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.exec import Session, run_in, running
from hygiene_core.host.probes.builders import find_builders
from hygiene_core.model.resource import IDLE_STATES, BuildCacheRecord, Builder, Container, GcRule

__all__ = ["GC_SOURCE", "SOURCE", "BuilderFacts", "BuildersReading", "read_builders"]

SOURCE = "`buildctl du`, `debug workers` and `debug histories` in the container of each builder; its execs"

GC_SOURCE = "`buildctl debug workers`"
"""Where a running builder tells its garbage collection."""

_BUILDCTL = "buildctl"
_ATTACHED = "dial-stdio"
"""Every client of a builder is one exec of `buildctl dial-stdio`."""

_FORMAT = ("--format", "{{json .}}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderFacts:
    """What one builder told. `problems` are sentences; `records` is whole only if `records_read`.

    `builds` are the references of the builds that ended, `None` where they were not read.
    """

    version: str | None = None
    gc_policy: tuple[GcRule, ...] | None = None
    running_builds: int | None = None
    last_build_at: datetime | None = None
    builds: frozenset[str] | None = None
    sessions: int | None = None
    records: tuple[BuildCacheRecord, ...] = ()
    records_read: bool = False
    problems: tuple[str, ...] = ()

    def added_to(self, builder: Builder) -> Builder:
        """The builder with what it told."""
        return replace(
            builder,
            version=self.version,
            gc_policy=self.gc_policy,
            gc_source=None if self.gc_policy is None else GC_SOURCE,
            running_builds=self.running_builds,
            last_build_at=self.last_build_at,
            sessions=self.sessions,
            records_read=self.records_read,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildersReading:
    """What the builders told, by the id of their container."""

    facts: dict[str, BuilderFacts] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, builder by builder."""
        return tuple(problem for facts in self.facts.values() for problem in facts.problems)

    @property
    def records(self) -> tuple[BuildCacheRecord, ...]:
        """The records of all builders."""
        return tuple(record for facts in self.facts.values() for record in facts.records)


def read_builders(
    containers: Iterable[Container], connect: Callable[[], EngineClient], deadline: Deadline
) -> BuildersReading:
    """Ask every builder among the containers, all at once.

    A builder that has not answered by the deadline has a problem and nothing else. Never raises for what a
    builder does.
    """
    builders = [
        (builder, builder.container_id)
        for builder in find_builders(containers, (), containers_are_whole=False)
        if builder.container_id is not None
    ]
    late = BuilderFacts(problems=(f"did not answer within {deadline}",))
    facts = {container_id: late for _, container_id in builders}
    clients = {container_id: connect() for _, container_id in builders}

    def ask(builder: Builder, container_id: str) -> None:
        with clients[container_id] as client:
            facts[container_id] = _read(client, builder, container_id)

    threads = [
        threading.Thread(target=ask, args=pair, name=f"builder-{pair[0].id}", daemon=True)
        for pair in builders
        if pair[0].container_state == "running"
    ]
    for builder, container_id in builders:
        if builder.container_state in IDLE_STATES:
            facts[container_id] = BuilderFacts()
        elif builder.container_state != "running":
            facts[container_id] = BuilderFacts(
                problems=(f"is {builder.container_state} and cannot be asked",)
            )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline.remaining_seconds())
    return BuildersReading(
        facts={
            container_id: replace(
                facts[container_id],
                problems=tuple(f"{builder.id} {problem}" for problem in facts[container_id].problems),
            )
            for builder, container_id in builders
        }
    )


def _read(client: EngineClient, builder: Builder, container_id: str) -> BuilderFacts:
    failed: dict[str, list[str]] = {}

    def part(what: str, read: Callable[[], T]) -> T | None:
        """One question; no more are asked once the time is over."""
        if client.deadline.expired:
            return None
        try:
            return read()
        except HygieneError as error:
            failed.setdefault(error.message, []).append(what)
            return None

    def buildctl(*arguments: str) -> bytes:
        return run_in(client, container_id, (_BUILDCTL, *arguments, *_FORMAT))

    sessions = part("sessions", lambda: running(client, container_id))
    if sessions is None:
        return BuilderFacts(problems=_told(failed))
    if any(map(_is_look, sessions)):
        said = "still runs the `buildctl` of an earlier look: it was not asked again"
        return BuilderFacts(sessions=_attached(sessions), problems=(said,))
    worker = part("version", lambda: parse_workers(buildctl("debug", "workers")))
    parsed = part("records", lambda: parse_du(buildctl("du"), builder.id))
    history = part("builds", lambda: parse_histories(buildctl("debug", "histories")))
    problems = _told(failed)
    if parsed is not None and parsed.problem is not None:
        problems += (f"told records that cannot be read: {parsed.problem}",)
    return BuilderFacts(
        version=worker.version if worker else None,
        gc_policy=worker.gc_policy if worker else None,
        running_builds=history.running if history else None,
        last_build_at=history.last_build_at if history else None,
        builds=history.ended if history else None,
        sessions=_attached(sessions),
        records=parsed.rows if parsed else (),
        records_read=parsed is not None and parsed.problem is None,
        problems=problems,
    )


def _told(failed: dict[str, list[str]]) -> tuple[str, ...]:
    """What could not be had, each reason once."""
    return tuple(f"did not tell its {', '.join(whats)}: {why}" for why, whats in failed.items())


def _is_look(session: Session) -> bool:
    return session.program == _BUILDCTL and session.first_argument in {"du", "debug"}


def _attached(sessions: tuple[Session, ...]) -> int:
    """How many clients are attached."""
    return sum(session.first_argument == _ATTACHED for session in sessions)
