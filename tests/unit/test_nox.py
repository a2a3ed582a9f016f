"""The entry points: which there are, that none acts on a host unasked, and what a signal to them does."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ON_HOST = ("apply", "demo", "report")
FAKE = """
import os, signal, sys, time
log = open(os.environ["LOG"], "a")
def heard(number, frame):
    print(signal.Signals(number).name, file=log, flush=True)
signal.signal(signal.SIGTERM, heard)
signal.signal(signal.SIGINT, heard)
print("began", os.getpid(), *sys.argv[1:], file=log, flush=True)
until = time.monotonic() + float(os.environ["SECONDS"])
while time.monotonic() < until:
    time.sleep(0.1)
print("ended", file=log, flush=True)
sys.exit(4)
"""


def listed(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "--list", *words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NO_COLOR": "1"},
    ).stdout


def test_a_bare_nox_never_acts_on_a_host():
    selected = {one["name"] for one in json.loads(listed("--json"))}
    assert selected == {"lint", "types", "tests", "compat"}


def test_the_sessions_that_act_on_a_host():
    told = re.findall(r"^([-*]) (\w+) ->", listed(), re.MULTILINE)
    assert {("-", name) for name in ON_HOST} <= set(told)


def started(folder: Path, session: str, seconds: float) -> tuple[subprocess.Popen[bytes], Path]:
    """A session whose command is a stand-in that notes down the signals that it gets."""
    shutil.copy(ROOT / "noxfile.py", folder)
    (folder / "hygiene_core").mkdir()
    (folder / "hygiene_core/__init__.py").write_text("")
    (folder / "hygiene_core/__main__.py").write_text(FAKE)
    log = folder / "log"
    process = subprocess.Popen(
        [sys.executable, "-m", "nox", "-f", str(folder / "noxfile.py"), "-s", session, "--", "--mode", "x"],
        env=os.environ | {"LOG": str(log), "SECONDS": str(seconds)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process, log


def test_the_options_are_those_of_the_verb(tmp_path):
    process, log = started(tmp_path, "apply", 0)
    assert process.wait(30) == 1, "nox turns every failure into 1"
    began, *rest = log.read_text().splitlines()
    assert began.split()[2:] == ["apply", "--mode", "x"]
    assert rest == ["ended"]


def test_sigterm_asks_the_run_to_stop_once_and_waits_for_its_end(tmp_path):
    process, log = started(tmp_path, "apply", 4)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    began, *rest = log.read_text().splitlines()
    assert rest == ["SIGTERM", "ended"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.split()[1]), 0)  # no child is left behind


def test_ctrl_c_reaches_the_run_once(tmp_path):
    """A terminal sends it to the whole group."""
    process, log = started(tmp_path, "apply", 4)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30)
    assert log.read_text().splitlines()[1:] == ["SIGINT", "ended"]
