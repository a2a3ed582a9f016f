"""The command line: each verb runs stages of the pipeline, or reads what they stored. No logic is here.

Imports stand inside the verbs on purpose: `hygiene --help` loads no pydantic, DuckDB, rich or probe.
"""

# ruff: noqa: PLC0415 - lazy imports, see above; FBT is how typer declares a flag
# ruff: noqa: FBT001, FBT002

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hygiene_core import __version__, terminal
from hygiene_core.errors import (
    EXIT_ATTENTION,
    EXIT_INCOMPLETE,
    EXIT_OK,
    EXIT_UNREACHABLE,
    HygieneError,
    OutputUnwritable,
    Stopped,
    Terminated,
)
from hygiene_core.model.text import plain

if TYPE_CHECKING:
    from hygiene_core.evidence.reader import Reader
    from hygiene_core.evidence.store import EvidenceStore
    from hygiene_core.model.host import Configuration, Host
    from hygiene_core.model.report import Report
    from hygiene_core.model.table import Table
    from hygiene_core.transport.base import Transport

__all__ = ["app", "main"]

EXIT_CODES = """Exit codes: 0 done or nothing to do; 2 usage or configuration; 3 refused;
4 incomplete, partial or unknown outcome; 5 busy or locked; 6 host or Engine unreachable (also when a
report of the rest was printed); 7 evidence problem; 8 attention (only with --fail-on attention);
130, 143 ended by a signal."""


def _group(name: str, purpose: str) -> typer.Typer:
    return typer.Typer(name=name, help=purpose, rich_markup_mode=None, no_args_is_help=True)


app = typer.Typer(
    name="hygiene",
    help="Look at a CI runner host without touching it, and keep the evidence.",
    epilog=EXIT_CODES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)
