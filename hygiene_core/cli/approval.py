"""The verbs of approval: who says yes to which steps of a plan, and who takes it back."""

# ruff: noqa: PLC0415 - `hygiene --help` loads none of what stands inside the verbs

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hygiene_core import terminal
from hygiene_core.cli.parts import host_of, load, show, store_of
from hygiene_core.cli.words import ConfigOption, HostOption, Shape, ShapeOption
from hygiene_core.errors import ApprovalMissing, StalePlan, UsageProblem

if TYPE_CHECKING:
    from hygiene_core.model.plan import Action, Plan

__all__ = ["approvals", "approve", "revoke"]

_DIGEST_SHOWN = 12
_STEP = re.compile(r"[0-9]{1,9}")


def approve(
    *,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="The digest of a plan, or its beginning.")],
    items: Annotated[
        Path | None,
        typer.Option(
            "--items",
            metavar="FILE",
            help="The steps, one number a line; behind it each reference of an image with several.",
        ),
    ] = None,
    yes_digest: Annotated[
        str | None, typer.Option("--yes-digest", metavar="DIGEST", help="For scripts, with --items.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why: one line.")] = None,
    valid: Annotated[str, typer.Option("--for", metavar="TIME", help="How long it holds.")] = "24h",
    config_file: ConfigOption = None,
    host: HostOption = None,
) -> None:
    """Say yes to steps of a plan. Nothing is removed by it."""
    from hygiene_core.clock import utc_now
    from hygiene_core.config import units
    from hygiene_core.model.approval import StagedApproval, StagedPlan
    from hygiene_core.model.codec import encode, encode_plan, staged_adapter
    from hygiene_core.transport import executor

    if (items is None) != (yes_digest is None):
        raise UsageProblem("--items and --yes-digest go together. Nothing was approved.")
    try:
        lasts = units.parse_duration(valid)
    except units.UnitProblem as problem:
        raise UsageProblem(f"--for {valid}: {problem}. Nothing was approved.") from None
    configuration = load(config_file)
    chosen = host_of(configuration, host)
    digest, made = store_of(configuration).load_plan(plan)
    if made.policy_digest != chosen.policy.digest:
        raise StalePlan(
            f"the policy was changed after the plan {digest[:_DIGEST_SHOWN]} was made. Nothing was approved.",
            next_step=f"Make a new plan: hygiene plan --mode {made.mode.value}",
        )
    if items is None:
        picked, why = _asked(made, digest, reason)
    else:
        picked, why = _read(items), reason or ""
        if yes_digest != digest[: len(yes_digest or "")] or len(yes_digest or "") < _DIGEST_SHOWN:
            raise UsageProblem(
                f"--yes-digest is not that of this plan ({digest[:_DIGEST_SHOWN]}). Nothing was approved."
            )
    executor.ask("stage", sent=encode(staged_adapter(), StagedPlan(plan=encode_plan(made).decode())))
    answer = executor.ask(
        "stage",
        sent=encode(
            staged_adapter(),
            StagedApproval(
                digest=digest,
                items=tuple(picked),
                references={number: listed for number, listed in picked.items() if listed},
                until=utc_now() + lasts,
                reason=why,
                said_from=os.environ.get("SSH_CONNECTION", "").partition(" ")[0] or None,
            ),
        ),
    )
    terminal.message(
        f"{answer['approved_by']} approved {len(picked)} of {len(made.actions)} steps of plan"
        f" {digest[:_DIGEST_SHOWN]} for {valid}, as {answer['approval']}. Nothing was removed yet."
    )
    terminal.message(f"Apply it: hygiene apply --plan {digest[:_DIGEST_SHOWN]}")


def approvals(*, shape: ShapeOption = Shape.TEXT) -> None:
    """List the approvals that this host knows, and what became of them."""
    from hygiene_core.model.table import Table
    from hygiene_core.transport import executor

    rows = [
        _row(plan, one)
        for engine in executor.ask("status")["engines"]
        for plan in engine["plans"]
        for one in plan["approvals"]
    ]
    names = ("plan", "approval", "by", "from", "at", "until", "steps", "reason", "state")
    show(Table(names, tuple(rows)), shape)


