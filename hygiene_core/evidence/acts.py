"""What was removed on this host: the ledger of acts and the runs that have not ended in it, read only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hygiene_core.errors import UnknownRun
from hygiene_core.evidence.journal import read_journal
from hygiene_core.evidence.ledger import Ledger, LedgerFile
from hygiene_core.model.codec import decode, line_adapter
from hygiene_core.model.journal import Line

__all__ = ["Act", "ledgers", "lines_of", "open_journals"]


@dataclass(frozen=True, slots=True)
class Act:
    """A run of the ledger of acts."""

    ledger: Ledger
    file: LedgerFile

    def lines(self) -> tuple[Line, ...]:
        """Its journal, as it was recorded. Raises EvidenceBroken."""
        stored = self.ledger.lines(self.file)[1:]  # the header of the segment
        return tuple(decode(line_adapter(), line) for line in stored)


def ledgers(state: Path) -> Iterator[Ledger]:
    """The ledgers of acts under the folder of an Engine."""
    folder = state / "ledger"
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return (Ledger(state, name) for name in names)


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
