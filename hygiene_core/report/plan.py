"""A plan for a person: what would be removed in which order, what stays and why, what blocks it."""

from __future__ import annotations

from datetime import tzinfo

from hygiene_core.model.plan import Action, Mode, Plan, StayReason, Verb
from hygiene_core.model.text import plain
from hygiene_core.report.figures import duration, local_time, short, size
from hygiene_core.report.layout import Column, Ink, Painted, table, wrap

__all__ = ["LISTED", "render"]

LISTED = 40
"""How many steps are listed unless all are asked for."""

_INDENT = "  "
_NAME_LIMIT = 300
_DOES = {
    Verb.PRUNE_RECORDS: "prune cache of",
    Verb.REMOVE_CONTAINER: "remove container",
    Verb.STOP_AND_REMOVE_CONTAINER: "remove container",
    Verb.REMOVE_IMAGE: "remove image",
    Verb.REMOVE_VOLUME: "remove volume",
    Verb.REMOVE_DIRECTORY: "remove directory",
    Verb.REMOVE_FILES: "remove old logs of",
}

_STAYS = {
    StayReason.IN_USE: "in use",
    StayReason.PINNED: "others that stay are built on it",
    StayReason.SHARED: "shared with an image",
    StayReason.INTERNAL: "BuildKit keeps it for itself",
    StayReason.TOO_YOUNG: "used too lately",
    StayReason.UNMEASURED: "its size or age is not known",
    StayReason.RESERVE: "the reserve would be touched",
    StayReason.BUDGET_MET: "not needed to reach the target",
    StayReason.BOUNDS: "no room within the bounds",
}


