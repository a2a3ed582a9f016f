"""Whom the jobs of each runner run as, and which Docker credentials one job leaves for the next.

Of a runner's `.env` the value of `DOCKER_CONFIG` is taken and nothing else. Of `config.json` are taken how
many registries have credentials in it and the names of helpers: no value, no user, no registry.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hygiene_core.host.mask import mask_text
from hygiene_core.host.probes.accounts import Account, Accounts, may_change, read_accounts
from hygiene_core.host.probes.files import cause_of, read_regular
from hygiene_core.host.probes.runners import service_unit
from hygiene_core.host.probes.walk import shown
from hygiene_core.model.observation import DockerCredentials, Runner

__all__ = ["SOURCE", "CredentialsReading", "JobAccount", "read_credentials"]

SOURCE = "User= of the runners' units; /etc/passwd and group; DOCKER_CONFIG in .env; config.json of docker"

_UNIT_PLACES = (
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
)
"""The first that has a file of a name decides, as systemd.unit(5) says."""
_KEY = "DOCKER_CONFIG"
_MOST_HELPERS, _LONGEST_NAME = 16, 64
"""A job wrote them, and evidence is kept for ever."""
_SECRETS = ("auth", "password", "identitytoken", "registrytoken")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAccount:
    """Whom the jobs of one runner run as, and where their `docker` command keeps its credentials."""

    user: str | None = None
    home: str | None = None
    docker_config: str | None = None
    docker_credentials: DockerCredentials | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsReading:
    """What was read, by the name of the root."""

    by_runner: dict[str, JobAccount] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def joined(self, runners: tuple[Runner, ...]) -> tuple[Runner, ...]:
        """The runners, each with what was read of its account."""
        return tuple(self._joined(runner) for runner in runners)

    def _joined(self, runner: Runner) -> Runner:
        of = self.by_runner.get(runner.name)
        if of is None:
            return runner
        return replace(
            runner,
            user=of.user,
            home=of.home,
            docker_config=of.docker_config,
            docker_credentials=of.docker_credentials,
        )


def read_credentials(roots: Mapping[str, str], system: Path = Path("/")) -> CredentialsReading:
    """Read the account of every root (name to path). What cannot be read is a problem in words.

    Args:
        roots: where runners are installed.
        system: the root under which systemd and the users are looked for. Paths that these files name are
            read as they stand.
    """
    problems: list[str] = []
    accounts = read_accounts(system, problems)
    read: dict[str, JobAccount] = {}
    for name, path in roots.items():
        place = os.path.realpath(path)
        told: list[str] = []
        if os.path.isdir(place):  # noqa: PTH112 - beside realpath, which keeps undecodable names
            read[name] = _job_account(place, accounts, system, told)
        else:
            told.append(f"{shown(path)} is not a directory here")
        problems += [f"{name}: {said}" for said in told]
    return CredentialsReading(by_runner=read, problems=tuple(problems))


def _job_account(root: str, accounts: Accounts, system: Path, told: list[str]) -> JobAccount:
    account = _service_account(root, accounts, system, told)
    if account is None:
        return JobAccount()
    directory = _docker_config(root, account, told)
    return JobAccount(
        user=_kept(account.name),
        home=_kept(account.home) if account.home else None,
        docker_config=_kept(directory) if directory else None,
        docker_credentials=_docker_credentials(directory, account, accounts, told) if directory else None,
    )


def _kept(text: str) -> str:
    return mask_text(shown(text))


# -- the user ------------------------------------------------------------------------------------------------


def _service_account(root: str, accounts: Accounts, system: Path, told: list[str]) -> Account | None:
    """The user of the unit, which is root where the unit names none; else the owner of the directory."""
    unit = service_unit(root, [])  # what keeps it from being read is told by the section of the runners
    named: str | None = None
    try:
        if unit is not None and "/" not in unit:
            named = _unit_user(unit, system)
    except (OSError, ValueError) as error:
        told.append(
            f"{unit} cannot be read ({cause_of(error)}): its user is taken from the directory's owner"
        )
    if named is not None and "%" in named:
        told.append(f"the user of {unit} is {_kept(named)}, which only systemd can work out")
        return None
    if named is not None:
        return accounts.named(named or "0")
    try:
        return accounts.numbered(os.stat(root).st_uid)  # noqa: PTH116 - as above
    except OSError as error:
        told.append(f"the owner of the directory cannot be told ({cause_of(error)})")
        return None


def _unit_user(unit: str, system: Path) -> str | None:
    """The value of `User=`, empty where there is none; `None` where there is no such unit."""
    files = [*_first(unit, system), *_drop_ins(unit, system)]
    if not files or files[0].name != unit:
        return None
    user = ""
    for path in files:
        content, _ = read_regular(str(path))
        for value in _assigned(content.decode("utf-8", "surrogateescape")):
            user = value
    return user


def _first(name: str, system: Path) -> list[Path]:
    found = (system / place / name for place in _UNIT_PLACES)
    return [path for path in found if os.path.lexists(path)][:1]


def _drop_ins(unit: str, system: Path) -> list[Path]:
    """The drop-ins in the order of their names, wherever each lies."""
    names: set[str] = set()
    for place in _UNIT_PLACES:
        try:
            names.update(os.listdir(system / place / f"{unit}.d"))  # noqa: PTH208 - names alone
        except (FileNotFoundError, NotADirectoryError):
            continue
    chosen = sorted(name for name in names if name.endswith(".conf"))
    return [path for name in chosen for path in _first(f"{unit}.d/{name}", system)]


def _assigned(text: str) -> Iterator[str]:
    """The values of `User=` in the section `[Service]`, as they follow each other."""
    section = ""
    for line in text.replace("\\\n", " ").split("\n"):
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        key, equals, value = stripped.partition("=")
        if equals and section == "[Service]" and key.rstrip() == "User":
            yield value.lstrip()


# -- where docker looks --------------------------------------------------------------------------------------


def _docker_config(root: str, account: Account, told: list[str]) -> str | None:
    """The directory of `DOCKER_CONFIG` in `.env`, else `.docker` in the home."""
    try:
        content, _ = read_regular(os.path.join(root, ".env"))  # noqa: PTH118 - as above
        named = _of_environment(content)
    except FileNotFoundError:
        named = ""
    except (OSError, ValueError) as error:
        told.append(f".env cannot be read ({cause_of(error)}), so that it is not known where docker looks")
        return None
    if named and (not named.startswith("/") or "\0" in named):
        told.append(f"{_KEY} in .env is no absolute path, so that each step of a job has another")
        return None
    if not named and account.home is None:
        told.append(f"the home of {_kept(account.name)} is not known, and so not where docker looks")
        return None
    return named or f"{account.home}/.docker"


def _of_environment(content: bytes) -> str:
    """The value of the one key, as the runner reads it: no quotes, no comments, the last one counts."""
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = content.decode("utf-16" if utf16 else "utf-8-sig", "replace")
    named = ""
    for line in re.split(r"\r\n|\r|\n", text):
        key, _, value = line.partition("=")
        if key == _KEY:
            named = value
    return named


# -- what it finds there -------------------------------------------------------------------------------------


def _docker_credentials(
    directory: str, account: Account, accounts: Accounts, told: list[str]
) -> DockerCredentials | None:
    path = os.path.join(directory, "config.json")  # noqa: PTH118 - as above
    try:
        content, seen = read_regular(path)
        stored, helpers = _counted(content)
    except FileNotFoundError:
        return DockerCredentials(
            path=_kept(os.path.realpath(path)), present=False, writable=may_change(account, path)
        )
    except (OSError, ValueError) as error:
        told.append(f"{_kept(path)} cannot be read ({cause_of(error)})")
        return None
    return DockerCredentials(
        path=_kept(os.path.realpath(path)),
        present=True,
        owner=_kept(accounts.numbered(seen.st_uid).name),
        mode=f"{stat.S_IMODE(seen.st_mode):04o}",
        writable=may_change(account, path),
        stored_count=stored,
        helpers=helpers,
    )


def _counted(content: bytes) -> tuple[int, tuple[str, ...]]:
    """How many registries have credentials in a `config.json`, and the helpers that it names.

    Raises:
        ValueError: it is not the JSON that `docker` reads. The text is not repeated: it holds secrets.
    """
    try:
        stored = _folded(json.loads(content) if content.strip() else {})
        entries = [_folded(entry) for entry in _folded(stored.get("auths")).values()]
        helpers = [stored.get("credsstore"), *_folded(stored.get("credhelpers")).values()]
    except (ValueError, RecursionError):
        raise ValueError("it is not the JSON that docker writes") from None
    named = sorted({_kept(one)[:_LONGEST_NAME] for one in helpers if isinstance(one, str) and one})
    stored_count = sum(any(entry.get(key) for key in _SECRETS) for entry in entries)
    return stored_count, tuple(named[:_MOST_HELPERS])


def _folded(value: Any) -> dict[str, Any]:
    """An object by its keys in small letters, as `docker` reads them; `null` is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what is wrong is the document
    return {key.lower(): one for key, one in value.items()}
