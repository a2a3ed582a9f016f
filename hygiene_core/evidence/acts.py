"""What was removed on this host: the ledgers of acts and the runs that have not ended in them, read only.

<state>/ledger/<name>/    the ledger of acts, a segment a run
<state>/runs/             the journals of runs that go on, or that were cut off
<state>/head.json         the last segment that was sealed into each ledger: what has to be there still

`<state>` is `/var/lib/hygiene/<engine id>`, written by root alone; the group `hygiene` may read it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hygiene_core.errors import EvidenceBroken, EvidenceUnreadable, UnknownRun
from hygiene_core.evidence import files
from hygiene_core.evidence.journal import read_journal
from hygiene_core.evidence.ledger import Head, Ledger, LedgerFile
from hygiene_core.evidence.verify import sound
from hygiene_core.model.codec import decode, line_adapter
from hygiene_core.model.journal import Line

__all__ = [
    "ENGINE_ID",
    "STATE",
    "Act",
    "find",
    "head_problem",
    "keep_head",
    "ledgers",
    "lines_of",
    "open_journals",
    "pruned_before",
    "states",
    "told_heads",
]

STATE = Path("/var/lib/hygiene")
"""Where this host keeps what was done on it: a folder for each Engine that it ever had."""

ENGINE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_-]{7,127}")
"""What can be the name of an Engine's folder. Evidence may lie beside it, in folders with shorter names."""

_HEAD = "head.json"
_ACCEPTED = "head.accepted"
_HEAD_MODE = 0o440


@dataclass(frozen=True, slots=True)
class Act:
    """A run of the ledger of acts."""

    ledger: Ledger
    file: LedgerFile

    def lines(self, kinds: Iterable[bytes] = ()) -> tuple[Line, ...]:
        """Its journal, as it was recorded; only these kinds, if any is named. Raises EvidenceBroken."""
        stored = self.ledger.lines(self.file)[1:]  # the header of the segment
        begins = tuple(b'{"k":"' + kind + b'"' for kind in kinds)
        try:
            return tuple(
                decode(line_adapter(), line) for line in stored if not begins or line.startswith(begins)
            )
        except ValueError as error:
            raise EvidenceBroken(f"{self.file.path.name} has a line that is none of a journal.") from error


