"""`/etc/hygiene/host.toml`: what a host allows on itself. Root's file, read by the executor alone.

A file that is missing, that somebody else than root may change, or that cannot be read as a whole is a
refusal: there are no defaults to fall back to.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, WithJsonSchema

from hygiene_core.config import rules, schema
from hygiene_core.config.convert import problems_in
from hygiene_core.config.problem import Problem, ended, placed
from hygiene_core.config.toml import NotReadable, line_numbers, parse, read
from hygiene_core.config.units import UnitProblem, shown, what
from hygiene_core.errors import HostRulesProblem
from hygiene_core.model.host_rules import Ceilings, HostRules
from hygiene_core.model.plan import Verb
from hygiene_core.model.policy import Protect
from hygiene_core.model.resource import EMBEDDED_BUILDER
from hygiene_core.model.warmth import Probe

__all__ = ["HOST_FILE", "HostFile", "load_host_rules"]

HOST_FILE = Path("/etc/hygiene/host.toml")

_VERBS = [verb.value for verb in Verb]
_MACHINE_ID = "^[0-9a-f]{32}$"


def _parse_verb(value: object) -> str:
    if not isinstance(value, str):
        raise UnitProblem(f"must be text, not {what(value)}")
    if value not in _VERBS:
        raise UnitProblem(f"{shown(value)} is no step; {rules.nearest(value, _VERBS)}")
    return value


def _parse_machine_id(value: object) -> str:
    if not isinstance(value, str) or re.fullmatch("[0-9a-f]{32}", value) is None:
        raise UnitProblem("is no machine id: 32 characters of 0-9 and a-f, as in /etc/machine-id")
    return value


AllowedVerb = Annotated[str, schema.reads(_parse_verb), WithJsonSchema({"enum": _VERBS})]
MachineId = Annotated[
    str,
    schema.reads(_parse_machine_id),
    WithJsonSchema({"type": "string", "pattern": _MACHINE_ID}),
]


class CeilingsTable(schema.Table):
    """The most that one apply may take, whatever the plan says."""

    max_items: schema.Count = Field(5000, description="Objects; each record of a build cache is one.")
    max_bytes: schema.Size = Field(
        500 * 2**30, description="Bytes, by estimate.", json_schema_extra={"default": "500GiB"}
    )
    max_time: schema.Duration = schema.span("30m", "From the first removal to the last.")


class ProbeTable(schema.Table):
    """A small build that a warm builder should have in its cache: it is built before and after an apply."""

    context: schema.Directory = Field(description="A directory with a Dockerfile, root's own.")
    max_time: schema.Duration = schema.span("5m", "The longest that the build may take.")


class HostFile(schema.Table):
    """Everything that host.toml may hold."""

    host_id: MachineId = Field(description="The machine id, as /etc/machine-id has it.")
    name: schema.RootName = Field(description="What the ledger of acts is called.")
    docker: schema.Socket = Field(description="The Engine's socket.")
    data_root: schema.Directory | None = Field(
        None, description="Where the Engine's data root is seen from here. Left out: where the Engine says."
    )
    allow: list[AllowedVerb] = Field([], description="What may be done at all. Left out: nothing.")
    approvers: list[schema.RootName] = Field([], description="Accounts whose approval counts.")
    no_touch: schema.ProtectTable = Field(default_factory=schema.ProtectTable)
    ceilings: CeilingsTable = Field(default_factory=CeilingsTable)
    reserves: dict[str, schema.Size] = Field(
        default_factory=dict, description="Bytes by builder that its cache is never pruned below."
    )
    directories: list[schema.Directory] = Field(
        [], description="Directories are removed only below these. Left out: none."
    )
    probes: dict[str, ProbeTable] = Field(
        default_factory=dict, description="Warmth probes by container builder."
    )
    docker_cli: schema.Directory = Field(
        "/usr/bin/docker", description="The docker client with buildx that builds the probes."
    )


def load_host_rules(path: Path = HOST_FILE) -> HostRules:
    """The host's own rules.

    Raises:
        HostRulesProblem: it is not there, not root's alone, or not readable; every problem is said.
    """
    _check_owner(path)
    try:
        text = read(path)
        tables = parse(text, starter="hygiene config host-file")
    except NotReadable as problem:
        where = f"line {problem.line}: " if problem.line else ""
        raise _refused(path, f"{where}{problem}") from None
    try:
        made = HostFile.model_validate(tables)
    except ValidationError as error:
        raise _refused_for(path, problems_in(error, HostFile), text) from None
    wrong = [
        Problem((table, name), said)
        for table, names in (("reserves", made.reserves), ("probes", made.probes))
        for name in names
        if (said := rules.builder_problem(name))
    ]
    if EMBEDDED_BUILDER in made.probes:
        wrong.append(Problem(("probes", EMBEDDED_BUILDER), "only builders in containers can be probed"))
    if wrong:
        raise _refused_for(path, wrong, text)
    return HostRules(
        host_id=made.host_id,
        name=made.name,
        docker_socket=made.docker,
        data_root=made.data_root,
        allow=frozenset(Verb(one) for one in made.allow),
        approvers=tuple(made.approvers),
        no_touch=Protect(**{name: tuple(globs) for name, globs in made.no_touch.model_dump().items()}),
        ceilings=Ceilings(
            max_items=made.ceilings.max_items,
            max_bytes=made.ceilings.max_bytes,
            max_time=made.ceilings.max_time,
        ),
        reserves=dict(made.reserves),
        directories=tuple(made.directories),
        probes={name: Probe(context=one.context, max_time=one.max_time) for name, one in made.probes.items()},
        docker_cli=made.docker_cli,
    )


def _check_owner(path: Path) -> None:
    """Nobody but root may change the file, nor put another in its place."""
    for place in (path, path.parent):
        try:
            seen = place.lstat()
        except FileNotFoundError:
            raise _refused(path, f"there is no {place}") from None
        except OSError as error:
            raise _refused(path, f"{place} cannot be looked at: {os.strerror(error.errno or 0)}") from None
        if stat.S_ISLNK(seen.st_mode):
            raise _refused(path, f"{place} is a link")
        if seen.st_uid != 0 or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _refused(path, f"{place} may be changed by others than root")


def _refused_for(path: Path, problems: list[Problem], text: str) -> HostRulesProblem:
    return _refused(path, "; ".join(one.text() for one in placed(problems, line_numbers(text))))


def _refused(path: Path, why: str) -> HostRulesProblem:
    return HostRulesProblem(
        f"{path}, which says what this host allows, cannot be used: {ended(why)} Nothing was removed.",
        next_step="How to write it: docs/guides/allow-removal.md",
    )
