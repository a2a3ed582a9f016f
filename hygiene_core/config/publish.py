"""What the kit says about configurations: a starter file, the published schema, and what a file comes to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hygiene_core.config import rules
from hygiene_core.config.loader import load, usual_places
from hygiene_core.config.units import UnitProblem
from hygiene_core.decide.sentence import sentence
from hygiene_core.errors import ConfigProblem
from hygiene_core.model.host import Host
from hygiene_core.model.text import plain

__all__ = ["check_lines", "host_file_schema", "host_file_text", "init_text", "json_schema"]

_STARTER = """\
# hygiene.toml: one host. Check it with: hygiene config check --config hygiene.toml
# Every key is described in docs/reference/config.md. What is commented out is not set.

[hosts.{table}]
docker = {docker}
# data_root = "/var/lib/docker"  # where the Engine's data root is seen from here, if not where it says

# Never touched: names and globs. A builder or image without a glob also has to be there.
[hosts.{table}.protect]
builders = []    # warm BuildKit builders, such as "odoo-docker"
images = []      # warm images, such as "odoo-docker:verify-*"
volumes = []
containers = []
labels = []      # "key" or "key=value"

# When a report asks for attention. A limit that is not set is not judged.
[hosts.{table}.limits]
# min_free = "50GiB"
# min_free_inodes_percent = 10
# max_reclaimable = "100GiB"
# max_state = "2GiB"
# max_days_without_apply = 7

# How long something was idle, as we saw it, before a rule lets it go. Without an age nothing goes.
[hosts.{table}.ages]
grace = "168h"
# dangling_image = "168h"
# tagged_image = "720h"
# stopped_container = "168h"
# anonymous_volume = "168h"
# orphan_builder = "168h"
# runner_checkout = "720h"
# diagnostic_log = "720h"

# How much build cache a builder keeps; "embedded" is the Engine's own builder.
# [hosts.{table}.budgets.embedded]
# max = "20GiB"
# reserved = "8GiB"
# min_age = "168h"

# [[hosts.{table}.runner_roots]]
# name = "lane-1"
# path = "/path/of/the/runner"

# [[hosts.{table}.run_caches]]
# name = "builds"
# path = "/path/of/the/cache"
# prefix = "run-"
# high_water = "200GiB"
# low_water = "150GiB"

# Where evidence is kept, if not in the usual place.
# [evidence]
# directory = "/var/lib/hygiene"
"""

_MACHINE_ID = Path("/etc/machine-id")
_HOST_STARTER = """\
# /etc/hygiene/host.toml: what this host allows on itself, whatever anybody plans and approves.
# It has to belong to root, and nobody else may write it or its folder. Nothing of it is ever guessed:
# a key that is unknown or wrong refuses everything. Every key: docs/reference/host-file.md

host_id = "{host_id}"
name = {name}
docker = {docker}
{data_root}

# What may be done at all. Begin with pruning, which goes by budgets; the others need an approval each time.
# allow = ["prune_records"]
allow = []

# Accounts whose approval counts.
# approvers = ["alice", "bob"]
approvers = []

# Directories are removed only below these.
# directories = ["/srv/runners"]

# Never touched, whatever a policy says.
[no_touch]
builders = {builders}
images = {images}
volumes = {volumes}
containers = {containers}
labels = {labels}

# The most that one apply may take.
[ceilings]
max_items = 5000
max_bytes = "500GiB"
max_time = "30m"

# The least that each builder's cache is left with.
[reserves]
# embedded = "8GiB"

