"""The truth: one segment (see `segment.py`) for each run of a host, under one lock. Standard library only.

    ledger/<host>/<year>/<seq>-<run>.jsonl.gz      mode 0400, never changed

A file is written beside its place, fsynced, linked into place, and its directory fsynced; only then is the
run recorded. Measured: without the directory's fsync 36 of 60 power cuts lost the newest file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from hygiene_core.errors import EvidenceBroken, EvidenceUnwritable
from hygiene_core.evidence import files
from hygiene_core.evidence.segment import FORMAT_VERSION, GENESIS, broken, pack, read_end, read_segment

__all__ = [
    "RESERVE_BYTES",
    "Head",
    "Ledger",
    "LedgerFile",
    "Segment",
    "Session",
    "head_of",
]

RESERVE_BYTES = 16 * 2**20
"""The ballast that is given up so that the last record still fits on a full disk."""

_LOCK_WAIT_SECONDS = 30.0
_FILE = re.compile(r"(\d{10})-([A-Za-z0-9_][A-Za-z0-9._-]{0,199})\.jsonl\.gz")
_TEMPORARY = ".tmp-"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest segment of a ledger: what an anchor elsewhere has to remember."""

    seq: int
    run_id: str
    chain: str


class LedgerFile(NamedTuple):
    """A file of the ledger as its name tells it; nothing in it has been read.

    A named tuple, because years of runs are listed before each run, and its order is the ledger's.
    """

    seq: int
    run_id: str
    folder: Path

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder / _file_name(self.seq, self.run_id)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that is on the disk for good."""

    seq: int
    run_id: str
    chain: str
    path: Path
    prev: str
    notes: tuple[str, ...] = ()


class Ledger:
    """The ledger of one host under a state directory. Making one touches nothing."""

    def __init__(self, directory: Path, host: str, *, reserve_bytes: int = RESERVE_BYTES) -> None:
        self.host = files.check_name(host, "host")
        self.directory = directory / "ledger" / host
        self._reserve_bytes = reserve_bytes

    def files(self) -> list[LedgerFile]:
        """Every file that has a segment's name, by sequence number. The year of a file proves nothing."""
        found: list[LedgerFile] = []
        for year in _entries(self.directory):
            if not year.name.startswith(".") and year.is_dir(follow_symlinks=False):
                folder = Path(year.path)
                names = os.listdir(folder)  # noqa: PTH208 - a Path for each of thousands costs ten times as much
                matches = map(_FILE.fullmatch, names)
                found += [LedgerFile(int(match[1]), match[2], folder) for match in matches if match]
        found.sort()
        return found

    def segments(self) -> list[Segment]:
        """Every segment with its chain value, read from its end line; nothing is verified."""
        return [self.segment(file) for file in self.files()]

    def segment(self, file: LedgerFile) -> Segment:
        """One file's end line.

        Raises:
            EvidenceBroken: it has none that can be read.
        """
        end = read_end(file.path)
        return Segment(file.seq, file.run_id, end["chain"], file.path, end["prev"])

    def head(self) -> Head | None:
        """The newest segment, or `None` in an empty ledger.

        Raises:
            EvidenceBroken: the newest file cannot be read.
        """
        return head_of(self.files())

    def read(self, file: LedgerFile | Segment) -> Iterator[dict[str, Any]]:
        """The lines of a segment, header first, without the end line; the body's hash was checked."""
        for line in self.lines(file):
            yield json.loads(line)

    def lines(self, file: LedgerFile | Segment) -> list[bytes]:
        """The stored lines of a segment's body, header first, checked against its own hash.

        Raises:
            EvidenceBroken: the file cannot be read or its bytes are not those that were hashed.
        """
        body, end = read_segment(file.path)
        if hashlib.sha256(body).hexdigest() != end.get("body_sha256"):
            raise broken(file.path, "its content does not match its own hash")
        return body.split(b"\n")[:-1]

    @contextmanager
    def locked(self) -> Iterator[Session]:
        """Hold the ledger so that what is computed from its head is appended right after that head.

        Raises:
            EvidenceUnwritable: it cannot be locked or its directory cannot be made.
        """
        with ExitStack() as held:
            try:
                notes = files.make_directory(self.directory)
                held.enter_context(files.locked(self.directory / ".lock", _LOCK_WAIT_SECONDS))
            except files.LockBusy as busy:
                raise EvidenceUnwritable(
                    f"{busy}. This run is not recorded.",
                    next_step="Run the command again when it has ended.",
                ) from None
            except OSError as error:
                raise files.unwritable(error, f"the ledger of {self.host}") from error
            yield Session(self, self._reserve_bytes, notes)

    def append(
        self,
        *,
        run_id: str,
        started_at: datetime,
        mode: str,
        tool_version: str,
        full: bool,
        lines: Iterable[bytes],
        record_version: int = FORMAT_VERSION,
    ) -> Segment:
        """Record a run whose lines do not depend on the head; see `Session.append`."""
        with self.locked() as session:
            return session.append(
                run_id=run_id,
                started_at=started_at,
                mode=mode,
                tool_version=tool_version,
                full=full,
                lines=lines,
                record_version=record_version,
            )


