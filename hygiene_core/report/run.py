"""A run that removes things, for a person: line by line while it goes on, and what came of it in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.journal import (
    Began,
    BuilderState,
    Ended,
    Halted,
    Intended,
    Line,
    Named,
    NamedThing,
    Observed,
    Sampled,
    Settled,
    Snapshot,
    Verified,
    WarmthProbed,
)
from hygiene_core.model.plan import Action, Plan, Verb
from hygiene_core.model.text import plain
from hygiene_core.report.figures import size, words
from hygiene_core.report.layout import Column, Ink, Painted, table, wrap

__all__ = ["render", "tell"]

_INDENT = "  "
_NAME_LIMIT = 200
T = TypeVar("T")


def tell(line: Line, plan: Plan | None = None) -> str | None:
    """One line of a journal as a sentence; `None` for one that a person need not see.

    Args:
        line: of a journal.
        plan: whose steps are named; by number alone without it.
    """
    told: str | None = None
    match line:
        case Began():
            told = f"Run {line.run_id} of plan {line.digest[:12]} goes on as process {line.process.pid}."
        case Sampled():
            sources = Counter(signal.activity.value for signal in line.signals)
            told = "Gate: " + ", ".join(f"{count} {name}" for name, count in sorted(sources.items()))
        case Observed():
            told = f"Looked {line.when}: {size(line.snapshot.free_bytes)} free on the Engine's disk."
        case Intended() if len(line.ids) > 1:
            told = f"{_step(line.number, plan)}: {len(line.ids):,} records ..."
        case Settled():
            told = f"{_step(line.number, plan)}: {_outcome(line)}"
        case Halted():
            told = f"Stopped before the next step: {plain(line.detail)} [{line.why}]"
        case WarmthProbed():
            told = f"Probe {line.when} of {plain(line.builder)}: {_warmth(line)}"
    return told


def _step(number: int, plan: Plan | None) -> str:
    action = _action(number, plan)
    return f"Step {number}" if action is None else f"Step {number}, {plain(action.name, _NAME_LIMIT)}"


def _action(number: int, plan: Plan | None) -> Action | None:
    return next((one for one in plan.actions if one.number == number), None) if plan else None


def _outcome(line: Settled) -> str:
    told = [words(line.outcome.value)]
    if len(line.removed) > 1 or line.kept:
        told.append(f"{len(line.removed):,} gone, {len(line.kept):,} stayed")
    if line.claimed_bytes is not None:
        told.append(f"claimed {size(line.claimed_bytes)}")
    if line.freed_bytes is not None and line.outcome is Outcome.REMOVED:
        told.append(f"the disk gained {size(line.freed_bytes)}")
    if line.detail:
        told.append(plain(line.detail))
    code = f" [{line.why.value}]" if line.why else ""
    return ", ".join(told) + code


def _warmth(line: WarmthProbed) -> str:
    if line.problem is not None:
        return plain(line.problem)
    return f"{line.cached_steps} of {line.steps} steps from the cache, {line.seconds:.1f} s"


def render(lines: Sequence[Line], plan: Plan | None, *, width: int = 80, color: bool = False) -> str:
    """What came of a run, as text that ends in a newline.

    Args:
        lines: of its journal.
        plan: what was to be done, for the names; without it, the journal tells them.
        width: terminal cells in a line.
        color: whether to add SGR colour.
    """
    ink = Ink(color)
    blocks = [
        _top(lines, width),
        _steps(lines, plan, width, ink),
        _builders(lines, width, ink),
        _why_not(lines, width, ink),
        _foot(lines, width),
        _unapproved(lines, width),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _top(lines: Sequence[Line], width: int) -> list[str]:
    began = _only(lines, Began)
    ended = _only(lines, Ended)
    if began is None:
        return ["The run has no first line: it did nothing."]
    told = f"Run {began.run_id[:8]}  {began.mode}  {plain(began.host)}  {_word(ended)}"
    by = f"asked for by {plain(began.caller.name)}, plan {began.digest[:12]}"
    return [*wrap(told, width), *wrap(by, width, _INDENT, _INDENT)]


def _word(ended: Ended | None) -> str:
    if ended is None:
        return "CUT OFF"
    return {0: "DONE", 4: "INCOMPLETE", 5: "BUSY", 143: "STOPPED"}.get(ended.exit_status, "FAILED")


def _steps(lines: Sequence[Line], plan: Plan | None, width: int, ink: Ink) -> list[str]:
    settled = [line for line in lines if isinstance(line, Settled)]
    if not settled:
        return []
    told = _only(lines, Named)
    things: dict[int, Action | NamedThing] = {one.number: one for one in (told.things if told else ())}
    things |= {one.number: one for one in (plan.actions if plan else ())}
    rows: list[list[str | Painted]] = [_row(line, things.get(line.number)) for line in settled]
    columns = [Column("", right=True), Column("WHAT", flexible=True), Column("OUTCOME")]
    columns += [Column("WENT", right=True), Column("CLAIMED", right=True), Column("DISK", right=True)]
    return [ink("Steps", "head"), *table(columns, rows, width, ink)]


def _row(line: Settled, action: Action | NamedThing | None) -> list[str | Painted]:
    name = "" if action is None else plain(action.name, _NAME_LIMIT)
    went = f"{len(line.removed):,}"
    if action is not None and action.verb == Verb.PRUNE_RECORDS:
        went += f" of {len(line.removed) + len(line.kept):,}"
    word = words(line.outcome.value) + (f" {line.why.value}" if line.why else "")
    good = line.outcome in {Outcome.REMOVED, Outcome.ALREADY_ABSENT}
    return [
        str(line.number),
        name,
        (word, "good" if good else "bad"),
        went,
        size(line.claimed_bytes),
        size(line.freed_bytes),
    ]


def _builders(lines: Sequence[Line], width: int, ink: Ink) -> list[str]:
    looks = {line.when: line.snapshot for line in lines if isinstance(line, Observed)}
    before, after = looks.get("before"), looks.get("after")
    if before is None or after is None:
        return []
    rows = list(_builder_rows(before, after))
    if not rows:
        return []
    columns = [Column("CACHE OF", flexible=True)]
    columns += [Column(one, right=True) for one in ("BEFORE", "AFTER", "MOST", "RESERVE")]
    return [ink("Budgets", "head"), *table([*columns, Column("BUDGET")], rows, width, ink)]


def _builder_rows(before: Snapshot, after: Snapshot) -> Iterable[list[str | Painted]]:
    was = {one.id: one for one in before.builders}
    for one in after.builders:
        if one.max_bytes is not None:
            yield [
                plain(one.id, _NAME_LIMIT),
                size(was[one.id].private_bytes if one.id in was else None),
                size(one.private_bytes),
                size(one.max_bytes),
                size(one.reserved_bytes),
                _met(one),
            ]


def _met(state: BuilderState) -> str | Painted:
    if state.private_bytes is None or state.max_bytes is None:
        return "not known"
    return ("met", "good") if state.private_bytes <= state.max_bytes else ("NOT MET", "bad")


def _why_not(lines: Sequence[Line], width: int, ink: Ink) -> list[str]:
    told: list[str] = []
    for line in lines:
        match line:
            case Halted():
                told.append(f"It stopped early: {plain(line.detail)} [{line.why}]")
            case Verified():
                told += [f"PROBLEM: {plain(one)}" for one in line.problems]
                told += [plain(one) for one in line.notes]
                told += [f"Warmth not measured: {plain(one)}" for one in line.unmeasured]
            case Settled() if line.outcome not in {Outcome.REMOVED, Outcome.ALREADY_ABSENT}:
                told.append(f"Step {line.number}: {_outcome(line)}")
            case _:
                pass
    if not told:
        return []
    return [ink("Notes", "head"), *(row for one in told for row in wrap(one, width, _INDENT, _INDENT * 2))]


def _foot(lines: Sequence[Line], width: int) -> list[str]:
    ended = _only(lines, Ended)
    if ended is None and _only(lines, Began) is None:
        return []
    if ended is None:
        return wrap("What came of the last step is not known. Look what is true: hygiene settle", width)
    if not ended.outcomes:
        return wrap("Nothing was removed: there was nothing to do, or it did not come to it.", width)
    counts = ", ".join(f"{count} {words(name)}" for name, count in sorted(ended.outcomes.items()))
    freed = ended.freed_bytes
    gained = "what the disk gained was not measured" if freed is None else f"the disk gained {size(freed)}"
    return wrap(
        f"{counts}. Estimated {size(ended.estimate_bytes)}, claimed {size(ended.claimed_bytes)};"
        f" {gained} while it ran.",
        width,
    )


def _unapproved(lines: Sequence[Line], width: int) -> list[str]:
    """What lacks only a person's yes, and how to give it. A plan that nothing was done of is not spent."""
    missing = any(isinstance(line, Settled) and line.why is Why.NOT_APPROVED for line in lines)
    began = _only(lines, Began)
    if not missing or began is None:
        return []
    if any(isinstance(line, Intended) for line in lines):
        return wrap("Approve the rest: hygiene plan --mode bounded, then hygiene approve PLAN", width)
    short = began.digest[:12]
    return wrap(f"Approve it: hygiene approve {short}, then hygiene apply --plan {short}", width)


def _only(lines: Sequence[Line], kind: type[T]) -> T | None:
    return next((line for line in reversed(lines) if isinstance(line, kind)), None)
