"""The words of the command line: what its options are called and what they may say."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "EXIT_CODES",
    "AllOption",
    "Archive",
    "ConfigOption",
    "FailOn",
    "Format",
    "FormatOption",
    "HostOption",
    "PlanMode",
    "Shape",
    "ShapeOption",
    "StatusFormat",
    "group",
]

EXIT_CODES = """Exit codes: 0 done or nothing to do; 2 usage or configuration; 3 refused;
4 incomplete, partial or unknown outcome; 5 busy or locked; 6 host or Engine unreachable (also when a
report of the rest was printed); 7 evidence problem; 8 attention (only with --fail-on attention);
130, 143 ended by a signal."""


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class StatusFormat(StrEnum):
    """How a status is written."""

    TEXT = "text"
    JSON = "json"


class Shape(StrEnum):
    """How a table is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


class PlanMode(StrEnum):
    """What a plan is about."""

    BOUNDED = "bounded"
    RETIREMENT = "retirement"


class Archive(StrEnum):
    """How evidence is exported."""

    PARQUET = "parquet"
    JSONL = "jsonl"


class FailOn(StrEnum):
    """What ends a report with a status other than 0."""

    INCOMPLETE = "incomplete"
    ATTENTION = "attention"


ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The hygiene.toml to use; it must exist.")
]
HostOption = Annotated[
    str | None, typer.Option("--host", metavar="NAME", help="A host of the configuration.")
]
ShapeOption = Annotated[Shape, typer.Option("--format", help="How the table is written.")]
FormatOption = Annotated[Format, typer.Option("--format", help="How the report is written.")]
AllOption = Annotated[bool, typer.Option("--all", help="List every candidate, not only the biggest.")]


def group(name: str, purpose: str) -> typer.Typer:
    """A group of verbs."""
    return typer.Typer(name=name, help=purpose, rich_markup_mode=None, no_args_is_help=True)
