"""The journal of a run on a real filesystem that is really full. Run inside a mount namespace of its own.

    unshare --mount python -m tests.faults.journal_full_disk DIRECTORY

Mounts a tmpfs of 16 MiB on DIRECTORY and prints `sound` at the end; anything else is an exception.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hygiene_core.errors import EvidenceUnwritable
from hygiene_core.evidence.journal import Journal, read_journal
from hygiene_core.model.act import Outcome
from hygiene_core.model.journal import Intended, Settled
from hygiene_core.testing import NOW
from tests.faults.evidence_full_disk import fill


def big(number: int) -> Intended:
    """More than a page, so that a full disk takes a part of it at most."""
    return Intended(at=NOW, number=number, ids=tuple(f"{number}-{index:05}" for index in range(2000)))


def main(directory: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", directory], check=True)
    ballast, filler, path = directory / ".ballast", directory / "filler", directory / "runs/r.jsonl"
    journal = Journal(path, ballast)
    journal.create()
    assert ballast.stat().st_blocks * 512 >= 4 * 2**20, "the ballast holds real blocks"
    journal.append(big(1))
    fill(filler)

    journal.append(big(2))
    assert not ballast.exists(), "it is given up for the line that must not be lost"
    journal.append(Settled(at=NOW, number=2, outcome=Outcome.REMOVED))
    fill(filler)

    before = path.stat().st_size
    with pytest.raises(EvidenceUnwritable, match="No space left on device"):
        journal.append(big(3))
    assert path.stat().st_size == before, "nothing of a line that was refused is left"
    read = read_journal(path)
    assert [getattr(line, "number", None) for line in read.lines] == [1, 2, 2]
    assert not read.torn

    ballast.write_bytes(b"")  # of no use: giving it up makes no room
    with pytest.raises(EvidenceUnwritable):
        journal.append(big(3))
    assert path.stat().st_size == before

    other = Journal(directory / "runs/other.jsonl", ballast)
    other.create()
    assert not ballast.exists(), "a run begins without one where there is no room for it"
    with pytest.raises(EvidenceUnwritable):
        other.append(big(1))

    filler.unlink()
    journal.append(big(3))
    assert len(read_journal(path).lines) == 4
    Journal(directory / "runs/third.jsonl", ballast).create()
    assert ballast.stat().st_size == 4 * 2**20, "it is taken again"
    print("sound")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
