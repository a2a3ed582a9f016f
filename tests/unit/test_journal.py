"""The journal of a run: durable lines, torn tails, and those who read while it is written."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from hygiene_core.errors import EvidenceBroken, EvidenceUnwritable, UnknownRun
from hygiene_core.evidence import journal as module
from hygiene_core.evidence.acts import lines_of, open_journals
from hygiene_core.evidence.journal import Journal, follow, read_journal
from hygiene_core.model.act import Outcome
from hygiene_core.model.codec import decode, encode, line_adapter
from hygiene_core.model.journal import Ended, Halted, Intended, Line, Settled
from hygiene_core.testing import NOW
from tests.unit.run_scenes import SCENES

ROOT = Path(__file__).parents[2]
END = Ended(at=NOW, exit_status=0, outcomes={})


def line(number: int) -> Intended:
    return Intended(at=NOW, number=number, ids=(f"id-{number}",))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "runs/r.jsonl", tmp_path / ".ballast")
    made.create()
    yield made
    made.close()


def test_every_sort_of_line_comes_back_as_it_was(journal):
    written = [one for scene in SCENES.values() for one in scene[0]]
    assert {type(one) for one in written} == set(get_args(Line))
    for one in written:
        journal.append(one)
    assert read_journal(journal.path).lines == tuple(written)


def test_the_file_is_nobodys_to_change(journal):
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o440
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o750


def test_a_run_never_goes_on_in_the_journal_of_another(journal):
    with pytest.raises(EvidenceUnwritable, match="the journal of this run could not be written: File exists"):
        Journal(journal.path, journal.path.parent / "b").create()


def test_a_journal_that_is_not_open(tmp_path):
    made = Journal(tmp_path / "r.jsonl", tmp_path / "b")
    with pytest.raises(ValueError, match="not open"):
        made.append(END)
    made.close()
    with pytest.raises(EvidenceUnwritable, match="No such file"):
        made.reopen()


def test_a_place_that_cannot_be_made(tmp_path):
    (tmp_path / "runs").write_text("")
    with pytest.raises(EvidenceUnwritable):
        Journal(tmp_path / "runs/r.jsonl", tmp_path / "b").create()


def test_a_line_is_on_the_disk_before_append_returns(journal, monkeypatch):
    order: list[str] = []
    real = os.fsync
    monkeypatch.setattr(module.os, "fsync", lambda descriptor: (order.append("fsync"), real(descriptor))[1])
    journal.append(line(1))
    order.append("returned")
    assert order == ["fsync", "returned"]


@pytest.mark.parametrize("error", [5, 30])
def test_a_disk_that_fails_costs_no_ballast(journal, monkeypatch, error):
    journal.append(line(1))
    before = journal.path.read_bytes()

    def fail(_descriptor: int, content: memoryview) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(module.os, "write", fail)
    with pytest.raises(EvidenceUnwritable, match=os.strerror(error)):
        journal.append(line(2))
    monkeypatch.undo()
    assert journal.path.read_bytes() == before
    assert (journal.path.parents[1] / ".ballast").exists()


def test_a_write_of_a_part_is_gone_on_with(journal, monkeypatch):
    real = os.write
    monkeypatch.setattr(module.os, "write", lambda descriptor, view: real(descriptor, bytes(view[:7])))
    journal.append(line(1))
    monkeypatch.undo()
    assert read_journal(journal.path).lines == (line(1),)


def test_no_ballast_can_be_had(tmp_path, monkeypatch):
    def fail(*_arguments: int) -> None:
        raise OSError(22, "no")

    monkeypatch.setattr(module.os, "posix_fallocate", fail)
    with pytest.raises(EvidenceUnwritable):
        Journal(tmp_path / "runs/r.jsonl", tmp_path / ".ballast").create()
    assert not (tmp_path / ".ballast").exists()


def test_a_full_filesystem(tmp_path):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare(1)")
    ended = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.faults.journal_full_disk", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if "unshare failed" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert (ended.returncode, ended.stdout) == (0, "sound\n"), ended.stderr


# -- a run that was cut off ----------------------------------------------------------------------------------


def test_a_torn_tail_is_told_and_counts_as_not_written(journal):
    journal.append(line(1))
    whole = journal.path.stat().st_size
    journal.append(line(2))
    content = journal.path.read_bytes()
    for cut in range(whole + 1, len(content)):
        journal.path.write_bytes(content[:cut])
        read = read_journal(journal.path)
        assert (read.lines, read.whole_bytes, read.torn, read.ended) == ((line(1),), whole, True, False)


def test_a_torn_tail_is_cut_away_before_anything_is_added(journal):
    journal.append(line(1))
    journal.append(line(2))
    os.truncate(journal.path, journal.path.stat().st_size - 5)
    again = Journal(journal.path, journal.path.parents[1] / ".ballast")
    again.reopen()
    again.append(END)
    again.close()
    read = read_journal(journal.path)
    assert (read.lines, read.torn, read.ended) == ((line(1), END), False, True)


def test_an_empty_journal(journal):
    read = read_journal(journal.path)
    assert (read.lines, read.whole_bytes, read.torn, read.ended) == ((), 0, False, False)


@pytest.mark.parametrize(
    "stored", [b"\n", b"{}\n", b'{"k":"other"}\n', b"\xff\n", b"[]\n", b'{"k":"ended"}\n']
)
def test_a_line_that_is_none(journal, stored):
    journal.append(line(1))
    with journal.path.open("ab") as stream:
        stream.write(stored)
    for read in (lambda: read_journal(journal.path), lambda: list(follow(journal.path, lambda: False))):
        with pytest.raises(EvidenceBroken, match=r"r\.jsonl has a line that is none of a journal"):
            read()


def test_the_runs_that_have_not_ended(tmp_path, journal):
    journal.append(line(1))
    assert open_journals(tmp_path) == (journal.path,)
    assert lines_of(tmp_path, "r") == (line(1),)
    with pytest.raises(UnknownRun, match="no run other is known on this host"):
        lines_of(tmp_path, "other")


# -- those who read while it is written ----------------------------------------------------------------------

WRITE = """
import os, sys, time
from pathlib import Path
from hygiene_core.evidence.journal import Journal
from hygiene_core.model.journal import Ended, Intended
from hygiene_core.testing import NOW
path = Path(sys.argv[1])
count, kill = int(sys.argv[2]), sys.argv[3] == "kill"
journal = Journal(path, path.parent / ".ballast")
journal.create()
print("open", flush=True)
if count > 1000:
    os.fsync = lambda descriptor: None  # what is durable is tested elsewhere; here it would only take time
