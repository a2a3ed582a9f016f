"""The command line: a verb runs stages of the pipeline or reads what they stored. No logic lives here.

`look` has the verbs that look at a host, `watch` that which follows it, `act` that which plans, `approval`
those that approve a plan, `remove` those that have things removed, `ask` those that ask the evidence, `acts`
that which tells a removal again, `keep` those that keep evidence sound, `settings` those about hygiene.toml.
What a verb needs is imported inside it: `hygiene --help` loads no pydantic, DuckDB, rich or probe.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated, NoReturn

import typer

from hygiene_core import __version__, terminal
from hygiene_core.cli import act, acts, approval, ask, keep, look, remove, settings, watch
from hygiene_core.cli.words import EXIT_CODES
from hygiene_core.errors import EXIT_OK, HygieneError, Stopped, Terminated

__all__ = ["EXIT_CODES", "app", "main"]

app = typer.Typer(
    name="hygiene",
    help="Look at a CI runner host without touching it, and keep the evidence.",
    epilog=EXIT_CODES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
app.command(epilog=EXIT_CODES)(look.report)
for verb in (look.status, look.explain, look.resources, watch.watch, ask.query, look.demo):
    app.command()(verb)
for acting in (
    act.plan,
    approval.approve,
    approval.approvals,
    approval.revoke,
    remove.apply,
    remove.follow,
    remove.stop,
    remove.settle,
    acts.acts,
):
    app.command(epilog=EXIT_CODES)(acting)
for verbs in (ask.history, keep.evidence, settings.config):
    app.add_typer(verbs)


def main() -> NoReturn:
    """Run the command line and exit with the status that the error tree gives."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    status: int | str | None = EXIT_OK
    try:
        app()
    except HygieneError as error:
        terminal.problem(error)
        status = error.exit_status
    except SystemExit as end:
        status = end.code
    if isinstance(status, int):
        terminal.leave(status)
    sys.exit(status)


def _stop(number: int, _frame: object) -> NoReturn:
    """End by an error of the tree, so that a stopped run leaves its exit record like any other."""
    if number == signal.SIGTERM:
        raise Terminated("by SIGTERM, before it was done.")
    raise Stopped("by Ctrl-C, before it was done.")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - the shape of a callback of typer
    if wanted:
        terminal.data(f"hygiene {__version__}")
        raise typer.Exit


@app.callback()
def options_before_the_verb(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Look at a CI runner host without touching it, and keep the evidence."""
