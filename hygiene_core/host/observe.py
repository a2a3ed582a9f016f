"""One read-only pass over a host: probes side by side, each with its own connection, deadline and section.

Nothing here raises because of what the host does: every probe ends as a `Section`. All deadlines count from
the start of the pass, so the pass ends within the longest of them, plus a moment, whatever hangs.

Whether the Engine was restarted between two reads (which would join two inventories into one that never was)
is told by a connection that is held open from the first request to the end: the kernel closes it when the
process that accepted it dies. Nothing in the API tells one run of the Engine from the next.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hygiene_core.clock import utc_now
from hygiene_core.errors import EngineTimeout, HygieneError
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.probes import filesystems, identity, runners
from hygiene_core.host.probes.build_cache import read_build_cache
from hygiene_core.host.probes.builders import embedded_builder, find_builders
from hygiene_core.host.probes.containers import read_containers
from hygiene_core.host.probes.engine import EngineReading, read_engine
from hygiene_core.host.probes.images import read_images
from hygiene_core.host.probes.probe import DiskUsage, Probe, Reading
from hygiene_core.host.probes.volumes import read_volumes
from hygiene_core.model.event import Emit, ProbeFinished, ProbeStarted, silent
from hygiene_core.model.observation import (
    TIMEOUT_RETURN_CODE,
    Availability,
    HostIdentity,
    Observation,
    Section,
    SectionName,
)
from hygiene_core.model.request import ObserveRequest
from hygiene_core.model.resource import Builder

__all__ = ["observe"]

_GRACE = timedelta(seconds=0.5)
"""How long after its deadline a probe may still hand in its section before it is given up."""

_CLASSES = (SectionName.IMAGES, SectionName.CONTAINERS, SectionName.VOLUMES, SectionName.BUILD_CACHE)
_RESTARTED = "the connection held open to the Engine was closed: it may have been restarted while it was read"


def observe(request: ObserveRequest, *, emit: Emit = silent) -> Observation:
    """Look at the host once, without changing anything.

    Each section is told to `emit` once when it starts and once when it ends, on the calling thread. A restart
    of the Engine is noticed after that: the observation's sections have the last word.
    """
    return _Pass(request, emit).run()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a probe's thread hands in."""

    section: Section
    value: Any = None
    error: HygieneError | None = None


@dataclass(slots=True)
class _Running:
    started_at: datetime
    give_up: Deadline
    client: EngineClient | None


