"""The journal of one run that removes things: an append-only file, one durable line at a time.

    runs/<run>.jsonl      while the run goes on, or was cut off; its lines are `model.journal`

A line that `append` returned from survives a power cut. The last line of a run that was killed may be torn:
it is told, and counts as not written. When the run has ended its lines become a segment of the ledger of
acts, and the file goes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hygiene_core.errors import EvidenceBroken
from hygiene_core.evidence import files
from hygiene_core.model.codec import decode, encode, line_adapter
from hygiene_core.model.journal import Ended, Line

__all__ = ["Journal", "JournalRead", "follow", "read_journal"]

_MODE = 0o440
_POLL_SECONDS = 0.1
_BALLAST_BYTES = 4 * 2**20


class Journal:
    """A journal that this process writes. `ballast` is a file that is given up when the disk is full."""

    def __init__(self, path: Path, ballast: Path) -> None:
        self.path = path
        self._ballast = ballast
        self._descriptor: int | None = None

    def create(self) -> None:
        """Make the file. Raises EvidenceUnwritable; also if there is one by that name."""
        try:
            files.make_directory(self.path.parent)
            self._take_ballast()
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o600)
            os.fchmod(self._descriptor, _MODE)
            files.give_to_group(self.path)
            files.sync_directory(self.path.parent)
        except OSError as error:
            raise files.unwritable(error, "the journal of this run") from error

    def reopen(self) -> None:
        """Go on with the journal of a run that was cut off. A torn last line is cut away first."""
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            os.ftruncate(self._descriptor, read_journal(self.path).whole_bytes)
        except OSError as error:
            raise files.unwritable(error, "the journal of this run") from error

    def append(self, line: Line) -> None:
        """Write a line; when this returns it is durable. Raises EvidenceUnwritable."""
        if self._descriptor is None:
            raise ValueError("the journal is not open")
        stored = encode(line_adapter(), line) + b"\n"
        try:
            self._write(stored)
        except OSError as error:
            raise files.unwritable(error, "the journal of this run") from error

    def close(self) -> None:
        """Close the file; it stays."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, stored: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101 - `append` checked it
        before = os.fstat(self._descriptor).st_size
        try:
            _write_all(self._descriptor, stored)
        except OSError as error:
            os.ftruncate(self._descriptor, before)
            if not files.is_full(error) or not self._ballast.exists():
                raise
            self._ballast.unlink()
            try:
                _write_all(self._descriptor, stored)
            except OSError:
                os.ftruncate(self._descriptor, before)  # half a line would spoil the next one
                raise
        os.fsync(self._descriptor)

    def _take_ballast(self) -> None:
        """Hold back some room, for the lines that must not be lost when removals have filled the disk."""
        if self._ballast.exists():
            return
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _BALLAST_BYTES)
        except OSError as error:
            self._ballast.unlink()
            if not files.is_full(error):
                raise
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class JournalRead:
    """The lines of a journal. `whole_bytes` is the length without a torn last line."""

    lines: tuple[Line, ...]
    whole_bytes: int
    torn: bool

    @property
    def ended(self) -> bool:
        """Whether its run came to its end."""
        return bool(self.lines) and isinstance(self.lines[-1], Ended)


def read_journal(path: Path) -> JournalRead:
    """Every whole line of a journal. Raises EvidenceBroken for one that is none, FileNotFoundError."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    lines = [_line(path, one) for one in content[:whole].splitlines()]
    return JournalRead(tuple(lines), whole, torn=whole < len(content))


def follow(path: Path, goes_on: Callable[[], bool], *, poll_seconds: float = _POLL_SECONDS) -> Iterator[Line]:
    """The lines of a journal as they are written, up to its end.

    It ends without an `Ended` line when `goes_on` says that nobody writes any more: the run was cut off.
    """
    rest = b""
    with path.open("rb") as stream:
        while True:
            alive = goes_on()  # asked before the read: what is written until then is read
            read = stream.read()
            *whole, rest = (rest + read).split(b"\n")
            for one in whole:
                line = _line(path, one)
                yield line
                if isinstance(line, Ended):
                    return
            if not read:
                if not alive:
                    return
                time.sleep(poll_seconds)


def _line(path: Path, stored: bytes) -> Line:
    try:
        return decode(line_adapter(), stored)
    except ValueError as error:
        raise EvidenceBroken(f"{path.name} has a line that is none of a journal.") from error


def _write_all(descriptor: int, stored: bytes) -> None:
    view = memoryview(stored)
    while view:
        view = view[os.write(descriptor, view) :]
