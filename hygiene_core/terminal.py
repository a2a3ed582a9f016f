"""What the command line writes: data on stdout, everything else on stderr.

Nothing in here decides anything. A reader that goes away early (`| head`) ends a command quietly.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, tzinfo
from typing import NoReturn

from hygiene_core.errors import ConfigProblem, HygieneError, OutputUnwritable
from hygiene_core.model.event import Emit, Event, ProbeFinished, ProbeStarted, StageStarted, silent
from hygiene_core.model.text import plain

__all__ = ["colour", "data", "leave", "local_zone", "message", "problem", "progress", "table_width", "width"]

_NARROWEST = 40
_DEFAULT_WIDTH = 80


def data(text: str) -> None:
    """Write data to stdout, with one newline at its end. Text a terminal cannot encode is escaped.

    Raises:
        OutputUnwritable: a part of it could not be written, for example because a disk is full.
    """
    ending = "" if text.endswith("\n") or not text else "\n"
    encoding = sys.stdout.encoding or "utf-8"
    safe = (text + ending).encode(encoding, "backslashreplace").decode(encoding)
    try:
        sys.stdout.write(safe)
        sys.stdout.flush()
    except OSError as error:
        # Python would complain again when it closes stdout, so what is left of it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # that is a reader who has gone
            raise OutputUnwritable(f"stdout could not be written: {error.strerror}.") from error


def leave(status: int) -> NoReturn:
    """End the process at once, with everything written.

    A report leaves a hundred thousand objects behind: taking them apart one by one before the process ends
    would take a tenth of its time. Nothing of this kit waits for the end of the interpreter.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it has gone
            stream.flush()
    os._exit(status)


def message(text: str) -> None:
    """Write one line for a person to stderr. Whatever a host said in it stays text, and in that line."""
    _to_stderr([text])


def problem(error: HygieneError) -> None:
    """Write an error as its one line; only a configuration's problems are listed one a line."""
    told = str(error)
    _to_stderr(told.split("\n") if isinstance(error, ConfigProblem) else [told])


def _to_stderr(lines: Iterable[str]) -> None:
    with suppress(
        OSError
    ):  # nobody is left to be told; the work goes on, and the exit status says how it ended
        sys.stderr.write("".join(plain(line) + "\n" for line in lines))
        sys.stderr.flush()


def width() -> int:
    """Columns to write for: the terminal's, `COLUMNS`, or 80."""
    try:
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        columns = _DEFAULT_WIDTH
    return max(_NARROWEST, columns)


def table_width() -> int | None:
    """The width a table may take: the terminal's; without one, whatever it needs."""
    return width() if sys.stdout.isatty() else None


def colour() -> bool:
    """Whether stdout takes colour: a terminal that is not dumb, and no `NO_COLOR`."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def local_zone() -> tzinfo:
    """The zone in which times are shown to people."""
    zone = datetime.now().astimezone().tzinfo
    if zone is None:
        raise RuntimeError("an aware time has no zone")
    return zone


@contextmanager
def progress(*, wanted: bool) -> Iterator[Emit]:
    """Show what a run is doing on stderr, if that is a terminal; otherwise say nothing."""
    if not wanted or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield silent
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for rich

    console = Console(stderr=True)
    with console.status("starting") as status:
        waiting: dict[str, float] = {}

        def show(event: Event) -> None:
            match event:
                case StageStarted(stage):
                    status.update(stage)
                case ProbeStarted(section):
                    waiting[section.value] = time.monotonic()
                case ProbeFinished(section):
                    waiting.pop(section.name.value, None)
                case _:
                    return
            if waiting:
                status.update("reading " + ", ".join(waiting))

        yield show
