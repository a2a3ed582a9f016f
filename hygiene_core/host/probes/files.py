"""Small files that somebody else may have put there: read whole, and never more than was granted."""

from __future__ import annotations

import os
import stat

__all__ = ["MOST_BYTES", "cause_of", "read_regular"]

MOST_BYTES = 1024 * 1024
"""The longest file that is read."""


def read_regular(path: str) -> tuple[bytes, os.stat_result]:
    """The content and the state of a regular file; links are followed.

    Whoever may write a link decides where it leads. To open a device can have an effect (a watchdog starts),
    and to open a FIFO can wait for ever, so the file is looked at before it is opened.

    Raises:
        OSError: it is not there, or not for this user.
        ValueError: it is not a regular file, or too long, or no path can be called that.
    """
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        seen = os.fstat(found)
        if not stat.S_ISREG(seen.st_mode):
            raise ValueError("not a regular file")
        descriptor = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(found)
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"longer than {MOST_BYTES} bytes")
    return content, seen


def cause_of(error: OSError | ValueError) -> str:
    """Why a file was not read, without its path."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
