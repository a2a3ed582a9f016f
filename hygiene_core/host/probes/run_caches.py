"""Directories that CI runs leave behind: below each configured place, one for each run, named by its id."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes.walk import measure_tree, shown
from hygiene_core.model.resource import RunCache

__all__ = ["SOURCE", "RunCachesReading", "read_run_caches"]

SOURCE = "the directories of the run caches"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCachesReading:
    """What was read of all places. `whole` is false where directories may be missing from the list."""

    rows: tuple[RunCache, ...] = ()
    problems: tuple[str, ...] = ()
    whole: bool = True


def read_run_caches(places: Mapping[str, tuple[str, str]], deadline: Deadline) -> RunCachesReading:
    """Measure every run's directory. What cannot be read is a problem in words, never an error.

    Args:
        places: path and prefix by name. A directory counts if its name is the prefix and a number, with or
            without the number of the attempt (`run-123456-2`). Links and everything else are left out.
        deadline: when to stop; figures of what was not walked by then are lower bounds.
    """
    rows: list[RunCache] = []
    problems: list[str] = []
    whole = True
    for name, (path, prefix) in places.items():
        # Not `\d`, which takes every script's digits.
        named = re.compile(re.escape(prefix) + r"([0-9]+(?:-[0-9]+)?)")
        try:
            with os.scandir(path) as found:
                inside = sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
        except OSError as error:
            problems.append(f"{name}: {shown(path)} could not be listed ({error.strerror})")
            whole = False
            continue
        for folder in inside:
            matched = named.fullmatch(folder)
            if matched is not None:
                rows += _measured(name, os.path.join(path, folder), matched[1], deadline, problems)  # noqa: PTH118 - names may be undecodable
    return RunCachesReading(rows=tuple(rows), problems=tuple(problems), whole=whole)


def _measured(cache: str, path: str, run: str, deadline: Deadline, problems: list[str]) -> list[RunCache]:
    """The one row of a directory; none where it went meanwhile."""
    row_id = f"{cache}/{shown(os.path.basename(path))}"  # noqa: PTH119 - as above
    try:
        seen = measure_tree(path, deadline)
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{row_id} could not be opened ({error.strerror})")
        return [RunCache(id=row_id, cache=cache, run=run, path=shown(path), whole=False)]
    problems += [f"{row_id}: {said}" for said in seen.problems]
    row = RunCache(
        id=row_id,
        cache=cache,
        run=run,
        path=shown(path),
        size_bytes=seen.allocated_bytes,
        apparent_bytes=seen.apparent_bytes,
        entries=seen.entries,
        changed_at=seen.changed_at,
        whole=not seen.problems,
        device=seen.device,
        inode=seen.inode,
        ctime_ns=seen.ctime_ns,
    )
    return [row]
