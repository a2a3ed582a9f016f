"""The newest run, kept for a quick look: what the report's document says, or an error."""

from __future__ import annotations

import grp
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.decide.relations import COMPOSE_PROJECT, repository
from hygiene_core.errors import EvidenceUnreadable, UsageProblem
from hygiene_core.evidence import files, latest
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.known import Memory
from hygiene_core.model.report import Report
from hygiene_core.report.document import to_json
from hygiene_core.testing import builder, cache_record, container, image, judged, volume
from tests.unit.evidence_scenes import HOST, remembered, run
from tests.unit.report_full import FULL, hostile_everywhere
from tests.unit.report_scenes import SCENES

NOBODY = 65534
HOSTILE = (
    "[red]x[/]\x1b[2J\r\n\u2028\u202e{}\x00",
    "lone \udc80 surrogate",
    '"},\n{"k":"gone"}',
    "\U0001f600é",
)
ROWS = (
    judged(image("registry:5000/team/app:1", labels={COMPOSE_PROJECT: "shop"})),
    judged(image("digest", tags=(), digests=("team/app@sha256:1",)), "retained"),
    judged(image("untagged", tags=(), size_bytes=None), "unknown", reasons=(), first_seen_at=None),
    judged(container("web", labels={COMPOSE_PROJECT: "shop"}), "in_use"),
    judged(volume("v"), "protected"),
    judged(cache_record("step")),
    judged(cache_record("warm", builder="odoo-docker-chris-testing")),
    judged(builder(), "protected"),
)
SPECIAL = {"builder", "repository", "project", "rule", "offset", "length"}


@pytest.fixture
def store(tmp_path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "state", log=lambda _: None)


def record(store: EvidenceStore, *reports: Report) -> None:
    for made in reports:
        store.record(made, remembered(made, store.recall(made.host.name)))


def path(store: EvidenceStore) -> Path:
    return store.directory / "latest" / f"{HOST}.jsonl"


def document(made: Report) -> dict[str, Any]:
    return json.loads(to_json(made))


def agrees(kept: latest.Latest, made: Report) -> None:
    """What was kept is the report's document, by its parts."""
    told = document(made)
    rows = told.pop("resources")
    assert kept.report == told
    assert [kept.detail(number) for number in range(len(kept))] == rows
    for name, column in kept.columns.items():
        assert len(column) == len(rows), name
        if name not in SPECIAL:
            assert column == [row[name] for row in rows], name
    for number, row in enumerate(rows):
        facts, of = row["facts"], {name: kept.columns[name][number] for name in SPECIAL}
        tagged = row["kind"] == "image" and row["names"]
        assert of["rule"] == (row["reasons"][0]["rule"] if row["reasons"] else "")
        assert of["builder"] == (facts["builder"] if row["kind"] == "build_cache" else None)
        assert of["project"] == facts.get("labels", {}).get(COMPOSE_PROJECT)
        assert of["repository"] == (repository(row["names"][0]) if tagged else None)


def test_what_is_recorded_is_kept(store):
    made = run(1, *ROWS)
    record(store, made)
    with store.latest(HOST) as kept:
        agrees(kept, made)
        head = Ledger(store.directory, HOST).head()
        assert (kept.path, kept.host, kept.seq, kept.chain) == (path(store), HOST, head.seq, head.chain)
        assert kept.columns["repository"].count("registry:5000/team/app") == 1
        assert kept.runs_behind() == 0


@pytest.mark.parametrize("made", [FULL, *SCENES.values(), hostile_everywhere(HOSTILE[1])])
def test_it_is_the_document_of_any_report(tmp_path, made):
    made = replace(made, host=replace(made.host, name=HOST))  # the one name that is no host's own
    latest.save(tmp_path, made, 7, "c" * 64)
    with latest.read(tmp_path, HOST) as kept:
        agrees(kept, made)
        assert (kept.seq, kept.chain) == (7, "c" * 64)


@pytest.mark.parametrize("text", HOSTILE)
def test_names_from_a_host_stay_in_their_place(store, text):
    labels = {text: text, COMPOSE_PROJECT: text}
    made = run(1, *(judged(kind(text, labels=labels), detail=text) for kind in (image, container, volume)))
    record(store, made)
    with store.latest(HOST) as kept:
        agrees(kept, made)


