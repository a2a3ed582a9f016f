"""Which host a console opens on, and where its last look is: told without reading the whole configuration.

The first screen is painted before pydantic is loaded. So only two words are taken from `hygiene.toml` here,
and the configuration is read and checked as a whole right afterwards; where the two differ, that one counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hygiene_core.config.loader import (
    BUILTIN_HOST,
    CONFIG_VARIABLE,
    STATE_VARIABLE,
    default_state_directory,
    usual_places,
)
from hygiene_core.config.toml import NotReadable, parse, read

__all__ = ["Place", "find_place"]


@dataclass(frozen=True, slots=True)
class Place:
    """A host by name, and the directory of its evidence. `host` is `None` where several could be meant."""

    host: str | None
    state: Path


def find_place(config_file: Path | None, host: str | None, environ: Mapping[str, str]) -> Place:
    """Where to look for the last run. Never raises: what cannot be read is said when it is read as a whole.

    Args:
        config_file: what `--config` names.
        host: what `--host` names.
        environ: the environment.
    """
    tables = _tables(config_file or _named(environ))
    hosts = tables.get("hosts")
    names = list(hosts) if isinstance(hosts, dict) and hosts else [BUILTIN_HOST]
    evidence = tables.get("evidence")
    told = evidence.get("directory") if isinstance(evidence, dict) else None
    state = environ.get(STATE_VARIABLE) or (told if isinstance(told, str) else default_state_directory())
    return Place(host or (names[0] if len(names) == 1 else None), Path(state))


def _named(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    return next((path for path in usual_places() if os.path.lexists(path)), None)


def _tables(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return parse(read(path))
    except NotReadable:
        return {}
