"""`python -m tests.bench [NAME ...] [--full]`: measure, print tables, end with 0."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import builders, console, history, host, judge, pruning, walk
from tests.bench.measure import machine
from tests.lab.errors import LabUnavailable

_MEASURES: dict[str, Callable[[Path, bool], str]] = {
    "host": host.measure,
    "judge": judge.measure,
    "history": history.measure,
    "walk": walk.measure,
    "builders": builders.measure,
    "pruning": pruning.measure,
    "console": console.measure,
}


def main() -> None:
    """Run the named measures, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(_MEASURES)}; all by default"
    )
    parser.add_argument("--full", action="store_true", help="three years of history instead of three months")
    parser.add_argument("--directory", type=Path, help="where to work; a temporary directory by default")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(_MEASURES):
        parser.error(f"no measure is called {', '.join(sorted(unknown))}")
    _say(f"{machine()}\nMedians of interleaved runs. Nothing fails by being slow.\n")
    for name in chosen.names or _MEASURES:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix=f"hygiene-bench-{name}-", dir=chosen.directory) as work:
            try:
                _say(_MEASURES[name](Path(work), chosen.full))
            except LabUnavailable as reason:
                _say(f"{name}: not measured: {reason}\n")
        _say(f"({name} took {time.perf_counter() - began:.0f} s; {machine().rpartition('; ')[2]})\n")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
