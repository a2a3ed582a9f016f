"""GitHub Actions runners: who they are, whether they have a job, and what their directories hold.

Read are `.runner`, `.service`, the name that the link `bin` leads to, the names of systemd's files for the
unit, and the names, programs and first arguments of processes. `.credentials*` and environments are not
opened; of `.env`, `credentials.py` takes one key.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.mask import mask_text
from hygiene_core.host.probes.diagnostics import read_logs
from hygiene_core.host.probes.walk import measure_tree, shown
from hygiene_core.model.observation import Runner
from hygiene_core.model.resource import QUARANTINE, RunnerWorkdir

__all__ = ["SOURCE", "RunnersReading", "read_runners", "service_unit"]

SOURCE = "the runners' directories; /proc/*/comm and exe"

UnitState: TypeAlias = Literal["active", "inactive", "missing"]
Role: TypeAlias = Literal["checkout", "tools", "actions", "temporary", "update", "diagnostics"]

_WORK_FOLDER = "_work"
_ROLES: dict[str, Role] = {
    "_tool": "tools",
    "_actions": "actions",
    "_temp": "temporary",
    "_update": "update",
}
"""The runner's own directories under its work folder; any other with an underscore is its bookkeeping."""
_DIAGNOSTICS = "_diag"
_LISTENER, _WORKER = "Runner.Listener", "Runner.Worker"
_LONGEST_FILE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnersReading:
    """What was read of all roots. `whole` is false where directories may be missing from the list."""

    runners: tuple[Runner, ...] = ()
    workdirs: tuple[RunnerWorkdir, ...] = ()
    problems: tuple[str, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Processes:
    """The programs of running listeners and workers; `None` where processes cannot be seen."""

    listeners: tuple[str, ...] | None
    workers: tuple[str, ...] | None

    def below(self, root: str) -> tuple[bool | None, bool | None]:
        """Whether a listener and a worker run from below a root."""

        def any_of(programs: tuple[str, ...] | None) -> bool | None:
            return None if programs is None else any(one.startswith(f"{root}/") for one in programs)

        return any_of(self.listeners), any_of(self.workers)


def read_runners(
    roots: Mapping[str, str], deadline: Deadline, proc: Path = Path("/proc"), system: Path = Path("/")
) -> RunnersReading:
    """Read every root (name to path). What cannot be read is a problem in words, never an error.

    Args:
        roots: where runners are installed. A root may itself be a symbolic link; nothing below is followed.
        deadline: when to stop; figures of what was not walked by then are not known.
        proc: where the process table is mounted.
        system: the root under which systemd keeps its files.
    """
    processes = _read_processes(proc)
    runners: list[Runner] = []
    workdirs: list[RunnerWorkdir] = []
    problems: list[str] = []
    whole = True
    if processes.workers is None:
        problems.append("the processes of other users cannot be seen, so that no runner is known to be idle")
    for name, path in roots.items():
        place = os.path.realpath(path)
        if not os.path.isdir(place):  # noqa: PTH112 - beside realpath, which keeps undecodable names
            problems.append(f"{name}: {shown(path)} is not a directory here")
            whole = False
            continue
        told: list[str] = []
        listening, busy = processes.below(place)
        runner = replace(_identity(name, place, told, system), listening=listening, busy=busy)
        runners.append(runner)
        made = [_made(runner, *found) for found in _directories(runner, place, told)]
        workdirs += [_measured(one, path, deadline, told) for one, path in made]
        whole = whole and not any(_LISTING in said for said in told)
        problems += [f"{name}: {said}" for said in told]
    return RunnersReading(
        runners=tuple(runners), workdirs=tuple(workdirs), problems=tuple(problems), whole=whole
    )


_LISTING = "could not be listed"


def _identity(name: str, root: str, told: list[str], system: Path) -> Runner:
    text = _text(os.path.join(root, ".runner"), told, needed=True)  # noqa: PTH118 - as above
    settings = _settings(text, told)
    unit = service_unit(root, told)
    state, enabled = _unit_state(unit, system)
    return Runner(
        name=name,
        path=shown(root),
        agent_name=settings.get("agentName"),
        url=settings.get("gitHubUrl"),
        work_folder=settings.get("workFolder"),
        unit=unit,
        unit_state=state,
        unit_enabled=enabled,
        label=_label(text),
        version=_version(root),
    )


def service_unit(root: str, told: list[str]) -> str | None:
    """The name of the systemd unit that `svc.sh` installed for a root; `None` if it installed none."""
    service = _text(os.path.join(root, ".service"), told)  # noqa: PTH118 - as above
    return mask_text(service.strip()) or None if service else None


def _unit_state(unit: str | None, system: Path) -> tuple[UnitState | None, bool | None]:
    """Whether systemd runs the unit and starts it at boot, as its own files tell.

    systemd keeps a control group for a unit as long as it is active, and no longer (systemd.unit(5),
    systemd.slice(5)).
    """
    if unit is None or "/" in unit or not (system / "run/systemd/system").is_dir():
        return None, None
    groups = ("sys/fs/cgroup/system.slice", "sys/fs/cgroup/systemd/system.slice")
    installed = system / "etc/systemd/system"
    if any((system / group / unit).is_dir() for group in groups):
        state: UnitState = "active"
    else:
        state = "inactive" if (installed / unit).exists() else "missing"
    enabled = any((wants / unit).is_symlink() for wants in installed.glob("*.wants"))
    return state, enabled


def _label(text: str | None) -> str | None:
    """The bare label of the containers of its jobs: the first six digits of the SHA-256 of `.runner`."""
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()[:6]


def _settings(text: str | None, told: list[str]) -> dict[str, str]:
    """The fields of `.runner` that are text; a byte-order mark before it is what the runner writes."""
    if text is None:
        return {}
    try:
        stored: Any = json.loads(text)
    except (ValueError, RecursionError):
        stored = None
    if not isinstance(stored, dict):
        told.append(".runner is not the JSON that a runner writes")
        return {}
    wanted = ("agentName", "gitHubUrl", "workFolder")
    fields = {key: stored[key] for key in wanted if isinstance(stored.get(key), str) and stored[key]}
    return {key: value if key == "workFolder" else mask_text(value) for key, value in fields.items()}


def _text(path: str, told: list[str], *, needed: bool = False) -> str | None:
    """The first 64 KiB of a regular file, or `None`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
            return stream.read(_LONGEST_FILE).decode("utf-8-sig")
    except FileNotFoundError:
        if needed:
            told.append(".runner is not there: no runner is configured in this root")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        told.append(f"{os.path.basename(path)} cannot be read ({said})")  # noqa: PTH119 - as above
    return None


def _version(root: str) -> str | None:
    """The version in the name that the link `bin` leads to; an install that never updated has no link."""
    try:
        target = os.readlink(os.path.join(root, "bin"))  # noqa: PTH115, PTH118 - as above
    except OSError:
        return None
    before, dot, version = os.path.basename(target).partition(".")  # noqa: PTH119 - as above
    return shown(version)[:40] if before == "bin" and dot else None


def _directories(runner: Runner, root: str, told: list[str]) -> Iterator[tuple[str, str, Role]]:
    """Every directory to measure: its id without the runner's name, its path, its role."""
    folder = runner.work_folder or _WORK_FOLDER
    work = os.path.normpath(os.path.join(root, folder))  # noqa: PTH118 - as above
    label = os.path.relpath(work, root) if work.startswith(f"{root}/") else os.path.basename(work)  # noqa: PTH119 - as above
    try:
        with os.scandir(work) as found:
            inside = sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
            inside = [name for name in inside if name != QUARANTINE]  # what this kit is about to remove
    except FileNotFoundError:
        inside = []  # it is made by the first job
    except (OSError, ValueError) as error:  # `.runner` may name what no path can be
        said = error.strerror if isinstance(error, OSError) else str(error)
        told.append(f"{shown(label)} {_LISTING} ({said})")
        inside = []
    for name in inside:
        role = _ROLES.get(name)
        if role or not name.startswith("_"):
            yield f"{shown(label)}/{shown(name)}", f"{work}/{name}", role or "checkout"
    diagnostics = f"{root}/{_DIAGNOSTICS}"
    if os.path.isdir(diagnostics) and not os.path.islink(diagnostics):  # noqa: PTH112, PTH114 - as above
        yield _DIAGNOSTICS, diagnostics, "diagnostics"


def _made(runner: Runner, label: str, path: str, role: Role) -> tuple[RunnerWorkdir, str]:
    """A directory that is not measured yet, and the path as the kernel takes it."""
    row = RunnerWorkdir(id=f"{runner.name}/{label}", runner=runner.name, role=role, path=shown(path))
    return row, path


def _measured(made: RunnerWorkdir, path: str, deadline: Deadline, told: list[str]) -> RunnerWorkdir:
    label = made.id.partition("/")[2]
    try:
        seen = measure_tree(path, deadline)
    except OSError as error:
        told.append(f"{label} could not be opened ({error.strerror})")
        return replace(made, whole=False)
    told += [f"{label}: {problem}" for problem in seen.problems]
    return replace(
        made,
        size_bytes=seen.allocated_bytes,
        apparent_bytes=seen.apparent_bytes,
        entries=seen.entries,
        changed_at=seen.changed_at,
        whole=not seen.problems,
        device=seen.device,
        inode=seen.inode,
        ctime_ns=seen.ctime_ns,
        logs=read_logs(path, told) if made.role == "diagnostics" else (),
    )


def _read_processes(proc: Path) -> _Processes:
    """Every listener and worker. Processes are hidden where even that of the system cannot be read."""
    found: dict[str, list[str]] = {_LISTENER: [], _WORKER: []}
    try:
        (proc / "1" / "comm").read_bytes()
        numbers = [name for name in os.listdir(proc) if name.isdecimal()]  # noqa: PTH208 - names are enough
    except OSError:
        return _Processes(None, None)
    blind = set()
    for number in numbers:
        try:
            name = (proc / number / "comm").read_text("utf-8", "replace").rstrip("\n")
        except OSError:
            continue  # it ended
        if name in found:
            program = _program(proc / number)
            if program is None:
                blind.add(name)
            else:
                found[name].append(program)
    listeners, workers = (None if name in blind else tuple(found[name]) for name in (_LISTENER, _WORKER))
    return _Processes(listeners, workers)


def _program(process: Path) -> str | None:
    """The path of a process's program; its first argument where the link may not be read."""
    try:
        return os.fspath((process / "exe").readlink()).removesuffix(" (deleted)")
    except FileNotFoundError:
        return ""  # it ended
    except OSError:
        pass
    try:
        first = (process / "cmdline").read_bytes().partition(b"\0")[0]
    except OSError:
        return None
    return os.fsdecode(first) if first.startswith(b"/") else None