for number in range(count):
    journal.append(Intended(at=NOW, number=number, ids=(f"id-{number}",)))
if kill:
    os.write(journal._descriptor, b'{"k":"inten')
    os.kill(os.getpid(), 9)
journal.append(Ended(at=NOW, exit_status=0, outcomes={}))
"""


def followed(path: Path, count: int, how: str) -> tuple[list[Line], int]:
    words = [sys.executable, "-c", WRITE, str(path), str(count), how]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        found = list(follow(path, lambda: writer.poll() is None, poll_seconds=0.01))
    return found, writer.returncode


def test_ten_thousand_lines_of_a_live_writer(tmp_path):
    found, status = followed(tmp_path / "r.jsonl", 10_000, "end")
    assert status == 0
    assert len(found) == 10_001
    assert [one.number for one in found[:-1] if isinstance(one, Intended)] == list(range(10_000))
    assert isinstance(found[-1], Ended)


def test_a_writer_that_is_killed_in_the_middle_of_a_line(tmp_path):
    found, status = followed(tmp_path / "r.jsonl", 20, "kill")
    assert status == -signal.SIGKILL
    assert [one.number for one in found if isinstance(one, Intended)] == list(range(20))
    assert not isinstance(found[-1], Ended)
    assert read_journal(tmp_path / "r.jsonl").torn


def test_it_ends_with_the_end_though_the_writer_lives(journal):
    journal.append(END)
    journal.append(line(1))
    assert list(follow(journal.path, lambda: True)) == [END]


def test_a_line_that_comes_in_pieces(journal):
    stored = encode(line_adapter(), line(1)) + b"\n" + encode(line_adapter(), END) + b"\n"
    started = threading.Event()

    def write() -> None:
        started.wait(5)
        with journal.path.open("ab", buffering=0) as stream:
            for at in range(0, len(stored), 9):
                stream.write(stored[at : at + 9])

    writer = threading.Thread(target=write)
    writer.start()
    found = follow(journal.path, lambda: (started.set(), True)[1], poll_seconds=0.001)
    assert list(found) == [line(1), END]
    writer.join()


def test_what_was_written_just_before_the_end_of_the_writer_is_read(journal):
    """The writer is asked for before the read: a line that came in between is not lost."""
    asked: list[bool] = []

    def goes_on() -> bool:
        asked.append(True)
        if len(asked) == 2:
            journal.append(line(2))
            journal.append(Halted(at=NOW, why="STOPPED", detail="x"))
        return len(asked) < 2

    journal.append(line(1))
    assert [type(one) for one in follow(journal.path, goes_on, poll_seconds=0.001)] == [
        Intended,
        Intended,
        Halted,
    ]


def test_a_sealed_journal_is_read_to_its_end(journal):
    journal.append(line(1))
    found = follow(journal.path, lambda: True, poll_seconds=0.001)
    assert next(found) == line(1)
    journal.append(END)
    journal.path.unlink()
    assert list(found) == [END]


def test_text_of_a_host_stays_in_its_line(journal):
    odd = Settled(at=NOW, number=1, outcome=Outcome.FAILED, detail='a\nb\r{"k":"ended"}\x1b[2J\x85\u2028')
    journal.append(odd)
    assert journal.path.read_bytes().count(b"\n") == 1
    assert read_journal(journal.path).lines == (odd,)
    assert list(follow(journal.path, lambda: False)) == [odd]
    assert decode(line_adapter(), journal.path.read_bytes()) == odd
