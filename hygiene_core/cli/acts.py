"""The verb that tells again what was removed."""

# ruff: noqa: PLC0415 - `hygiene --help` loads none of what stands inside the verb

from __future__ import annotations

from typing import Annotated

import typer

from hygiene_core import terminal
from hygiene_core.cli.words import StatusFormat

__all__ = ["acts"]


def acts(
    *,
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run id or its beginning; the newest if left out.")
    ] = None,
    output: Annotated[
        StatusFormat, typer.Option("--format", help="Text, or the journal as JSON Lines.")
    ] = StatusFormat.TEXT,
) -> None:
    """Tell again what came of a run that was to remove things on this host. Nothing is looked at."""
    from hygiene_core.evidence.acts import STATE, find
    from hygiene_core.model.codec import encode, line_adapter
    from hygiene_core.report.run import render

    lines = find(STATE, run)
    if output is StatusFormat.JSON:
        terminal.data("".join(encode(line_adapter(), line).decode() + "\n" for line in lines))
    else:
        terminal.data(render(lines, None, width=terminal.width(), color=terminal.colour()))
