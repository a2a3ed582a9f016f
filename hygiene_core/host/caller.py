"""Who asks, by the word of the operating system: never by what a front end says."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path

from hygiene_core.model.journal import Caller

__all__ = ["PATH", "caller", "scrub"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNSET = 2**32 - 1
"""What proc(5) gives for a process of no login session."""


def caller(environ: Mapping[str, str], *, said_from: str | None = None, proc: Path = Path("/proc")) -> Caller:
    """The user behind this process.

    The login uid is set once for each session and survives sudo and su; `SUDO_UID` is believed of root alone,
    who could be anybody anyway.
    """
    uid = os.getuid()
    login_uid = _login_uid(proc)
    sudo = environ.get("SUDO_UID", "") if uid == 0 else ""
    sudo_uid = int(sudo) if re.fullmatch("[0-9]{1,10}", sudo) else None
    known = next(one for one in (login_uid, sudo_uid, uid) if one is not None)
    return Caller(uid=uid, login_uid=login_uid, sudo_uid=sudo_uid, name=_name(known), said_from=said_from)


def _login_uid(proc: Path) -> int | None:
    try:
        found = int((proc / "self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # a kernel without auditing
    return None if found == _UNSET else found


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def scrub() -> None:
    """Forget the environment: nothing in it may steer what a process of root does."""
    os.environ.clear()
    os.environ.update({"PATH": PATH, "LC_ALL": "C.UTF-8"})
