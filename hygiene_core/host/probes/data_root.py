"""What a data root holds besides images, volumes and containers, which the Engine counts itself."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes.walk import measure_tree, shown
from hygiene_core.model.disk import ContainerLog, DataRootUse, DeletedFile

__all__ = ["SOURCE", "can_be_read", "read_data_root"]

SOURCE = "directories of the data root; /proc/*/fd; the journal's directories"

_COUNTED = frozenset(
    {"overlay2", "volumes", "vfs", "btrfs", "zfs", "fuse-overlayfs", "aufs", "devicemapper", "containerd"}
)
"""Where layers and volumes lie: the Engine counts them, and a walk of them takes minutes."""

_CONTAINERS = "containers"
_JOURNALS = ("/var/log/journal", "/run/log/journal")
_ID = re.compile(r"[0-9a-f]{64}\Z")
_BLOCK_BYTES = 512
_NAMED = 3
_LONGEST_CONFIG = 1024 * 1024
_ROTATING = frozenset({"local", "journald"})


def can_be_read(path: str) -> bool:
    """Whether this process may list the data root: only root may, as a rule."""
    return os.access(path, os.R_OK | os.X_OK)


def read_data_root(path: str, deadline: Deadline) -> tuple[DataRootUse, tuple[str, ...]]:
    """Measure it, and a sentence for each thing that could not be measured. Raises OSError if it is gone."""
    problems: list[str] = []
    device = os.stat(path).st_dev  # noqa: PTH116 - beside the other calls of os here
    folders: dict[str, int] = {}
    logs: tuple[ContainerLog, ...] = ()
    for entry in sorted(os.scandir(path), key=lambda one: one.name):
        if entry.name in _COUNTED or not entry.is_dir(follow_symlinks=False):
            continue
        held = _held(entry.path, deadline, problems)
        if held is None:
            continue
        if entry.name == _CONTAINERS:
            logs = tuple(_logs(Path(entry.path), problems))
            held = max(0, held - sum(log.size_bytes for log in logs))
        folders[shown(entry.name)] = held
    deleted, unseen = _deleted(device, deadline, problems)
    journal, is_here = _journal(device, deadline, problems)
    biggest = sorted(deleted.values(), key=lambda one: (-one.size_bytes, one.pid))[:_NAMED]
    made = DataRootUse(
        path=path,
        device=device,
        folders=folders,
        logs=logs,
        deleted_bytes=sum(one.size_bytes for one in deleted.values()),
        deleted=tuple(biggest),
        unseen_processes=unseen,
        journal_bytes=journal,
        journal_is_here=is_here,
    )
    return made, tuple(problems)


def _held(path: str, deadline: Deadline, problems: list[str]) -> int | None:
    try:
        measured = measure_tree(path, deadline)
    except OSError as error:
        problems.append(f"{shown(path)}: {error.strerror}")
        return None
    problems += [f"{shown(path)}: {said}" for said in measured.problems]
    return measured.allocated_bytes


def _logs(folder: Path, problems: list[str]) -> Iterator[ContainerLog]:
    """Each container's log files, and how its driver was set when it was made."""
    for one in sorted(folder.iterdir()):
        if _ID.match(one.name) is None:
            continue
        try:
            size = _allocated(one.glob(f"{one.name}-json.log*")) + _allocated(one.glob("local-logs/*"))
            driver, bounded = _driver(one / "hostconfig.json")
        except FileNotFoundError:
            continue  # the container was removed meanwhile
        except OSError as error:
            problems.append(f"the log of container {one.name[:12]}: {error.strerror}")
            continue
        yield ContainerLog(container_id=one.name, driver=driver, bounded=bounded, size_bytes=size)


def _allocated(files: Iterator[Path]) -> int:
    return sum(path.lstat().st_blocks * _BLOCK_BYTES for path in files)


def _driver(path: Path) -> tuple[str | None, bool | None]:
    """The log driver and whether it rotates. Nothing else of the file is read out of it. Raises OSError."""
    with path.open("rb") as file:
        text = file.read(_LONGEST_CONFIG)
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None, None
    config = value.get("LogConfig") if isinstance(value, dict) else None
    driver = config.get("Type") if isinstance(config, dict) else None
    if not isinstance(driver, str) or not driver:
        return None, None
    options = config.get("Config") if isinstance(config, dict) else None
    has_bound = isinstance(options, dict) and bool(options.get("max-size"))
    return driver, driver != "json-file" or driver in _ROTATING or has_bound


def _deleted(device: int, deadline: Deadline, problems: list[str]) -> tuple[dict[int, DeletedFile], int]:
    """Deleted files of a filesystem that are open, by inode; and how many processes are closed to us."""
    found: dict[int, DeletedFile] = {}
    unseen = 0
    for pid in [name for name in os.listdir("/proc") if name.isdecimal()]:  # noqa: PTH208 - names alone
        if deadline.expired:
            problems.append(f"the open files were not all read within {deadline}")
            break
        try:
            for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - names alone
                seen = _deleted_file(f"/proc/{pid}/fd/{number}", device)
                if seen is not None and seen.st_ino not in found:
                    size = seen.st_blocks * _BLOCK_BYTES
                    found[seen.st_ino] = DeletedFile(process=_name(pid), pid=int(pid), size_bytes=size)
        except PermissionError:
            unseen += 1
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
    return found, unseen


def _deleted_file(link: str, device: int) -> os.stat_result | None:
    try:
        seen = os.stat(link)  # noqa: PTH116 - a million of these are asked: no object for each
    except (FileNotFoundError, ProcessLookupError):
        return None
    gone = seen.st_dev == device and seen.st_nlink == 0 and stat.S_ISREG(seen.st_mode)
    return seen if gone else None


def _name(pid: str) -> str:
    try:
        return shown(Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip())
    except OSError:
        return "a process that ended"


def _journal(device: int, deadline: Deadline, problems: list[str]) -> tuple[int | None, bool]:
    sizes: list[int] = []
    is_here = False
    for path in _JOURNALS:
        try:
            journal_device = os.stat(path).st_dev  # noqa: PTH116 - as above
        except FileNotFoundError:
            continue
        is_here = is_here or journal_device == device
        held = _held(path, deadline, problems)
        if held is not None:
            sizes.append(held)
    return (sum(sizes), is_here) if sizes else (None, False)
