"""Kill `hygiene report` at random moments, many times, and account for every report that was printed.

    python -m tests.faults.kill_campaign CONFIG COUNT SEED [FREE_BYTES]

Prints one JSON line: what was killed, what was printed, and what is wrong, which should be nothing. With
FREE_BYTES, the filesystem of the state directory is filled up to that many bytes after the first run.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hygiene_core.config import load
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.report.document import to_json

HOST = "lab"
_TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND table_name <> 'meta' ORDER BY ALL"


def main(config: Path, count: int, seed: int, free_bytes: int | None) -> dict[str, Any]:
    """Run the campaign and account for it."""
    store = EvidenceStore(Path(load(config, {}).state_directory))
    command = [sys.executable, "-m", "hygiene_core", "report", "--config", str(config), "--format", "json"]
    printed: dict[str, str] = {}
    ends: dict[str, int] = {}
    usual = _usual_seconds(command, printed)
    if free_bytes is not None:
        _fill(store.directory, free_bytes)
    moments = random.Random(seed)
    for _ in range(count):
        status, text = _killed_after(command, moments.uniform(0, usual * 1.2))
        ends[str(status)] = ends.get(str(status), 0) + 1
        if (document := _whole(text)) is not None:
            printed[document["run_id"]] = text
        elif status == 0:
            raise AssertionError(f"a report ended well and printed {text!r}")
    return {"seed": seed, "kills": count, "ends": ends, "printed": len(printed), **_account(store, printed)}


def _usual_seconds(command: list[str], printed: dict[str, str]) -> float:
    """How long an undisturbed report takes here; its reports count as printed."""
    spans = []
    for _ in range(3):
        began = time.perf_counter()
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        spans.append(time.perf_counter() - began)
        document = _whole(ended.stdout)
        assert document is not None, ended.stderr
        printed[document["run_id"]] = ended.stdout
    return statistics.median(spans)


def _killed_after(command: list[str], seconds: float) -> tuple[int, str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        text, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        text, _ = process.communicate()
    return process.returncode, text


def _whole(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _fill(directory: Path, free_bytes: int) -> None:
    seen = os.statvfs(directory)
    taken = seen.f_bavail * seen.f_frsize - free_bytes
    with (directory / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, taken)


def _account(store: EvidenceStore, printed: dict[str, str]) -> dict[str, Any]:
    """Every printed report is in the ledger word for word, the ledger is sound, a rebuild gives the same."""
    (directory := store.directory / "filler").unlink(missing_ok=True)
    assert not directory.exists()
    changed = [run for run, text in printed.items() if to_json(store.load(HOST, run)) + "\n" != text]
    verified = store.verify(HOST)[HOST]
    store.publish()
    before = _content(store.directory)
    store.rebuild()
    after = _content(store.directory)
    return {
        "changed": changed,
        "recorded": verified.segments,
        "sound": verified.ok,
        "problem": verified.problem,
        "same_after_rebuild": before == after,
        "rows": {table: len(rows) for table, rows in after.items()},
        "left_over": sorted(path.name for path in store.directory.rglob(".tmp-*")),
    }


def _content(directory: Path) -> dict[str, list[str]]:
    with open_published(directory) as reader:
        tables = [row[0] for row in reader.query(_TABLES).rows]
        return {table: sorted(map(repr, reader.query(f"SELECT * FROM {table}").rows)) for table in tables}


if __name__ == "__main__":
    _, where, how_many, seeded, *room = sys.argv
    print(json.dumps(main(Path(where), int(how_many), int(seeded), int(room[0]) if room else None)))
