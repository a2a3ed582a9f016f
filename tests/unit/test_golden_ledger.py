"""A ledger that was written once verifies, replays and is taken in, for ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.evidence.ledger import Head, Ledger
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.evidence.verify import verify
from hygiene_core.report.document import to_json

GOLDEN = Path(__file__).parents[1] / "data" / "ledger-golden"
HOST = "golden"
READS_LIKE = json.loads((GOLDEN / "reads-like.json").read_text())


@pytest.fixture
def store(tmp_path) -> EvidenceStore:
    shutil.copytree(GOLDEN / "ledger", tmp_path / "ledger")
    return EvidenceStore(tmp_path)


def missing(old: Any, new: Any, where: str = "") -> list[str]:
    """What the old document says and the new one does not say. New fields may come; none may change or go."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            problem
            for key, value in old.items()
            for problem in (
                missing(value, new[key], f"{where}.{key}") if key in new else [f"{where}.{key} is gone"]
            )
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            problem
            for number, (before, after) in enumerate(zip(old, new, strict=True))
            for problem in missing(before, after, f"{where}[{number}]")
        ]
    return [] if old == new else [f"{where} was {old!r} and is {new!r}"]


def test_it_verifies_against_its_anchor():
    found = verify(Ledger(GOLDEN, HOST), Head(**READS_LIKE["head"]))
    assert found.ok, found.sentence
    assert found.segments == len(READS_LIKE["reports"]) == 4


def test_it_holds_every_kind_of_line():
    ledger = Ledger(GOLDEN, HOST)
    kinds = {line["k"] for file in ledger.files() for line in ledger.read(file)}
    assert kinds == {"run", "doc", "res", "gone", "unseen", "kept"}


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_run_reads_as_it_did(store, number):
    made = json.loads(to_json(store.load(HOST, number)))
    assert missing(READS_LIKE["reports"][number - 1], made) == []


def test_it_is_remembered_and_taken_in(store):
    assert store.recall(HOST).last_sequence == 4
    assert store.publish().warning is None
    with open_published(store.directory) as reader:
        assert reader.query("SELECT count(*) FROM run").rows == ((4,),)
        seen = reader.query("SELECT kind, first_seq, last_seq, present FROM resource_seen ORDER BY kind").rows
    assert seen == (
        ("build_cache", 1, 1, False),
        ("builder", 1, 4, True),
        ("container", 1, 4, True),
        ("image", 1, 4, True),
        ("volume", 1, 4, True),
    )
