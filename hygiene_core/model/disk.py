"""What lies in a data root besides what the Engine counts. Bytes that are allocated, not lengths of files."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ContainerLog", "DataRootUse", "DeletedFile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerLog:
    """The log files of one container. `bounded` says whether its driver rotates; `None` if not known."""

    container_id: str
    driver: str | None
    bounded: bool | None
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedFile:
    """A file that was deleted and takes its space until the process that has it open closes it."""

    process: str
    pid: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRootUse:
    """One data root.

    `folders` are its own directories that hold no image, volume or container. `deleted_bytes` counts every
    deleted file that is open on its filesystem, as far as this process may see; `deleted` names the biggest;
    the open files of `unseen_processes` may not be read. `journal_bytes` is the system journal's, `None`
    where there is none to read; `journal_is_here` whether it takes of the same filesystem.
    """

    path: str
    device: int
    folders: dict[str, int]
    logs: tuple[ContainerLog, ...]
    deleted_bytes: int
    deleted: tuple[DeletedFile, ...] = ()
    unseen_processes: int = 0
    journal_bytes: int | None = None
    journal_is_here: bool = False
