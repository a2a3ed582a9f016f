"""One probe's connection, and what it could not read."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from hygiene_core.errors import EngineProtocol, EngineTimeout, HygieneError
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient, EngineVersion
from hygiene_core.host.wire import Parsed
from hygiene_core.model.observation import TIMEOUT_RETURN_CODE, EngineFigure

__all__ = ["DiskUsage", "Probe", "Reading"]

_NOT_FOUND = 404
T = TypeVar("T")


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


R = TypeVar("R", bound=_Identified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """What a probe read. `whole` says that no row is missing, as `Section.rows_missing` has it."""

    value: T
    whole: bool = True
    figure: EngineFigure | None = None


@dataclass(slots=True)
class Probe:
    """A client with a list of what was asked and of what failed after the first answer."""

    client: EngineClient
    sources: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    return_code: int = 0

    @property
    def deadline(self) -> Deadline:
        """The probe's total deadline."""
        return self.client.deadline

    def get(self, path: str, params: dict[str, str] | None = None) -> Any:
        """GET a path and note it as a source."""
        self.note(f"GET {self.client.url(path, params)}")
        return self.client.get_json(path, params)

    def note(self, source: str) -> None:
        """Name a source once."""
        if source not in self.sources:
            self.sources.append(source)

    def miss(self, reason: str | None, error: HygieneError | None = None) -> None:
        """Something of the section is missing: the section becomes partial, with this reason."""
        if reason is None:
            return
        self.problems.append(f"{reason}: {error.message}" if error else reason)
        code = TIMEOUT_RETURN_CODE if isinstance(error, EngineTimeout) else 1
        self.return_code = max(self.return_code, code)

    def listed(self, parsed: Parsed[R]) -> Reading[tuple[R, ...]]:
        """The rows of a list, each id once. Nothing is missing from it if those left out say the same."""
        self.miss(parsed.problem)
        first: dict[str, R] = {}
        again = [row for row in parsed.rows if first.setdefault(row.id, row) is not row]
        if again:
            self.miss(f"{len(again)} {'row' if len(again) == 1 else 'rows'} stood twice")
        same = all(row == first[row.id] for row in again)
        return Reading(value=tuple(first.values()), whole=parsed.problem is None and same)


class DiskUsage:
    """GET /system/df, class by class where the API can, else one call for all.

    API 1.41 ignores `type`, walks everything on each call and answers HTTP 500 to a second caller: there the
    whole is asked once, on a thread and a connection of its own, and each class waits for it no longer than
    its own deadline.
    """

    def __init__(self, socket_path: str, version: EngineVersion, deadline: Deadline) -> None:
        self._by_class = version.at_least(1, 42)
        self._client = EngineClient(socket_path, deadline, version.api_used)
        self._lock = threading.Lock()
        self._started = False
        self._done = threading.Event()
        self._answer: Any = None
        self._error: HygieneError | None = None

    def read(self, probe: Probe, kind: str) -> Any:
        """The df answer that holds a class: `image`, `container`, `volume` or `build-cache`."""
        if self._by_class:
            try:
                return probe.get("/system/df", {"type": kind})
            except EngineProtocol as error:
                if error.http_status != _NOT_FOUND:
                    raise
                # With the containerd store a snapshot may end while it is counted, right after a build.
                return probe.get("/system/df", {"type": kind})
        probe.note(f"GET {self._client.url('/system/df')}")
        self._start_once()
        if not self._done.wait(probe.deadline.remaining_seconds()):
            raise EngineTimeout(
                f"GET {self._client.url('/system/df')} did not end within {probe.deadline}; "
                f"API 1.41 answers all classes at once, when the slowest is counted.",
                captured_bytes=self._client.received_bytes,
            )
        if self._error is not None:
            raise self._error
        return self._answer

    def close(self) -> None:
        """Give up a call that still runs: the Engine stops counting when nobody waits."""
        self._client.close()

    def _start_once(self) -> None:
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._read_all, name="system-df", daemon=True).start()

    def _read_all(self) -> None:
        try:
            with self._client as client:
                self._answer = client.get_json("/system/df")
        except HygieneError as error:
            self._error = error
        finally:
            self._done.set()
