"""Sections side by side, each in a thread of its own and until its own deadline.

Nothing here raises because of what a host does: a section that fails, hangs or has a defect ends as a
`Section` that says so.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hygiene_core.clock import utc_now
from hygiene_core.errors import EngineTimeout, HygieneError
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.probes.probe import Probe, Reading
from hygiene_core.model.event import Emit, ProbeFinished, ProbeStarted
from hygiene_core.model.observation import TIMEOUT_RETURN_CODE, Availability, Section, SectionName

__all__ = ["LocalReading", "Outcome", "Sections", "run_probe"]

_GRACE = timedelta(seconds=0.5)
"""How long after its deadline a probe may still hand in its section before it is given up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a probe's thread hands in."""

    section: Section
    value: Any = None
    error: HygieneError | None = None


@dataclass(frozen=True, slots=True)
class LocalReading:
    """What a probe that reads files made. `whole` is false where rows may be missing from its list."""

    value: Any
    problems: tuple[str, ...]
    any_seen: bool = True
    whole: bool = True


@dataclass(slots=True)
class _Running:
    started_at: datetime
    give_up: Deadline
    client: EngineClient | None


@dataclass(slots=True)
class Sections:
    """The sections of one pass: those that run and those that ended, told to `emit` on the calling thread."""

    emit: Emit
    outcomes: dict[SectionName, Outcome] = field(default_factory=dict)
    _running: dict[SectionName, _Running] = field(default_factory=dict)
    _inbox: queue.SimpleQueue[Outcome] = field(default_factory=queue.SimpleQueue)

    def start(
        self,
        name: SectionName,
        deadline: Deadline,
        work: Callable[[], Outcome],
        client: EngineClient | None = None,
    ) -> None:
        """Begin a section. `client` is what is closed when it is given up."""
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

    def start_local(
        self, name: SectionName, deadline: Deadline, source: str, read: Callable[[], LocalReading]
    ) -> None:
        """Begin a section that reads files: partial with problems, unavailable if it then saw nothing."""

        def work() -> Outcome:
            began = utc_now()
            made = read()
            flawed = Availability.PARTIAL if made.any_seen else Availability.UNAVAILABLE
            section = Section(
                name=name,
                availability=flawed if made.problems else Availability.COMPLETE,
                reason="; ".join(made.problems) or None,
                source=source,
                started_at=began,
                ended_at=utc_now(),
                return_code=1 if made.problems else 0,
                rows_missing=not made.whole,
            )
            return Outcome(section, made.value)

        self.start(name, deadline, work)

    def settle(self) -> Iterator[Outcome]:
        """Each section as it ends, until none runs. More may be started meanwhile."""
        while self._running:
            outcome = self._next()
            del self._running[outcome.section.name]
            self.record(outcome)
            yield outcome

    def record(self, outcome: Outcome) -> None:
        """A section that ended."""
        self.outcomes[outcome.section.name] = outcome
        self.emit(ProbeFinished(outcome.section))

    def close(self) -> None:
        """Close the client of every section that still runs."""
        for running in self._running.values():
            if running.client is not None:
                running.client.close()

    def _next(self) -> Outcome:
        """The next section that is handed in, or that is given up because its time is over."""
        while True:
            name, first = min(self._running.items(), key=lambda item: item[1].give_up.expires)
            try:
                outcome = self._inbox.get(timeout=first.give_up.remaining_seconds())
            except queue.Empty:
                return _given_up(name, first)
            if outcome.section.name in self._running:  # else it was given up and came late
                return outcome


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


def run_probe(name: SectionName, client: EngineClient, work: Callable[[Probe], Reading[Any]]) -> Outcome:
    """The section that a probe over this client makes, whatever the Engine does. The client is closed."""
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
    return Outcome(section, value, error)


def _given_up(name: SectionName, running: _Running) -> Outcome:
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
    return Outcome(section, error=error)


def _defect(name: SectionName, started_at: datetime, error: Exception) -> Outcome:
    section = Section(
        name=name,
        availability=Availability.UNAVAILABLE,
        reason=f"a defect of this kit: {type(error).__name__}: {error}",
        started_at=started_at,
        ended_at=utc_now(),
        return_code=1,
    )
    return Outcome(section)