history = _group("history", "Ask what earlier runs saw.")
evidence = _group("evidence", "Verify, rebuild or export the evidence.")
config = _group("config", "Write, check or describe hygiene.toml.")
for group in (history, evidence, config):
    app.add_typer(group)


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class Shape(StrEnum):
    """How a table is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


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


def _print_version(wanted: bool) -> None:
    if wanted:
        terminal.data(f"hygiene {__version__}")
        raise typer.Exit


@app.callback()
def options_before_the_verb(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    """Look at a CI runner host without touching it, and keep the evidence."""


@app.command(epilog=EXIT_CODES)
def report(
    *,
    config_file: ConfigOption = None,
    host: HostOption = None,
    output: FormatOption = Format.TEXT,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Print a stored run again; look at nothing.")
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

    configuration = _load(config_file, quiet=quiet)
    chosen = _host(configuration, host)
    if run is not None:
        _end_report(_store(configuration).load(chosen.name, run), output, fail_on, every=every, quiet=quiet)
    if unrecorded:
        terminal.message("This look is not recorded.")
        _end_report(_look(chosen, None, quiet=quiet), output, fail_on, every=every, quiet=quiet)
    store = _store(configuration)
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
                next_step=f"Print it again: hygiene report --run {made.run_id}",
            )
        if warning := store.publish().warning:
            terminal.message(warning)
        if unwritten:
            raise unwritten
    if record.problem:
        terminal.message(record.problem)
    raise typer.Exit(record.exit_status)


@app.command()
def explain(
    *,
    resource: Annotated[str, typer.Argument(help="A name, an id, or the first characters of an id.")],
    config_file: ConfigOption = None,
    host: HostOption = None,
) -> None:
    """Look again, and print every rule that is asked of a resource, what it saw and what it said."""
    from hygiene_core import pipeline
    from hygiene_core.report.chain import render

    configuration = _load(config_file)
    chosen = _host(configuration, host)
    with terminal.progress(wanted=True) as emit:
        run = pipeline.look(
            pipeline.Tools(host=chosen, transport=_transport(), store=_store(configuration), emit=emit)
        )
    found = pipeline.chains(run, resource)
    zone, width = terminal.local_zone(), terminal.width()
    terminal.data("\n".join(render(chain, width=width, zone=zone) for chain in found))


@app.command()
def resources(
    *,
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as `image`.")] = None,
    verdict: Annotated[str | None, typer.Option(help="Only this verdict, such as `candidate`.")] = None,
    name: Annotated[str | None, typer.Option(help="Only names or ids that match this glob.")] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="A stored run; newest if absent.")
    ] = None,
    config_file: ConfigOption = None,
    host: HostOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """List the resources of a stored run with their verdicts and reasons, biggest first."""
    from hygiene_core.report.listing import listing, listing_text

    configuration = _load(config_file)
    stored = _store(configuration).load(_host(configuration, host).name, run)
    if shape is Shape.TEXT:
        width = terminal.table_width()
        terminal.data(listing_text(stored, kind=kind, verdict=verdict, name=name, width=width))
    else:
        _show(listing(stored, kind=kind, verdict=verdict, name=name), shape)


@app.command()
def query(
    *,
    sql: Annotated[str, typer.Argument(help="One SELECT on the published evidence; `-` reads stdin.")],
    config_file: ConfigOption = None,
    shape: ShapeOption = Shape.TEXT,
) -> None:
    """Ask the published evidence in SQL. The connection can read, and nothing else."""
    statement = sys.stdin.read() if sql == "-" else sql
    _ask(_load(config_file), shape, lambda reader: reader.query(statement))


@app.command()
def demo(*, output: FormatOption = Format.TEXT, every: AllOption = False) -> None:
    """Report on a recorded host, for people without an Engine at hand. Nothing is kept."""
    from hygiene_core.transport.demo import DemoTransport, demo_host

    terminal.message("This is a recorded demo host, not this machine.")
    made = _look(demo_host(), None, transport=DemoTransport())
    _end_report(made, output, FailOn.INCOMPLETE, every=every)


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


@history.command("trend")
def history_trend(
    *, config_file: ConfigOption = None, host: HostOption = None, shape: ShapeOption = Shape.TEXT
) -> None:
    """Free disk, and reclaimable bytes of each class, over time."""
    from hygiene_core.report.figures import CLASS_ORDER

    _history(config_file, host, shape, lambda reader, name: reader.trend(name), sizes=CLASS_ORDER)


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


@evidence.command("verify")
def evidence_verify(*, config_file: ConfigOption = None, host: HostOption = None) -> None:
    """Check every segment of the ledger against its chain of hashes."""
    from hygiene_core.errors import EvidenceBroken, EvidenceProblem, UnknownHost

    store = _store(_load(config_file))
    results = store.verify(host)
    if not any(result.head or not result.ok for result in results.values()):
        if recorded := store.hosts():
            raise UnknownHost(
                f"nothing is recorded of {host!r}; there are runs of {', '.join(recorded)}.",
                next_step="Check all of them: hygiene evidence verify",
            )
        raise EvidenceProblem(f"nothing is recorded in {store.directory}.", next_step="hygiene report")
    for name, result in results.items():
        terminal.data(plain(f"{name}: {result.sentence}"))
    broken = [name for name, result in results.items() if not result.ok]
    if broken:
        raise EvidenceBroken(f"the ledger of {', '.join(broken)} does not verify. Nothing was changed.")


@evidence.command("rebuild")
def evidence_rebuild(*, config_file: ConfigOption = None) -> None:
    """Make the DuckDB files and the index of known resources anew from the ledger."""
    terminal.data(_store(_load(config_file)).rebuild())


@evidence.command("export")
def evidence_export(
    *,
    directory: Annotated[Path, typer.Argument(help="A new or an empty directory.")],
    archive: Annotated[
        Archive, typer.Option("--format", help="Parquet files, or JSON Lines.")
    ] = Archive.PARQUET,
    config_file: ConfigOption = None,
) -> None:
    """Write every table of the evidence into files of an open format."""
    for path in _store(_load(config_file)).export(directory, archive.value):
        terminal.data(str(path))


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


def _load(config_file: Path | None, *, quiet: bool = False) -> Configuration:
    from hygiene_core.config import load

    configuration = load(config_file, os.environ)
    for warning in () if quiet else configuration.warnings:
        terminal.message(f"warning: {warning}")
    return configuration


def _host(configuration: Configuration, name: str | None) -> Host:
    from hygiene_core.config import resolve_host

    return resolve_host(configuration, name)


def _store(configuration: Configuration) -> EvidenceStore:
    from hygiene_core.evidence.store import EvidenceStore

    return EvidenceStore(Path(configuration.state_directory))


def _transport() -> Transport:
    from hygiene_core.transport.local import LocalTransport

    return LocalTransport()


def _import_duckdb() -> None:
    from hygiene_core.evidence import duck

    duck.load()


def _look(
    host: Host, store: EvidenceStore | None, *, transport: Transport | None = None, quiet: bool = False
) -> Report:
    from hygiene_core import pipeline

    # A run makes many objects, keeps nearly all of them, and ends: collecting cycles would only cost time.
    gc.disable()
    with terminal.progress(wanted=not quiet) as emit:
        run = pipeline.make_report(
            pipeline.Tools(host=host, transport=transport or _transport(), store=store, emit=emit)
        )
    for note in run.recorded.notes if run.recorded and not quiet else ():
        terminal.message(note)
    return run.finished


def _end_report(
    made: Report, output: Format, fail_on: FailOn, *, every: bool = False, quiet: bool = False
) -> NoReturn:
    _print_report(made, output, every=every, quiet=quiet)
    raise typer.Exit(_status(made, fail_on))


def _print_report(made: Report, output: Format, *, every: bool, quiet: bool) -> None:
    from hygiene_core.report import document, markdown, text

    zone, most = terminal.local_zone(), None if every else text.CANDIDATES
    if output is Format.JSON:
        written = document.to_json(made)
    elif output is Format.MARKDOWN:
        written = markdown.render(made, resources=most, zone=zone)
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


def _history(
    config_file: Path | None,
    host: str | None,
    shape: Shape,
    ask: Callable[[Reader, str], Table],
    sizes: tuple[str, ...] = (),
) -> None:
    configuration = _load(config_file)
    name = _host(configuration, host).name
    _ask(configuration, shape, lambda reader: ask(reader, name), sizes)


def _ask(
    configuration: Configuration, shape: Shape, ask: Callable[[Reader], Table], sizes: tuple[str, ...] = ()
) -> None:
    from hygiene_core.evidence.reader import open_published

    with open_published(Path(configuration.state_directory)) as reader:
        _show(ask(reader), shape, sizes)


def _show(table: Table, shape: Shape, sizes: tuple[str, ...] = ()) -> None:
    from hygiene_core.report import tables

    zone = terminal.local_zone()
    if shape is Shape.JSON:
        terminal.data(tables.to_json(table))
    elif shape is Shape.CSV:
        terminal.data(tables.to_csv(table, zone=zone))
    else:
        terminal.data(tables.to_text(table, width=terminal.table_width(), zone=zone, sizes=sizes))