def test_a_run_without_resources_is_a_run(store):
    record(store, run(1))
    with store.latest(HOST) as kept:
        assert kept
        assert len(kept) == 0
        with pytest.raises(IndexError):
            kept.detail(0)


def test_every_run_takes_the_place_of_the_one_before(store):
    """What was not written to the ledger, because it is as it was, is here all the same."""
    reports = [run(1, *ROWS), run(2, *ROWS), run(3, *ROWS[:3]), run(4, *ROWS)]
    for made in reports:
        record(store, made)
        with store.latest(HOST) as kept:
            agrees(kept, made)


def test_no_row_is_encoded_twice(store, monkeypatch):
    made = run(1, *ROWS)
    given: list[Any] = []
    monkeypatch.setattr(latest, "save", lambda *_, rows: given.extend(rows))
    record(store, made)
    assert [json.loads(row) for row in given] == document(made)["resources"]


def test_one_that_is_replaced_still_answers(store):
    first, second = run(1, *ROWS), run(2, judged(volume("other")))
    record(store, first)
    with store.latest(HOST) as old:
        record(store, second)
        agrees(old, first)
        assert old.runs_behind() == 1
        with store.latest(HOST) as new:
            agrees(new, second)
            assert new.runs_behind() == 0


def test_after_closing_there_are_no_details(store):
    record(store, run(1, *ROWS))
    kept = store.latest(HOST)
    kept.close()
    kept.close()
    with pytest.raises(ValueError, match="closed"):
        kept.detail(0)
    assert len(kept) == len(ROWS)


def test_there_may_be_none(store):
    assert store.latest(HOST) is None
    assert latest.hosts(store.directory) == ()
    record(store, run(1, host="b.example"), run(1, host="a"))
    assert store.latest(HOST) is None
    (store.directory / "latest" / "-x.jsonl").touch()
    assert latest.hosts(store.directory) == ("a", "b.example")


@pytest.mark.parametrize("host", ["../known/x", "..", "", "a/b", "/etc/passwd", ".hidden", "a\0b", "a\n"])
def test_a_host_name_cannot_leave_the_folder(tmp_path, host):
    with pytest.raises(UsageProblem, match="cannot name a folder"):
        latest.read(tmp_path, host)


def edited(**changes: Any) -> Callable[[bytes], bytes]:
    """Another value for a member of the first line; a dictionary changes members in it, `...` removes one."""

    def edit(told: dict[str, Any], changes: dict[str, Any]) -> None:
        for name, value in changes.items():
            if value is ...:
                del told[name]
            elif isinstance(value, dict) and isinstance(told[name], dict):
                edit(told[name], value)
            else:
                told[name] = value

    def damage(text: bytes) -> bytes:
        first, _, rest = text.partition(b"\n")
        told = json.loads(first)
        edit(told, changes)
        return json.dumps(told).encode() + b"\n" + rest

    return damage


def without(name: str) -> Callable[[bytes], bytes]:
    return edited(columns={name: ...})


N = len(ROWS)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one line end": lambda _: b"\n",
    "cut in the first line": lambda text: text[:200],
    "no line end": lambda text: text[: text.index(b"\n")],
    "cut between rows": lambda text: text[: text[:-1].rindex(b"\n") + 1],
    "cut in a row": lambda text: text[:-5],
    "a row too many": lambda text: text + b"{}\n",
    "no JSON": lambda text: b"x" + text,
    "no UTF-8": lambda text: text.replace(b"chris", b"chri\xff", 1),
    "no object": lambda _: b"[]\n",
    "deep": lambda _: b"[" * 100_000 + b"\n",
    "only zeros": lambda text: bytes(len(text)),
    "another format": edited(format=2),
    "no format": edited(format=...),
    "another host": edited(report={"host": {"name": "other"}}),
    "no host": edited(report={"host": None}),
    "no report": edited(report=...),
    "no number": edited(seq=True),
    "no chain": edited(chain=None),
    "no columns": edited(columns=...),
    "columns of a list": edited(columns=[]),
    **{f"without {name}": without(name) for name in ("id", "length", "kind", "project")},
    "a short column": edited(columns={"id": ["x"] * (N - 1)}),
    "a short table": edited(columns={"kind": {"at": [0] * (N - 1)}}),
    "a number for a name": edited(columns={"name": [1] * N}),
    "a name for a number": edited(columns={"size_bytes": ["1"] * N}),
    "a verdict that is none": edited(columns={"verdict": {"values": [None] * N}}),
    "a list for a table": edited(columns={"rule": [""] * N}),
    "a table for a list": edited(columns={"id": {"values": ["x"], "at": [0] * N}}),
    "a place too far": edited(columns={"kind": {"at": [99] * N}}),
    "a place before the first": edited(columns={"kind": {"at": [-1] * N}}),
    "a truth for a place": edited(columns={"kind": {"at": [False] * N}}),
    "other lengths": edited(columns={"length": [7] * N}),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_one_is_not_read(store, damage):
    record(store, run(1, *ROWS))
    text = path(store).read_bytes()
    assert damage(text) != text
    files.replace_file(path(store), damage(text), 0o440)
    with pytest.raises(EvidenceUnreadable, match=rf"latest/{HOST}\.jsonl cannot be read") as caught:
        store.latest(HOST)
    assert caught.value.next_step == "Make it anew: hygiene evidence rebuild"


