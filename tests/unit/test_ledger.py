"""The ledger keeps what it was given, and notices everything that was done to it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from hygiene_core.errors import EvidenceBroken, EvidenceUnwritable, UsageProblem
from hygiene_core.evidence import files
from hygiene_core.evidence.ledger import Head, Ledger
from hygiene_core.evidence.segment import GENESIS, read_end
from hygiene_core.evidence.verify import verify

AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def ledger(directory, host="h") -> Ledger:
    return Ledger(directory, host, reserve_bytes=0)


def append(to: Ledger, number: int, *lines: bytes, at=AT):
    return to.append(
        run_id=f"run-{number}",
        started_at=at,
        mode="report",
        tool_version="0.1.0",
        full=number == 1,
        lines=lines or (json.dumps({"k": "res", "n": number, "id": "a" * 50}).encode(),),
    )


@pytest.fixture
def five(tmp_path) -> Ledger:
    made = ledger(tmp_path)
    for number in range(1, 6):
        append(made, number)
    return made


def test_the_format_is_the_one_that_is_written_down(tmp_path):
    made = ledger(tmp_path)
    first = append(made, 1, b'{"k":"res"}', b'{"k":"gone"}')
    second = append(made, 2)
    assert first.path == tmp_path / "ledger" / "h" / "2026" / "0000000001-run-1.jsonl.gz"
    text = gzip.decompress(first.path.read_bytes())
    *body, end = text.splitlines(keepends=True)
    assert json.loads(body[0]) == {
        "k": "run",
        "v": 1,
        "host": "h",
        "run_id": "run-1",
        "seq": 1,
        "started_at": "2026-05-04T03:02:01Z",
        "mode": "report",
        "tool_version": "0.1.0",
        "full": True,
    }
    assert body[1:] == [b'{"k":"res"}\n', b'{"k":"gone"}\n']
    digest = hashlib.sha256(b"".join(body)).hexdigest()
    chain = hashlib.sha256(f"hyg1\0{'0' * 64}\n1\nrun-1\n{digest}".encode()).hexdigest()
    assert json.loads(end) == {
        "k": "end",
        "seq": 1,
        "run_id": "run-1",
        "prev": GENESIS,
        "body_sha256": digest,
        "lines": 3,
        "chain": chain,
    }
    assert (second.prev, made.head()) == (chain, Head(2, "run-2", second.chain))
    assert [line["k"] for line in made.read(first)] == ["run", "res", "gone"]


def test_segments_are_read_back_in_order_whatever_year_the_clock_told(tmp_path):
    made = ledger(tmp_path)
    for number, year in ((1, 2026), (2, 2030), (3, 2025)):
        append(made, number, at=AT.replace(year=year))
    assert [segment.seq for segment in made.segments()] == [1, 2, 3]
    assert verify(made).ok


def test_modes_do_not_depend_on_the_umask(tmp_path):
    for umask in (0o000, 0o777):
        before = os.umask(umask)
        try:
            where = tmp_path / f"state-{umask}"
            segment = append(Ledger(where, "h", reserve_bytes=4096), 1)
        finally:
            os.umask(before)
        assert stat.S_IMODE(segment.path.stat().st_mode) == 0o400
        for directory in (where, *(path for path in where.rglob("*") if path.is_dir())):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o750, directory


def test_a_missing_group_is_told_when_directories_are_made(tmp_path, monkeypatch):
    def absent(_name):
        raise KeyError

    monkeypatch.setattr(files.grp, "getgrnam", absent)
    assert append(ledger(tmp_path / "state"), 1).notes == (
        "There is no group 'hygiene' on this machine: only this user can read the evidence.",
    )
    assert append(ledger(tmp_path / "state"), 2).notes == ()


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "-oProxyCommand=x", "a\nb", "::1", "é", "x" * 201]
)
def test_a_name_that_is_no_folder_is_refused(tmp_path, name):
    with pytest.raises(UsageProblem, match="cannot name a folder"):
        Ledger(tmp_path, name)
    with pytest.raises(UsageProblem, match="cannot name a folder"):
        ledger(tmp_path).append(
            run_id=name, started_at=AT, mode="report", tool_version="0", full=True, lines=()
        )
    assert not list(tmp_path.rglob("*.gz"))


def test_a_run_is_not_recorded_twice(five):
    with pytest.raises(EvidenceUnwritable, match="run-3 is recorded already"):
        append(five, 3)
    assert verify(five).segments == 5


def test_a_record_with_a_line_end_is_refused_before_anything_is_written(five):
    with pytest.raises(ValueError, match="line end"):
        append(five, 6, b'{"k":\n"res"}')
    assert verify(five).segments == 5


def test_what_a_killed_writer_left_is_swept(five):
    leftover = five.files()[0].path.parent / ".tmp-99999-0000000006-run-6.jsonl.gz"
    leftover.write_bytes(b"half")
    append(five, 6)
    assert not leftover.exists()
    assert verify(five).segments == 6


def test_a_state_directory_that_is_a_file(tmp_path):
    (tmp_path / "state").write_text("")
    with pytest.raises(EvidenceUnwritable, match=r"Not a directory.*This run is not recorded"):
        append(ledger(tmp_path / "state"), 1)


def test_a_ledger_locked_for_too_long_names_the_holder(five, monkeypatch):
    monkeypatch.setattr("hygiene_core.evidence.ledger._LOCK_WAIT_SECONDS", 0.05)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import fcntl, sys\n"
                "f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX)\n"
                "print('held', flush=True); sys.stdin.read()"
            ),
            five.directory / ".lock",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(EvidenceUnwritable, match=f"locked by process {holder.pid}"):
            append(five, 6)
        holder.stdin.close()
    assert append(five, 6).seq == 6


def test_the_head_of_a_ledger_that_somebody_packed_anew(five):
    path = five.files()[-1].path
    chain = read_end(path)["chain"]
    _rewrite(path, gzip.compress(gzip.decompress(path.read_bytes())))
    assert read_end(path)["chain"] == chain
    assert verify(five).ok


def _rewrite(path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


def _edited(path, old: bytes, new: bytes) -> None:
    text = gzip.decompress(path.read_bytes())
    assert old in text
    _rewrite(path, gzip.compress(text.replace(old, new)))


def _edit(segments):
    _edited(segments[2], b'"n": 3', b'"n": 4')


def _edit_and_hash_again(segments):
    """Somebody who knows the format, and stops at one segment."""
    text = gzip.decompress(segments[2].read_bytes()).replace(b'"n": 3', b'"n": 4')
    *body, last = text.splitlines(keepends=True)
    end = json.loads(last)
    end["body_sha256"] = hashlib.sha256(b"".join(body)).hexdigest()
    told = f"hyg1\0{end['prev']}\n{end['seq']}\n{end['run_id']}\n{end['body_sha256']}"
    end["chain"] = hashlib.sha256(told.encode()).hexdigest()
    _rewrite(segments[2], gzip.compress(b"".join(body) + json.dumps(end).encode() + b"\n"))


def _cut(segments):
    _rewrite(segments[4], segments[4].read_bytes()[:-7])


def _cut_inside(segments):
    _rewrite(segments[2], segments[2].read_bytes()[:60])


def _drop_end(segments):
    text = gzip.decompress(segments[4].read_bytes())
    _rewrite(segments[4], gzip.compress(b"".join(text.splitlines(keepends=True)[:-1])))


def _empty(segments):
    _rewrite(segments[4], b"")


def _remove(segments):
    segments[2].unlink()


def _remove_first(segments):
    segments[0].unlink()
    segments[1].unlink()


def _swap(segments):
    two, three = segments[1].read_bytes(), segments[2].read_bytes()
    _rewrite(segments[1], three)
    _rewrite(segments[2], two)


def _swap_names(segments):
    two, three = segments[1], segments[2]
    two.rename(two.with_name("0000000003-run-2.jsonl.gz"))
    three.rename(three.with_name("0000000002-run-3.jsonl.gz"))


def _double(segments):
    copy = segments[2].with_name("0000000003-zzz.jsonl.gz")
    copy.write_bytes(segments[2].read_bytes())


def _remove_line(segments):
    text = gzip.decompress(segments[2].read_bytes()).splitlines(keepends=True)
    _rewrite(segments[2], gzip.compress(text[0] + text[-1]))


def _line_count(segments):
    _edited(segments[2], b'"lines":2', b'"lines":3')


@pytest.mark.parametrize(
    ("fault", "first_bad", "says"),
    [
        (_edit, 3, "was changed after it was written"),
        (_edit_and_hash_again, 4, "does not follow the segment before it"),
        (_cut, 5, "cut off"),
        (_cut_inside, 3, "cut off"),
        (_drop_end, 5, "has no end line"),
        (_empty, 5, "has no end line"),
        (_remove, 3, "run 3 is missing"),
        (_remove_first, 1, "runs 1 to 2 are missing"),
        (_swap, 2, "holds run 3"),
        (_swap_names, 2, "holds run 3"),
        (_double, 3, "two segments have the number 3"),
        (_remove_line, 3, "was changed after it was written"),
        (_line_count, 3, "has 2 lines and says that it has 3"),
    ],
)
def test_what_was_done_to_it_is_noticed(five, fault, first_bad, says):
    fault([file.path for file in five.files()])
    found = verify(five)
    assert (found.ok, found.first_bad_seq) == (False, first_bad)
    assert says in found.problem
    assert f"broken at run {first_bad}: " in found.sentence


def test_every_flipped_byte_is_noticed(five):
    """Each byte of a segment in turn. Some bytes of gzip's own header say nothing about the content."""
    path = five.files()[2].path
    sound = path.read_bytes()
    second_member = sound.rindex(b"\x1f\x8b\x08")
    silent = {start + at for start in (0, second_member) for at in (4, 5, 6, 7, 8, 9)}  # mtime, level, system
    for position in range(len(sound)):
        if position in silent:
            continue
        damaged = bytearray(sound)
        damaged[position] ^= 0xFF
        _rewrite(path, bytes(damaged))
        assert verify(five).first_bad_seq == 3, position
    _rewrite(path, sound)
    assert verify(five).ok


