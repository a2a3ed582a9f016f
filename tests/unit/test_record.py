"""What a report becomes in the ledger, and that exactly it comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.errors import EvidenceBroken, UnknownRun
from hygiene_core.evidence import record
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.record import FULL_EVERY, Delta, known_of, replay, state_at
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.observation import Availability
from hygiene_core.model.resource import Mount
from hygiene_core.testing import (
    NOW,
    builder,
    cache_record,
    container,
    finding,
    image,
    judged,
    volume,
)
from tests.unit.evidence_scenes import HOST, remembered, run

HOSTILE = 'evil[/foo]\x1b[2J\n\u202e, \' " \\ \x00 $(id) {"k":"gone"}'
EVERYTHING = (
    judged(image("odoo-docker:verify-devtools", layers=("sha256:a", "sha256:b"), labels={"k": HOSTILE})),
    judged(image("<none>", tags=(), digests=("r@sha256:1",), created_at=None, size_bytes=None), "unknown"),
    judged(container("web", mounts=(Mount(type="volume", name="v", destination="/d"),)), "in_use"),
    judged(volume("v", options={"o": "bind"}), "protected", used_by=("web",)),
    judged(cache_record(description=HOSTILE, parents=("p1", "p2"))),
    judged(builder(), "protected"),
)


def kinds(delta) -> list[tuple[str, ...]]:
    """What the lines are, in their order."""
    found = []
    for line in delta:
        told = json.loads(line)
        found.append((told["k"], *(str(told[name]) for name in ("kind", "id", "ids") if name in told)))
    return found


def fingerprints(delta: Delta) -> dict:
    return {key: fingerprint for key, (_, fingerprint) in delta.changed.items()}


def after(*rows) -> dict:
    """The fingerprints of a state that holds these rows."""
    made = run(1, *rows)
    delta = Delta(made, remembered(made, Memory()), {}, kept=dict)
    list(delta)
    return fingerprints(delta)


@pytest.fixture
def store(tmp_path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "state")


@pytest.fixture
def ledger(store) -> Ledger:
    return Ledger(store.directory, HOST)


def test_everything_comes_back_exactly(store, ledger):
    made = run(1, *EVERYTHING, findings=[finding(figure=1.5, limit=2)], partial={"volumes": "deadline"})
    store.record(made, Memory())
    assert replay(ledger, 1) == made


def test_only_what_changed_is_written():
    a, b, c = judged(image("a:1")), judged(volume("b")), judged(cache_record("c"))
    before = after(a, b, c)
    made = run(2, a, replace(b, size_bytes=7), judged(image("d:1")))
    assert kinds(Delta(made, Memory(), before)) == [
        ("doc",),
        ("res", "image", judged(image("d:1")).id),
        ("res", "volume", "b"),
        ("gone", "build_cache", c.id),
    ]
    assert kinds(Delta(run(3, a, b, c), Memory(), before)) == [("doc",)]


def test_a_full_segment_holds_every_row_and_still_says_what_went():
    a, b = judged(image("a:1")), judged(volume("b"))
    made = run(2, a)
    assert kinds(Delta(made, Memory(), after(a, b), kept=dict)) == [
        ("doc",),
        ("res", "image", a.id),
        ("gone", "volume", "b"),
    ]


def test_what_an_incomplete_section_does_not_show_is_unseen_and_not_gone():
    a, b, v = judged(image("a:1")), judged(image("b:1")), judged(volume("v"))
    before = after(a, b, v)
    partly = run(2, a, partial={"images": "deadline"}, unavailable={"volumes": "deadline"})
    assert kinds(Delta(partly, Memory(), before)) == [
        ("doc",),
        ("unseen", "image", str([b.id])),
        ("unseen", "volume", "None"),
    ]


@pytest.mark.parametrize("availability", [how for how in Availability if how is not Availability.COMPLETE])
def test_only_a_complete_section_lets_go(availability):
    v = judged(volume("v"))
    made = run(2)
    section = replace(made.sections["volumes"], availability=availability, reason="why")
    unseen = replace(made, sections=made.sections | {"volumes": section})
    assert ("unseen", "volume", "None") in kinds(Delta(unseen, Memory(), after(v)))
    never_asked = {name: section for name, section in made.sections.items() if name != "volumes"}
    assert ("unseen", "volume", "None") in kinds(
        Delta(replace(made, sections=never_asked), Memory(), after(v))
    )
    assert ("gone", "volume", "v") in kinds(Delta(made, Memory(), after(v)))


def test_a_kind_without_a_section_is_never_gone():
    assert ("unseen", "runner_workdir", "None") in kinds(
        Delta(run(2), Memory(), {("runner_workdir", "w"): "00"})
    )


def test_many_unseen_stand_in_several_lines():
    before = after(*(judged(volume(f"v{number:04}")) for number in range(2500)))
    lines = [
        json.loads(line)
        for line in Delta(run(2, judged(volume("v0000")), partial={"volumes": "x"}), Memory(), before)
    ]
    named = [line["ids"] for line in lines if line["k"] == "unseen"]
    assert [len(ids) for ids in named] == [1000, 1000, 499]


def test_a_section_that_failed_costs_nothing_and_age_survives(store, ledger):
    rows = (judged(image("a:1")), judged(volume("v")))
    for number in range(1, 4):
        failed = {"unavailable": {"images": "the Engine answered 500"}} if number == 2 else {}
        made = run(number, *(row for row in rows if not failed or row.kind != "image"), **failed)
        store.record(made, remembered(made, store.recall(HOST)))
        assert replay(ledger, number) == made
    lines = [[json.loads(line)["k"] for line in ledger.lines(file)] for file in ledger.files()]
    assert lines == [["run", "doc", "res", "res"], ["run", "doc", "unseen"], ["run", "doc"]]
    known = store.recall(HOST).entries["image", rows[0].id]
    assert known.first_seen_at == NOW - timedelta(days=14)


def test_a_full_segment_carries_what_it_could_not_see(store, ledger, monkeypatch):
    monkeypatch.setattr("hygiene_core.evidence.store.FULL_EVERY", 2)
    rows = (judged(image("a:1")), judged(image("b:1")), judged(volume("v")))
    reports = [
        run(1, *rows),
        run(2, rows[0], rows[2], partial={"images": "x"}),
        run(3, rows[0], unavailable={"volumes": "x"}, partial={"images": "x"}),  # full
        run(4, *rows),
    ]
    for made in reports:
        store.record(made, remembered(made, store.recall(HOST)))
    assert [next(iter(ledger.read(file)))["full"] for file in ledger.files()] == [True, False, True, False]
    assert [json.loads(line)["k"] for line in ledger.lines(ledger.files()[2])].count("kept") == 2
    assert [json.loads(line)["k"] for line in ledger.lines(ledger.files()[3])] == ["run", "doc"]
    assert [replay(ledger, number) for number in range(1, 5)] == reports


def test_a_full_segment_comes_every_28_runs(store, ledger):
    for number in range(1, FULL_EVERY + 3):
        store.record(run(number, judged(volume("v"))), Memory())
    full = [file.seq for file in ledger.files() if next(iter(ledger.read(file)))["full"]]
    assert full == [1, FULL_EVERY + 1]
    # The replay needs nothing from before the full segment.
    for file in ledger.files()[:FULL_EVERY]:
        file.path.unlink()
    assert replay(ledger, FULL_EVERY + 2) == run(FULL_EVERY + 2, judged(volume("v")))


@pytest.mark.parametrize("rows", [("b", "a"), ("a", "a")])
def test_rows_out_of_order_are_refused(rows):
    made = replace(run(1), resources=tuple(judged(volume(name)) for name in rows))
    with pytest.raises(ValueError, match="in the order"):
        list(Delta(made, Memory(), {}))


@pytest.mark.parametrize("row", EVERYTHING, ids=lambda row: row.kind.value)
def test_the_memory_of_a_row_is_in_its_line(row):
    key = (row.kind.value, row.id)
    known = Known(
        first_seen_at=NOW - timedelta(days=3),
        idle_since_at=None,
        changed_at=NOW - timedelta(hours=1),
        names=("x", "y"),
        layers=("sha256:l",),
    )
    for memory in (Memory(), Memory(entries={key: known})):
        delta = Delta(run(1, row), memory, {})
        line = [line for line in delta if record.is_row(line)]
        assert known_of(line[0]) == (key, *delta.changed[key])
    assert delta.changed[key][0] == known


def test_text_that_is_no_unicode_is_written_as_its_escape(store, ledger):
    store.record(run(1, judged(volume("v", mountpoint="/x/\udc80"))), Memory())
    assert replay(ledger, 1).resources[0].facts.mountpoint == "/x/\\udc80"


def test_a_run_that_is_not_there(store, ledger):
    store.record(run(1), Memory())
    with pytest.raises(UnknownRun, match="has no run 2"):
        replay(ledger, 2)


def test_records_of_another_shape_are_said_plainly(ledger):
    ledger.append(
        run_id="r", started_at=NOW, mode="report", tool_version="9", full=True, lines=[b'{"k":"doc","x":1}']
    )
    with pytest.raises(EvidenceBroken, match="run 1 of chris-testing is not a report this version can read"):
        replay(ledger, 1)


def test_a_ledger_without_a_full_run_is_said_plainly(ledger):
    ledger.append(run_id="r", started_at=NOW, mode="report", tool_version="9", full=False, lines=[])
    with pytest.raises(EvidenceBroken, match="no full run at or before run 1"):
        state_at(ledger, 1)