def revoke(
    *,
    approval: Annotated[str, typer.Argument(help="Its id, see `hygiene approvals`.")],
    reason: Annotated[str, typer.Option("--reason", help="Why: one line.")] = "",
) -> None:
    """Take an approval back. A run that is under way goes on; it is stopped by `hygiene stop`."""
    from hygiene_core.model.approval import StagedRevocation
    from hygiene_core.model.codec import encode, staged_adapter
    from hygiene_core.transport import executor

    digest = next(
        (
            plan["digest"]
            for engine in executor.ask("status")["engines"]
            for plan in engine["plans"]
            if any(one["id"] == approval for one in plan["approvals"])
        ),
        None,
    )
    if digest is None:
        raise ApprovalMissing(f"there is no approval {approval!r}.", next_step="See: hygiene approvals")
    staged = StagedRevocation(digest=digest, approval=approval, reason=reason)
    executor.ask("stage", sent=encode(staged_adapter(), staged))
    terminal.message(f"The approval {approval} of plan {digest[:_DIGEST_SHOWN]} does not hold any more.")


def _row(plan: dict[str, Any], one: dict[str, Any]) -> tuple[Any, ...]:
    given, revoked = one["approval"], one["revoked"]
    state = "in force"
    if revoked is not None:
        state = f"withdrawn by {revoked['revoked_by']['name']}"
    elif plan["spent_by"] is not None:
        state = f"applied by {plan['spent_by'][:8]}"
    return (
        plan["digest"][:_DIGEST_SHOWN],
        one["id"],
        given["approved_by"]["name"],
        given["approved_by"]["said_from"],
        given["approved_at"],
        given["until"],
        len(given["items"]),
        given["reason"],
        state,
    )


def _asked(made: Plan, digest: str, reason: str | None) -> tuple[dict[int, tuple[str, ...]], str]:
    """What a person at a terminal picks, says, and types."""
    from hygiene_core.report.figures import size
    from hygiene_core.report.plan import render

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageProblem(
            "there is no terminal to ask at. Nothing was approved.",
            next_step="For scripts: hygiene approve --items FILE --yes-digest DIGEST",
        )
    shown = render(
        made,
        digest,
        width=terminal.width(),
        color=terminal.colour(),
        listed=None,
        zone=terminal.local_zone(),
    )
    terminal.data(shown)
    numbers = _numbers(_typed("Steps to approve, such as 1,3-5 or all: "), made)
    picked = {number: _references(_action(made, number)) for number in numbers}
    why = reason or _typed("Why, in one line: ")
    known = [_action(made, number).estimate_bytes or 0 for number in numbers]
    short = digest[:_DIGEST_SHOWN]
    typed = _typed(f"{len(numbers)} steps, {size(sum(known))} by estimate. Type {short} to approve them: ")
    if typed != short:
        raise UsageProblem("that is not the digest. Nothing was approved.")
    return picked, why


def _numbers(typed: str, made: Plan) -> list[int]:
    """The step numbers that a person typed. Raises UsageProblem."""
    known = [action.number for action in made.actions]
    if typed.strip() == "all":
        return known
    found: set[int] = set()
    for part in typed.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        ends = (first, last if dash else first)
        if not all(_STEP.fullmatch(one) for one in ends) or int(ends[0]) > int(ends[1]):
            raise UsageProblem(f"{part.strip()!r} is no step. Nothing was approved.")
        for end in ends:
            if int(end) not in known:
                raise UsageProblem(f"the plan has no step {int(end)}. Nothing was approved.")
        found.update(range(int(ends[0]), int(ends[1]) + 1))
    return sorted(found)


def _typed(prompt: str) -> str:
    """A line that a person typed. The question goes to stderr: stdout is for data."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        line = ""
    if not line:
        raise UsageProblem("nothing was typed. Nothing was approved.")
    return line.strip()


def _references(action: Action) -> tuple[str, ...]:
    """The references of an image with several, once a person has said that all of them may go."""
    if len(action.references) <= 1:
        return ()
    terminal.message(f"Step {action.number} has {len(action.references)} references:")
    for reference in action.references:
        terminal.message(f"  {reference}")
    typed = _typed(f"All of them go. Type {len(action.references)} to approve that: ")
    if typed != str(len(action.references)):
        raise UsageProblem("that is not their number. Nothing was approved.")
    return action.references


def _action(made: Plan, number: int) -> Action:
    return next(action for action in made.actions if action.number == number)


def _read(path: Path) -> dict[int, tuple[str, ...]]:
    """The steps of a file. Raises UsageProblem."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{path} cannot be read: {error}. Nothing was approved.") from None
    found: dict[int, tuple[str, ...]] = {}
    for line in lines:
        number, *references = line.partition("#")[0].split() or [""]
        if not number:
            continue
        if _STEP.fullmatch(number) is None or int(number) in found:
            raise UsageProblem(f"{path}: {line!r} is no step, or stands twice. Nothing was approved.")
        found[int(number)] = tuple(references)
    if not found:
        raise UsageProblem(f"{path} names no step. Nothing was approved.")
    return found
