"""The buildx instance files of the homes that the configuration names: which builders somebody still knows.

They are read as files. `buildx ls` would take a lock and create directories. Only names are captured: an
instance file may hold the keys of a registry.
"""

from __future__ import annotations

import json
import os
import stat
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hygiene_core.host.mask import mask_text

__all__ = ["SOURCE", "InstancesReading", "read_instances"]

SOURCE = "buildx instance files of the configured homes"

_PLACES = (".docker/buildx/instances", "buildx/instances", "instances")
"""Below a home, below a directory for DOCKER_CONFIG, and below one for BUILDX_CONFIG."""

_MOST_BYTES = 1024 * 1024
_REMOTE = "docker-container://"
_PREFIX = "buildx_buildkit_"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesReading:
    """The files that name a node, by node. `problems` are what could not be read: then more may be named."""

    by_node: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def read_instances(homes: tuple[str, ...]) -> InstancesReading:
    """Read every instance file of the homes. Never raises for what the files are like."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    problems: list[str] = []
    for home in homes:
        try:
            paths = _instance_files(Path(home))
        except OSError as error:
            problems.append(f"{mask_text(home)}: {error.strerror or error}")
            continue
        for path in paths:
            try:
                nodes = _nodes_of(path)
            except OSError as error:
                problems.append(f"{mask_text(str(path))}: {error.strerror or error}")
            except ValueError as error:
                problems.append(f"{mask_text(str(path))} is no instance file: {error}")
            else:
                for node in nodes:
                    found[node].append(mask_text(str(path)))
    return InstancesReading(
        by_node={node: tuple(paths) for node, paths in found.items()}, problems=tuple(problems)
    )


def _instance_files(home: Path) -> list[Path]:
    """The files of all places that there are. Raises OSError if the home or a place cannot be listed."""
    os.stat(home)  # noqa: PTH116 - a home that is not there is a mistake of the configuration: say so
    files: list[Path] = []
    for place in _PLACES:
        folder = home / place
        try:
            files += sorted(folder / name for name in os.listdir(folder))  # noqa: PTH208 - names alone
        except (FileNotFoundError, NotADirectoryError):
            continue
    return files


def _nodes_of(path: Path) -> list[str]:
    """The nodes that an instance file names. Raises OSError, or ValueError if it is none."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"longer than {_MOST_BYTES} bytes")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None  # the parser repeats the text, which may hold a key
    nodes = value.get("Nodes") if isinstance(value, dict) else None
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise ValueError("no list of nodes")
    return [name for node in nodes for name in _names_of(node)]


def _names_of(node: dict[str, Any]) -> list[str]:
    """The node itself, and the node of a container that a remote driver points at."""
    name, endpoint = node.get("Name"), node.get("Endpoint")
    names = [name] if isinstance(name, str) and name else []
    if isinstance(endpoint, str) and endpoint.startswith(_REMOTE + _PREFIX):
        names.append(endpoint.removeprefix(_REMOTE + _PREFIX).partition("?")[0])
    return names