def test_only_an_anchor_notices_a_missing_tail(five):
    head = five.head()
    for file in five.files()[3:]:
        file.path.unlink()
    assert verify(five).ok
    found = verify(five, head)
    assert (found.ok, found.first_bad_seq) == (False, 4)
    assert found.problem == "the newest 2 runs are missing; run 5 was recorded as run-5"


def test_only_an_anchor_notices_a_ledger_written_anew(five, tmp_path):
    head = five.head()
    other = ledger(tmp_path / "other")
    for number in range(1, 6):
        append(other, number, b'{"k":"res","n":0}')
    assert verify(other).ok
    found = verify(other, head)
    assert (found.ok, found.first_bad_seq) == (False, 5)
    assert "not what was anchored as run 5" in found.problem
    assert verify(five, head).ok


def test_a_segment_of_another_host_is_noticed(five, tmp_path):
    other = ledger(tmp_path / "elsewhere", "other")
    append(other, 1)
    path = five.files()[0].path
    _rewrite(path, other.files()[0].path.read_bytes())
    assert "of host 'other'" in verify(five).problem


def test_nothing_is_added_after_a_broken_head(five):
    _cut([file.path for file in five.files()])
    with pytest.raises(EvidenceBroken, match="cut off"):
        append(five, 6)
    assert len(five.files()) == 5


def test_a_segment_that_was_changed_is_not_read(five):
    _edit([file.path for file in five.files()])
    with pytest.raises(EvidenceBroken, match="does not match its own hash"):
        list(five.read(five.files()[2]))


def test_an_empty_ledger(tmp_path):
    made = ledger(tmp_path)
    assert (made.files(), made.head(), verify(made).ok) == ([], None, True)
    assert verify(made).sentence == "nothing is recorded"
    assert list(tmp_path.iterdir()) == []