class Session:
    """A ledger that this process holds the lock of."""

    def __init__(self, ledger: Ledger, reserve_bytes: int, notes: tuple[str, ...]) -> None:
        self._ledger = ledger
        self._reserve = ledger.directory / ".reserve"
        self._reserve_bytes = reserve_bytes
        self._notes = list(notes)
        self._files = ledger.files()
        self.head = head_of(self._files)

    def append(
        self,
        *,
        run_id: str,
        started_at: datetime,
        mode: str,
        tool_version: str,
        full: bool,
        lines: Iterable[bytes],
        record_version: int = FORMAT_VERSION,
    ) -> Segment:
        """Record one run: when this returns, the segment survives a power cut.

        Args:
            run_id: names the file; one that is recorded already is refused.
            started_at: an aware time.
            mode: what the run did, such as `report`.
            tool_version: of the kit that wrote it.
            full: whether the records are a whole state or what changed since the segment before.
            lines: JSON objects without line ends.
            record_version: of the records; `record.py` defines them.

        Raises:
            EvidenceUnwritable: there was no room or no permission; the ledger is as it was before.
        """
        files.check_name(run_id, "run")
        if any(file.run_id == run_id for file in self._files):
            raise EvidenceUnwritable(f"run {run_id} is recorded already; it was not recorded twice.")
        seq = self.head.seq + 1 if self.head else 1
        header = {
            "k": "run",
            "v": record_version,
            "host": self._ledger.host,
            "run_id": run_id,
            "seq": seq,
            "started_at": started_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "mode": mode,
            "tool_version": tool_version,
            "full": full,
        }
        prev = self.head.chain if self.head else GENESIS
        stored, end = pack(header, lines, prev, seq, run_id)
        year = self._ledger.directory / f"{started_at.astimezone(UTC).year:04d}"
        path = year / _file_name(seq, run_id)
        try:
            self._write(path, stored)
        except OSError as error:
            raise files.unwritable(error, f"the ledger of {self._ledger.host}") from error
        self.head = Head(seq, run_id, end["chain"])
        self._files.append(LedgerFile(seq, run_id, year))
        self._restore_reserve()
        return Segment(seq, run_id, end["chain"], path, prev, tuple(dict.fromkeys(self._notes)))

    def _write(self, path: Path, stored: list[bytes]) -> None:
        try:
            self._place(path, stored)
        except OSError as error:
            if not files.is_full(error) or not self._reserve.exists():
                raise
            self._reserve.unlink()
            self._notes.append(
                "The disk of the evidence is full: this run was recorded with the room held back for it."
            )
            self._place(path, stored)

    def _place(self, path: Path, stored: list[bytes]) -> None:
        self._notes += files.make_directory(path.parent)
        self._sweep(path.parent)
        temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(stored)
                stream.flush()
                os.fchmod(descriptor, 0o400)
                os.fsync(descriptor)
            # link(2) never overwrites, unlike rename(2).
            os.link(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        files.sync_directory(path.parent)

    @staticmethod
    def _sweep(directory: Path) -> None:
        """Remove what a killed writer left. Whoever holds the lock is the only writer alive."""
        for entry in _entries(directory):
            if entry.name.startswith(_TEMPORARY):
                Path(entry.path).unlink()

    def _restore_reserve(self) -> None:
        """Take the ballast again once there is twice its room; a run is recorded with or without it."""
        if self._reserve.exists() or not self._reserve_bytes:
            return
        temporary = self._reserve.with_name(".reserve.new")
        try:
            room = os.statvfs(self._ledger.directory)
            if room.f_bavail * room.f_frsize < 2 * self._reserve_bytes:
                self._notes.append("There is too little room to hold some back for a full disk.")
                return
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._reserve_bytes)
            finally:
                os.close(descriptor)
            temporary.rename(self._reserve)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            self._notes.append(
                f"No room could be held back for a full disk: {os.strerror(error.errno or 0)}."
            )


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            return list(found)
    except FileNotFoundError:
        return []
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise EvidenceBroken(f"{directory} cannot be read: {why}. Nothing was recorded.") from error


def _file_name(seq: int, run_id: str) -> str:
    return f"{seq:010d}-{run_id}.jsonl.gz"


def head_of(known: list[LedgerFile]) -> Head | None:
    """The head of a ledger with these files, in their order; `None` if there are none.

    Raises:
        EvidenceBroken: the newest file cannot be read.
    """
    if not known:
        return None
    end = read_end(known[-1].path)
    if (end["seq"], end["run_id"]) != (known[-1].seq, known[-1].run_id):
        raise broken(known[-1].path, f"its name and its end line (run {end['seq']}) differ")
    return Head(known[-1].seq, known[-1].run_id, end["chain"])
