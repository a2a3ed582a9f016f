"""Record runs one after another, and acknowledge each on stdout: `SEQ CHAIN`. To be killed at any moment."""

from __future__ import annotations

import argparse
from itertools import count
from pathlib import Path

from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.testing import judged, volume
from tests.unit.evidence_scenes import HOST, remembered, run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("first", type=int)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--publish", action="store_true")
    asked = parser.parse_args()
    store = EvidenceStore(asked.directory)
    if asked.publish:
        import duckdb  # noqa: F401, PLC0415 - its import is not what is to be killed
    print("ready", flush=True)
    numbers = count(asked.first) if asked.runs is None else range(asked.first, asked.first + asked.runs)
    for number in numbers:
        made = run(number, judged(volume(f"v{number % 7}")), judged(volume("w", size_bytes=number)))
        recorded = store.record(made, remembered(made, store.recall(HOST)))
        print(recorded.seq, recorded.chain, flush=True)
        if asked.publish:
            store.publish()


if __name__ == "__main__":
    main()
