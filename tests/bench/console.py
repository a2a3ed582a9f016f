"""The console's table with 100,000 rows, in a real terminal: how long a key takes until its frame is written.

`python -m tests.bench.console FILE` is the application that is measured; it writes its own figures to FILE.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import Timing
from tests.bench.table import Row, mebibytes, render, time_row

__all__ = ["measure"]

ROWS = 100_000
ROUNDS = 5
KEYS = {"down": (b"j", 100), "page down": (b"\x1b[6~", 100)}
SIZES = {"80x24": (24, 80), "140x40": (40, 140)}

_FRAME_ENDS = b"\x1b[?2026l"
_ASKED = b"\x1b[?2026$p"
_ANSWER = b"\x1b[?2026;2$y"


def measure(work: Path, _full: bool) -> str:
    """Run the application in each size, some times over, and put the medians into tables."""
    tables = []
    for name, size in SIZES.items():
        taken: dict[str, list[float]] = {}
        said: list[dict[str, float]] = []
        for number in range(ROUNDS):
            out = work / f"{name}-{number}.json"
            for what, seconds in _sample(size, out):
                taken.setdefault(what, []).append(seconds)
            said.append(json.loads(out.read_bytes()))
        added = max(one["added_bytes"] for one in said)
        rows = [
            time_row("set_rows", Timing(tuple(one["set_seconds"] for one in said)), goal_seconds=0.05),
            time_row("key to frame: set_rows", Timing(tuple(taken["set"])), goal_seconds=0.05),
        ]
        for what in KEYS:
            middle = Timing(tuple(taken[what]))
            worst = Timing((sorted(taken[what])[len(taken[what]) * 95 // 100],))
            goal = 0.03 if what == "page down" else 0.02
            rows += [
                time_row(f"key to frame: {what}", middle),
                time_row("  95th of 100", worst, goal_seconds=goal),
                time_row("  processor time of each", Timing(tuple(taken[f"{what}, processor"]))),
            ]
        rows.append(
            Row("memory added, all keys pressed", mebibytes(added), goal="<= 5.0 MiB", met=added <= 5 * 2**20)
        )
        tables.append(render(f"The table of the console, {ROWS:,} rows, {name}", rows))
    return "\n".join(tables)


def _sample(size: tuple[int, int], out: Path) -> Iterator[tuple[str, float]]:
    with _terminal(size, out) as (child, terminal):
        _until_quiet(terminal)
        yield "set", _key_to_frame(terminal, b"r")
        for what, (key, times) in KEYS.items():
            before = _processor_seconds(child)
            for _ in range(times):
                yield what, _key_to_frame(terminal, key)
            yield f"{what}, processor", (_processor_seconds(child) - before) / times
        os.write(terminal, b"Q")
        _until_quiet(terminal)


@contextmanager
def _terminal(size: tuple[int, int], out: Path) -> Iterator[tuple[int, int]]:
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
        os.chdir(Path(__file__).parents[2])
        os.execv(sys.executable, [sys.executable, "-m", "tests.bench.console", str(out)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    try:
        yield child, terminal
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def _processor_seconds(child: int) -> float:
    """User and system time of a process; a machine that is busy with other work changes it little."""
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read(terminal: int, seconds: float) -> bytes:
    ready, _, _ = select.select([terminal], [], [], seconds)
    if not ready:
        return b""
    try:
        got = os.read(terminal, 65536)
    except OSError:  # the application has ended
        return b""
    if _ASKED in got:
        os.write(terminal, _ANSWER)
    return got


def _until_quiet(terminal: int) -> None:
    began = time.monotonic()
    while _read(terminal, 1.0):
        if time.monotonic() - began > 20:
            raise RuntimeError("the application never comes to rest")


def _key_to_frame(terminal: int, key: bytes) -> float:
    began = time.perf_counter()
    os.write(terminal, key)
    seen = b""
    while _FRAME_ENDS not in seen:
        got = _read(terminal, 5.0)
        if not got:
            raise RuntimeError(f"no frame after {key!r}")
        seen = seen[-len(_FRAME_ENDS) :] + got
    taken = time.perf_counter() - began
    while _read(terminal, 0.02):  # what the frame leaves to be drawn is not the next key's
        pass
    return taken


def _application(out: Path) -> None:
    from textual.app import App, ComposeResult  # noqa: PLC0415 - the measuring process needs none of it
    from textual.binding import Binding  # noqa: PLC0415

    from hygiene_tui.widgets.glyphs import Glyphs  # noqa: PLC0415
    from hygiene_tui.widgets.item_table import ItemTable  # noqa: PLC0415
    from tests.tui.harness import COLUMNS, cell_with  # noqa: PLC0415

    numbers = list(range(ROWS))
    figures: dict[str, float] = {}

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    class Measured(App[None]):
        ENABLE_COMMAND_PALETTE = False
        BINDINGS = [Binding("r", "fill", "Fill"), Binding("Q", "end", "End")]  # noqa: RUF012

        def compose(self) -> ComposeResult:
            yield ItemTable(COLUMNS, cell_with(Glyphs()), empty="nothing yet")

        def action_fill(self) -> None:
            figures["before"] = resident()
            began = time.perf_counter()
            self.query_one(ItemTable).set_rows(numbers)
            figures["set_seconds"] = time.perf_counter() - began

        def action_end(self) -> None:
            figures["added_bytes"] = resident() - figures.pop("before")
            out.write_text(json.dumps(figures))
            self.exit()

    Measured().run()


if __name__ == "__main__":
    _application(Path(sys.argv[1]))
