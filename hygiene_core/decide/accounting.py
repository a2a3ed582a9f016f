"""Where the space of the data root's filesystem went: what is known of it, and what is not."""

from __future__ import annotations

from dataclasses import dataclass, field

from hygiene_core.model.observation import Observation
from hygiene_core.model.report import ClassSummary

__all__ = ["Accounting", "account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """`terms` are bytes by what holds them, `None` where that is not known; then the rest is not either."""

    terms: dict[str, int | None] = field(default_factory=dict)
    unaccounted_bytes: int | None = None


def account(observation: Observation, classes: dict[str, ClassSummary]) -> Accounting:
    """Set what is known against what the filesystem says is used. Empty where its data root was not read.

    Sizes of layers and volumes are the Engine's sums of file lengths; on many small files they are less than
    what the disk gives for them.
    """
    use = observation.data_root_use
    disk = next((fs for fs in observation.filesystems if fs.role == "data_root"), None)
    if use is None or disk is None:
        return Accounting()
    here = {fs.role for fs in observation.filesystems if fs.device == disk.device}
    sizes = [one.size_bytes for one in observation.runner_workdirs if f"runner_root:{one.runner}" in here]
    caches = [one.size_bytes for one in observation.run_caches if f"run_cache:{one.cache}" in here]
    terms: dict[str, int | None] = {name: one.size_bytes for name, one in classes.items()}
    terms |= {
        "container_logs": sum(log.size_bytes for log in use.logs),
        "engine_files": sum(use.folders.values()),
        "deleted_open_files": use.deleted_bytes,
        "journal": (use.journal_bytes or 0) if use.journal_is_here else 0,
        "runner_directories": _total(sizes),
        "run_caches": _total(caches),
    }
    known = [term for term in terms.values() if term is not None]
    whole = len(known) == len(terms)
    return Accounting(terms=terms, unaccounted_bytes=max(0, disk.used_bytes - sum(known)) if whole else None)


def _total(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
