"""Writers and ingesters killed at random moments: nothing that was acknowledged is lost, and all agrees.

`HYGIENE_SOAK_KILLS` sets how many are killed; `HYGIENE_SOAK_SEED` repeats a campaign.
"""

from __future__ import annotations

import os
import random
import secrets
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.store import EvidenceStore
from tests.unit.evidence_scenes import HOST

KILLS = int(os.environ.get("HYGIENE_SOAK_KILLS", "20"))
SEED = int(os.environ.get("HYGIENE_SOAK_SEED", secrets.randbelow(2**32)))
TABLES = ("run", "resource", "resource_change", "latest", "unseen", "section", "filesystem", "class_total")


def start(directory: Path, first: int, *flags: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.evidence_writer", directory, str(first), *flags],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def killed_after(writer: subprocess.Popen, seconds: float) -> list[str]:
    """Read acknowledgements until the moment, then kill and read what was still in the pipe."""
    output, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([writer.stdout], [], [], left)
        if ready:
            more = os.read(writer.stdout.fileno(), 65536)
            assert more, "the writer ended on its own"
            output += more
    writer.send_signal(signal.SIGKILL)
    output += writer.stdout.read()
    writer.wait()
    writer.stdout.close()
    return [line.decode() for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


def content(directory: Path) -> dict[str, list[tuple]]:
    with open_published(directory) as reader:
        return {name: list(reader.query(f"FROM {name} ORDER BY ALL").rows) for name in TABLES}


def test_no_acknowledged_run_is_lost(tmp_path):
    moments = random.Random(SEED)
    acknowledged: list[tuple[int, str]] = []
    for number in range(KILLS):
        writer = start(tmp_path, number * 10_000)
        assert writer.stdout.readline() == b"ready\n"
        for line in killed_after(writer, moments.uniform(0, 0.4)):
            seq, chain = line.split()
            acknowledged.append((int(seq), chain))
    print(f"seed {SEED}: {KILLS} kills, {len(acknowledged)} acknowledged")
    store = EvidenceStore(tmp_path)
    assert store.verify()[HOST].ok, store.verify()[HOST].sentence
    stored = {(segment.seq, segment.chain) for segment in Ledger(tmp_path, HOST).segments()}
    assert acknowledged
    assert set(acknowledged) <= stored
    # Committed without an acknowledgement is possible, at most once a kill.
    assert len(stored) <= len(acknowledged) + KILLS
    before = store.recall(HOST)
    assert store.publish().warning is None
    taken = content(tmp_path)
    store.rebuild()
    assert store.recall(HOST) == before
    assert content(tmp_path) == taken
    assert len(taken["run"]) == len(stored)


def test_a_killed_ingester_leaves_something_that_the_next_one_completes(tmp_path):
    moments = random.Random(SEED)
    store = EvidenceStore(tmp_path)
    published = 0
    for number in range(KILLS):
        writer = start(tmp_path, number * 10_000, "--publish")
        assert writer.stdout.readline() == b"ready\n"
        killed_after(writer, moments.uniform(0, 0.6))
        if (tmp_path / "evidence.duckdb").exists():
            with open_published(tmp_path) as reader:
                runs = reader.query("SELECT count(*), max(seq) FROM run").rows[0]
            assert runs[0] == runs[1], "a published file has a gap"
            assert runs[1] >= published, "the published file went back"
            published = runs[1]
    found = store.publish()
    assert found.pending_segments == 0, found.warning
    taken = content(tmp_path)
    assert len(taken["run"]) == len(Ledger(tmp_path, HOST).files())
    store.rebuild()
    assert content(tmp_path) == taken
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".ingest.lock",
        "catalogue.duckdb",
        "evidence.duckdb",
        "known",
        "latest",
        "ledger",
    ]


@pytest.mark.parametrize("flags", [(), ("--publish",)])
def test_two_writers_at_once_lose_nothing(tmp_path, flags):
    writers = [start(tmp_path, first, "--runs", "15", *flags) for first in (0, 10_000)]
    lines = []
    for writer in writers:
        output, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0
        lines += output.decode().splitlines()[1:]
    acknowledged = sorted((int(seq), chain) for seq, chain in map(str.split, lines))
    segments = [(segment.seq, segment.chain) for segment in Ledger(tmp_path, HOST).segments()]
    assert acknowledged == segments
    assert len(segments) == 30
    store = EvidenceStore(tmp_path)
    assert store.verify()[HOST].ok
    for seq, _ in segments:
        made = store.load(HOST, seq)
        number = int(made.run_id.removeprefix("run-"))
        assert [row.id for row in made.resources] == [f"v{number % 7}", "w"]
    assert store.publish().pending_segments == 0
    assert len(content(tmp_path)["run"]) == 30
