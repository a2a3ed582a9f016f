"""The verb that follows the use of images between two looks."""

# ruff: noqa: PLC0415 - `hygiene --help` loads none of what stands inside the verbs

from __future__ import annotations

import time
from typing import Annotated

import typer

from hygiene_core import terminal
from hygiene_core.cli.parts import host_of, load, store_of
from hygiene_core.cli.words import ConfigOption, HostOption

__all__ = ["watch"]

_SECONDS = 5


def watch(
    *,
    config_file: ConfigOption = None,
    host: HostOption = None,
    every: Annotated[
        int, typer.Option("--every", metavar="SECONDS", min=1, max=3600, help="How long to wait in between.")
    ] = _SECONDS,
    once: Annotated[bool, typer.Option("--once", help="Read once and stop.")] = False,
) -> None:
    """Follow which images are used, read-only, until it is stopped.

    A report alone cannot see an image that only short jobs use. With this running all the time, idleness of
    tagged images is known.
    """
    from hygiene_core.clock import utc_now
    from hygiene_core.follow import Follower
    from hygiene_core.transport.local import LocalTransport

    configuration = load(config_file)
    chosen = host_of(configuration, host)
    follower = Follower(chosen, LocalTransport(), store_of(configuration), utc_now, terminal.message)
    if not once:
        terminal.message(f"Following {chosen.name}: its Engine's events are read every {every} s.")
    follower.run(None if once else lambda: time.sleep(every))
