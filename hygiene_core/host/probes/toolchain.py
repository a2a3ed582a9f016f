"""The Docker command line and its buildx plugin: every copy that there is, and what each says it is.

Each is asked for its version alone, without a home and without a context, so that no Engine is spoken to. A
program that somebody else may change, such as one in a user's home, is never run: its version is not known.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.mask import mask_text
from hygiene_core.model.toolchain import Tool

__all__ = ["SOURCE", "read_toolchain"]

SOURCE = "`docker --version` and the plugins' own metadata; /var/lib/dpkg/info"

_PROGRAMS = ("usr/local/bin/docker", "usr/bin/docker", "bin/docker", "snap/bin/docker")
_PLUGINS = (
    *("usr/local/lib/docker/cli-plugins", "usr/local/libexec/docker/cli-plugins"),
    *("usr/lib/docker/cli-plugins", "usr/libexec/docker/cli-plugins"),
)
_PLUGIN = "docker-buildx"
_OF_A_HOME = ".docker/cli-plugins"
_SECONDS_EACH = 5.0
_MOST_BYTES = 64 * 1024


def read_toolchain(
    homes: tuple[str, ...], deadline: Deadline, system: Path = Path("/")
) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    """Every copy of `docker` and of the buildx plugin, and a sentence for each that did not tell its version.

    Args:
        homes: homes whose plugins go before the system's, for whoever lives in them.
        deadline: when to stop asking.
        system: the root under which programs are looked for.
    """
    problems: list[str] = []
    packages = _packages(system)
    tools: list[Tool] = []
    for name, path in _found(homes, system):
        version = None
        if not _is_ours(path):
            pass
        elif deadline.expired:
            problems.append(f"{path} was not asked within {deadline}")
        else:
            version = _docker_version(path, problems) if name == "docker-cli" else _metadata(path, problems)
        inside = "/" + str(path.relative_to(system)) if path.is_relative_to(system) else str(path)
        tools.append(Tool(name=name, version=version, path=mask_text(inside), package=packages.get(inside)))
    return tuple(tools), tuple(problems)


def _found(homes: tuple[str, ...], system: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of each program, a file with several names once."""
    seen: set[tuple[int, int]] = set()
    places = [("docker-cli", system / program) for program in _PROGRAMS]
    places += [("buildx", Path(home) / _OF_A_HOME / _PLUGIN) for home in homes]
    places += [("buildx", system / folder / _PLUGIN) for folder in _PLUGINS]
    for name, path in places:
        try:
            there = path.stat()
        except OSError:
            continue  # not there, or not for this user: then it is nobody's answer
        if (there.st_dev, there.st_ino) not in seen and os.access(path, os.X_OK):
            seen.add((there.st_dev, there.st_ino))
            yield name, path


def _is_ours(path: Path) -> bool:
    """Whether only root and this user may change the file or put another in its place."""
    mine = {0, os.geteuid()}
    real = path.resolve()
    try:
        for one in (real, *real.parents):
            seen = one.stat()
            writable = seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not seen.st_mode & stat.S_ISVTX
            if seen.st_uid not in mine or writable:
                return False
    except OSError:
        return False
    return True


def _docker_version(path: Path, problems: list[str]) -> str | None:
    """The third word of `Docker version 26.1.5+dfsg1, build a72d7cd`."""
    said = _asked(path, "--version", problems)
    words = said.split() if said is not None else []
    if words[:2] == ["Docker", "version"] and words[2:]:
        return mask_text(words[2].rstrip(","))
    if said is not None:
        problems.append(f"{path} did not tell a version")
    return None


def _metadata(path: Path, problems: list[str]) -> str | None:
    said = _asked(path, "docker-cli-plugin-metadata", problems)
    if said is None:
        return None
    try:
        told: Any = json.loads(said)
    except ValueError:
        told = None
    version = told.get("Version") if isinstance(told, dict) else None
    if isinstance(version, str) and version:
        return mask_text(version)
    problems.append(f"{path} did not tell a version")
    return None


def _asked(path: Path, word: str, problems: list[str]) -> str | None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C", "DOCKER_HOST": "unix:///"}
    try:
        done = subprocess.run(  # noqa: S603 - a program that only root or this user may change
            [path, word],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_SECONDS_EACH,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        problems.append(f"{path} did not tell its version within {_SECONDS_EACH:g} s")
        return None
    except OSError as error:
        problems.append(f"{path} cannot be run ({error.strerror})")
        return None
    if done.returncode != 0:
        problems.append(f"{path} ended with {done.returncode} when asked for its version")
        return None
    return done.stdout[:_MOST_BYTES].decode("utf-8", "replace")


def _packages(system: Path) -> dict[str, str]:
    """Which package each file of Docker's packages is of, by dpkg's own lists."""
    owners: dict[str, str] = {}
    for listed in (system / "var/lib/dpkg/info").glob("docker*.list"):
        try:
            lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue  # a list that cannot be read claims nothing
        owners |= dict.fromkeys(lines, listed.stem.partition(":")[0])
    return owners
