"""Named points at which a test makes the executor die, freeze or wait. In service they do nothing.

    HYGIENE_FAILPOINT=after-intent=kill          at the first time it is reached
    HYGIENE_FAILPOINT=after-act:3=freeze         at the third

sudo drops the variable, and what runs as root anyway could as well be killed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

__all__ = ["POINTS", "VARIABLE", "arm", "reach"]

VARIABLE = "HYGIENE_FAILPOINT"

POINTS = (
    "after-began",
    "after-gate",
    "after-observed",
    "before-intent",
    "after-intent",
    "after-recheck",
    "after-act",
    "after-outcome",
    "before-verify",
    "after-ended",
    "after-sealed",
)
"""In the order in which a run reaches them."""

_ACTS: dict[str, Callable[[], None]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "freeze": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
}

_armed: dict[str, tuple[int, Callable[[], None]]] = {}


def arm(environ: Mapping[str, str]) -> None:
    """Read the variable. Raises ValueError for a point or an act that does not exist."""
    wanted = environ.get(VARIABLE)
    if not wanted:
        return
    point, _, act = wanted.partition("=")
    name, _, times = point.partition(":")
    if name not in POINTS or act not in _ACTS:
        raise ValueError(f"{VARIABLE}: {wanted!r} is none of {', '.join(POINTS)} = {', '.join(_ACTS)}")
    _armed[name] = (int(times or "1"), _ACTS[act])


def reach(name: str) -> None:
    """The run is at this point."""
    if name not in _armed:
        return
    left, act = _armed[name]
    _armed[name] = (left - 1, act)
    if left == 1:
        act()