def ledgers(state: Path) -> Iterator[Ledger]:
    """The ledgers of acts under the folder of an Engine, also those that only `head.json` tells of."""
    folder = state / "ledger"
    found = {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
    return (Ledger(state, name) for name in sorted(found | told_heads(state).keys()))


def states(root: Path) -> tuple[Path, ...]:
    """The folder of each Engine that anything was done to. Raises EvidenceUnreadable."""
    try:
        found = sorted(path for path in root.iterdir() if ENGINE_ID.fullmatch(path.name) and path.is_dir())
        for path in found:
            os.listdir(path)  # noqa: PTH208 - only whether this user may look
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise EvidenceUnreadable(
            f"{error.filename} cannot be read: {os.strerror(error.errno or 0)}.",
            next_step="Join the group of the folder, or run it as root.",
        ) from error
    return tuple(found)


def pruned_before(state: Path) -> frozenset[str]:
    """The builders that were pruned on this host before. Raises OSError if that may not be read."""
    folder = state / "pruned"
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()


def open_journals(state: Path) -> tuple[Path, ...]:
    """The journals of runs that go on, or that were cut off."""
    return tuple(sorted((state / "runs").glob("*.jsonl")))


def lines_of(state: Path, run_id: str) -> tuple[Line, ...]:
    """The journal of a run, from the ledger of acts or, while it has not ended, from its own file.

    Raises:
        UnknownRun: there is none.
        EvidenceBroken: it cannot be read.
    """
    for ledger in ledgers(state):
        for file in reversed(ledger.files()):
            if file.run_id == run_id:
                return Act(ledger, file).lines()
    try:
        return read_journal(state / "runs" / f"{run_id}.jsonl").lines
    except FileNotFoundError:
        raise UnknownRun(f"no run {run_id} is known on this host.", next_step="See: hygiene acts") from None


def find(root: Path, wanted: str | None) -> tuple[Line, ...]:
    """The journal of one run of this host, by its id or the beginning of it; of the newest without.

    Raises:
        UnknownRun: none, or more than one, answers to it.
        EvidenceUnreadable: this user may not look.
        EvidenceBroken: it cannot be read.
    """
    known: dict[str, tuple[Path, float]] = {}
    for state in states(root):
        for ledger in ledgers(state):
            for file in ledger.files():
                known[file.run_id] = (state, file.path.stat().st_mtime)
        for journal in open_journals(state):
            known.setdefault(journal.stem, (state, journal.stat().st_mtime))
    if wanted is None and known:
        newest = max(known, key=lambda run_id: known[run_id][1])
        return lines_of(known[newest][0], newest)
    found = [run_id for run_id in known if wanted and run_id.startswith(wanted)]
    if wanted in known:
        found = [wanted]
    if len(found) != 1:
        said = "no run" if not found else f"{len(found)} runs"
        verb = "answer" if len(found) > 1 else "answers"
        told = "nothing was ever applied on this host" if not known else f"{said} {verb} to {wanted!r}"
        raise UnknownRun(f"{told}.", next_step="See: hygiene history applies")
    return lines_of(known[found[0]][0], found[0])


# ---- the last sealed head, a witness beside the ledger


def told_heads(state: Path) -> dict[str, Head]:
    """The last sealed segment of each ledger; empty where nothing was sealed. Raises EvidenceBroken."""
    path = state / _HEAD
    try:
        stored = json.loads(path.read_bytes())
        return {
            name: Head(int(told["seq"]), str(told["run_id"]), str(told["chain"]))
            for name, told in stored.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceBroken(f"{path} cannot be read.", next_step=_mend(state)) from error


def keep_head(state: Path, name: str, head: Head) -> None:
    """Remember the segment that was just sealed. Raises EvidenceUnwritable."""
    told = told_heads(state) | {name: head}
    stored = {
        key: {"seq": one.seq, "run_id": one.run_id, "chain": one.chain} for key, one in sorted(told.items())
    }
    try:
        files.replace_file(state / _HEAD, json.dumps(stored, indent=1).encode() + b"\n", _HEAD_MODE)
        files.give_to_group(state / _HEAD)
        with suppress(FileNotFoundError):
            (state / _ACCEPTED).replace(state / f"{_ACCEPTED}-{head.seq}")
    except OSError as error:
        raise files.unwritable(error, "the head of the ledger of acts") from error


def head_problem(state: Path, ledger: Ledger, *, ahead: str | None = None) -> EvidenceBroken | None:
    """Why a ledger of acts is not what was sealed last, or `None`.

    Args:
        state: the folder of the Engine.
        ledger: one of its ledgers.
        ahead: a run that may stand after the last sealed one: it was recorded right before a crash.
    """
    try:
        told, listed = told_heads(state).get(ledger.host), ledger.files()
        if ahead is not None and listed and listed[-1].run_id == ahead:
            listed = listed[:-1]
        last = listed[-1].seq if listed else 0
        if told is None:
            if not listed or (state / _ACCEPTED).exists():
                return None
            why = f"{_HEAD} does not tell of it, and it holds {len(listed)} runs"
        elif last < told.seq:
            why = f"it ends at run {last}, and run {told.seq} ({told.run_id}) was recorded"
        elif last > told.seq or listed[-1].run_id != told.run_id:
            why = f"run {last} ({listed[-1].run_id}) is not what was recorded as run {told.seq}"
        else:
            return _not_sound(state, ledger, listed, told)
    except EvidenceBroken as error:
        return error
    return EvidenceBroken(f"the ledger of acts of {ledger.host} is not whole: {why}.", next_step=_mend(state))


def _not_sound(state: Path, ledger: Ledger, listed: list[LedgerFile], told: Head) -> EvidenceBroken | None:
    before = None
    if len(listed) > 1:
        segment = ledger.segment(listed[-2])
        before = Head(segment.seq, segment.run_id, segment.chain)
    if sound(listed[-1], ledger.host, before) != told.chain:
        return EvidenceBroken(
            f"the newest run of the ledger of acts of {ledger.host} is sound in itself, yet it is not what"
            f" was recorded as run {told.seq}.",
            next_step=_mend(state),
        )
    return None


def _mend(state: Path) -> str:
    return (
        f"See: hygiene evidence verify. Bring the files back, or accept the loss: mv {state / _HEAD}"
        f" {state / _ACCEPTED}"
    )
