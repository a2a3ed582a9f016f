"""Which machine this is."""

from __future__ import annotations

import socket
from pathlib import Path

from hygiene_core.model.observation import HostIdentity

__all__ = ["SOURCE", "read_identity"]

SOURCE = "/etc/machine-id; gethostname(2); /proc/sys/kernel/random/boot_id"


def read_identity(root: Path = Path("/")) -> tuple[HostIdentity, tuple[str, ...]]:
    """The machine's identity below `root`, and a reason for each part that is missing."""
    problems: list[str] = []
    machine_id = _first_line(root / "etc/machine-id", problems)
    boot_id = _first_line(root / "proc/sys/kernel/random/boot_id", problems)
    hostname = socket.gethostname() or None
    if hostname is None:
        problems.append("the host has no name")
    return HostIdentity(machine_id=machine_id, hostname=hostname, boot_id=boot_id), tuple(problems)


def _first_line(path: Path, problems: list[str]) -> str | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        problems.append(f"{path} cannot be read ({said})")
        return None
    if not text:
        problems.append(f"{path} is empty")
    return text or None
