"""The filesystems that matter, and the proof that a data root is this Engine's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hygiene_core.model.observation import Filesystem
from hygiene_core.model.request import ObserveRequest

__all__ = ["SOURCE", "DataRoot", "measure", "prove_data_root", "read_filesystems"]

SOURCE = "statvfs(3)"
_ENGINE_ID_FILE = "engine-id"
_LONGEST_ID = 256


@dataclass(frozen=True, slots=True)
class DataRoot:
    """A data root as this process sees it, `None` if unproven, and how it was proven or why not."""

    path: str | None
    reason: str


def prove_data_root(engine_id: str | None, named: str | None, configured: str | None) -> DataRoot:
    """Whether a folder is the data root of the Engine with that id.

    An `engine-id` file in it (Engine 23.0 and later) must match. Where there is none, only the configuration
    can prove it. The Engine's own word is not enough: behind a forwarded or bind-mounted socket the path that
    it names is another folder here.
    """
    root = configured or named
    if root is None:
        return DataRoot(None, "the Engine names no data root")
    path = Path(root) / _ENGINE_ID_FILE
    try:
        with path.open(encoding="ascii") as file:
            found = file.read(_LONGEST_ID).strip()
    except FileNotFoundError:
        return _without_file(root, f"there is no {path}", configured)
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "not text"
        return _without_file(root, f"{path} cannot be read ({said})", configured)
    if engine_id is None:
        return DataRoot(None, f"the Engine gives no id to compare with {path}")
    if found != engine_id:
        return DataRoot(None, f"{path} belongs to another Engine")
    return DataRoot(root, f"{path} holds this Engine's id")


def _without_file(root: str, why: str, configured: str | None) -> DataRoot:
    if configured is None:
        return DataRoot(None, f"{why}, and no data_root is configured")
    if not Path(root).is_dir():
        return DataRoot(None, f"the configured data_root {root} is not a folder here")
    return DataRoot(root, f"the configuration names it; {why}")


def read_filesystems(
    request: ObserveRequest, data_root: DataRoot
) -> tuple[tuple[Filesystem, ...], tuple[str, ...]]:
    """One row for each role, and a reason for each that could not be measured."""
    roles: dict[str, str] = {}
    problems: list[str] = []
    if data_root.path is None:
        problems.append(f"data_root: not proven, {data_root.reason}")
    else:
        roles["data_root"] = data_root.path
    if request.state_directory is not None:
        roles["state"] = _nearest_folder(request.state_directory)
    roles.update(request.roots)
    rows: list[Filesystem] = []
    for role, path in roles.items():
        try:
            rows.append(measure(role, path))
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(f"{role}: {path} cannot be measured ({said})")
    return tuple(rows), tuple(problems)


def _nearest_folder(path: str) -> str:
    """The state directory, or before the first run the folder in which it will be made."""
    folder = Path(path)
    return str(next((one for one in (folder, *folder.parents) if one.is_dir()), folder))


def measure(role: str, path: str) -> Filesystem:
    """The filesystem that holds a path. Raises OSError."""
    seen = os.statvfs(path)
    counts_inodes = seen.f_files > 0
    return Filesystem(
        role=role,
        path=path,
        device=os.stat(path).st_dev,  # noqa: PTH116 - beside statvfs, which pathlib does not have
        total_bytes=seen.f_blocks * seen.f_frsize,
        used_bytes=(seen.f_blocks - seen.f_bfree) * seen.f_frsize,
        free_bytes=seen.f_bavail * seen.f_frsize,
        total_inodes=seen.f_files if counts_inodes else None,
        used_inodes=seen.f_files - seen.f_ffree if counts_inodes else None,
        free_inodes=seen.f_favail if counts_inodes else None,
    )
