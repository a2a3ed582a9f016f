"""The one lock of a host, held by real processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hygiene_core.errors import Locked
from hygiene_core.host.lock import Holder, LockFile, hold, holder_of

ROOT = Path(__file__).parents[2]
HOLDER = Holder(pid=4711, started=99, run_id="run-1", digest="d" * 64, since="2026-05-04T03:02:01Z")
SINCE = "2026-05-04T03:02:01Z"
WHO = f"run run-1 (process 4711, plan {'d' * 12}) has this host since {SINCE}. Nothing was removed."
NOBODY = "another run has this host. Nothing was removed."
HOLD = """
import sys
from pathlib import Path
from hygiene_core.host.lock import Holder, hold
with hold(Path(sys.argv[1]), Path(sys.argv[2]), 0) as lock:
    if sys.argv[3:]:
        lock.tell(Holder(pid=4711, started=99, run_id=sys.argv[3], digest="d" * 64,
                         since="2026-05-04T03:02:01Z"))
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """The file under /run, and a data root."""
    (tmp_path / "run").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/engine-id").write_text("the id")
    return tmp_path / "run/engine.lock", tmp_path / "data"


@contextmanager
def held(places: tuple[Path, Path], run_id: str | None = "run-1") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    words = [sys.executable, "-c", HOLD, *map(str, places), *([run_id] if run_id else [])]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.stdin.close()
            process.wait(10)


def refused(places: tuple[Path, Path], wait: float = 0) -> str:
    with pytest.raises(Locked) as caught, hold(*places, wait):
        pytest.fail("two hold it")
    assert (caught.value.code, caught.value.exit_status) == ("LOCKED", 5)
    assert caught.value.next_step == "Watch it: hygiene follow"
    return caught.value.message


def test_a_lock_that_is_free(places):
    assert holder_of(places[0]) is None
    with hold(*places, 0) as lock:
        assert isinstance(lock, LockFile)
        lock.tell(HOLDER)
        assert holder_of(places[0]) == HOLDER
    assert holder_of(places[0]) is None


def test_two_processes_never_hold_it(places):
    with held(places):
        assert refused(places) == WHO
        assert holder_of(places[0]) == HOLDER
    with hold(*places, 0):
        pass


def test_a_holder_that_did_not_say_who_it_is(places):
    with held(places, None):
        assert refused(places) == NOBODY
        assert holder_of(places[0]) is None


def test_a_killed_holder_frees_it(places):
    with held(places) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        assert json.loads(places[0].read_text())["run_id"] == "run-1", "what it wrote is left"
        assert holder_of(places[0]) is None
        with hold(*places, 0):
            assert holder_of(places[0]) is None, "nobody is told by what a dead process wrote"


def test_it_is_waited_for(places):
    with held(places) as process:
        assert process.stdin is not None
        before = time.monotonic()
        assert refused(places, 0.3) == WHO
        assert time.monotonic() - before >= 0.3
        process.stdin.close()
        with hold(*places, 10):
            pass


def test_a_child_keeps_it_after_its_parent(places):
    """The executor answers its front end and goes on in a process that it forked."""
    read_end, write_end = os.pipe()
    with hold(*places, 0) as lock:
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            os.close(write_end)
            lock.tell(HOLDER)
            os.read(read_end, 1)
            os._exit(0)
    try:
        deadline = time.monotonic() + 10
        while holder_of(places[0]) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert refused(places) == WHO
    finally:
        os.close(read_end)
        os.close(write_end)
        os.waitpid(child, 0)
    with hold(*places, 0):
        pass


def test_a_longer_word_leaves_nothing_of_itself(places):
    with hold(*places, 0) as lock:
        lock.tell(Holder(pid=1, started=1, run_id="r" * 500, digest="d" * 64, since="x"))
        lock.tell(HOLDER)
        assert holder_of(places[0]) == HOLDER


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"pid": 1}', '{"pid": 1, "more": 2}', "\x00" * 9])
def test_words_that_are_no_holder(places, content):
    with held(places, None):
        places[0].write_text(content)
        assert holder_of(places[0]) is None
        assert refused(places) == NOBODY


def test_a_link_in_place_of_a_file(places, tmp_path):
    (tmp_path / "elsewhere").write_text("")
    places[0].symlink_to(tmp_path / "elsewhere")
    assert holder_of(places[0]) is None
    with pytest.raises(OSError, match="symbolic link"), hold(*places, 0):
        pass


def test_an_engine_id_that_is_not_there(places):
    (places[1] / "engine-id").unlink()
    with pytest.raises(FileNotFoundError), hold(*places, 0):
        pass
    (places[1] / "engine-id").write_text("")
    with hold(*places, 0):
        pass


def test_another_run_folder_is_no_second_lock(places, tmp_path):
    """What a stale file of that folder says is not what is told."""
    (tmp_path / "other").mkdir()
    other = tmp_path / "other/engine.lock"
    other.write_text(json.dumps({name: getattr(HOLDER, name) for name in Holder.__slots__}))
    with held(places, "run-2"):
        assert refused((other, places[1])) == NOBODY


def test_another_mount_namespace_is_no_second_host(places):
    """As a container would be that has the data root and a /run of its own."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare(1)")
    script = 'mount -t tmpfs none "$1" && shift && exec "$@"'
    inside = [sys.executable, "-c", HOLD, *map(str, places)]
    with held(places):
        tried = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", str(places[0].parent), *inside],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
        )
    if "unshare failed" in tried.stderr:
        pytest.skip(tried.stderr.strip())
    assert tried.returncode == 1
    assert tried.stdout == ""
    assert NOBODY in tried.stderr
