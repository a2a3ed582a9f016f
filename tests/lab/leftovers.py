"""Folders of lab hosts: made under a lock, removed without a trace, and swept when their process was killed."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.lab.errors import LabFailure
from tests.lab.trees import lab_dir

__all__ = ["CGROUPS", "Folder", "cgroup_folders", "new_folder", "sweep"]

CGROUPS = Path("/sys/fs/cgroup")
_BUSY_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Folder:
    """What one host owns on the outside: `path` on a real filesystem, `shared` with the short path its sockets need."""

    path: Path
    shared: Path
    lock: IO[str]

    @property
    def cgroup(self) -> str:
        """The name of the host's control groups, below each hierarchy's root."""
        return f"hygiene-{self.path.name}"

    def remove(self) -> None:
        """Remove everything; the host's processes must be gone."""
        _remove_cgroups(self.cgroup)
        _remove_tree(self.path)
        _remove_tree(self.shared)
        self.lock.close()


def new_folder(name: str) -> Folder:
    """A fresh folder for a host, owned (by a file lock) for as long as this process lives."""
    hosts = lab_dir() / "hosts"
    hosts.mkdir(parents=True, exist_ok=True)
    with _exclusive(hosts):
        path = hosts / f"{name}-{secrets.token_hex(3)}"
        path.mkdir(mode=0o755)
        shared = Path(tempfile.mkdtemp(prefix="hlab-", dir="/tmp"))
        shared.chmod(0o755)
        (path / "owner.json").write_text(json.dumps({"shared": str(shared)}), encoding="utf-8")
        lock = (path / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return Folder(path, shared, lock)


def sweep() -> list[str]:
    """Remove the folders of hosts whose process is gone; returns their names.

    The processes inside ended with their owner: the first of them reads a pipe that only the owner holds open.
    """
    hosts = lab_dir() / "hosts"
    if not hosts.is_dir():
        return []
    swept = []
    with _exclusive(hosts):
        for path in sorted(hosts.iterdir()):
            if not path.is_dir():
                continue
            lock = (path / "lock").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            try:
                shared = Path(json.loads((path / "owner.json").read_text(encoding="utf-8"))["shared"])
            except (OSError, ValueError):
                # Killed between making the folder and writing down what it owns: there is nothing else yet.
                shared = path / "none"
            Folder(path, shared, lock).remove()
            swept.append(path.name)
    return swept


@contextmanager
def _exclusive(hosts: Path) -> Iterator[None]:
    # A folder that exists and is not locked yet must never be taken for a leftover.
    with (hosts / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_tree(path: Path) -> None:
    # A bug here must not walk into a mount: one filesystem only, and `rm` says what it could not remove.
    if path.exists():
        subprocess.run(["rm", "-rf", "--one-file-system", "--", path], check=True)


def cgroup_folders(name: str) -> list[Path]:
    """The top folders of a host's control groups: one on v2, one a controller on v1."""
    # On v1 several names are links to one mounted hierarchy.
    roots = [CGROUPS, *(root for root in CGROUPS.glob("*") if root.is_dir() and not root.is_symlink())]
    return [root / name for root in roots if (root / name).is_dir()]


def _remove_cgroups(name: str) -> None:
    for top in cgroup_folders(name):
        folders = sorted((Path(found) for found, _, _ in os.walk(top)), reverse=True)
        for folder in folders:
            _remove_cgroup(folder)


def _remove_cgroup(folder: Path) -> None:
    # The kernel lets go of a group a moment after its last process is reaped and offers no event on v1 for that.
    for _ in range(_BUSY_ROUNDS):
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as problem:
            last = problem
            os.sched_yield()
        else:
            return
    raise LabFailure(f"control group {folder} stays busy: {last}")
