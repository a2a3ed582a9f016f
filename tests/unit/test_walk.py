"""What a directory holds, on real directories."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes.walk import Measured, measure_tree, named, shown


def measure(path: Path, seconds: float = 60) -> Measured:
    return measure_tree(str(path), Deadline.after(timedelta(seconds=seconds)))


def du_bytes(path: Path) -> int:
    """What du(1) says of it."""
    said = subprocess.run(["du", "-sx", "--block-size=1", path], capture_output=True, check=True).stdout
    return int(said.split()[0])


def test_apparent_and_allocated_bytes_in_one_walk(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/one").write_bytes(b"x" * 5000)
    (tmp_path / "a/b/two").write_bytes(b"x" * 70_000)
    with (tmp_path / "hole").open("wb") as stream:
        stream.truncate(10**9)
    seen = measure(tmp_path)
    assert seen.apparent_bytes == 75_000 + 10**9
    assert seen.allocated_bytes == du_bytes(tmp_path)
    assert (seen.entries, seen.problems) == (6, ())
    assert seen.changed_at is not None
    assert datetime.now(UTC) - seen.changed_at < timedelta(minutes=5)


def test_a_file_with_several_names_counts_once(tmp_path):
    (tmp_path / "one").write_bytes(b"x" * 5000)
    (tmp_path / "again").hardlink_to(tmp_path / "one")
    assert measure(tmp_path).apparent_bytes == 5000
    assert measure(tmp_path).allocated_bytes == du_bytes(tmp_path)


def test_links_are_not_followed_and_odd_files_are_counted(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 100_000)
    (inside / "loop").symlink_to(inside)
    (inside / "away").symlink_to(outside)
    (inside / "nowhere").symlink_to("gone")
    os.mkfifo(inside / "pipe")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(inside / "door"))
        seen = measure(inside)
    assert (seen.apparent_bytes, seen.entries, seen.problems) == (0, 6, ())


def test_names_that_are_not_text(tmp_path):
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")  # noqa: PTH102 - pathlib takes no bytes
    with open(os.fsencode(tmp_path) + b"/\xff\xfe/\n\x1b[2J", "wb") as stream:  # noqa: PTH123 - likewise
        stream.write(b"x" * 10)
    assert measure(tmp_path).apparent_bytes == 10


def test_no_two_names_look_the_same():
    names = ["a", "\\xff", os.fsdecode(b"\xff"), "\\", "\\\\", os.fsdecode(b"\\\xff"), "\\\\xff"]
    assert len({shown(name) for name in names}) == len(names)
    assert shown(os.fsdecode(b"\xff")) == "\\xff"


def test_a_tree_that_is_ten_thousand_deep(tmp_path):
    depth = 10_000
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    with open(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here), "wb") as stream:  # noqa: PTH123 - likewise
        stream.write(b"x" * 7)
    os.close(here)
    try:
        seen = measure(tmp_path)
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)
    assert (seen.apparent_bytes, seen.entries, seen.problems) == (7, depth + 2, ())


def test_no_descriptor_is_left_open(tmp_path):
    for number in range(50):
        (tmp_path / f"{number}" / "x").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
    measure(tmp_path)
    measure(tmp_path, seconds=0)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - a count


def test_a_deadline_ends_the_walk_with_a_reason(tmp_path):
    (tmp_path / "one").mkdir()
    seen = measure(tmp_path, seconds=0)
    assert seen.problems == ("the walk did not end within 0 s",)


def test_a_tree_that_changes_is_measured_all_the_same(tmp_path):
    stop = threading.Event()

    def churn() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            folder = tmp_path / f"job-{number % 20}"
            folder.mkdir(exist_ok=True)
            (folder / "file").write_bytes(b"x")
            (folder / "file").unlink()
            folder.rmdir()

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        seen = [measure(tmp_path) for _ in range(200)]
    finally:
        stop.set()
        worker.join()
    reasons = {reason for one in seen for reason in one.problems}
    assert all("could not" in one or "went while" in one or one.startswith("and ") for one in reasons), (
        reasons
    )


def test_a_directory_that_is_not_there_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        measure(tmp_path / "gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_another_filesystem_is_not_entered(tmp_path):
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    script = f"mount -t tmpfs tmpfs {mounted} && head -c 4096 /dev/zero > {mounted}/x && exec python3 -c ''"
    code = (
        "from datetime import timedelta; from hygiene_core.host.deadline import Deadline;"
        "from hygiene_core.host.probes.walk import measure_tree;"
        f"print(measure_tree({str(tmp_path)!r}, Deadline.after(timedelta(seconds=9))).apparent_bytes)"
    )
    command = ["unshare", "-m", "sh", "-c", script.replace("exec python3 -c ''", 'exec "$0" -c "$1"')]
    import sys  # noqa: PLC0415 - only here

    said = subprocess.run([*command, sys.executable, code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "0"


@given(st.binary(min_size=1, max_size=40))
def test_a_name_comes_back_from_its_text(raw: bytes):
    name = os.fsdecode(raw)
    assert named(shown(name)) == name


@given(st.text(max_size=40))
def test_any_text_is_some_name(told: str):
    assert isinstance(named(told.encode("utf-8", "ignore").decode()), str)
