"""The steps that remove a directory, or old logs in one: the identity of each is a fact of its step."""

from __future__ import annotations

from hygiene_core.decide.context import Context
from hygiene_core.decide.directories import is_diagnostics, old_logs
from hygiene_core.model.judgement import Judged
from hygiene_core.model.plan import Action, PlannedFile, Verb
from hygiene_core.model.resource import RunCache, RunnerWorkdir

__all__ = ["directory_steps", "reasons_of"]

_WORK_FOLDER = "_work"


def directory_steps(row: Judged, directory: RunnerWorkdir | RunCache, context: Context) -> list[Action]:
    """One step; none for a directory that is not known by device, inode and change time."""
    identity = {
        "device": directory.device,
        "inode": directory.inode,
        "ctime_ns": directory.ctime_ns,
    }
    if None in identity.values():
        return []
    facts = {"path": directory.path} | {name: str(number) for name, number in identity.items()}
    if directory.changed_at is not None:
        facts["changed_at"] = directory.changed_at.isoformat()
    logs: tuple[PlannedFile, ...] = ()
    if isinstance(directory, RunnerWorkdir):
        facts |= _of_runner(directory, context)
        logs = tuple(
            PlannedFile(
                name=log.name,
                device=log.device,
                inode=log.inode,
                ctime_ns=log.ctime_ns,
                size_bytes=log.apparent_bytes,
            )
            for log in old_logs(directory, context)
        )
    step = Action(
        number=1,
        verb=Verb.REMOVE_FILES if is_diagnostics(directory) else Verb.REMOVE_DIRECTORY,
        kind=row.kind,
        id=directory.id,
        name=directory.name,
        estimate_bytes=row.unique_bytes,
        reasons=reasons_of(row),
        facts=facts,
        files=logs,
    )
    return [] if step.verb is Verb.REMOVE_FILES and not logs else [step]


def reasons_of(row: Judged) -> tuple[str, ...]:
    """The reasons of a row's verdict, as a plan tells them."""
    return tuple(f"{reason.rule}: {reason.detail}" for reason in row.reasons)


def _of_runner(directory: RunnerWorkdir, context: Context) -> dict[str, str]:
    """Where its runner is installed and where that works; nothing where the runner was not read."""
    runner = context.relations.runners.get(directory.runner)
    if runner is None:
        return {}
    folder = runner.work_folder or _WORK_FOLDER
    work = folder if folder.startswith("/") else f"{runner.path}/{folder}"
    return {"runner": runner.path, "work": work}
