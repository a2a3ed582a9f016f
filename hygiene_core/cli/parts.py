"""What several verbs need: the configuration, the evidence, and a table on stdout."""

# ruff: noqa: PLC0415 - `hygiene --help` loads none of what stands inside the verbs

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hygiene_core import terminal
from hygiene_core.cli.words import Shape

if TYPE_CHECKING:
    from hygiene_core.evidence.reader import Reader
    from hygiene_core.evidence.store import EvidenceStore
    from hygiene_core.model.host import Configuration, Host
    from hygiene_core.model.table import Table

__all__ = ["ask_published", "host_of", "load", "show", "store_of"]


def load(config_file: Path | None, *, quiet: bool = False) -> Configuration:
    """The configuration; its warnings go to stderr."""
    from hygiene_core import config

    configuration = config.load(config_file, os.environ)
    for warning in () if quiet else configuration.warnings:
        terminal.message(f"warning: {warning}")
    return configuration


def host_of(configuration: Configuration, name: str | None) -> Host:
    """The host that is meant."""
    from hygiene_core.config import resolve_host

    return resolve_host(configuration, name)


def store_of(configuration: Configuration) -> EvidenceStore:
    """The evidence of a configuration, and of what was done on this machine."""
    from hygiene_core.evidence import acts
    from hygiene_core.evidence.store import EvidenceStore

    return EvidenceStore(Path(configuration.state_directory), acts=acts.STATE)


def ask_published(
    configuration: Configuration, shape: Shape, ask: Callable[[Reader], Table], sizes: tuple[str, ...] = ()
) -> None:
    """Ask the published evidence and show the answer."""
    from hygiene_core.evidence.reader import open_published

    with open_published(Path(configuration.state_directory)) as reader:
        show(ask(reader), shape, sizes)


def show(table: Table, shape: Shape, sizes: tuple[str, ...] = ()) -> None:
    """Write a table to stdout."""
    from hygiene_core.report import tables

    zone = terminal.local_zone()
    if shape is Shape.JSON:
        terminal.data(tables.to_json(table))
    elif shape is Shape.CSV:
        terminal.data(tables.to_csv(table, zone=zone))
    else:
        terminal.data(tables.to_text(table, width=terminal.table_width(), zone=zone, sizes=sizes))
