"""The verbs that look at a host, or show a look that was kept."""

# ruff: noqa: PLC0415 - `hygiene --help` loads none of what stands inside the verbs

from __future__ import annotations

import gc
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hygiene_core import terminal
from hygiene_core.cli.parts import host_of, load, show, store_of
from hygiene_core.cli.words import (
    AllOption,
    ConfigOption,
    FailOn,
    Format,
    FormatOption,
    HostOption,
    Shape,
    ShapeOption,
    StatusFormat,
)
from hygiene_core.errors import (
    EXIT_ATTENTION,
    EXIT_INCOMPLETE,
    EXIT_OK,
    EXIT_UNREACHABLE,
    OutputUnwritable,
    UsageProblem,
)

if TYPE_CHECKING:
    from hygiene_core.evidence.store import EvidenceStore
    from hygiene_core.model.host import Configuration, Host
    from hygiene_core.model.report import Report
    from hygiene_core.pipeline import Run
    from hygiene_core.transport.base import Transport

__all__ = ["demo", "explain", "observed", "report", "resources", "status"]


def report(
    *,
    config_file: ConfigOption = None,
    host: HostOption = None,
    output: FormatOption = Format.TEXT,
    run: Annotated[
        str | None,
        typer.Option("--at", "--run", metavar="RUN", help="Print a stored run again; look at nothing."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="With --at: judge that run by this hygiene.toml."),
    ] = None,
    every: AllOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what needs attention.")] = False,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="With `attention`, exit 8 when the report asks for it.")
    ] = FailOn.INCOMPLETE,
    unrecorded: Annotated[bool, typer.Option("--unrecorded", help="Keep no evidence of this look.")] = False,
) -> None:
    """Look at a host, read-only, keep the evidence, and say what everything is and why."""
    from hygiene_core.evidence.exit_record import exit_record

    configuration = load(config_file, quiet=quiet)
    chosen = host_of(configuration, host)
    if policy is not None:
        _end_report(_judged_again(configuration, chosen.name, run, policy), output, fail_on, every=every)
    if run is not None:
        _end_report(store_of(configuration).load(chosen.name, run), output, fail_on, every=every, quiet=quiet)
    if unrecorded:
        terminal.message("This look is not recorded.")
        _end_report(_look(chosen, None, quiet=quiet), output, fail_on, every=every, quiet=quiet)
    store = store_of(configuration)
    # DuckDB takes a tenth of a second to import, and the Engine is waited for anyway.
    threading.Thread(target=_import_duckdb, daemon=True).start()
    with exit_record(store.directory, chosen.name, "report") as record:
        made = _look(chosen, store, quiet=quiet)
        record.run_id = made.run_id
        record.exit_status = _status(made, fail_on)
        unwritten = None
        try:
            _print_report(made, output, every=every, quiet=quiet)
        except OutputUnwritable as error:
            unwritten = OutputUnwritable(
                f"{error.message} The run is recorded as {made.run_id}.",
                next_step=f"Print it again: hygiene report --at {made.run_id}",
            )
        if warning := store.publish().warning:
            terminal.message(warning)
        if unwritten:
            raise unwritten
    if record.problem:
        terminal.message(record.problem)
    raise typer.Exit(record.exit_status)


def explain(
    *,
    resource: Annotated[str, typer.Argument(help="A name, an id, or the first characters of an id.")],
    config_file: ConfigOption = None,
    host: HostOption = None,
) -> None:
    """Look again, and print every rule that is asked of a resource, what it saw and what it said."""
    from hygiene_core import pipeline
    from hygiene_core.report.chain import render

    configuration = load(config_file)
    chosen = host_of(configuration, host)
    with terminal.progress(wanted=True) as emit:
        run = pipeline.look(
            pipeline.Tools(
                host=chosen, transport=_local_transport(), store=store_of(configuration), emit=emit
            )
        )
    found = pipeline.chains(run, resource)
    zone, width = terminal.local_zone(), terminal.width()
    terminal.data("\n".join(render(chain, width=width, zone=zone) for chain in found))


