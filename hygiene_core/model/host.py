"""The hosts of a configuration, as every other room reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hygiene_core.model.policy import Policy
from hygiene_core.model.request import Deadlines

__all__ = ["Configuration", "Host"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine with one Docker Engine, and what its operator wants of it.

    `docker_socket` is a filesystem path. `data_root` is where the Engine's data root is seen from here,
    `None` to use the path that the Engine names. `daemon_config` is likewise for its configuration file.
    """

    name: str
    docker_socket: str
    data_root: str | None = None
    daemon_config: str | None = None
    transport: Literal["local"] = "local"
    deadlines: Deadlines = field(default_factory=Deadlines)
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything `hygiene.toml` says.

    `state_directory` is the absolute path under which evidence is kept, already chosen among environment,
    file and default. `source` is the file that was read, `None` for the built-in defaults. `warnings` are
    sentences for a person: the configuration can be used as it stands.
    """

    hosts: dict[str, Host]
    state_directory: str
    source: str | None = None
    warnings: tuple[str, ...] = ()
