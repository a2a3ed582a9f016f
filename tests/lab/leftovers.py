"""Folders of lab hosts: made under a lock, removed without a trace, swept when the owner was killed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import select
import subprocess
import tempfile
import time
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
_END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Folder:
    """What one host owns outside.

    `path` is on a real filesystem, `shared` has the short path that sockets need, `data` is the data root.
    """

    path: Path
    shared: Path
    data: Path
    lock: IO[str]

    @property
    def cgroup(self) -> str:
        """The name of the host's control groups, below each hierarchy's root."""
        return f"hygiene-{self.path.name}"

    def thaw(self) -> None:
        """Let frozen (paused) containers go on: on v1 the kernel cannot end a frozen process."""
        for top in cgroup_folders(self.cgroup):
            for state in top.rglob("freezer.state"):
                state.write_text("THAWED", encoding="ascii")

    def remove(self) -> None:
        """Remove everything. The host's processes must be gone or, in a swept folder, about to be."""
        self.thaw()
        _remove_cgroups(self.cgroup)
        # The folder itself goes last: while it stands, a removal that was cut short is taken up again.
        _remove_tree(self.data)
        _remove_tree(self.shared)
        _remove_tree(self.path)
        self.lock.close()


def new_folder(name: str, *, in_memory: bool = False) -> Folder:
    """A fresh folder for a host, owned (by a file lock) for as long as this process lives.

    With `in_memory` the data root is on the machine's tmpfs, where an fsync costs nothing.
    """
    hosts = lab_dir() / "hosts"
    hosts.mkdir(parents=True, exist_ok=True)
    with _exclusive(hosts):
        path = hosts / f"{name}-{secrets.token_hex(3)}"
        path.mkdir(mode=0o755)
        shared = Path(tempfile.mkdtemp(prefix="hlab-", dir="/tmp"))
        shared.chmod(0o755)
        data = Path(tempfile.mkdtemp(prefix="hlab-", dir="/dev/shm")) if in_memory else path / "docker"
        data.mkdir(exist_ok=True)
        data.chmod(0o711)
        owned = {"shared": str(shared), "data": str(data)}
        (path / "owner.json").write_text(json.dumps(owned), encoding="utf-8")
        lock = (path / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    return Folder(path, shared, data, lock)


def sweep() -> list[str]:
    """Remove the folders of hosts whose process is gone; returns their names.

    The processes inside ended with their owner: the first of them reads a pipe that only the owner holds.
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
                owned = json.loads((path / "owner.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                # Killed before it had written down what it owns: it owned at most an empty folder or two.
                owned = {"shared": path / "none", "data": path / "none"}
            Folder(path, Path(owned["shared"]), Path(owned["data"]), lock).remove()
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
    for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split():
        _await_end(int(pid))
    for _ in range(_BUSY_ROUNDS):
        try:
            folder.rmdir()
        except OSError as problem:
            if problem.errno != errno.EBUSY:
                raise
            # The kernel lets go of a group a moment after its last process is reaped; on v1 no event tells.
            time.sleep(0.01)
        else:
            return
    raise LabFailure(f"control group {folder} stays busy")


def _await_end(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([process], [], [], _END_SECONDS)[0]:
            raise LabFailure(f"process {pid} of a lab host that is gone does not end")
    finally:
        os.close(process)
