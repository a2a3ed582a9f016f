"""The users of a host: their homes and groups, and which files they may change.

`/etc/passwd` and `/etc/group` are read as files. The name service, which may ask a network, is asked only for
who does not stand in them.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hygiene_core.host.probes.files import cause_of, read_regular

__all__ = ["Account", "Accounts", "may_change", "read_accounts"]

_PASSWD_FIELDS, _GROUP_FIELDS = 7, 4
_MOST_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user. What is not known of one is `None`."""

    name: str
    uid: int | None = None
    groups: frozenset[int] = frozenset()
    home: str | None = None


@dataclass(frozen=True, slots=True)
class Accounts:
    """The users that the files name; `ask` says whether the name service is asked for others."""

    by_name: dict[str, Account] = field(default_factory=dict)
    by_uid: dict[int, Account] = field(default_factory=dict)
    ask: bool = False

    def named(self, name: str) -> Account:
        """The user of a name, or of a number in digits; one that nobody knows has a name alone."""
        if name in self.by_name:
            return self.by_name[name]
        number = _number(name)
        if number is not None:
            return self.numbered(number)
        return (_asked(name) if self.ask else None) or Account(name=name)

    def numbered(self, uid: int) -> Account:
        """The user of a number; one that nobody knows is called by it."""
        if uid in self.by_uid:
            return self.by_uid[uid]
        return (_asked(uid) if self.ask else None) or Account(name=str(uid), uid=uid)


def read_accounts(system: Path, problems: list[str]) -> Accounts:
    """The users of the system under a root. What cannot be read of them is a problem in words."""
    groups: dict[str, set[int]] = {}
    for fields in _rows(system / "etc/group", _GROUP_FIELDS, problems):
        for member in fields[3].split(","):
            groups.setdefault(member, set()).add(int(fields[2]))
    made = Accounts(ask=system == Path("/"))
    for fields in _rows(system / "etc/passwd", _PASSWD_FIELDS, problems):
        name, uid, own = fields[0], int(fields[2]), _number(fields[3])
        all_groups = groups.get(name, set()) | (set() if own is None else {own})
        one = Account(name=name, uid=uid, groups=frozenset(all_groups), home=fields[5] or None)
        made.by_name.setdefault(name, one)
        made.by_uid.setdefault(uid, one)
    return made


def _rows(path: Path, fields: int, problems: list[str]) -> Iterator[list[str]]:
    """The rows of passwd(5) or group(5); what is none, as a line for NIS, is left out."""
    try:
        content, _ = read_regular(str(path))
    except FileNotFoundError:
        return  # a system of the name service alone
    except (OSError, ValueError) as error:
        problems.append(f"{path} cannot be read ({cause_of(error)})")
        return
    for line in content.split(b"\n"):
        row = os.fsdecode(line).split(":")
        if len(row) == fields and _number(row[2]) is not None:
            yield row


def _number(text: str) -> int | None:
    """The number of a user or a group, which has no more than ten digits."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _asked(who: str | int) -> Account | None:
    """What the name service knows of a user."""
    try:
        entry = pwd.getpwuid(who) if isinstance(who, int) else pwd.getpwnam(who)
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    return Account(name=entry.pw_name, uid=entry.pw_uid, groups=frozenset(groups), home=entry.pw_dir or None)


def may_change(account: Account, path: str) -> bool | None:
    """Whether a user may change a file, or put another in its place; `None` if that cannot be told.

    Judged by owners and modes of the file and of every directory that leads to it: who may rename a directory
    on the way may lay out another. Access lists and read-only mounts are not looked at.
    """
    if account.uid is None:
        return None
    if account.uid == 0:
        return True
    real = os.path.realpath(path)
    told = {_may_write(account, real)}
    for place in {path, real}:
        entry, folder = place, os.path.dirname(place)  # noqa: PTH120 - pathlib keeps no undecodable text
        while folder != entry:
            told.add(_may_replace(account, folder, entry))
            entry, folder = folder, os.path.dirname(folder)  # noqa: PTH120 - as above
    if True in told:
        return True
    return None if None in told else False


def _may_write(account: Account, path: str) -> bool | None:
    try:
        seen = os.stat(path)  # noqa: PTH116 - as above
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None
    return _has(account, seen, stat.S_IWOTH)


def _may_replace(account: Account, folder: str, entry: str) -> bool | None:
    """Whether a user may make or rename an entry of a directory."""
    try:
        seen = os.stat(folder)  # noqa: PTH116 - as above
        if not _has(account, seen, stat.S_IWOTH | stat.S_IXOTH):
            return False
        if not seen.st_mode & stat.S_ISVTX or seen.st_uid == account.uid:
            return True
        return os.lstat(entry).st_uid == account.uid
    except (FileNotFoundError, NotADirectoryError):
        return os.path.isdir(folder)  # noqa: PTH112 - nothing is there yet: who may write may make it
    except OSError:
        return None


def _has(account: Account, seen: os.stat_result, bits: int) -> bool:
    """Whether a user has these bits, given as those of others. Who owns a file may take them."""
    if seen.st_uid == account.uid:
        return True
    granted = seen.st_mode >> 3 if seen.st_gid in account.groups else seen.st_mode
    return granted & bits == bits
