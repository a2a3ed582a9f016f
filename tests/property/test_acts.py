"""Whatever a run wrote down comes out of its journal and of the ledger of acts as it went in."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hygiene_core.evidence import acts
from hygiene_core.evidence.act_history import apply_of, removed_by
from hygiene_core.evidence.journal import Journal, read_journal
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.codec import decode, encode, line_adapter
from hygiene_core.model.journal import Settled
from hygiene_core.testing import NOW
from tests.unit.act_scenes import ENGINE, prune, run, seal, settled, thing

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
SIZES = st.none() | st.integers(0, 2**62)


@st.composite
def runs(draw):
    """A run over things with any names, ended in any way."""
    things = [
        thing(number, kind, draw(TEXT.filter(bool)), estimate_bytes=draw(SIZES))
        for number, kind in enumerate(
            draw(st.lists(st.sampled_from(["image", "volume", "container"]), max_size=4)), 1
        )
    ]
    if ids := draw(st.lists(TEXT.filter(bool), max_size=5, unique=True)):
        things.append(prune(len(things) + 1, *ids))
    ends = [
        settled(
            one,
            outcome=draw(st.sampled_from(Outcome)),
            why=draw(st.none() | st.sampled_from(Why)),
            detail=draw(TEXT),
            claimed_bytes=draw(SIZES),
            freed_bytes=draw(st.none() | st.integers(-(2**40), 2**62)),
        )
        for one in things
    ]
    return run(
        "run-1", NOW, *things or [thing()], middle=ends, problems=tuple(draw(st.lists(TEXT, max_size=2)))
    )


@given(runs())
def test_every_line_survives_the_codec(lines):
    for line in lines:
        assert decode(line_adapter(), encode(line_adapter(), line)) == line


@given(runs())
@settings(max_examples=25, deadline=None)
def test_a_run_survives_its_journal_and_the_ledger(lines):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        state = root / ENGINE
        journal = Journal(state / "runs" / "run-1.jsonl", state / ".ballast")
        journal.create()
        for line in lines:
            journal.append(line)
        journal.close()
        assert read_journal(journal.path).lines == lines
        assert acts.find(root, "run-1") == lines
        journal.path.unlink()
        seal(root, lines)
        assert acts.find(root, "run-1") == lines


@given(runs(), st.integers(0, 400))
@settings(max_examples=25, deadline=None)
def test_a_torn_journal_is_a_prefix(lines, cut):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run-1.jsonl"
        stored = b"".join(encode(line_adapter(), line) + b"\n" for line in lines)
        path.write_bytes(stored[: len(stored) - cut])
        read = read_journal(path)
        assert read.lines == lines[: len(read.lines)]
        assert read.torn == (not stored[: len(stored) - cut].endswith(b"\n"))


@given(runs())
def test_what_went_is_counted_once_by_kind(lines):
    gone = removed_by(lines)
    told = apply_of(lines, gone)
    removed = [one for one in lines if isinstance(one, Settled) and one.outcome is Outcome.REMOVED]
    assert len(gone) == sum(len(one.removed) for one in removed)
    assert sum(told.removed.values()) == len(gone)
    assert {one.id for one in gone} == {identity for one in removed for identity in one.removed}
