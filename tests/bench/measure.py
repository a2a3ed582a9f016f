"""Times and sizes of what is measured: several runs, interleaved, so that a busy moment hits them all."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "Timing", "interleaved", "machine", "program", "repeated", "run", "seconds_of"]

_LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Ended:
    """A child that ended. `peak_bytes` is the most memory it held, `cpu_seconds` user and system together."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    status: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of several runs of one subject."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.samples)

    @property
    def low(self) -> float:
        """The shortest run."""
        return min(self.samples)

    @property
    def high(self) -> float:
        """The longest run."""
        return max(self.samples)


def program(name: str) -> str:
    """The path of a program that is installed beside this Python."""
    return str(Path(sys.executable).with_name(name))


def run(
    argv: Sequence[str],
    *,
    out: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    statuses: tuple[int, ...] = (0,),
) -> Ended:
    """Run a program with stdout in `out` and time it from outside.

    Raises:
        RuntimeError: it ended with a status that is not among `statuses`: there is nothing to time.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_LAUNCH), str(out), *argv],
        capture_output=True,
        check=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )
    ended = Ended(**json.loads(done.stdout))
    if ended.status not in statuses:
        said = done.stderr.decode(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(argv)} ended with {ended.status}: {said}")
    return ended


def seconds_of(work: Callable[[], object]) -> float:
    """How long one call took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(subjects: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Timing]:
    """Run every subject once to warm up, then in turns, A B A B; a subject returns its own seconds."""
    for subject in subjects.values():
        subject()
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            samples[name].append(subject())
    return {name: Timing(tuple(taken)) for name, taken in samples.items()}


def repeated(subject: Callable[[], float], rounds: int) -> Timing:
    """One subject alone, without a warm-up."""
    return Timing(tuple(subject() for _ in range(rounds)))


def machine() -> str:
    """What this machine is and how busy it is: others may share it."""
    load = ", ".join(f"{part:.2f}" for part in os.getloadavg())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    version = ".".join(map(str, sys.version_info[:3]))
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {os.uname().release}, Python {version};"
        f" load average {load}"
    )
