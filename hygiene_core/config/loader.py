"""From a file, or from no file at all, to a `Configuration`.

A file that is named and cannot be used is an error and never a fall-back; all its problems are said at once.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hygiene_core.config import rules
from hygiene_core.config.digest import digested
from hygiene_core.config.problem import Problem, ended, placed, refusal
from hygiene_core.config.toml import NotReadable, line_numbers, parse, read
from hygiene_core.config.units import UnitProblem, shown
from hygiene_core.errors import ConfigProblem, UnknownHost
from hygiene_core.model.host import Configuration, Host
from hygiene_core.model.policy import Ages, Policy
from hygiene_core.model.text import plain

__all__ = [
    "BUILTIN_HOST",
    "CONFIG_VARIABLE",
    "DEFAULT_SOCKET",
    "STATE_VARIABLE",
    "builtin",
    "default_state_directory",
    "load",
    "load_file",
    "resolve_host",
    "usual_places",
]

BUILTIN_HOST = "local"
DEFAULT_SOCKET = "/var/run/docker.sock"
CONFIG_VARIABLE = "HYGIENE_CONFIG"
STATE_VARIABLE = "HYGIENE_STATE_DIR"

_GRACE = timedelta(hours=168)
_DEFAULT_DATA_ROOT = "/var/lib/docker"


def usual_places() -> tuple[Path, ...]:
    """Where a configuration is looked for when none is named: the user's own first, then the system's."""
    from platformdirs import user_config_path  # noqa: PLC0415 - `hygiene --help` does not need it

    return (user_config_path("hygiene", appauthor=False) / "hygiene.toml", Path("/etc/hygiene/hygiene.toml"))


def default_state_directory() -> str:
    """Where evidence is kept when nobody says: the system's place for root, else the user's own."""
    if os.geteuid() == 0:
        return "/var/lib/hygiene"
    from platformdirs import user_state_path  # noqa: PLC0415 - `hygiene --help` does not need it

    return str(user_state_path("hygiene", appauthor=False))


def builtin() -> Configuration:
    """The local Engine with protective defaults: nothing is let go, and `NO_POLICY` is reported."""
    policy = digested(Policy(source=None, digest="", ages=Ages(grace=_GRACE)))
    host = Host(name=BUILTIN_HOST, docker_socket=DEFAULT_SOCKET, policy=policy)
    return Configuration(hosts={host.name: host}, state_directory=default_state_directory())


def load(
    path: Path | None, environ: Mapping[str, str], *, search: Iterable[Path] | None = None
) -> Configuration:
    """The configuration to work with.

    Args:
        path: the file that `--config` names; it must exist.
        environ: the environment, for `HYGIENE_CONFIG` (likewise) and `HYGIENE_STATE_DIR`.
        search: where to look when neither names a file; `usual_places()` unless given.

    Raises:
        ConfigProblem: the named file, the first one found, or the state directory cannot be used.
    """
    named = path or _named_by(environ)
    found = named or _first_there(usual_places() if search is None else search)
    configuration = builtin() if found is None else load_file(found)
    return _with_state_directory(configuration, environ)


def load_file(path: Path) -> Configuration:
    """What one file says; the state directory is the file's own or the default.

    Raises:
        ConfigProblem: the file cannot be used; the message names every problem, one a line.
    """
    try:
        text = read(path)
        tables = parse(text)
    except NotReadable as problem:
        raise refusal(path, [Problem((), str(problem), problem.line)]) from None
    from hygiene_core.config import convert  # noqa: PLC0415 - pydantic loads only where a file is read

    made, problems = convert.validated(tables)
    lines = line_numbers(text)
    if made is None or problems:
        raise refusal(path, placed(problems, lines))
    source = os.path.abspath(path)  # noqa: PTH100 - a link stays as it was named; `resolve` would follow it
    warnings = [warning.text() for warning in placed(convert.warnings(made), lines)]
    if path.stat().st_mode & stat.S_IWOTH:
        warnings.append("every user of this machine may change this file")
    return Configuration(
        hosts={name: convert.host(name, table, source) for name, table in made.hosts.items()},
        state_directory=made.evidence.directory or default_state_directory(),
        source=source,
        warnings=tuple(warnings),
    )


def resolve_host(configuration: Configuration, name: str | None) -> Host:
    """The host to look at: the named one, or the only one.

    Raises:
        UnknownHost: no host has that name, or there are several and none was named.
    """
    known = list(configuration.hosts)
    if name is None:
        if len(known) == 1:
            return configuration.hosts[known[0]]
        raise UnknownHost(
            f"the configuration has {len(known)} hosts and none was named: {', '.join(known)}. "
            "Nothing was looked at. Name one:",
            next_step=f"--host {known[0]}",
        )
    if name in configuration.hosts:
        return configuration.hosts[name]
    where = f" --config {shlex.quote(configuration.source)}" if configuration.source else ""
    said = rules.name_problem(name) or f"no host is called {shown(name)}; {rules.nearest(name, known)}"
    raise UnknownHost(
        f"{ended(said)} Nothing was looked at. The hosts and their policies:",
        next_step=plain(f"hygiene config check{where}"),
    )


def _named_by(environ: Mapping[str, str]) -> Path | None:
    named = environ.get(CONFIG_VARIABLE)
    if named is None:
        return None
    if not named.strip():
        raise ConfigProblem(
            f"{CONFIG_VARIABLE} is set and empty; unset it, or name a file. Nothing was looked at."
        )
    return Path(named)


def _first_there(places: Iterable[Path]) -> Path | None:
    """The first place at which something stands. One that cannot be read is not absent."""
    return next((place for place in places if _stands(place)), None)


def _stands(place: Path) -> bool:
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass  # a directory that may not be entered: `read` says so of the file in it
    return True


def _with_state_directory(configuration: Configuration, environ: Mapping[str, str]) -> Configuration:
    written = environ.get(STATE_VARIABLE)
    name = "the state directory (evidence.directory)" if written is None else STATE_VARIABLE
    directory = configuration.state_directory
    if written is not None:
        try:
            directory = rules.parse_directory(written)
        except UnitProblem as problem:
            raise ConfigProblem(f"{name}: {problem}. Nothing was looked at.") from None
    if said := _directory_problem(directory, configuration):
        raise ConfigProblem(f"{name}: {shown(directory)} {said}. Nothing was looked at.")
    return replace(configuration, state_directory=directory)


def _directory_problem(directory: str, configuration: Configuration) -> str | None:
    """Why evidence cannot be kept there, as far as the path itself tells."""
    try:
        if not stat.S_ISDIR(Path(directory).stat().st_mode):
            return "is not a directory"
    except FileNotFoundError:
        pass  # it is made when there is something to keep
    except OSError as error:
        return f"cannot be used: {error.strerror}"
    for host in configuration.hosts.values():
        cleaned = [
            ("the data root", host.data_root or _DEFAULT_DATA_ROOT),
            *((f"the runner root {root.name}", root.path) for root in host.policy.runner_roots),
            *((f"the run cache {cache.name}", cache.path) for cache in host.policy.run_caches),
        ]
        for what, path in cleaned:
            # Followed, because a link into the data root would be cleaned just the same.
            if Path(directory).resolve().is_relative_to(Path(path).resolve()):
                return f"lies in {what} of hosts.{host.name} ({shown(path)}), which this kit cleans"
    return None