# A small build that a warm builder should have in its cache: built before and after each apply.
# [probes.odoo-docker]
# context = "/etc/hygiene/probes/odoo-docker"
# max_time = "5m"
"""


def check_lines(
    path: Path | None, environ: Mapping[str, str], *, search: Sequence[Path] | None = None
) -> list[str]:
    """What the configuration in use comes to: its file, its hosts, each policy as a sentence, the warnings.

    The arguments are those of `load`.

    Raises:
        ConfigProblem: it cannot be used.
    """
    searched = usual_places() if search is None else search
    configuration = load(path, environ, search=searched)
    if configuration.source is None:
        places = " or ".join(plain(str(place)) for place in searched)
        lines = [f"No configuration was found at {places}: built-in protective defaults."]
    else:
        lines = [f"{plain(configuration.source)} can be used."]
    lines.append(f"Evidence is kept in {plain(configuration.state_directory)}.")
    for host in configuration.hosts.values():
        lines += [
            f"host {host.name}: unix://{plain(host.docker_socket)}",
            f"  {plain(sentence(host.policy))}",
            f"  policy digest {host.policy.digest}",
        ]
    return lines + [f"warning: {warning}" for warning in configuration.warnings]


def init_text(host_name: str, docker: str) -> str:
    """A commented starter file that can be used as it stands.

    Raises:
        ConfigProblem: the name or the socket's address could not stand in a file.
    """
    if problem := rules.name_problem(host_name):
        raise ConfigProblem(f"--host: {problem}. Nothing was written.")
    try:
        rules.parse_socket(docker)
    except UnitProblem as problem:
        raise ConfigProblem(f"--docker: {problem}. Nothing was written.") from None
    # A bare key cannot hold a dot, and a printable JSON string is a TOML string too.
    table = json.dumps(host_name) if "." in host_name else host_name
    return _STARTER.format(table=table, docker=json.dumps(docker, ensure_ascii=False))


def json_schema() -> dict[str, Any]:
    """The JSON schema of `hygiene.toml`, published as `docs/reference/config.schema.json`."""
    from hygiene_core.config.schema import File  # noqa: PLC0415 - pydantic loads only where it is needed

    made: dict[str, Any] = _tidy(File.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "hygiene.toml"} | made


def host_file_schema() -> dict[str, Any]:
    """The JSON schema of `host.toml`, published as `docs/reference/host.schema.json`."""
    from hygiene_core.config.host_file import HostFile  # noqa: PLC0415 - as above

    made: dict[str, Any] = _tidy(HostFile.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "host.toml"} | made


def host_file_text(host: Host, machine_id: Path = _MACHINE_ID) -> str:
    """A commented `host.toml` for this machine, which allows nothing yet.

    Name, socket and no-touch set are those of the host in the configuration.

    Raises:
        ConfigProblem: this machine has no id.
    """
    try:
        known = machine_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        known = ""
    if re.fullmatch("[0-9a-f]{32}", known) is None:
        raise ConfigProblem(f"{machine_id} holds no machine id of 32 characters. Nothing was written.")
    protect = host.policy.protect
    rooted = "" if host.data_root is not None else "# "
    return _HOST_STARTER.format(
        host_id=known,
        name=json.dumps(host.name),
        docker=_quoted(f"unix://{host.docker_socket}"),
        data_root=f"{rooted}data_root = {_quoted(host.data_root or '/var/lib/docker')}",
        **{name: _listed(getattr(protect, name)) for name in protect.__slots__},
    )


def _quoted(text: str) -> str:
    # A printable JSON string is a TOML string too.
    return json.dumps(text, ensure_ascii=False)


def _listed(globs: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(one) for one in globs) + "]"


def _tidy(schema: Any, *, names: bool = False) -> Any:
    """Without what TOML has not (null) and without titles that only repeat the key.

    `names` says that the keys of `schema` are names of the file and not words of JSON schema.
    """
    if isinstance(schema, list):
        return [_tidy(inner) for inner in schema if inner != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    tidied = {
        key: _tidy(value, names=key in {"properties", "$defs"})
        for key, value in schema.items()
        if names or (key != "title" and not (key == "default" and value is None))
    }
    only = tidied.get("anyOf", [])
    return only[0] | {key: tidied[key] for key in tidied if key != "anyOf"} if len(only) == 1 else tidied