def render(
    plan: Plan,
    digest: str,
    *,
    width: int = 80,
    color: bool = False,
    listed: int | None = LISTED,
    zone: tzinfo,
) -> str:
    """The plan as text that ends in a newline. Nothing in it says that anything was removed: nothing was.

    Args:
        plan: the plan.
        digest: of its stored bytes.
        width: terminal cells in a line.
        color: whether to add SGR colour.
        listed: how many steps to list, `None` for all.
        zone: the reader's time zone.
    """
    ink = Ink(color)
    blocks = [
        _top(plan, digest, width, zone),
        wrap(plain(plan.policy_sentence), width, f"{_INDENT}Policy: ", _INDENT * 2),
        _blockers(plan, width, ink),
        _steps(plan, width, ink, listed),
        _outlooks(plan, width, ink),
        _staying(plan, width, ink),
        _foot(plan, width),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _top(plan: Plan, digest: str, width: int, zone: tzinfo) -> list[str]:
    told = f"Plan {digest[:12]}  {plan.mode.value}  {plain(plan.host.name)}  {_state(plan)}"
    made = f"Made {local_time(plan.made_at, zone)} from run {plain(plan.run_id[:8])}."
    until = f"Expires {local_time(plan.expires_at, zone)}."
    return [*wrap(told, width), *wrap(f"{made} {until}", width)]


def _state(plan: Plan) -> str:
    if plan.is_blocked:
        return "BLOCKED"
    return "READY" if plan.actions else "NOTHING TO DO"


def _blockers(plan: Plan, width: int, ink: Ink) -> list[str]:
    """What blocks all of it, then what blocks a part."""
    whole = [one for one in plan.blockers if one.subject is None]
    parts = [one for one in plan.blockers if one.subject is not None]
    lines: list[str] = []
    for title, found in (("Blocked: none of it may be applied", whole), ("Left out", parts)):
        lines += [ink(title, "head")] if found else []
        for one in found:
            lines += wrap(f"{plain(one.message)} [{one.code.value}]", width, _INDENT, _INDENT * 2)
    return lines


def _steps(plan: Plan, width: int, ink: Ink, listed: int | None) -> list[str]:
    """Each step, and under it why, and what it asks for."""
    if not plan.actions:
        return []
    shown = plan.actions[:listed]
    columns = [Column("", right=True), Column("WOULD"), Column("NAME", flexible=True)]
    columns += [Column("ID"), Column("FREES", right=True)]
    titles, *told = table(columns, [_row(one) for one in shown], width, ink)
    lines = [ink("Steps", "head"), titles]
    indent = " " * (len(_INDENT) + len(str(shown[-1].number)) + len(_INDENT))
    for one, line in zip(shown, told, strict=True):
        lines.append(line)
        for note in _notes(one, line):
            lines += wrap(note, width, indent, indent + _INDENT)
    if len(plan.actions) > len(shown):
        lines.append(f"{_INDENT}and {len(plan.actions) - len(shown):,} more: --all lists them")
    return lines


def _notes(action: Action, line: str) -> list[str]:
    """What a person has to know of a step besides its line."""
    # A name that was cut is no name to approve.
    notes = [] if _name(action) in line or len(action.references) > 1 else [_name(action)]
    if action.verb is not Verb.PRUNE_RECORDS:
        notes += [plain(one) for one in action.reasons]
    if action.verb is Verb.STOP_AND_REMOVE_CONTAINER:
        notes.append("it runs, and is stopped first")
    if action.after:
        notes.append(f"only after step {', '.join(map(str, action.after))}")
    if len(action.references) > 1:
        notes.append(f"an approval has to list each of its {len(action.references)} references:")
        notes += [f"- {plain(one)}" for one in action.references]
    if action.needs_approval:
        notes.append(f"NEEDS AN APPROVAL: {plain(action.needs_approval)}")
    return notes


def _name(action: Action) -> str:
    """The name of what a step is about; an image without one has the beginning of its id."""
    if action.verb is Verb.REMOVE_IMAGE and action.name == action.id:
        return short(action.id)
    return plain(action.name, _NAME_LIMIT)


def _row(action: Action) -> list[str | Painted]:
    if action.verb is Verb.PRUNE_RECORDS:
        identity = _counted(len(action.records), "record")
    elif action.verb is Verb.REMOVE_FILES:
        identity = _counted(len(action.files), "file")
    else:
        identity = short(action.id) if action.id != action.name else ""
    return [
        str(action.number),
        _DOES[action.verb],
        _name(action),
        identity,
        size(action.estimate_bytes),
    ]


def _outlooks(plan: Plan, width: int, ink: Ink) -> list[str]:
    if not plan.outlooks:
        return []
    rows: list[list[str | Painted]] = [
        [
            plain(one.builder, _NAME_LIMIT),
            size(one.private_bytes),
            size(one.remaining_bytes),
            size(one.target_bytes),
            ("met", "good") if one.is_met else ("NOT MET", "bad"),
        ]
        for one in plan.outlooks
    ]
    columns = [Column("CACHE OF", flexible=True)]
    columns += [Column(title, right=True) for title in ("NOW", "THEN", "TARGET")]
    return [
        ink("Budgets, of what no image shares", "head"),
        *table([*columns, Column("BUDGET")], rows, width, ink),
    ]


def _staying(plan: Plan, width: int, ink: Ink) -> list[str]:
    """Why what stays in each cache stays."""
    rows: list[list[str | Painted]] = []
    for outlook in plan.outlooks:
        name = plain(outlook.builder, _NAME_LIMIT)
        for one in outlook.staying:
            rows.append([name, f"{one.count:,}", size(one.size_bytes), _STAYS[one.why]])
            name = ""
    if not rows:
        return []
    columns = [Column("CACHE OF", flexible=True), Column("RECORDS", right=True)]
    columns += [Column("SIZE", right=True), Column("WHY")]
    return [ink("What stays", "head"), *table(columns, rows, width, ink)]


def _foot(plan: Plan, width: int) -> list[str]:
    lines: list[str] = []
    if plan.left_out:
        lines += wrap(_left_out(plan), width)
    if plan.actions:
        lines += wrap(
            f"{'It is blocked; it would' if plan.is_blocked else 'Would'} free"
            f" {size(plan.estimate_bytes)} by estimate, within the bounds of"
            f" {_counted(plan.bounds.max_items, 'object')}, {size(plan.bounds.max_bytes)} and"
            f" {duration(plan.bounds.max_time)}. Nothing was removed.",
            width,
        )
    else:
        lines += wrap(f"{_why_nothing(plan)} Nothing was removed.", width)
    return lines


def _left_out(plan: Plan) -> str:
    if plan.mode is Mode.BOUNDED:
        return f"{_counted(plan.left_out, 'more record')} found no room within the bounds."
    return f"No room within the bounds, or no known size: {_counted(plan.left_out, 'more object')}."


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _why_nothing(plan: Plan) -> str:
    """Why a plan has no step, as far as that can be told."""
    if plan.blockers:
        return "There is no step, for what stands above."
    if plan.mode is Mode.RETIREMENT:
        return "No object that was asked for may go."
    if not plan.outlooks:
        return "No builder that was asked for has a budget and a cache."
    if all(one.is_met for one in plan.outlooks):
        return "Every cache is within its budget."
    return "A cache is over its budget, and nothing of it may go now."