@dataclass(slots=True)
class _Pass:
    request: ObserveRequest
    emit: Emit
    outcomes: dict[SectionName, _Outcome] = field(default_factory=dict)
    _running: dict[SectionName, _Running] = field(default_factory=dict)
    _inbox: queue.SimpleQueue[_Outcome] = field(default_factory=queue.SimpleQueue)
    _deadlines: dict[SectionName, Deadline] = field(default_factory=dict)
    _held_open: EngineClient | None = None
    _usage: DiskUsage | None = None

    def run(self) -> Observation:
        started_at = utc_now()
        limits = self.request.deadlines
        for name, limit in (
            (SectionName.HOST, limits.engine),
            (SectionName.ENGINE, limits.engine),
            (SectionName.FILESYSTEMS, limits.engine),
            (SectionName.IMAGES, limits.images),
            (SectionName.CONTAINERS, limits.containers),
            (SectionName.VOLUMES, limits.volumes),
            (SectionName.BUILD_CACHE, limits.build_cache),
            (SectionName.RUNNERS, limits.runners),
        ):
            self._deadlines[name] = Deadline.after(limit)
        try:
            self._start_host()
            self._start_engine()
            if self.request.runner_roots:
                self._start_runners()
            while self._running:
                self._settle(self._next())
            self._find_builders()
            self._check_restart()
        finally:
            self._close()
        return self._observation(started_at)

    # -- starting ------------------------------------------------------------------------------------------

    def _start_host(self) -> None:
        def work() -> _Outcome:
            began = utc_now()
            value, problems = identity.read_identity()
            return _Outcome(
                _local_section(SectionName.HOST, identity.SOURCE, began, problems, any_seen=True), value
            )

        self._start(SectionName.HOST, work)

    def _start_runners(self) -> None:
        roots, deadline = self.request.runner_roots, self._deadlines[SectionName.RUNNERS]

        def work() -> _Outcome:
            began = utc_now()
            seen = runners.read_runners(roots, deadline)
            section = _local_section(
                SectionName.RUNNERS, runners.SOURCE, began, seen.problems, any_seen=bool(seen.runners)
            )
            return _Outcome(replace(section, rows_missing=not seen.whole), seen)

        self._start(SectionName.RUNNERS, work)

    def _start_engine(self) -> None:
        path, deadline = self.request.docker_socket, self._deadlines[SectionName.ENGINE]
        held = self._held_open = EngineClient(path, deadline)
        client = EngineClient(path, deadline)
        self._start_probe(SectionName.ENGINE, client, lambda probe: Reading(value=read_engine(probe, held)))

    def _start_filesystems(self, engine: EngineReading | None) -> None:
        request = self.request

        def work() -> _Outcome:
            began = utc_now()
            if engine is None:
                proof = filesystems.DataRoot(None, "the Engine could not be asked")
            else:
                proof = filesystems.prove_data_root(
                    engine.identity.id, engine.identity.data_root, request.data_root
                )
            rows, problems = filesystems.read_filesystems(request, proof)
            section = _local_section(
                SectionName.FILESYSTEMS, filesystems.SOURCE, began, problems, any_seen=bool(rows)
            )
            return _Outcome(section, (rows, proof))

        self._start(SectionName.FILESYSTEMS, work)

    def _start_classes(self, engine: EngineReading) -> None:
        path, api, known = self.request.docker_socket, engine.version.api_used, self.request.known_layers
        longest = max((self._deadlines[name] for name in _CLASSES), key=lambda deadline: deadline.expires)
        usage = self._usage = DiskUsage(path, engine.version, longest)
        works: dict[SectionName, Callable[[Probe], Reading[Any]]] = {
            SectionName.IMAGES: lambda probe: read_images(probe, usage, known),
            SectionName.CONTAINERS: lambda probe: read_containers(probe, usage),
            SectionName.VOLUMES: lambda probe: read_volumes(probe, usage, engine.version),
            SectionName.BUILD_CACHE: lambda probe: read_build_cache(probe, usage),
        }
        for name, work in works.items():
            self._start_probe(name, EngineClient(path, self._deadlines[name], api), work)

    def _start_probe(
        self, name: SectionName, client: EngineClient, work: Callable[[Probe], Reading[Any]]
    ) -> None:
        self._start(name, lambda: _run_probe(name, client, work), client)

    def _start(
        self, name: SectionName, work: Callable[[], _Outcome], client: EngineClient | None = None
    ) -> None:
        deadline = self._deadlines[name]
        give_up = Deadline(deadline.expires + _GRACE.total_seconds(), deadline.limit)
        self._running[name] = _Running(utc_now(), give_up, client)
        self.emit(ProbeStarted(name))
        began = utc_now()

        def run() -> None:
            try:
                self._inbox.put(work())
            except Exception as error:  # noqa: BLE001 - a defect here must cost one section, not the pass
                self._inbox.put(_defect(name, began, error))

        # A daemon: a thread stuck in the kernel (a dead network filesystem) must not hold the process.
        with _signals_held():
            threading.Thread(target=run, name=f"probe-{name}", daemon=True).start()

    # -- settling ------------------------------------------------------------------------------------------

    def _next(self) -> _Outcome:
        """The next section that is handed in, or that is given up because its time is over."""
        while True:
            name, first = min(self._running.items(), key=lambda item: item[1].give_up.expires)
            try:
                outcome = self._inbox.get(timeout=first.give_up.remaining_seconds())
            except queue.Empty:
                return _given_up(name, first)
            if outcome.section.name in self._running:  # else it was given up and came late
                return outcome

    def _settle(self, outcome: _Outcome) -> None:
        name = outcome.section.name
        del self._running[name]
        self._record(outcome)
        if name is SectionName.ENGINE:
            engine: EngineReading | None = outcome.value
            if engine is None:
                self._without_engine(outcome)
            else:
                self._start_classes(engine)
            self._start_filesystems(engine)

    def _record(self, outcome: _Outcome) -> None:
        self.outcomes[outcome.section.name] = outcome
        self.emit(ProbeFinished(outcome.section))

    def _without_engine(self, engine: _Outcome) -> None:
        for name in _CLASSES:
            self.emit(ProbeStarted(name))
            self._record(
                _Outcome(replace(engine.section, name=name, captured_bytes=None), error=engine.error)
            )

    def _find_builders(self) -> None:
        began = utc_now()
        self.emit(ProbeStarted(SectionName.BUILDERS))
        parts = {name: self.outcomes[name] for name in (SectionName.CONTAINERS, SectionName.VOLUMES)}
        lost = next((part for part in parts.values() if part.value is None), None)
        if lost is not None:
            self._record(_Outcome(replace(lost.section, name=SectionName.BUILDERS, captured_bytes=None)))
            return
        containers, volumes = (part.value for part in parts.values())
        rows: tuple[Builder, ...] = find_builders(
            containers.value, volumes.value, containers_are_whole=containers.whole
        )
        reasons = [f"{name}: {part.section.reason}" for name, part in parts.items() if not part.value.whole]
        whole = not reasons
        if any(row.volume and row.size_bytes is None for row in rows):
            reasons.append(
                f"sizes of state volumes are not known ({parts[SectionName.VOLUMES].section.reason})"
            )
        if self.outcomes[SectionName.ENGINE].value.has_builder:
            cache = self.outcomes[SectionName.BUILD_CACHE].value
            rows = (embedded_builder(cache.value if cache is not None and cache.whole else None), *rows)
        section = Section(
            name=SectionName.BUILDERS,
            availability=Availability.PARTIAL if reasons else Availability.COMPLETE,
            reason="; ".join(reasons) or None,
            source="containers and volumes by the names that buildx gives",
            started_at=began,
            ended_at=utc_now(),
            return_code=1 if reasons else 0,
            rows_missing=not whole,
        )
        self._record(_Outcome(section, Reading(value=rows, whole=whole)))

    def _check_restart(self) -> None:
        """Make every section of the Engine partial if the Engine was restarted while they were read."""
        engine = self.outcomes[SectionName.ENGINE]
        if engine.value is None or (self._held_open is not None and self._held_open.still_connected()):
            return
        for name in (SectionName.ENGINE, *_CLASSES, SectionName.BUILDERS):
            outcome = self.outcomes[name]
            if outcome.section.availability is Availability.UNAVAILABLE:
                continue
            said = f"{outcome.section.reason}; {_RESTARTED}" if outcome.section.reason else _RESTARTED
            section = replace(outcome.section, availability=Availability.PARTIAL, reason=said, return_code=1)
            self.outcomes[name] = replace(outcome, section=section)

    def _close(self) -> None:
        """Shut every socket that is still open: what was given up ends, at the Engine too."""
        for running in self._running.values():
            if running.client is not None:
                running.client.close()
        if self._usage is not None:
            self._usage.close()
        if self._held_open is not None:
            self._held_open.close()

    def _observation(self, started_at: datetime) -> Observation:
        engine = self.outcomes[SectionName.ENGINE]
        measured = self.outcomes[SectionName.FILESYSTEMS].value
        host = self.outcomes[SectionName.HOST].value or HostIdentity()
        identified = engine.value.identity if engine.value else None
        if identified is not None and measured is not None:
            proof = measured[1]
            identified = replace(identified, proven_data_root=proof.path, data_root_reason=proof.reason)
        readings = {
            name: outcome.value for name, outcome in self.outcomes.items() if outcome.value is not None
        }
        figures = {
            str(name): readings[name].figure
            for name in _CLASSES
            if name in readings and readings[name].figure
        }

        def rows(name: SectionName) -> Any:
            return readings[name].value if name in readings else ()

        runner = readings.get(SectionName.RUNNERS, runners.RunnersReading())
        return Observation(
            started_at=started_at,
            ended_at=utc_now(),
            host=host,
            engine=identified,
            filesystems=measured[0] if measured else (),
            images=rows(SectionName.IMAGES),
            containers=rows(SectionName.CONTAINERS),
            volumes=rows(SectionName.VOLUMES),
            build_cache=rows(SectionName.BUILD_CACHE),
            builders=rows(SectionName.BUILDERS),
            runners=runner.runners,
            runner_workdirs=runner.workdirs,
            engine_figures=figures,
            sections={name: self.outcomes[name].section for name in SectionName if name in self.outcomes},
            engine_error=engine.error.code if engine.error else None,
            engine_next_step=engine.error.next_step if engine.error else None,
        )


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let no signal handler raise inside `Thread.start`, which would tear the books of `threading`.

    The new thread keeps the signals blocked, so that they always reach the thread that waits.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_probe(name: SectionName, client: EngineClient, work: Callable[[Probe], Reading[Any]]) -> _Outcome:
    began = utc_now()
    probe = Probe(client)
    error: HygieneError | None = None
    reading: Reading[Any] | None = None
    try:
        reading = work(probe)
    except HygieneError as problem:
        error = problem
    finally:
        client.close()
    if error is not None:
        availability = Availability.UNAVAILABLE
        reason: str | None = error.message
        code = TIMEOUT_RETURN_CODE if isinstance(error, EngineTimeout) else 1
    else:
        availability = Availability.PARTIAL if probe.problems else Availability.COMPLETE
        reason, code = "; ".join(probe.problems) or None, probe.return_code
    section = Section(
        name=name,
        availability=availability,
        reason=reason,
        source="; ".join(probe.sources),
        started_at=began,
        ended_at=utc_now(),
        return_code=code,
        captured_bytes=client.received_bytes if code else None,
        rows_missing=reading is not None and not reading.whole,
    )
    value = reading if name is not SectionName.ENGINE or reading is None else reading.value
    return _Outcome(section, value, error)


