"""The verbs that write, check and describe `hygiene.toml` and `host.toml`."""

# ruff: noqa: PLC0415 - `hygiene --help` loads none of what stands inside the verbs

from __future__ import annotations

import os
from typing import Annotated

import typer

from hygiene_core import terminal
from hygiene_core.cli.parts import host_of, load
from hygiene_core.cli.words import ConfigOption, HostOption, group

__all__ = ["config"]

config = group("config", "Write, check or describe hygiene.toml and host.toml.")


@config.command("check")
def config_check(*, config_file: ConfigOption = None) -> None:
    """Read the configuration and say what it means."""
    from hygiene_core.config import check_lines

    terminal.data("\n".join(check_lines(config_file, os.environ)))


@config.command("init")
def config_init(
    *,
    name: Annotated[str, typer.Option("--host", metavar="NAME", help="The name of the host.")] = "local",
    docker: Annotated[str, typer.Option(help="The Engine's socket.")] = "unix:///var/run/docker.sock",
) -> None:
    """Print a commented starter file; redirect it into hygiene.toml."""
    from hygiene_core.config import init_text

    terminal.data(init_text(name, docker))


@config.command("schema")
def config_schema() -> None:
    """Print the JSON schema of hygiene.toml, for editors."""
    import json

    from hygiene_core.config import json_schema

    terminal.data(json.dumps(json_schema(), indent=2))


@config.command("host-file")
def config_host_file(
    *,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of host.toml instead, for editors.")
    ] = False,
    config_file: ConfigOption = None,
    host: HostOption = None,
) -> None:
    """Print a commented /etc/hygiene/host.toml for this machine, which allows nothing yet."""
    import json

    from hygiene_core.config import host_file_schema, host_file_text

    if schema:
        terminal.data(json.dumps(host_file_schema(), indent=2))
    else:
        terminal.data(host_file_text(host_of(load(config_file), host)))
