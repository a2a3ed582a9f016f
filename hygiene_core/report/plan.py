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
    Verb.REMOVE_DIRECTORY: "remove directory",
    Verb.REMOVE_FILES: "remove old logs of",
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
        _foot(plan, width, zone),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _top(plan: Plan, digest: str, width: int, zone: tzinfo) -> list[str]:
    state = "BLOCKED" if plan.is_blocked else "NOTHING TO DO" if not plan.actions else "READY"
    told = f"Plan {digest[:12]}  {plan.mode.value}  {plain(plan.host.name)}  {state}"
    made = f"made {local_time(plan.made_at, zone)} from run {plain(plan.run_id[:8])}"
    return [*wrap(told, width), f"{_INDENT}{made}, may be applied for {duration(plan.lasts)}"]


def _blockers(plan: Plan, width: int, ink: Ink) -> list[str]:
    if not plan.blockers:
        return []
    lines = [ink("Blocked", "head")]
    for one in plan.blockers:
        whole = "" if one.subject is None else " (only that part is left out)"
        lines += wrap(f"{plain(one.message)}{whole} [{one.code.value}]", width, _INDENT, _INDENT * 2)
    return lines


def _steps(plan: Plan, width: int, ink: Ink, listed: int | None) -> list[str]:
    if not plan.actions:
        return []
    shown = plan.actions[:listed]
    rows: list[list[str | Painted]] = [_row(one) for one in shown]
    columns = [Column("", right=True), Column("WOULD", flexible=False), Column("NAME", flexible=True)]
    columns += [Column("ID"), Column("FREES", right=True)]
    lines = [ink("Steps", "head"), *table(columns, rows, width, ink)]
    if len(plan.actions) > len(shown):
        lines.append(f"{_INDENT}and {len(plan.actions) - len(shown):,} more: --all lists them")
    for one in shown:
        if one.needs_approval:
            lines += wrap(
                f"{one.number}: needs an approval: {one.needs_approval}", width, _INDENT, _INDENT * 2
            )
        if len(one.references) > 1:
            told = (
                f"{one.number}: has {len(one.references)} references, and goes only if an approval lists each"
            )
            lines += wrap(f"{told}: {', '.join(map(plain, one.references))}", width, _INDENT, _INDENT * 2)
    return lines


def _row(action: Action) -> list[str | Painted]:
    if action.verb is Verb.PRUNE_RECORDS:
        identity = f"{len(action.records):,} records"
    elif action.verb is Verb.REMOVE_FILES:
        identity = f"{len(action.files):,} {'file' if len(action.files) == 1 else 'files'}"
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


def _foot(plan: Plan, width: int, zone: tzinfo) -> list[str]:
    if plan.left_out:
        told = f"{plan.left_out:,} more found no room within the bounds, or have no known size."
        lines = wrap(told, width)
    else:
        lines = []
    if plan.actions:
        lines += wrap(
            f"Would free {size(plan.estimate_bytes)} by estimate, within the bounds of"
            f" {plan.bounds.max_items:,} objects, {size(plan.bounds.max_bytes)} and"
            f" {duration(plan.bounds.max_time)}. Nothing was removed.",
            width,
        )
    elif plan.mode is Mode.BOUNDED:
        lines += ["No cache is over its budget, or nothing of it may go. Nothing was removed."]
    else:
        lines += ["Nothing is to be removed."]
    return [*lines, f"Expires {local_time(plan.expires_at, zone)}."]
