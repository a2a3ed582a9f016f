"""The runners of a host and what their directories hold, as rows that every format shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hygiene_core.model.observation import Availability, Runner, SectionName
from hygiene_core.model.report import Report
from hygiene_core.model.resource import RunnerWorkdir
from hygiene_core.report.figures import UNKNOWN, age, size

__all__ = ["RunnerRow", "runner_rows", "workdir_total"]


@dataclass(frozen=True, slots=True)
class RunnerRow:
    """One runner: names as the host gave them, and figures already in words."""

    name: str
    agent: str
    state: str
    held: str
    changed: str
    user: str
    credentials: str


def runner_rows(report: Report) -> Iterator[RunnerRow]:
    """Every runner, as configured; `changed` is how long ago anything in a checkout last changed."""
    workdirs = [row.facts for row in report.resources if isinstance(row.facts, RunnerWorkdir)]
    for runner in report.runners:
        mine = [one for one in workdirs if one.runner == runner.name]
        sizes = [one.size_bytes for one in mine if one.size_bytes is not None]
        held = size(sum(sizes)) if sizes else UNKNOWN
        changes = [one.changed_at for one in mine if one.changed_at and one.role == "checkout"]
        yield RunnerRow(
            name=runner.name,
            agent=runner.agent_name or UNKNOWN,
            state=state_of(runner),
            held=held if len(sizes) == len(mine) and all(one.whole for one in mine) else f"at least {held}",
            changed=age(max(changes, default=None), report.ended_at),
            user=runner.user or UNKNOWN,
            credentials=credentials_of(runner),
        )


def credentials_of(runner: Runner) -> str:
    """How many registries have credentials in the Docker configuration of its jobs."""
    seen = runner.docker_credentials
    if seen is None:
        return UNKNOWN
    if not seen.present:
        return "no file"
    return f"{seen.stored_count} stored" if seen.stored_count else "none"


def state_of(runner: Runner) -> str:
    """`busy` with a job, `idle`, `stopped`, or `unknown` where the processes could not be seen."""
    if runner.busy:
        return "busy"
    if runner.busy is None or runner.listening is None:
        return UNKNOWN
    return "idle" if runner.listening else "stopped"


def workdir_total(report: Report) -> str:
    """What all the runners' directories hold; a lower bound is called one."""
    held = report.summary.runner_workdir_bytes
    section = report.sections.get(SectionName.RUNNERS.value)
    if held is not None and section is not None and section.availability is not Availability.COMPLETE:
        return f"at least {size(held)}"
    return size(held)
