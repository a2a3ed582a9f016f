"""Processes in another pid namespace, as the outside sees them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import time
from pathlib import Path

from tests.lab.errors import LabFailure

__all__ = ["Process", "in_pid_namespace", "only_child", "status"]

_END_SECONDS = 60.0


class Process:
    """A process that is not our child, held by a pidfd: its id cannot come to mean another one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.fd >= 0 and not select.select([self.fd], [], [], 0)[0]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; that it has ended meanwhile is no error."""
        # SIGCONT may come after SIGKILL has done its work.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.fd, number)

    def await_end(self) -> None:
        """Wait until it has ended.

        Raises:
            LabFailure: it does not end.
        """
        if not select.select([self.fd], [], [], _END_SECONDS)[0]:
            raise LabFailure(f"process {self.pid} does not end")
        self.close()

    def await_stopped(self) -> None:
        """Wait until it stands after a SIGSTOP.

        Raises:
            LabFailure: it does not stop.
        """
        # Only a parent gets an event for this. Every thread has to stand, not the first one alone.
        until = time.monotonic() + _END_SECONDS
        while not all(status(int(one.name)).get("State", "T").startswith("T") for one in self._threads()):
            if time.monotonic() > until:
                raise LabFailure(f"process {self.pid} does not stop")
            time.sleep(0.001)

    def close(self) -> None:
        """Let go of it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _threads(self) -> list[Path]:
        return list(Path(f"/proc/{self.pid}/task").iterdir())


def only_child(pid: int) -> int:
    """The one child of a process.

    Raises:
        LabFailure: it has none or several.
    """
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    if len(children) != 1:
        raise LabFailure(f"process {pid} has {len(children)} children where one was expected")
    return int(children[0])


def status(pid: int) -> dict[str, str]:
    """The fields of a process's status; empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def in_pid_namespace(first: int) -> list[int]:
    """Every process in the pid namespace of `first` and in those below it."""
    # A container's processes are in a namespace below: the kernel tells the parent of each, one at a time.
    get_parent = 0xB702  # NS_GET_PARENT, ioctl_ns(2)
    wanted = Path(f"/proc/{first}/ns/pid").stat().st_ino
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            space = os.open(entry / "ns/pid", os.O_RDONLY)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            # Gone meanwhile, or not ours even as root: nothing of the lab is like that.
            continue
        while True:
            if os.fstat(space).st_ino == wanted:
                found.append(int(entry.name))
                break
            try:
                parent = fcntl.ioctl(space, get_parent)
            except PermissionError:
                # Above the outermost one that we may see.
                break
            os.close(space)
            space = parent
        os.close(space)
    return found
