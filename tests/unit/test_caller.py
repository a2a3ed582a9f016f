"""Who asks, by the word of the operating system."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from hygiene_core.host import caller as asked
from hygiene_core.host.caller import PATH, caller
from hygiene_core.model.journal import Caller

NAMES = {0: "root", 1000: "alice", 1001: "bob", 33: "www-data"}
UNSET = str(2**32 - 1)


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A login uid and a real uid; the accounts are those of `NAMES`."""

    def entry(uid: int):
        if uid in NAMES:
            return pwd.struct_passwd((NAMES[uid], "x", uid, uid, "", "/", "/bin/sh"))
        raise KeyError(uid)

    monkeypatch.setattr(asked.pwd, "getpwuid", entry)
    (tmp_path / "self").mkdir()

    def made(login: str | None, uid: int) -> Path:
        monkeypatch.setattr(asked.os, "getuid", lambda: uid)
        if login is not None:
            (tmp_path / "self/loginuid").write_text(login)
        return tmp_path

    return made


@pytest.mark.parametrize(
    ("login", "uid", "sudo", "expected"),
    [
        ("1000", 0, "1001", Caller(uid=0, login_uid=1000, sudo_uid=1001, name="alice")),
        (UNSET, 0, "1001", Caller(uid=0, sudo_uid=1001, name="bob")),
        (None, 0, "1001", Caller(uid=0, sudo_uid=1001, name="bob")),
        (UNSET, 0, None, Caller(uid=0, name="root")),
        ("0", 0, "1001", Caller(uid=0, login_uid=0, sudo_uid=1001, name="root")),
        (UNSET, 33, "1000", Caller(uid=33, name="www-data")),
        ("1000", 33, None, Caller(uid=33, login_uid=1000, name="alice")),
        ("nobody", 1001, None, Caller(uid=1001, name="bob")),
        ("", 1001, None, Caller(uid=1001, name="bob")),
        (UNSET, 4242, None, Caller(uid=4242, name="4242")),
    ],
)
def test_the_name_is_that_of_the_first_that_is_known(proc, login, uid, sudo, expected):
    environ = {} if sudo is None else {"SUDO_UID": sudo, "SUDO_USER": "mallory", "USER": "mallory"}
    assert caller(environ, proc=proc(login, uid)) == expected


@pytest.mark.parametrize(
    "sudo", ["", "-1", "0x10", " 1000", "1000 ", "1e3", "\u0661", "\u00b2", "9" * 11, "alice"]
)
def test_a_sudo_uid_that_is_no_number(proc, sudo):
    made = caller({"SUDO_UID": sudo}, proc=proc(UNSET, 0))
    assert (made.sudo_uid, made.name) == (None, "root")


def test_a_number_that_is_no_account(monkeypatch):
    monkeypatch.setattr(asked.os, "getuid", lambda: 0)
    made = caller({"SUDO_UID": "9" * 10}, proc=Path("/nowhere"))
    assert made.name == "9" * 10


def test_where_somebody_says_to_sit_is_kept_and_proves_nothing(proc):
    made = caller({}, said_from="192.0.2.1", proc=proc(UNSET, 33))
    assert (made.said_from, made.name) == ("192.0.2.1", "www-data")


def test_this_very_process():
    made = caller(os.environ)
    assert made.uid == os.getuid()
    assert made.name


def test_nothing_of_the_environment_is_left():
    code = (
        "import os; from hygiene_core.host.caller import scrub; scrub(); print(sorted(os.environ.items()));"
        "import subprocess; print(subprocess.run(['/usr/bin/env'], capture_output=True, text=True).stdout)"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", code],
        env={"LD_PRELOAD_X": "1", "PYTHONPATH": "/x", "DOCKER_HOST": "tcp://h", "PATH": "/evil"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    first, *rest = ended.stdout.splitlines()
    assert first == str(sorted(expected.items()))
    assert dict(line.split("=", 1) for line in rest if line) == expected
