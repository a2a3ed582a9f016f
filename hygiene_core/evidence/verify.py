"""Whether a ledger is what was written: every hash, every link of the chain, and every anchored head.

The chain alone notices an edited value, a damaged byte, a torn file and a segment that is missing, swapped or
doubled. It cannot notice that the newest segments are missing, or that all of it was written anew: for
that it is compared with a head remembered elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from hygiene_core.errors import EvidenceBroken
from hygiene_core.evidence.ledger import Head, Ledger, LedgerFile
from hygiene_core.evidence.segment import GENESIS, chain_of, read_segment

__all__ = ["Verification", "sound", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result for one host.

    `segments` counts those that are sound, from the first on. `head` is the newest of them. `problem` says in
    plain words what is wrong with `first_bad_seq`, or in one that is `ok` why nothing could be checked.
    `notes` name the witnesses that could not be asked.
    """

    ok: bool
    segments: int
    head: Head | None
    first_bad_seq: int | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The result for a person."""
        return "; ".join((self._result, *self.notes))

    @property
    def _result(self) -> str:
        if self.ok and self.problem is not None:
            return f"not verified: {self.problem}"
        if self.ok and self.head is None:
            return "nothing is recorded"
        if self.ok and self.head:
            return f"sound, {self.segments} runs, head {self.head.seq} {self.head.chain}"
        before = f"{self.segments} sound runs before it"
        return f"broken at run {self.first_bad_seq}: {self.problem} ({before})"


def verify(ledger: Ledger, *expected: Head) -> Verification:
    """Check every segment of a ledger, and that it still holds every `expected` head."""
    head: Head | None = None
    count = 0
    for file in ledger.files():
        try:
            _require_place(file, head)
            chain = sound(file, ledger.host, head)
            _require_expected(file, chain, expected)
        except EvidenceBroken as error:
            first_bad = min(file.seq, head.seq + 1 if head else 1)
            return Verification(
                ok=False, segments=count, head=head, first_bad_seq=first_bad, problem=error.message
            )
        head = Head(file.seq, file.run_id, chain)
        count += 1
    last = head.seq if head else 0
    newest = max(expected, key=lambda told: told.seq, default=None)
    if newest and newest.seq > last:
        problem = (
            f"the newest {newest.seq - last} runs are missing;"
            f" run {newest.seq} was recorded as {newest.run_id}"
        )
        return Verification(ok=False, segments=count, head=head, first_bad_seq=last + 1, problem=problem)
    return Verification(ok=True, segments=count, head=head)


def _require_place(file: LedgerFile, head: Head | None) -> None:
    awaited = head.seq + 1 if head else 1
    if head and file.seq == head.seq:
        raise EvidenceBroken(f"two segments have the number {file.seq}: {file.path.name} is one too many")
    if file.seq == awaited + 1:
        raise EvidenceBroken(f"run {awaited} is missing")
    if file.seq != awaited:
        raise EvidenceBroken(f"runs {awaited} to {file.seq - 1} are missing")


def sound(file: LedgerFile, host: str, head: Head | None) -> str:
    """The chain value of a segment that is what was written after `head`."""
    body, end = read_segment(file.path)
    name, lines = file.path.name, body.count(b"\n")
    if (end["seq"], end["run_id"]) != (file.seq, file.run_id):
        raise EvidenceBroken(f"{name} holds run {end['seq']} ({end['run_id']})")
    if hashlib.sha256(body).hexdigest() != end["body_sha256"]:
        raise EvidenceBroken(f"the content of {name} was changed after it was written")
    if lines != end["lines"]:
        raise EvidenceBroken(f"{name} has {lines} lines and says that it has {end['lines']}")
    if end["prev"] != (head.chain if head else GENESIS):
        raise EvidenceBroken(f"{name} does not follow the segment before it")
    if chain_of(end["prev"], end["seq"], end["run_id"], end["body_sha256"]) != end["chain"]:
        raise EvidenceBroken(f"the chain value of {name} is not that of its content")
    _require_own(body, file, host)
    return str(end["chain"])


def _require_own(body: bytes, file: LedgerFile, host: str) -> None:
    try:
        header = json.loads(body[: body.find(b"\n")])
        told = (header["host"], header["seq"], header["run_id"])
    except (ValueError, KeyError, TypeError):
        raise EvidenceBroken(f"{file.path.name} has no header line") from None
    if told != (host, file.seq, file.run_id):
        raise EvidenceBroken(f"{file.path.name} is of run {told[1]} ({told[2]}) of host {told[0]!r}")


def _require_expected(file: LedgerFile, chain: str, expected: Iterable[Head]) -> None:
    if any(told.seq == file.seq and told.chain != chain for told in expected):
        raise EvidenceBroken(
            f"{file.path.name} is sound in itself, yet it is not what was anchored as run {file.seq}"
        )
