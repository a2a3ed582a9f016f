"""The Engine's configuration file, where it is certain that this Engine reads that file.

Nothing in the API names the file, and the arguments of a process are never captured. So it is the one that
the host's configuration names, else the default. The default counts only for an Engine that sees the same
files as this process: its data root is proven at the very path that the Engine itself names, and the
process behind the socket has the same root directory. Behind a forwarded socket, or for an Engine in a
chroot or a container, the same path is another file.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from pathlib import Path

from hygiene_core.host.daemon_json import parse_daemon_json
from hygiene_core.host.go_values import BadValue
from hygiene_core.host.probes.filesystems import DataRoot
from hygiene_core.model.engine_config import DaemonConfig, EngineGc

__all__ = ["DEFAULT_PATH", "SOURCE", "not_ours", "read_daemon_config", "why_not_ours"]

DEFAULT_PATH = "/etc/docker/daemon.json"
SOURCE = "the Engine's configuration file"

_MOST_BYTES = 1024 * 1024
_CONNECT_SECONDS = 2.0
_CREDENTIALS = struct.Struct("3i")


def why_not_ours(socket_path: str, named: str | None, proof: DataRoot) -> str | None:
    """Why the default file may be another Engine's; `None` if it is this one's.

    Args:
        socket_path: the Engine's socket.
        named: the data root that the Engine names.
        proof: the data root as this process sees it.
    """
    if proof.path is None:
        return f"the data root is not proven to be this Engine's ({proof.reason})"
    if named is None or not _same(proof.path, named):
        return f"the Engine sees other files: its {named} is {proof.path} here"
    return _other_root(socket_path)


def not_ours(why: str) -> DaemonConfig:
    """The default file, which was not read because it may be another Engine's."""
    return DaemonConfig(path=DEFAULT_PATH, applies=False, reason=f"not read: {why}")


def _same(one: str, other: str) -> bool:
    """Whether two paths are one: the Engine may name a link's target."""
    return os.path.normpath(one) == os.path.normpath(other) or os.path.realpath(one) == os.path.realpath(
        other
    )


def _other_root(socket_path: str) -> str | None:
    """Whether the process that listens has another root directory. Nothing is sent to it."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(_CONNECT_SECONDS)
            client.connect(socket_path)
            answer = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError as error:
        return f"who listens on {socket_path} is not known ({error.strerror or error})"
    pid: int = _CREDENTIALS.unpack(answer)[0]
    if pid == 0:
        return f"the process behind {socket_path} is in another PID namespace"
    try:
        there, here = os.stat(f"/proc/{pid}/root"), os.stat("/")  # noqa: PTH116 - numbers alone
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        # Not for this user to see, or the listener handed its socket on and ended: the proof has to do.
        return None
    if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino):
        return f"the process behind {socket_path} has another root directory"
    return None


def read_daemon_config(
    configured: str | None, named: str | None
) -> tuple[DaemonConfig | None, tuple[str, ...]]:
    """What the file says, and a sentence for each thing that could not be read.

    Args:
        configured: the file that the host's configuration names, `None` for the default, where it is ours.
        named: the data root that the Engine names: a file that names another is not in effect.
    """
    path = configured or DEFAULT_PATH
    try:
        config, problems = parse_daemon_json(path, _content(Path(path)))
    except FileNotFoundError:
        if configured is not None:
            return None, (f"the configured daemon_config {path} is not there",)
        reason = "there is no such file: the Engine's defaults hold"
        return DaemonConfig(path=path, applies=True, reason=reason, exists=False, gc=EngineGc()), ()
    except OSError as error:
        return None, (f"{path} cannot be read ({error.strerror or error})",)
    except BadValue as error:
        return None, (f"{path} is {error}",)
    told = config.data_root
    if told is not None and named is not None and not _same(told, named):
        reason = f"not in effect: it names another data root than the Engine, {named}"
        return DaemonConfig(path=path, applies=False, reason=reason, exists=True), (f"{path} is {reason}",)
    return config, problems


def _content(path: Path) -> bytes:
    """Raises OSError, or BadValue if it is no regular file or too long."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadValue("not a regular file")
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise BadValue(f"longer than {_MOST_BYTES} bytes")
    return content