def resources(
    *,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as `image`.")] = None,
    verdict: Annotated[str | None, typer.Option(help="Only this verdict, such as `candidate`.")] = None,
    name: Annotated[str | None, typer.Option(help="Only names or ids that match this glob.")] = None,
    run: Annotated[
        str | None, typer.Option("--at", "--run", metavar="RUN", help="A stored run; newest if absent.")
    ] = None,
    config_file: ConfigOption = None,
    host: HostOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """List the resources of a stored run with their verdicts and reasons, biggest first."""
    from hygiene_core.report.listing import listing, listing_text

    configuration = load(config_file)
    stored = store_of(configuration).load(host_of(configuration, host).name, run)
    if shape is Shape.TEXT:
        width = terminal.table_width()
        terminal.data(listing_text(stored, kind=kind, verdict=verdict, name=name, width=width))
    else:
        show(listing(stored, kind=kind, verdict=verdict, name=name), shape)


def status(
    *,
    config_file: ConfigOption = None,
    host: HostOption = None,
    output: Annotated[StatusFormat, typer.Option("--format", help="How it is written.")] = StatusFormat.TEXT,
) -> None:
    """Say on one screen how a host was at its newest run. The host is not looked at."""
    from hygiene_core.clock import utc_now
    from hygiene_core.report import document
    from hygiene_core.report.status import render

    configuration = load(config_file, quiet=True)
    stored = store_of(configuration).load(host_of(configuration, host).name)
    if output is StatusFormat.JSON:
        terminal.data(document.to_json(replace(stored, resources=())))
    else:
        shown = render(
            stored,
            now=utc_now(),
            width=terminal.width(),
            color=terminal.colour(),
            zone=terminal.local_zone(),
        )
        terminal.data(shown)
    raise typer.Exit(_status(stored, FailOn.INCOMPLETE))


def demo(*, output: FormatOption = Format.TEXT, every: AllOption = False) -> None:
    """Report on a recorded host, for people without an Engine at hand. Nothing is kept."""
    from hygiene_core.transport.demo import DemoTransport, demo_host

    terminal.message("This is a recorded demo host, not this machine.")
    made = _look(demo_host(), None, transport=DemoTransport())
    _end_report(made, output, FailOn.INCOMPLETE, every=every)


def _judged_again(configuration: Configuration, host: str, run: str | None, policy: Path) -> Report:
    from hygiene_core import pipeline

    if run is None:
        raise UsageProblem(
            "--policy judges a stored run again, and none was named. Nothing was looked at.",
            next_step="See: hygiene history runs",
        )
    store = store_of(configuration)
    stored = store.load(host, run)
    other = load(policy)
    hosts = other.hosts
    by = hosts[host] if host in hosts else host_of(other, None)
    made = pipeline.rejudge(stored, store.memory_after(host, run), by.policy)
    terminal.message(
        f"Run {stored.run_id} of {host}, judged again by {policy}. Nothing was looked at or recorded."
    )
    return made


def _local_transport() -> Transport:
    from hygiene_core.transport.local import LocalTransport

    return LocalTransport()


def _import_duckdb() -> None:
    from hygiene_core.evidence import duck

    duck.load()


def observed(
    host: Host, store: EvidenceStore | None, *, transport: Transport | None = None, quiet: bool = False
) -> Run:
    """A whole look at a host, recorded where there is a store."""
    from hygiene_core import pipeline
    from hygiene_core.evidence import acts

    # A run makes many objects, keeps nearly all of them, and ends: collecting cycles would only cost time.
    gc.disable()
    with terminal.progress(wanted=not quiet) as emit:
        run = pipeline.make_report(
            pipeline.Tools(
                host=host,
                transport=transport or _local_transport(),
                store=store,
                acts=acts.STATE if transport is None else None,
                emit=emit,
            )
        )
    for note in run.recorded.notes if run.recorded and not quiet else ():
        terminal.message(note)
    return run


def _look(
    host: Host, store: EvidenceStore | None, *, transport: Transport | None = None, quiet: bool = False
) -> Report:
    return observed(host, store, transport=transport, quiet=quiet).finished


def _end_report(
    made: Report, output: Format, fail_on: FailOn, *, every: bool = False, quiet: bool = False
) -> NoReturn:
    _print_report(made, output, every=every, quiet=quiet)
    raise typer.Exit(_status(made, fail_on))


def _print_report(made: Report, output: Format, *, every: bool, quiet: bool) -> None:
    from hygiene_core.report import document, html, markdown, text

    zone, most = terminal.local_zone(), None if every else text.CANDIDATES
    if output is Format.JSON:
        written = document.to_json(made)
    elif output is Format.MARKDOWN:
        written = markdown.render(made, resources=most, zone=zone)
    elif output is Format.HTML:
        written = html.render(made, resources=None if every else html.CANDIDATES, zone=zone)
    elif quiet:
        written = text.render_attention(made, width=terminal.width(), color=terminal.colour(), zone=zone)
    else:
        written = text.render(
            made, width=terminal.width(), color=terminal.colour(), resources=most, zone=zone
        )
    terminal.data(written)
    if made.host.engine_error:
        told = [
            made.sections["engine"].reason,
            "The rest of the host was reported.",
            made.host.engine_next_step,
        ]
        terminal.message(f"failed [{made.host.engine_error}]: {' '.join(filter(None, told))}")


def _status(made: Report, fail_on: FailOn) -> int:
    from hygiene_core.model.report import Status

    if made.host.engine is None:
        return EXIT_UNREACHABLE
    if made.status is Status.INCOMPLETE:
        return EXIT_INCOMPLETE
    if made.status is Status.ATTENTION and fail_on is FailOn.ATTENTION:
        return EXIT_ATTENTION
    return EXIT_OK
