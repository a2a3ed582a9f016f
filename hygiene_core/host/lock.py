"""The one lock of a host: held from the first evidence of a run to its last.

Two files are locked: one under /run that tells who holds it, and the Engine's own `engine-id` in its data
root, so that not even a run that sees another /run (in a container, say) is a second one. The kernel frees
both when the process ends, however it ends; what stands in the first file is only for people.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygiene_core.errors import Locked

__all__ = ["LOCKS", "Holder", "LockFile", "hold", "holder_of"]

LOCKS = Path("/run/hygiene")
"""Where the locks lie, one for each Engine."""

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock: the executor's process, its run and plan, and since when (RFC 3339)."""

    pid: int
    started: int
    run_id: str
    digest: str
    since: str


@contextmanager
def hold(path: Path, data_root: Path, wait_seconds: float) -> Iterator[LockFile]:
    """Hold the lock.

    Args:
        path: of the file under /run; its folder is there.
        data_root: of the Engine, proven to be its own.
        wait_seconds: the longest wait.

    Raises:
        Locked: another run held it for all of that time.
        OSError: one of the files cannot be opened.
    """
    mine = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    engines: int | None = None
    try:
        engines = os.open(data_root / "engine-id", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        give_up_at = time.monotonic() + wait_seconds
        _lock(mine, give_up_at, path)
        os.ftruncate(mine, 0)  # whoever stands in it is gone, and must not be named if the other is held
        _lock(engines, give_up_at, path)
        yield LockFile(mine)
    finally:
        if engines is not None:
            os.close(engines)
        os.close(mine)


@dataclass(frozen=True, slots=True)
class LockFile:
    """A lock that this process, or one that it forked, holds."""

    descriptor: int

    def tell(self, holder: Holder) -> None:
        """Write down who holds it."""
        line = json.dumps({name: getattr(holder, name) for name in Holder.__slots__}) + "\n"
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, line.encode(), 0)


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock now; `None` if it is free or not known."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None  # whoever wrote into it is gone
        return _parsed(os.pread(descriptor, 4096, 0))
    finally:
        os.close(descriptor)


def _parsed(content: bytes) -> Holder | None:
    try:
        value: Any = json.loads(content)
        return Holder(**value)
    except (ValueError, TypeError):
        return None


def _lock(descriptor: int, give_up_at: float, path: Path) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up_at:
                raise Locked(_who(path), next_step="Watch it: hygiene follow") from None
            time.sleep(_POLL_SECONDS)
        else:
            return


def _who(path: Path) -> str:
    holder = holder_of(path)
    if holder is None:
        return "another run has this host. Nothing was removed."
    return (
        f"run {holder.run_id} (process {holder.pid}, plan {holder.digest[:12]}) has this host since"
        f" {holder.since}. Nothing was removed."
    )
