"""The evidence on a real filesystem that is really full. Run inside a mount namespace of its own.

    unshare --mount python -m tests.faults.evidence_full_disk DIRECTORY

Mounts a tmpfs of 48 MiB on DIRECTORY and prints `sound` at the end; anything else is an exception.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hygiene_core.errors import EvidenceUnwritable
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.store import EvidenceStore, Recorded
from hygiene_core.testing import judged, volume
from tests.unit.evidence_scenes import HOST, remembered, run

BALLAST_NOTE = "The disk of the evidence is full: this run was recorded with the room held back for it."


def record(store: EvidenceStore, number: int) -> Recorded:
    rows = (judged(volume(f"v{number:02}-{index:05}")) for index in range(2000))
    made = run(number, *rows)
    return store.record(made, remembered(made, store.recall(HOST)))


def fill(path: Path) -> None:
    """Write until there is no room for a single byte more."""
    with path.open("ab", buffering=0) as stream:
        for size in (2**20, 4096, 1):
            with suppress(OSError):
                while True:
                    stream.write(b"x" * size)


def main(directory: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", directory], check=True)
    state, filler = directory / "state", directory / "filler"
    reserve = state / "ledger" / HOST / ".reserve"
    store = EvidenceStore(state)
    record(store, 1)
    assert store.publish().warning is None
    assert reserve.stat().st_blocks * 512 >= 16 * 2**20, "the ballast holds real blocks"

    fill(filler)
    recorded = record(store, 2)
    assert recorded.seq == 2
    assert BALLAST_NOTE in recorded.notes, recorded.notes
    assert not reserve.exists()
    assert any("too little room" in note for note in recorded.notes), recorded.notes

    fill(filler)
    before = store.recall(HOST)
    with pytest.raises(EvidenceUnwritable, match=r"No space left on device.*This run is not recorded"):
        record(store, 3)
    assert store.verify()[HOST].segments == 2
    assert not list(state.rglob(".tmp-*")), "a half segment stayed"
    assert EvidenceStore(state).recall(HOST) == before

    found = store.publish()
    assert found.pending_segments == 1, found
    assert found.warning, "a publication that failed says so"

    filler.unlink()
    assert record(store, 3).seq == 3
    assert reserve.exists(), "the ballast is taken again"
    assert store.publish().warning is None
    assert store.verify()[HOST].ok
    assert len(Ledger(state, HOST).files()) == 3
    print("sound")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
