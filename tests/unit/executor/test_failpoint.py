"""Named points at which a test makes the executor die: nothing happens where none was armed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hygiene_core.executor import failpoint
from hygiene_core.executor.failpoint import POINTS, VARIABLE

ROOT = Path(__file__).parents[3]
REACH = (
    "import os, sys; from hygiene_core.executor import failpoint; failpoint.arm(os.environ)\n"
    "for name in sys.argv[1:]:\n    failpoint.reach(name)\n    print(name, flush=True)\n"
)


def run(armed: str | None, *points: str) -> tuple[int, list[str]]:
    environ = {key: value for key, value in os.environ.items() if key != VARIABLE}
    ended = subprocess.run(
        [sys.executable, "-c", REACH, *points],
        env=environ if armed is None else environ | {VARIABLE: armed},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    return ended.returncode, ended.stdout.split()


@pytest.mark.parametrize("armed", [None, ""])
def test_nothing_happens_unasked(armed):
    assert run(armed, *POINTS) == (0, list(POINTS))


@pytest.mark.parametrize(("act", "number"), [("kill", signal.SIGKILL), ("term", signal.SIGTERM)])
def test_it_dies_where_it_was_told_to(act, number):
    status, reached = run(f"after-intent={act}", "after-began", "after-intent", "after-act")
    assert (status, reached) == (-number, ["after-began"])


def test_it_dies_at_the_third_time():
    status, reached = run("after-act:3=kill", *["after-act"] * 5)
    assert (status, reached) == (-signal.SIGKILL, ["after-act"] * 2)


def test_it_freezes():
    with subprocess.Popen(
        [sys.executable, "-c", REACH, "after-act", "after-outcome"],
        env=os.environ | {VARIABLE: "after-act=freeze"},
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == signal.SIGSTOP
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout is not None
        assert process.stdout.read() == b"after-act\nafter-outcome\n"


@pytest.mark.parametrize(
    "armed",
    ["x", "after-act", "after-act=", "after-act=explode", "=kill", "nowhere=kill", "after-act:x=kill"],
)
def test_a_point_that_does_not_exist_is_an_error(armed, monkeypatch):
    monkeypatch.setattr(failpoint, "_armed", {})
    with pytest.raises(ValueError, match=r".+"):
        failpoint.arm({VARIABLE: armed})
    assert failpoint._armed == {}


def test_every_point_is_reached_by_the_code():
    source = "".join(path.read_text() for path in (ROOT / "hygiene_core/executor").glob("*.py"))
    assert set(re.findall(r'failpoint\.reach\("([a-z-]+)"\)', source)) == set(POINTS)