def _local_section(
    name: SectionName, source: str, began: datetime, problems: tuple[str, ...], *, any_seen: bool
) -> Section:
    seen = Availability.PARTIAL if any_seen else Availability.UNAVAILABLE
    return Section(
        name=name,
        availability=seen if problems else Availability.COMPLETE,
        reason="; ".join(problems) or None,
        source=source,
        started_at=began,
        ended_at=utc_now(),
        return_code=1 if problems else 0,
    )


def _given_up(name: SectionName, running: _Running) -> _Outcome:
    captured = running.client.received_bytes if running.client else None
    if running.client is not None:
        running.client.close()
    error = EngineTimeout(f"The probe did not end within {running.give_up}.", captured_bytes=captured or 0)
    section = Section(
        name=name,
        availability=Availability.UNAVAILABLE,
        reason=error.message,
        started_at=running.started_at,
        ended_at=utc_now(),
        return_code=TIMEOUT_RETURN_CODE,
        captured_bytes=captured,
    )
    return _Outcome(section, error=error)


def _defect(name: SectionName, started_at: datetime, error: Exception) -> _Outcome:
    section = Section(
        name=name,
        availability=Availability.UNAVAILABLE,
        reason=f"a defect of this kit: {type(error).__name__}: {error}",
        started_at=started_at,
        ended_at=utc_now(),
        return_code=1,
    )
    return _Outcome(section)
