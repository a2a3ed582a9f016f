"""A plan for a person: what would be removed in which order, what stays and why, what blocks it."""

from __future__ import annotations

from datetime import tzinfo

from hygiene_core.model.plan import Action, Mode, Outlook, Plan, Verb
from hygiene_core.model.text import plain
from hygiene_core.report.figures import duration, local_time, short, size, words
from hygiene_core.report.layout import Column, Ink, Painted, table, wrap

__all__ = ["LISTED", "render"]

LISTED = 40
"""How many steps are listed unless all are asked for."""

_INDENT = "  "
_NAME_LIMIT = 300
_DOES = {
    Verb.PRUNE_RECORDS: "prune the cache of",
    Verb.REMOVE_CONTAINER: "remove container",
    Verb.STOP_AND_REMOVE_CONTAINER: "stop and remove container",
    Verb.REMOVE_IMAGE: "remove image",
    Verb.REMOVE_VOLUME: "remove volume",
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
        for note in _notes(one):
            lines += wrap(note, width, indent, indent + _INDENT)
    if len(plan.actions) > len(shown):
        lines.append(f"{_INDENT}and {len(plan.actions) - len(shown):,} more: --all lists them")
    return lines


def _notes(action: Action) -> list[str]:
    """What a person has to know of a step besides its row."""
    notes = [] if action.verb is Verb.PRUNE_RECORDS else [plain(one) for one in action.reasons]
    if action.after:
        notes.append(f"only after step {', '.join(map(str, action.after))}")
    if len(action.references) > 1:
        references = ", ".join(map(plain, action.references))
        notes.append(f"has {len(action.references)} references; an approval has to list each: {references}")
    if action.needs_approval:
        notes.append(f"NEEDS AN APPROVAL: {plain(action.needs_approval)}")
    return notes


def _row(action: Action) -> list[str | Painted]:
    if action.verb is Verb.PRUNE_RECORDS:
        identity = f"{len(action.records):,} records"
    else:
        identity = short(action.id) if action.id != action.name else ""
    name = (
        short(action.name) if action.name == action.id and action.verb is Verb.REMOVE_IMAGE else action.name
    )
    return [
        str(action.number),
        _DOES[action.verb],
        plain(name, _NAME_LIMIT),
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
    columns += [Column(title, right=True) for title in ("HOLDS", "THEN", "TARGET")]
    lines = [ink("Budgets", "head"), *table([*columns, Column("BUDGET")], rows, width, ink)]
    for one in plan.outlooks:
        lines += _staying(one, width)
    return lines


def _staying(outlook: Outlook, width: int) -> list[str]:
    """Why what stays stays."""
    if not outlook.staying:
        return []
    told = ", ".join(
        f"{words(one.why.value)} {one.count:,} ({size(one.size_bytes)})" for one in outlook.staying
    )
    return wrap(f"{plain(outlook.builder, _NAME_LIMIT)} keeps: {told}", width, _INDENT, _INDENT * 2)


def _foot(plan: Plan, width: int) -> list[str]:
    lines: list[str] = []
    if plan.left_out:
        lines += wrap(
            f"{plan.left_out:,} more found no room within the bounds, or have no known size.", width
        )
    if plan.actions:
        lines += wrap(
            f"{'It is blocked; it would' if plan.is_blocked else 'Would'} free"
            f" {size(plan.estimate_bytes)} by estimate, within the bounds of"
            f" {plan.bounds.max_items:,} objects, {size(plan.bounds.max_bytes)} and"
            f" {duration(plan.bounds.max_time)}. Nothing was removed.",
            width,
        )
    else:
        lines += wrap(f"{_why_nothing(plan)} Nothing was removed.", width)
    return lines


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
