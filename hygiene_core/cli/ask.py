"""The verbs that ask what earlier runs saw."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hygiene_core.cli.parts import ask_published, host_of, load
from hygiene_core.cli.words import ConfigOption, HostOption, Shape, ShapeOption, group

if TYPE_CHECKING:
    from hygiene_core.evidence.reader import Reader
    from hygiene_core.model.table import Table

__all__ = ["history", "query"]

_ONLY_FOR_PROGRAMS = ("runs", "free_bytes", "forecast_error_bytes", "seen_at")
"""Columns of the growth that would squeeze the names out of a terminal; JSON and CSV have them."""

_MORE_OF_APPLIES = ("host", "claimed_bytes", "estimate_bytes")
"""Likewise of the applies."""

history = group("history", "Ask what earlier runs saw.")


def query(
    *,
    sql: Annotated[str, typer.Argument(help="One SELECT on the published evidence; `-` reads stdin.")],
    config_file: ConfigOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """Ask the published evidence in SQL. The connection can read, and nothing else."""
    statement = sys.stdin.read() if sql == "-" else sql
    ask_published(load(config_file), shape, lambda reader: reader.query(statement))


@history.command("runs")
def history_runs(
    *,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100_000)] = 20,
    config_file: ConfigOption = None,
    host: HostOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """List the stored runs, newest first."""
    _history(config_file, host, shape, lambda reader, name: reader.runs(name, limit))


@history.command("applies")
def history_applies(
    *,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100_000)] = 20,
    config_file: ConfigOption = None,
    host: HostOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """List the runs that were to remove things, newest first."""
    left_out = _MORE_OF_APPLIES if shape is Shape.TEXT else ()
    _history(config_file, host, shape, lambda reader, name: reader.applies(name, limit).without(*left_out))


@history.command("trend")
def history_trend(
    *, config_file: ConfigOption = None, host: HostOption = None, shape: ShapeOption = Shape.TEXT
) -> None:
    """Free disk, and reclaimable bytes of each class, over time."""
    from hygiene_core.report.figures import CLASS_ORDER  # noqa: PLC0415 - not for `--help`

    _history(config_file, host, shape, lambda reader, name: reader.trend(name), sizes=CLASS_ORDER)


@history.command("growth")
def history_growth(
    *,
    days: Annotated[int, typer.Option(help="How far back, from the newest run.", min=1, max=3650)] = 30,
    config_file: ConfigOption = None,
    host: HostOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """Bytes and inodes a day of filesystems, classes and repositories, and the days until a disk is full."""
    left_out = _ONLY_FOR_PROGRAMS if shape is Shape.TEXT else ()
    _history(config_file, host, shape, lambda reader, name: reader.growth(name, days).without(*left_out))


@history.command("removed")
def history_removed(
    *,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as `image`.")] = None,
    since: Annotated[str | None, typer.Option(metavar="RUN", help="Only what went after this run.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100_000)] = 50,
    config_file: ConfigOption = None,
    host: HostOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """What is gone, between which two runs, when and by whom as far as the Engine told."""
    _history(config_file, host, shape, lambda reader, name: reader.removed(name, kind, limit, since))


@history.command("diff")
def history_diff(
    *,
    before: Annotated[str, typer.Argument(metavar="A", help="A run id, its beginning, or its number.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Likewise, the later run.")],
    config_file: ConfigOption = None,
    host: HostOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """What appeared, went, grew or changed its verdict between two runs."""
    _history(config_file, host, shape, lambda reader, name: reader.diff(name, before, after))


@history.command("resource")
def history_resource(
    *,
    resource: Annotated[str, typer.Argument(help="A name, an id, or the first characters of an id.")],
    config_file: ConfigOption = None,
    host: HostOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """The life of one resource: every run in which it changed."""
    _history(config_file, host, shape, lambda reader, name: reader.resource(name, resource))


def _history(
    config_file: Path | None,
    host: str | None,
    shape: Shape,
    ask: Callable[[Reader, str], Table],
    sizes: tuple[str, ...] = (),
) -> None:
    configuration = load(config_file)
    name = host_of(configuration, host).name
    ask_published(configuration, shape, lambda reader: ask(reader, name), sizes)
