"""The logs that a runner leaves in `_diag`: names and stamps, never a line of them."""

from __future__ import annotations

import os
import re
import stat

from hygiene_core.host.probes.walk import moment, shown
from hygiene_core.model.resource import DiagnosticLog

__all__ = ["LISTED", "LOG_NAME", "read_logs"]

LOG_NAME = re.compile(r"(?:Runner|Worker)_[A-Za-z0-9_.-]{1,120}\.log")
"""What the runner calls its logs: the program and when it started. Nothing else in `_diag` is one."""

LISTED = 1000
"""How many are told, the oldest first: the next run tells those that are left."""

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK_BYTES = 512


def read_logs(path: str, told: list[str]) -> tuple[DiagnosticLog, ...]:
    """The logs in a directory, oldest first. What cannot be read is added to `told`, in words."""
    found: list[tuple[int, DiagnosticLog]] = []
    try:
        descriptor = os.open(path, _OPEN)
        try:
            for name in os.listdir(descriptor):  # noqa: PTH208 - a descriptor, not a path
                if LOG_NAME.fullmatch(name):
                    found += _log(name, descriptor, told)
        finally:
            os.close(descriptor)
    except OSError as error:
        told.append(f"the logs of {shown(os.path.basename(path))} could not be read ({error.strerror})")  # noqa: PTH119 - names may be undecodable
        return ()
    found.sort(key=lambda one: (one[0], one[1].name))
    return tuple(log for _, log in found[:LISTED])


def _log(name: str, directory: int, told: list[str]) -> list[tuple[int, DiagnosticLog]]:
    """The one log of a name; none where it went meanwhile or is no regular file."""
    try:
        seen = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return []
    except OSError as error:
        told.append(f"the log {name} could not be looked at ({error.strerror})")
        return []
    if not stat.S_ISREG(seen.st_mode):
        return []
    newest = max(seen.st_mtime_ns, seen.st_ctime_ns)
    log = DiagnosticLog(
        name=name,
        device=seen.st_dev,
        inode=seen.st_ino,
        ctime_ns=seen.st_ctime_ns,
        size_bytes=seen.st_blocks * _BLOCK_BYTES,
        apparent_bytes=seen.st_size,
        changed_at=moment(newest),
    )
    return [(newest, log)]
