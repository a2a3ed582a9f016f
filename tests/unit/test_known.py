"""The index says what the ledger says, however it came to be where it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.errors import EvidenceBroken
from hygiene_core.evidence import known
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.known import Known, Memory
from hygiene_core.testing import NOW, cache_record, engine, image, judged, volume
from tests.unit.evidence_scenes import HOST, remembered, run


@pytest.fixture
def store(tmp_path) -> EvidenceStore:
    """Six runs: something comes, is tagged anew, goes, and could not be looked at."""
    made = EvidenceStore(tmp_path / "state")
    a, b, c = (
        judged(image("a:1", layers=("sha256:x", "sha256:y"))),
        judged(volume("v")),
        judged(cache_record()),
    )
    retagged = replace(a, names=("a:2",), facts=replace(a.facts, tags=("a:2",)))
    for number, (rows, fields) in enumerate(
        [
            ([a], {}),
            ([a, b, c], {}),
            ([retagged, b], {}),
            ([b], {"unavailable": {"images": "x"}}),
            ([retagged, replace(b, idle_since_at=None)], {}),
            ([retagged, b, c], {}),
        ],
        start=1,
    ):
        report = run(number, *rows, **fields)
        made.record(report, remembered(report, made.recall(HOST)))
    return made


def path(store):
    return store.directory / "known" / f"{HOST}.json"


def loaded(store):
    return known.load(store.directory, Ledger(store.directory, HOST))


def test_it_remembers_what_the_runs_left(store):
    entries = store.recall(HOST).entries
    image_known = next(known for key, known in entries.items() if key[0] == "image")
    assert image_known.names == ("a:2",)
    assert image_known.changed_at == NOW + timedelta(hours=18, seconds=2)
    assert image_known.layers == ("sha256:x", "sha256:y")
    memory = store.recall(HOST)
    assert (memory.last_sequence, memory.last_run_at) == (6, NOW + timedelta(hours=36, seconds=2))


def test_stored_caught_up_and_rebuilt_are_the_same(store):
    whole = loaded(store)
    ledger = Ledger(store.directory, HOST)
    assert known.rebuild(ledger) == whole
    path(store).unlink()
    assert loaded(store) == whole


def test_it_catches_up_from_any_run(tmp_path):
    store = EvidenceStore(tmp_path / "state")
    copies = []
    for number in range(1, 5):
        report = run(number, judged(volume(f"v{number}")), judged(volume("v")))
        store.record(report, remembered(report, store.recall(HOST)))
        copies.append(path(store).read_bytes())
    newest = loaded(store)
    for stored in copies:
        path(store).write_bytes(stored)
        assert loaded(store) == newest


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(b'"a:2"', b'"a:3"'),
        lambda text: text.replace(b'"v":2', b'"v":1', 1),
        lambda text: b"[]\n[]\n",
        lambda text: b"\xff" + text,
        lambda text: text.split(b"\n")[0] + b"\n",
    ],
)
def test_a_damaged_index_is_made_again(store, damage):
    whole = loaded(store)
    path(store).write_bytes(damage(path(store).read_bytes()))
    assert loaded(store) == whole


def test_an_index_of_another_chain_is_made_again(store, tmp_path):
    whole = loaded(store)
    other = EvidenceStore(tmp_path / "other")
    other.record(run(1, judged(volume("foreign"))), Memory())
    path(store).write_bytes((other.directory / "known" / f"{HOST}.json").read_bytes())
    assert loaded(store) == whole


def test_a_ledger_that_lost_its_newest_runs_is_said_plainly(store):
    for file in Ledger(store.directory, HOST).files()[4:]:
        file.path.unlink()
    with pytest.raises(EvidenceBroken, match=r"ends at run 4, and run 6 .* the newest 2 are missing"):
        EvidenceStore(store.directory).recall(HOST)
    found = store.verify()[HOST]
    assert (found.ok, found.first_bad_seq) == (False, 5)
    with pytest.raises(EvidenceBroken, match="Nothing was recorded"):
        store.record(run(7), Memory())
    store.rebuild()
    assert store.recall(HOST).last_sequence == 4
    assert store.record(run(7), Memory()).seq == 5


def test_a_ledger_that_is_gone_altogether_is_said_too(store):
    for file in Ledger(store.directory, HOST).files():
        file.path.unlink()
    with pytest.raises(EvidenceBroken, match="ends at run 0"):
        EvidenceStore(store.directory).recall(HOST)


def test_layers_stand_once(tmp_path):
    store = EvidenceStore(tmp_path / "state")
    layers = tuple(f"sha256:{number:064}" for number in range(50))
    store.record(run(1, *(judged(image(f"i:{n}", layers=layers)) for n in range(40))), Memory())
    assert path(store).read_bytes().count(layers[7].encode()) == 1
    assert {known.layers for known in store.recall(HOST).entries.values()} == {layers}
    assert len(json.loads(path(store).read_bytes().split(b"\n")[1])["digests"]) == 50


@pytest.mark.parametrize("full_every", [1, 3, 28])
def test_the_last_run_never_moves_back(tmp_path, monkeypatch, full_every):
    """The clock was ahead once. A rebuild begins at a full segment, and still knows of it."""
    monkeypatch.setattr("hygiene_core.evidence.store.FULL_EVERY", full_every)
    store = EvidenceStore(tmp_path / "state")
    numbers = [1, 9, 2, 3, 4, 5, 6, 10]
    for number, latest in zip(numbers, [1, 9, 9, 9, 9, 9, 9, 10], strict=True):
        store.record(run(number, judged(volume("v"))), Memory())
        assert agrees(store).last_run_at == run(latest).ended_at


def under(made, engine_id):
    """The run as another Engine, or none, would have been told of it."""
    read = None if engine_id is None else engine(id=engine_id or None)
    return replace(made, host=replace(made.host, engine=read))


def agrees(store) -> Memory:
    """What is remembered, by the stored index and by one made from the ledger alone."""
    index = loaded(store)
    assert known.rebuild(Ledger(store.directory, HOST)) == index
    assert EvidenceStore(store.directory).recall(HOST) == index.memory
    return index.memory


@pytest.mark.parametrize("full_every", [1, 3, 28])
def test_the_engine_is_that_of_the_newest_run_that_had_one(tmp_path, monkeypatch, full_every):
    monkeypatch.setattr("hygiene_core.evidence.store.FULL_EVERY", full_every)
    store = EvidenceStore(tmp_path / "state")
    told = [
        (None, None),
        ("A", "A"),
        (None, "A"),
        ("", "A"),
        (None, "A"),
        ("B", "B"),
        (None, "B"),
        ("A", "A"),
    ]
    for number, (read, remembers) in enumerate(told, start=1):
        store.record(under(run(number, judged(volume("v"))), read), Memory())
        assert agrees(store).engine_id == remembers, number


def test_an_index_of_the_version_without_an_engine_is_made_again(store):
    whole = loaded(store)
    about, rest = path(store).read_bytes().split(b"\n", 1)
    old = json.loads(about)
    assert old.pop("engine_id") == engine().id
    path(store).write_bytes(json.dumps(old | {"v": 1}).encode() + b"\n" + rest)
    assert loaded(store) == whole
    assert whole.engine_id == engine().id


@pytest.mark.parametrize("full_every", [1, 28])
def test_an_age_that_begins_anew_is_what_is_remembered(tmp_path, monkeypatch, full_every):
    """Another Engine has a volume of the same name: nothing of its row differs but since when it is known."""
    monkeypatch.setattr("hygiene_core.evidence.store.FULL_EVERY", full_every)
    store = EvidenceStore(tmp_path / "state")
    old = judged(volume("v"), first_seen_at=NOW - timedelta(days=90), idle_since_at=NOW - timedelta(days=80))
    store.record(under(run(1, old), "A"), Memory())
    second = run(2, replace(old, first_seen_at=None, idle_since_at=None))
    at = second.ended_at
    fresh = Known(first_seen_at=at, idle_since_at=at, names=old.names)
    # Whether the row tells the age or not, the memory is what counts.
    for number, row in enumerate(
        (second.resources[0], replace(old, first_seen_at=at, idle_since_at=at)), start=2
    ):
        made = under(run(number, row), "B")
        store.record(made, Memory(entries={("volume", row.id): fresh}, engine_id="B"))
        assert agrees(store).entries == {("volume", row.id): fresh}
        assert store.load(HOST) == made


@pytest.mark.parametrize("full_every", [1, 28])
def test_what_another_engine_had_is_gone_even_if_unseen(tmp_path, monkeypatch, full_every):
    monkeypatch.setattr("hygiene_core.evidence.store.FULL_EVERY", full_every)
    store = EvidenceStore(tmp_path / "state")
    a, v = judged(image("a:1")), judged(volume("v"))
    unseen = {"images": "the Engine answered 500"}
    reports = [
        under(run(1, a, v), "A"),
        under(run(2, v, unavailable=unseen), "A"),
        under(run(3, unavailable=unseen | {"volumes": "x"}), None),
        under(run(4, v, unavailable=unseen), "B"),
        under(run(5, a, v), "B"),
    ]
    held = []
    for made in reports:
        store.record(made, Memory())
        held.append({kind for kind, _ in agrees(store).entries})
    assert held == [{"image", "volume"}] * 3 + [{"volume"}, {"image", "volume"}]
    assert [store.load(HOST, number) for number in range(1, 6)] == reports


def test_before_the_first_run(tmp_path):
    store = EvidenceStore(tmp_path / "state")
    assert store.recall(HOST) == Memory()
    assert not store.directory.exists()
