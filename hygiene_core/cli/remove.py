"""The verbs that have things removed: they stage a plan, start the executor, and read what it writes."""

# ruff: noqa: PLC0415 - `hygiene --help` loads none of what stands inside the verbs

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hygiene_core import terminal
from hygiene_core.cli.look import observed
from hygiene_core.cli.parts import host_of, load, store_of
from hygiene_core.cli.words import ConfigOption, HostOption, PlanMode, StatusFormat
from hygiene_core.errors import (
    EXIT_INCOMPLETE,
    EXIT_OK,
    PlanBlocked,
    StalePlan,
    Stopped,
    UnknownPlan,
    UsageProblem,
)

if TYPE_CHECKING:
    from hygiene_core.evidence.store import EvidenceStore
    from hygiene_core.model.approval import Options
    from hygiene_core.model.host import Host
    from hygiene_core.model.journal import Line
    from hygiene_core.model.plan import Plan

__all__ = ["apply", "follow", "settle", "stop"]

FormatOfRun = Annotated[StatusFormat, typer.Option("--format", help="How what came of it is written.")]


def apply(
    *,
    mode: Annotated[
        PlanMode | None,
        typer.Option("--mode", help="`bounded` makes a plan of build caches and applies it."),
    ] = None,
    plan: Annotated[
        str | None, typer.Option("--plan", metavar="DIGEST", help="Apply a plan that was approved.")
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="WORD", help="With --mode: only builders of that name:GLOB."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would remove, and stop.")] = False,
    wait_idle: Annotated[
        str | None, typer.Option("--wait-idle", metavar="TIME", help="Wait so long for jobs to end.")
    ] = None,
    when: Annotated[
        str | None,
        typer.Option(
            "--when", metavar="free<SIZE", help="Only if the Engine's disk has less than that free."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="free>SIZE", help="Stop once the Engine's disk has so much free."),
    ] = None,
    config_file: ConfigOption = None,
    host: HostOption = None,
    output: FormatOfRun = StatusFormat.TEXT,
) -> None:
    """Remove what a plan names, within its bounds, and keep the evidence. Nothing is ever forced."""
    from hygiene_core.evidence.exit_record import exit_record

    if (mode is None) == (plan is None):
        raise UsageProblem("one of --mode and --plan, and not both. Nothing was removed.")
    if mode is PlanMode.RETIREMENT:
        raise UsageProblem(
            "a retirement is planned, approved, and applied by its digest. Nothing was removed.",
            next_step="Begin: hygiene plan --mode retirement",
        )
    if plan is not None and select:
        raise UsageProblem("--select narrows a plan that is made, not one that was. Nothing was removed.")
    configuration = load(config_file)
    chosen = host_of(configuration, host)
    store = store_of(configuration)
    options = _options(wait_idle, until)
    under = _free("--when", when, "<")
    with exit_record(store.directory, chosen.name, "apply") as record:
        made, digest = _bounded(chosen, store, select) if plan is None else _approved(chosen, store, plan)
        if plan is not None and under is not None:
            observed(chosen, store)  # what is free is asked now, not remembered
        if dry_run:
            _show_plan(made, digest, output)
            terminal.message("Would remove what is listed. This was a dry run: it holds no lock.")
        elif under is not None and (said := _enough_free(store, chosen, under)):
            terminal.message(said)
        else:
            record.run_id, record.exit_status = _run(made, digest, options, output)
    if record.problem:
        terminal.message(record.problem)
    raise typer.Exit(record.exit_status)


def follow(
    *,
    digest: Annotated[
        str | None, typer.Argument(help="Of the plan; the run that goes on if left out.")
    ] = None,
    output: FormatOfRun = StatusFormat.TEXT,
) -> None:
    """Watch a run that goes on, from its first line."""
    from hygiene_core.transport import executor

    holder = _holder(executor.ask("status"), digest)
    if holder is None:
        raise UnknownPlan("no such run goes on.", next_step="What came of the last: hygiene acts")
    raise typer.Exit(_follow(Path(holder["journal"]), None, holder["digest"], output))


def stop(*, digest: Annotated[str, typer.Argument(help="Of the plan, or the beginning of it.")]) -> None:
    """Ask a run to stop after the step that it is at."""
    from hygiene_core.transport import executor

    holder = _holder(executor.ask("status"), digest)
    if holder is None:
        raise UnknownPlan(f"no run of the plan {digest!r} goes on. Nothing was stopped.")
    executor.ask("stop", holder["digest"])
    terminal.message(f"Run {holder['run_id']} was asked to stop after the step that it is at.")


def settle(*, output: FormatOfRun = StatusFormat.TEXT) -> None:
    """Find out by looking what came of runs that were cut off. Nothing is removed."""
    import json

    from hygiene_core.transport import executor

    answer = executor.ask("settle")
    if output is StatusFormat.JSON:
        terminal.data(json.dumps(answer, indent=1) + "\n")
    elif not answer["settled"]:
        terminal.data("Nothing is unsettled.\n")
    else:
        told = [f"Run {one['run_id']} of plan {one['digest'][:12]} is settled." for one in answer["settled"]]
        terminal.data("\n".join(told) + "\n")
    raise typer.Exit(EXIT_OK)


def _options(wait_idle: str | None, until: str | None) -> Options:
    from hygiene_core.config import units
    from hygiene_core.model.approval import Options

    try:
        wait = timedelta() if wait_idle is None else units.parse_duration(wait_idle)
    except units.UnitProblem as problem:
        raise UsageProblem(f"--wait-idle {wait_idle}: {problem}. Nothing was removed.") from None
    return Options(wait_idle=wait, free_target_bytes=_free("--until", until, ">"))


def _free(option: str, said: str | None, sign: str) -> int | None:
    """The free bytes that an option names. Raises UsageProblem."""
    from hygiene_core.config import units

    if said is None:
        return None
    if not said.startswith(f"free{sign}"):
        raise UsageProblem(f"{option} {said!r} is not like free{sign}20GiB. Nothing was removed.")
    try:
        return units.parse_size(said.removeprefix(f"free{sign}"))
    except units.UnitProblem as problem:
        raise UsageProblem(f"{option} {said}: {problem}. Nothing was removed.") from None


def _bounded(host: Host, store: EvidenceStore, select: list[str] | None) -> tuple[Plan, str]:
    from hygiene_core import pipeline
    from hygiene_core.config.selection import parse_selection
    from hygiene_core.model.codec import encode_plan
    from hygiene_core.model.plan import Mode

    selection = parse_selection(select or (), Mode.BOUNDED)
    made = pipeline.plan(observed(host, store), Mode.BOUNDED, selection)
    digest = store.keep_plan(encode_plan(made))
    if made.is_blocked:
        codes = ", ".join(one.code.value for one in made.blockers if one.subject is None)
        raise PlanBlocked(
            f"the plan {digest[:12]} may not be applied ({codes}). Nothing was removed.",
            next_step="Why: hygiene plan --mode bounded",
        )
    return made, digest


def _approved(host: Host, store: EvidenceStore, wanted: str) -> tuple[Plan, str]:
    """A stored plan, if it still is of this host and of the policy of today."""
    digest, made = store.load_plan(wanted)
    if made.policy_digest != host.policy.digest:
        raise StalePlan(
            f"the policy was changed after the plan {digest[:12]} was made. Nothing was removed.",
            next_step=f"Make a new plan: hygiene plan --mode {made.mode.value}",
        )
    return made, digest


def _enough_free(store: EvidenceStore, host: Host, under_bytes: int) -> str | None:
    from hygiene_core.report.figures import size

    disks = {one.role: one for one in store.load(host.name).filesystems}
    free = disks["data_root"].free_bytes if "data_root" in disks else None
    if free is None or free < under_bytes:
        return None
    return f"{size(free)} are free, not less than {size(under_bytes)}. Nothing was removed."


def _run(made: Plan, digest: str, options: Options, output: StatusFormat) -> tuple[str, int]:
    from hygiene_core.model.approval import StagedPlan
    from hygiene_core.model.codec import encode, encode_plan, staged_adapter
    from hygiene_core.transport import executor

    staged = StagedPlan(plan=encode_plan(made).decode(), options=options)
    executor.ask("stage", sent=encode(staged_adapter(), staged))
    answer = executor.ask("apply", digest)
    return answer["run_id"], _follow(Path(answer["journal"]), made, digest, output)


def _follow(journal: Path, plan: Plan | None, digest: str, output: StatusFormat) -> int:
    """Tell a run while it goes on, and in the end what came of it; a signal asks it to stop."""
    from hygiene_core.transport import executor

    lines: list[Line] = []
    stopped: Stopped | None = None
    source = _lines(journal)
    while True:
        try:
            for line in source:
                lines.append(line)
                _tell(line, plan)
            break
        except Stopped as signalled:
            if type(signalled) is type(stopped):
                raise  # nox hands on Ctrl-C as SIGTERM too: that is not a second wish
            stopped = stopped or signalled
            _ask_to_stop(digest)
            source = _lines(journal, skip=len(lines))
    executor.await_record(journal)
    return _told(lines, plan, output)


def _ask_to_stop(digest: str) -> None:
    from hygiene_core.transport import executor

    terminal.message(
        "It was asked to stop after the step that it is at. The same signal again leaves it alone."
    )
    try:
        executor.ask("stop", digest)
    except UnknownPlan:
        terminal.message("It had ended.")


def _lines(journal: Path, *, skip: int = 0) -> Iterator[Line]:
    from hygiene_core.evidence import acts
    from hygiene_core.evidence.journal import follow as follow_journal
    from hygiene_core.transport import executor

    try:
        found: Any = follow_journal(journal, lambda: executor.goes_on(journal))
        for number, line in enumerate(found):
            if number >= skip:
                yield line
    except FileNotFoundError:  # it ended before it was opened
        yield from acts.lines_of(journal.parents[1], journal.stem)[skip:]


def _tell(line: Line, plan: Plan | None) -> None:
    from hygiene_core.report.run import tell

    told = tell(line, plan)
    if told is not None:
        terminal.message(told)


def _told(lines: list[Line], plan: Plan | None, output: StatusFormat) -> int:
    from hygiene_core.model.codec import encode, line_adapter
    from hygiene_core.model.journal import Ended
    from hygiene_core.report.run import render

    if output is StatusFormat.JSON:
        terminal.data("".join(encode(line_adapter(), line).decode() + "\n" for line in lines))
    else:
        terminal.data(render(lines, plan, width=terminal.width(), color=terminal.colour()))
    last = lines[-1] if lines else None
    return last.exit_status if isinstance(last, Ended) else EXIT_INCOMPLETE


def _holder(status: dict[str, Any], digest: str | None) -> dict[str, Any] | None:
    for engine in status["engines"]:
        holder: dict[str, Any] | None = engine["holder"]
        if holder is not None and (digest is None or holder["digest"].startswith(digest)):
            return {**holder, "journal": f"{engine['state']}/runs/{holder['run_id']}.jsonl"}
    return None


def _show_plan(made: Plan, digest: str, output: StatusFormat) -> None:
    from hygiene_core.model.codec import encode_plan
    from hygiene_core.report.plan import render

    if output is StatusFormat.JSON:
        terminal.data(encode_plan(made).decode())
        return
    terminal.data(
        render(made, digest, width=terminal.width(), color=terminal.colour(), zone=terminal.local_zone())
    )
