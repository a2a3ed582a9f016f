"""What a host allows on itself, whatever anybody plans and approves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from hygiene_core.model.plan import Verb
from hygiene_core.model.policy import Protect
from hygiene_core.model.warmth import Probe

__all__ = ["Ceilings", "HostRules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The most that one apply may take."""

    max_items: int = 5000
    max_bytes: int = 500 * 2**30
    max_time: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """The host's own file. `host_id` is its machine id, `name` what its ledger of acts is called.

    `allow` lists the verbs that may be done at all, `approvers` the accounts whose yes counts. `reserves` are
    bytes by builder: no cache is pruned below them. Directories are removed only below `directories`.
    `probes` are the warmth probes by builder, `docker_cli` the client that builds them.
    """

    host_id: str
    name: str
    docker_socket: str
    data_root: str | None = None
    allow: frozenset[Verb] = frozenset()
    approvers: tuple[str, ...] = ()
    no_touch: Protect = field(default_factory=Protect)
    ceilings: Ceilings = field(default_factory=Ceilings)
    reserves: dict[str, int] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    probes: dict[str, Probe] = field(default_factory=dict)
    docker_cli: str = "/usr/bin/docker"