@pytest.mark.parametrize("heal", [EvidenceStore.rebuild, lambda store: record(store, run(2, *ROWS))])
def test_a_damaged_one_is_made_anew(store, heal):
    record(store, run(1, *ROWS))
    files.replace_file(path(store), b"\0", 0o440)
    heal(store)
    with store.latest(HOST) as kept:
        agrees(kept, store.load(HOST))


def test_lengths_below_zero_that_sum_up_are_not_read(store):
    record(store, run(1, *ROWS))
    text = path(store).read_bytes()
    rest = len(text) - text.index(b"\n") - 1
    damage = edited(columns={"length": [-7, rest + 7 - N, *([0] * (N - 2))]})
    files.replace_file(path(store), damage(text), 0o440)
    with pytest.raises(EvidenceUnreadable, match="damaged"):
        store.latest(HOST)


@pytest.mark.parametrize(
    "damage",
    [
        lambda row: row.replace(b'"kind":"', b'"kind":"x', 1)[:-1],
        lambda row: row.replace(b'"candidate"', b'"protected"', 1),
        lambda row: bytes(len(row)),
        lambda row: b"[]" + b" " * (len(row) - 2),
        lambda row: row[:-1] + b"\n",
    ],
)
def test_a_damaged_row_is_not_shown(store, damage):
    """The columns are whole and still answer; the row says that it does not."""
    record(store, run(1, *ROWS))
    with store.latest(HOST) as kept:
        number = kept.columns["verdict"].index("candidate")
        other = kept.columns["verdict"].index("protected")
    first, *rows = path(store).read_bytes().split(b"\n")
    assert len(damage(rows[number])) == len(rows[number])
    rows[number] = damage(rows[number])
    files.replace_file(path(store), b"\n".join([first, *rows]), 0o440)
    with store.latest(HOST) as kept:
        with pytest.raises(EvidenceUnreadable, match="damaged"):
            kept.detail(number)
        assert kept.detail(other)["verdict"] == "protected"


def test_a_file_that_becomes_shorter_while_it_is_open(store):
    record(store, run(1, *ROWS))
    with store.latest(HOST) as kept:
        os.truncate(path(store), path(store).stat().st_size - 1)
        with pytest.raises(EvidenceUnreadable, match="damaged"):
            kept.detail(len(kept) - 1)


def test_a_folder_in_its_place_is_not_read(store):
    path(store).mkdir(parents=True)
    with pytest.raises(EvidenceUnreadable, match="Is a directory"):
        store.latest(HOST)


