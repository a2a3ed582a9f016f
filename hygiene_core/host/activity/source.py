"""The names of the gate's sources, and work that may take no longer than a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from hygiene_core.host.deadline import Deadline
from hygiene_core.model.activity import Activity

__all__ = ["Found", "Source", "Work"]

T = TypeVar("T")


class Source(StrEnum):
    """Where one signal of the gate comes from; `docs/concepts/gate.md` says what each proves and misses."""

    RUNNER_JOB = "runner_job"
    """A `Runner.Worker` process: a runner's job."""

    BUILD_HISTORY = "build_history"
    """The books of a container builder: builds that began and have not ended."""

    BUILD_SESSION = "build_session"
    """A client attached to a container builder."""

    BUILD_STEP = "build_step"
    """A process that carries out a `RUN` step of any BuildKit."""

    BUILD_RECORDS = "build_records"
    """Cache records that a builder is making now, the embedded builder's too."""

    PULL = "pull"
    """An open file into which an image is being received."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one source told of one subject."""

    activity: Activity
    detail: str = ""


class Work(Generic[T]):
    """Something that is being read on a thread of its own: what it waits for may never come.

    A read of `/proc` may hang with the process that it is about, and no socket can be shut down to end it.
    """

    def __init__(self, name: str, read: Callable[[], T]) -> None:
        self._results: list[T] = []
        self._thread = threading.Thread(
            target=lambda: self._results.append(read()), name=f"gate-{name}", daemon=True
        )
        self._thread.start()

    def result(self, deadline: Deadline) -> T | None:
        """What it read; `None` if it did not end by the deadline."""
        self._thread.join(deadline.remaining_seconds())
        return self._results[0] if self._results else None
