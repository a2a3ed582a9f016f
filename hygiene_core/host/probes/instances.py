"""The buildx instance files of the homes that the configuration names: which builders somebody still knows.

They are read as files. `buildx ls` would take a lock and create directories. Only names are captured, and of
a node's `buildkitd.toml` its garbage collection: an instance file may hold the keys of a registry.
"""

from __future__ import annotations

import json
import os
import stat
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hygiene_core.host.buildkitd_toml import BUILDKITD, parse_buildkitd
from hygiene_core.host.mask import mask_text
from hygiene_core.model.engine_config import BuildkitdConfig

__all__ = ["SOURCE", "InstancesReading", "read_instances"]

SOURCE = "buildx instance files of the configured homes"

_PLACES = (".docker/buildx/instances", "buildx/instances", "instances")
"""Below a home, below a directory for DOCKER_CONFIG, and below one for BUILDX_CONFIG."""

_MOST_BYTES = 1024 * 1024
_REMOTE = "docker-container://"
_PREFIX = "buildx_buildkit_"
_COLLECTS = "worker-gc"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesReading:
    """The files that name a node, by node. `problems` are what could not be read: then more may be named.

    `configs` are what their `buildkitd.toml` says of garbage collection; none where two files differ.
    `config_problems` are those that could not be read; the nodes of their files are known all the same.
    """

    by_node: dict[str, tuple[str, ...]] = field(default_factory=dict)
    configs: dict[str, BuildkitdConfig] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    config_problems: tuple[str, ...] = ()


def read_instances(homes: tuple[str, ...]) -> InstancesReading:
    """Read every instance file of the homes. Never raises for what the files are like."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    said: defaultdict[str, list[BuildkitdConfig | None]] = defaultdict(list)
    problems: list[str] = []
    broken: list[str] = []
    for home in homes:
        try:
            paths = _instance_files(Path(home))
        except OSError as error:
            problems.append(f"{mask_text(home)}: {error.strerror or error}")
            continue
        for path in paths:
            try:
                nodes = [name for node in _nodes_of(path) for name in _read(node, path, said, broken)]
            except OSError as error:
                problems.append(f"{mask_text(str(path))}: {error.strerror or error}")
            except ValueError as error:
                problems.append(f"{mask_text(str(path))} is no instance file: {error}")
            else:
                for node in nodes:
                    found[node].append(mask_text(str(path)))
    return InstancesReading(
        by_node={node: tuple(paths) for node, paths in found.items()},
        configs={
            node: first
            for node, (first, *others) in said.items()
            if first is not None and all(other == first for other in others)
        },
        problems=tuple(problems),
        config_problems=tuple(broken),
    )


def _read(
    node: dict[str, Any], path: Path, said: dict[str, list[BuildkitdConfig | None]], problems: list[str]
) -> list[str]:
    """The names of a node; what it says of garbage collection goes under its own name."""
    name, files, flags = node.get("Name"), node.get("Files"), node.get("Flags")
    if isinstance(name, str) and name and isinstance(files, dict) and BUILDKITD in files:
        config: BuildkitdConfig | None = None
        # A flag goes before the file. It is looked at and not kept.
        if not any(_COLLECTS in str(flag) for flag in flags or () if isinstance(flags, list)):
            try:
                config = parse_buildkitd(files[BUILDKITD])
            except ValueError as error:
                problems.append(f"{mask_text(str(path))}: the {BUILDKITD} of {mask_text(name)} is {error}")
        said[name].append(config)
    return _names_of(node)


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


def _nodes_of(path: Path) -> list[dict[str, Any]]:
    """The nodes of an instance file. Raises OSError, or ValueError if it is none."""
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
    return nodes


def _names_of(node: dict[str, Any]) -> list[str]:
    """The node itself, and the node of a container that a remote driver points at."""
    name, endpoint = node.get("Name"), node.get("Endpoint")
    names = [name] if isinstance(name, str) and name else []
    if isinstance(endpoint, str) and endpoint.startswith(_REMOTE + _PREFIX):
        names.append(endpoint.removeprefix(_REMOTE + _PREFIX).partition("?")[0])
    return names