def test_one_behind_the_ledger_says_so(store, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    record(store, run(1, *ROWS))
    with monkeypatch.context() as patched:
        patched.setattr(latest, "save", full)
        record(store, run(2, *ROWS[:2]), run(3))
    with store.latest(HOST) as kept:
        agrees(kept, run(1, *ROWS))
        assert kept.runs_behind() == 2
    record(store, run(4))
    with store.latest(HOST) as kept:
        assert (kept.seq, kept.runs_behind()) == (4, 0)


def test_one_that_the_ledger_does_not_hold_says_so(store, tmp_path):
    record(store, run(1, *ROWS))
    other = EvidenceStore(tmp_path / "other", log=lambda _: None)
    record(other, run(9))
    files.replace_file(path(other), path(store).read_bytes(), 0o440)
    with other.latest(HOST) as kept:
        assert kept.runs_behind() is None


def test_a_rebuild_makes_it_of_the_newest_run(store):
    made = run(2, *ROWS[:4])
    record(store, run(1, *ROWS), made)
    before = path(store).read_bytes()
    path(store).unlink()
    store.rebuild()
    assert path(store).read_bytes() == before
    with store.latest(HOST) as kept:
        agrees(kept, made)


def test_a_rebuild_forgets_what_has_no_ledger(store):
    record(store, run(1, *ROWS), run(1, host="gone"), run(1, host="emptied"))
    (store.directory / "known" / "gone.json").unlink()
    for host in ("gone", "emptied"):
        for file in Ledger(store.directory, host).files():
            file.path.unlink()
    (store.directory / "ledger" / "gone" / "2026").rmdir()
    (store.directory / "ledger" / "gone" / ".lock").unlink()
    (store.directory / "ledger" / "gone" / ".reserve").unlink(missing_ok=True)
    (store.directory / "ledger" / "gone").rmdir()
    store.rebuild()
    assert latest.hosts(store.directory) == (HOST,)


def test_a_rebuild_goes_on_without_a_run_that_it_cannot_read(store):
    """A newer version wrote it. The databases may take it in; what this cannot show, it does not keep."""
    ledger = Ledger(store.directory, HOST)
    record(store, run(1, *ROWS))
    (line, *_) = [one for one in ledger.lines(ledger.files()[0]) if one.startswith(b'{"k":"doc"')]
    newer = json.loads(line) | {"status": "splendid"}
    made = run(2)
    ledger.append(
        run_id="run-0002",
        started_at=made.started_at,
        mode="report",
        tool_version="9",
        full=False,
        lines=[json.dumps(newer, separators=(",", ":")).encode()],
    )
    store.rebuild()
    assert store.latest(HOST) is None
    assert store.recall(HOST).last_sequence == 2


def test_what_a_killed_writer_left_goes(store):
    record(store, run(1, *ROWS))
    left = path(store).with_name(f".{HOST}.jsonl.4711.tmp")
    left.write_bytes(b"x")
    record(store, run(2, *ROWS))
    assert [one.name for one in path(store).parent.iterdir()] == [f"{HOST}.jsonl"]


def test_its_group_may_read_it_and_nobody_else(store, monkeypatch):
    os.umask(os.umask(0))
    mine = grp.getgrgid(os.getegid() if os.geteuid() else grp.getgrall()[-1].gr_gid)
    monkeypatch.setattr(files, "GROUP", mine.gr_name)
    record(store, run(1, *ROWS))
    for one, mode in ((path(store), 0o440), (path(store).parent, 0o750)):
        assert (stat.S_IMODE(one.stat().st_mode), one.stat().st_gid) == (mode, mine.gr_gid)


@contextmanager
def nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_one_that_this_user_may_not_read(store):
    record(store, run(1, *ROWS))
    with nobody(), pytest.raises(EvidenceUnreadable, match="may not read") as caught:
        store.latest(HOST)
    assert "group" in caught.value.next_step
    assert latest.hosts(store.directory) == (HOST,)


READER = """
import sys
from pathlib import Path
from hygiene_core.evidence import latest
with latest.read(Path(sys.argv[1]), sys.argv[2]) as kept:
    assert kept.detail(0)["id"] == kept.columns["id"][0]
    assert kept.runs_behind() == 0
heavy = {"pydantic", "pydantic_core", "duckdb", "docker", "asyncssh", "psutil", "hygiene_core.model"}
print(sorted(heavy & set(sys.modules)))
"""


def test_reading_loads_nothing_heavy(store):
    record(store, run(1, *ROWS))
    told = subprocess.run(
        [sys.executable, "-c", READER, store.directory, HOST], capture_output=True, text=True, check=False
    )
    assert (told.stdout, told.stderr) == ("[]\n", "")


def test_the_memory_of_a_run_makes_no_difference(store):
    """A row of the ledger may carry its memory; what is kept here is the row as printed."""
    made = run(1, *ROWS)
    store.record(made, Memory())
    again = replace(run(2, *ROWS), resources=made.resources)
    store.record(again, remembered(again, Memory()))
    with store.latest(HOST) as kept:
        agrees(kept, again)
    before = path(store).read_bytes()
    store.rebuild()
    assert path(store).read_bytes() == before
