"""Whether a host is at work: what one sample of the activity gate saw, source by source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Activity", "ProcessId", "Signal", "busy"]


class Activity(StrEnum):
    """What a source told. What could not be read counts as active."""

    IDLE = "idle"
    ACTIVE = "active"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class ProcessId:
    """One process for good: its number, and when it started in clock ticks since the boot (proc(5))."""

    pid: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One source of one sample. `detail` says what is at work or why it could not be read."""

    source: str
    activity: Activity
    detail: str = ""
    read_at: datetime


def busy(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """Those that keep an apply from acting: at work, or not known not to be."""
    return tuple(signal for signal in signals if signal.activity is not Activity.IDLE)
