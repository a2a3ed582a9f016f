"""Runs of a host as tests of the evidence need them: in order, six hours apart, memory carried along."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hygiene_core.model.judgement import Judged
from hygiene_core.model.known import Key, Known, Memory
from hygiene_core.model.observation import Availability
from hygiene_core.model.report import Report
from hygiene_core.model.resource import Image
from hygiene_core.testing import NOW, report

HOST = "chris-testing"
SECTIONS = {
    "image": "images",
    "container": "containers",
    "volume": "volumes",
    "build_cache": "build_cache",
    "builder": "builders",
}


HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def hold_open(path: Path) -> subprocess.Popen:
    """Another process that has a database open for writing until its stdin is closed."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    return holder


def run(number: int, *rows: Judged, host: str = HOST, **fields) -> Report:
    """Run `number` of a host over the rows, which may come in any order."""
    started_at = NOW + timedelta(hours=6 * number)
    ordered = tuple(sorted(rows, key=lambda row: (row.kind.value, row.id)))
    made = report(*ordered, **fields)
    return replace(
        made,
        run_id=fields.get("run_id", f"run-{number:04}"),
        started_at=started_at,
        ended_at=started_at + timedelta(seconds=2),
        host=replace(made.host, name=host),
    )


def remembered(made: Report, before: Memory) -> Memory:
    """The memory that a run leaves, by the rule of the words: unseen is kept, absent is forgotten."""
    entries: dict[Key, Known] = {}
    for row in made.resources:
        key = (row.kind.value, row.id)
        old = before.entries.get(key)
        names = tuple(sorted(row.names))
        layers = row.facts.layers if isinstance(row.facts, Image) else None
        entries[key] = Known(
            first_seen_at=row.first_seen_at or (old.first_seen_at if old else made.ended_at),
            idle_since_at=row.idle_since_at,
            changed_at=made.ended_at if old and old.names != names else (old.changed_at if old else None),
            names=names,
            layers=layers if layers is not None else (old.layers if old else None),
        )
    for key, known in before.entries.items():
        complete = made.sections[SECTIONS[key[0]]].availability is Availability.COMPLETE
        if key not in entries and not complete:
            entries[key] = known
    return Memory(entries=entries, last_run_at=made.ended_at, last_sequence=before.last_sequence + 1)
