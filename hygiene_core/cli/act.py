"""The verbs that say what would be removed."""

# ruff: noqa: PLC0415 - `hygiene --help` loads none of what stands inside the verbs

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hygiene_core import terminal
from hygiene_core.cli.look import observed
from hygiene_core.cli.parts import host_of, load, store_of
from hygiene_core.cli.words import ConfigOption, HostOption, PlanMode, StatusFormat
from hygiene_core.errors import OutputUnwritable, PlanBlocked

if TYPE_CHECKING:
    from hygiene_core.model.host import Configuration, Host
    from hygiene_core.model.plan import Plan, Selection

__all__ = ["plan"]


def plan(
    *,
    mode: Annotated[
        PlanMode, typer.Option("--mode", help="`bounded`: build caches. `retirement`: single objects.")
    ],
    select: Annotated[
        list[str] | None,
        typer.Option(
            "--select",
            metavar="WORD",
            help="Narrow it: kind:image, name:odoo*, size>1GiB, verdict:retained. May stand several times.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Also write the plan to this file.")
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="RUN", help="Plan a stored run again, by today's policy; it is not kept."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List every step.")] = False,
    config_file: ConfigOption = None,
    host: HostOption = None,
    output: Annotated[StatusFormat, typer.Option("--format", help="How it is written.")] = StatusFormat.TEXT,
) -> None:
    """Say what would be removed, in which order and within which bounds. Nothing is removed."""
    from hygiene_core.config.selection import parse_selection
    from hygiene_core.evidence import plans
    from hygiene_core.model.codec import encode_plan
    from hygiene_core.model.plan import Mode
    from hygiene_core.report.plan import LISTED, render

    selection = parse_selection(select or (), Mode(mode.value))
    configuration = load(config_file)
    chosen = host_of(configuration, host)
    made = _planned(configuration, chosen, mode, selection, run)
    stored = encode_plan(made)
    digest = plans.digest_of(stored) if run else store_of(configuration).keep_plan(stored)
    if out is not None:
        _write(out, stored)
    if output is StatusFormat.JSON:
        terminal.data(stored.decode())
    else:
        terminal.data(
            render(
                made,
                digest,
                width=terminal.width(),
                color=terminal.colour(),
                listed=None if every else LISTED,
                zone=terminal.local_zone(),
            )
        )
    if made.is_blocked:
        codes = ", ".join(one.code.value for one in made.blockers if one.subject is None)
        raise PlanBlocked(
            f"the plan {digest[: plans.SHORT_DIGEST]} may not be applied ({codes}). Nothing was removed.",
            next_step="What each code asks for: docs/concepts/plans.md",
        )


def _planned(
    configuration: Configuration, host: Host, mode: PlanMode, selection: Selection, run: str | None
) -> Plan:
    from hygiene_core import pipeline
    from hygiene_core.model.plan import Mode

    store, phase = store_of(configuration), Mode(mode.value)
    if run is None:
        return pipeline.plan(observed(host, store), phase, selection)
    stored = store.load(host.name, run)
    terminal.message(f"Run {stored.run_id} is planned again by today's policy. Nothing was looked at.")
    return pipeline.plan_again(stored, store.memory_after(host.name, run), host.policy, phase, selection)


def _write(path: Path, stored: bytes) -> None:
    try:
        path.write_bytes(stored)
    except OSError as error:
        raise OutputUnwritable(
            f"{path} could not be written: {error.strerror}. Nothing was removed."
        ) from error
