"""From the tables of a file to hosts, with every problem of the file found in one pass.

Import this lazily: it loads pydantic.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hygiene_core.config import rules
from hygiene_core.config.digest import digested
from hygiene_core.config.problem import Problem
from hygiene_core.config.schema import PROBLEM, AgesTable, BudgetTable, File, HostTable
from hygiene_core.config.toml import Location
from hygiene_core.config.units import format_duration, what
from hygiene_core.model.host import Host
from hygiene_core.model.policy import Ages, Bounds, Budget, Limits, Policy, Protect, RunCacheRoot, RunnerRoot
from hygiene_core.model.request import Deadlines

__all__ = ["host", "problems_in", "problems_of", "validated", "warnings"]

_SHORT = timedelta(hours=24)
_NO_HOST = "there is no host; write a [hosts.NAME] table"
_MISSING = {
    "docker": 'is missing; write docker = "unix:///var/run/docker.sock"',
    "max": 'is missing: a budget without a ceiling is none; write for example max = "20GiB"',
    "hosts": _NO_HOST,
}


def validated(tables: dict[str, Any]) -> tuple[File | None, list[Problem]]:
    """The file's content, or `None` and everything that is wrong with it."""
    try:
        made = File.model_validate(tables)
    except ValidationError as error:
        return None, problems_in(error, File)
    return made, list(problems_of(made))


def problems_in(error: ValidationError, root: type[BaseModel]) -> list[Problem]:
    """Everything that pydantic found in the tables of a file, `root` being the model of the whole."""
    return [_problem(found["type"], found["loc"], found, root) for found in error.errors()]


def _problem(kind: str, location: Location, found: Any, root: type[BaseModel]) -> Problem:
    """What pydantic found, in our words."""
    value = found["input"]
    match kind:
        case "extra_forbidden":
            known = _known_keys(location[:-1], root)
            message = f"unknown key; {rules.nearest(str(location[-1]), known)}"
        case "missing":
            message = _MISSING.get(str(location[-1]), "is missing")
        case "too_short":
            message = _NO_HOST
        case "model_type" | "dict_type":
            message = f"must be a table, not {what(value)}"
        case "list_type":
            message = f"must be a list, not {what(value)}"
        case "bool_type":
            message = f"must be true or false, not {what(value)}"
        case _:
            message = found["ctx"]["said"] if kind == PROBLEM else found["msg"]
    return Problem(location, message)


def _known_keys(location: Location, root: type[BaseModel]) -> list[str]:
    """The keys that the table at a location may have."""
    kind: Any = root
    for part in location:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[cast("str", part)].annotation
        elif get_origin(kind) in {dict, list}:
            kind = get_args(kind)[-1]
    return list(kind.model_fields)


def problems_of(made: File) -> Iterator[Problem]:
    """What is wrong between values that are each right."""
    for name, table in made.hosts.items():
        if said := rules.name_problem(name):
            yield Problem(("hosts", name), said)
        for builder in table.budgets:
            if said := rules.builder_problem(builder):
                yield Problem(("hosts", name, "budgets", builder), said)
        yield from _twice(("hosts", name, "runner_roots"), [root.name for root in table.runner_roots], "root")
        yield from _twice(("hosts", name, "run_caches"), [cache.name for cache in table.run_caches], "cache")


def _twice(at: Location, names: list[str], what_has_it: str) -> Iterator[Problem]:
    for position, name in enumerate(names):
        if name in names[:position]:
            said = f'"{name}" stands twice; every {what_has_it} has a name of its own'
            yield Problem((*at, position, "name"), said)


def warnings(made: File) -> Iterator[Problem]:
    """What can be used and is perhaps not meant."""
    sockets: dict[str, str] = {}
    for name, table in made.hosts.items():
        at: Location = ("hosts", name)
        other = sockets.setdefault(table.docker, name)
        if other != name:
            yield Problem((*at, "docker"), f"hosts.{other} has the same socket: one Engine, remembered twice")
        if not table.model_fields_set & {"protect", "limits", "ages", "budgets"}:
            yield Problem(at, "no policy: nothing is protected by name, limited or let go")
        yield from _pattern_warnings(at, table)
        yield from _age_warnings((*at, "ages"), table.ages)
        for builder in table.budgets:
            if said := rules.builder_warning(builder, table.protect.builders):
                yield Problem((*at, "budgets", builder), said)


def _pattern_warnings(at: Location, table: HostTable) -> Iterator[Problem]:
    for kind in type(table.protect).model_fields:
        for position, pattern in enumerate(getattr(table.protect, kind)):
            if rules.matches_everything(pattern):
                whole = "whatever has a label" if kind == "labels" else f"all {kind}"
                yield Problem((*at, "protect", kind, position), f'"{pattern}" protects {whole}')


def _age_warnings(at: Location, ages: AgesTable) -> Iterator[Problem]:
    for kind in type(ages).model_fields:
        span: timedelta | None = getattr(ages, kind)
        if span is None or kind not in ages.model_fields_set:
            continue
        if span < _SHORT:
            yield Problem((*at, kind), f"{format_duration(span)} is less than a day")
        if span < ages.grace:
            yield Problem(
                (*at, kind),
                f"{format_duration(span)} is shorter than the grace of {format_duration(ages.grace)}, "
                "which holds for everything",
            )


def host(name: str, table: HostTable, source: str) -> Host:
    """One host as the rest of the kit reads it."""
    protect, limits, ages, deadlines = table.protect, table.limits, table.ages, table.deadlines
    policy = Policy(
        source=source,
        digest="",
        protect=Protect(
            builders=tuple(protect.builders),
            images=tuple(protect.images),
            volumes=tuple(protect.volumes),
            containers=tuple(protect.containers),
            labels=tuple(protect.labels),
        ),
        limits=Limits(
            min_free_bytes=limits.min_free,
            min_free_inodes_percent=limits.min_free_inodes_percent,
            max_reclaimable_bytes=limits.max_reclaimable,
            max_state_bytes=limits.max_state,
            max_days_without_apply=limits.max_days_without_apply,
        ),
        ages=Ages(**dict(ages)),
        bounds=Bounds(**dict(table.bounds)),
        budgets={builder: _budget(budget) for builder, budget in table.budgets.items()},
        runner_roots=tuple(RunnerRoot(name=root.name, path=root.path) for root in table.runner_roots),
        run_caches=tuple(
            RunCacheRoot(
                name=cache.name,
                path=cache.path,
                prefix=cache.prefix,
                high_water_bytes=cache.high_water,
                low_water_bytes=cache.low_water,
            )
            for cache in table.run_caches
        ),
        homes=tuple(dict.fromkeys(table.homes)),
        minimums={tool: least for tool, least in table.minimums if least is not None},
    )
    return Host(
        name=name,
        docker_socket=table.docker,
        data_root=table.data_root,
        daemon_config=table.daemon_config,
        transport="local",
        deadlines=Deadlines(**dict(deadlines)),
        policy=digested(policy),
    )


def _budget(table: BudgetTable) -> Budget:
    # Half of max is under the 0.8 that leaves pruning room, and keeps a warm builder warm.
    reserved_bytes = table.max // 2 if table.reserved is None else table.reserved
    return Budget(
        max_bytes=table.max,
        reserved_bytes=reserved_bytes,
        min_age=table.min_age,
        min_free_bytes=table.min_free,
    )
