"""Plans and approvals on this host: what was handed in, by whom, and whether it was withdrawn or spent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from hygiene_core.errors import (
    ApprovalMissing,
    EvidenceUnwritable,
    NotApprover,
    PlanChanged,
    PlanSpent,
    UnknownPlan,
    UsageProblem,
)
from hygiene_core.evidence import files, plans
from hygiene_core.executor.places import Places
from hygiene_core.model.approval import (
    Approval,
    Options,
    Revocation,
    StagedApproval,
    StagedPlan,
    StagedRevocation,
)
from hygiene_core.model.codec import (
    adapter,
    approval_adapter,
    decode,
    encode,
    encode_plan,
    plan_adapter,
    revocation_adapter,
)
from hygiene_core.model.host_rules import HostRules
from hygiene_core.model.journal import Caller
from hygiene_core.model.plan import Plan

__all__ = [
    "approvals_of",
    "load_plan",
    "mark_spent",
    "revoke",
    "spent",
    "spent_by",
    "stage_approval",
    "stage_plan",
]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MODE = 0o440
_ID_LENGTH = 12
_LONGEST_APPROVAL = timedelta(days=31)
_REASON_LENGTH = 500


def stage_plan(places: Places, staged: StagedPlan) -> str:
    """Keep a plan as it was encoded, and return its digest.

    Raises:
        PlanChanged: it is no plan that this kit can read.
        PlanSpent: it was applied already.
    """
    stored = staged.plan.encode()
    _decoded(stored)
    digest = plans.digest_of(stored)
    if run := spent_by(places, digest):
        raise spent(digest, run)
    _with_room(places, lambda: plans.save(places.state, stored))
    options = encode(adapter(Options), staged.options)
    _write(places, f"plans/{digest}.options", options)
    return digest


def load_plan(places: Places, digest: str) -> tuple[Plan, Options]:
    """A staged plan, its bytes checked against its digest.

    Raises:
        UnknownPlan: it was not staged here.
        PlanChanged: its bytes are others, or no plan.
    """
    _check_digest(digest)
    found, stored = plans.load(places.state, digest)
    options = (places.plans / f"{found}.options").read_bytes()
    return _decoded(stored), decode(adapter(Options), options)


def stage_approval(
    places: Places, staged: StagedApproval, plan: Plan, *, rules: HostRules, asked: Caller, now: datetime
) -> str:
    """Keep a yes, and return its id.

    Raises:
        NotApprover: the caller's yes does not count here.
        UsageProblem: it names no step, one that is not there, no reason, or a time that is over or too far.
        PlanSpent: the plan was applied already.
    """
    if asked.name not in rules.approvers:
        raise NotApprover(
            f"{asked.name} is not among the approvers of this host. Nothing was approved.",
            next_step="Who is: grep approvers /etc/hygiene/host.toml",
        )
    if run := spent_by(places, staged.digest):
        raise spent(staged.digest, run)
    if said := _problem(staged, plan, now):
        raise UsageProblem(f"{said}. Nothing was approved.")
    made = Approval(
        digest=staged.digest,
        machine_id=plan.host.machine_id or "",
        engine_id=plan.host.engine_id or "",
        items=tuple(sorted(set(staged.items))),
        references=staged.references,
        approved_by=asked,
        approved_at=now,
        until=staged.until,
        reason=staged.reason.strip(),
    )
    stored = encode(approval_adapter(), made)
    name = hashlib.sha256(stored).hexdigest()[:_ID_LENGTH]
    _write(places, f"approvals/{staged.digest}/{name}.json", stored)
    return name


def _problem(staged: StagedApproval, plan: Plan, now: datetime) -> str | None:
    numbers = {action.number: action for action in plan.actions}
    unknown = sorted(set(staged.items) - numbers.keys())
    foreign = [
        reference
        for number, listed in staged.references.items()
        for reference in listed
        if number not in numbers or reference not in numbers[number].references
    ]
    reason = staged.reason.strip()
    checks = (
        (not staged.items, "the approval names no step"),
        (len(set(staged.items)) != len(staged.items), "the approval names a step twice"),
        (bool(unknown), f"the plan has no step {', '.join(map(str, unknown))}"),
        (bool(foreign), f"the plan has no reference {', '.join(foreign)} at that step"),
        (not reason, "an approval needs a reason"),
        (len(reason) > _REASON_LENGTH or not reason.isprintable(), "the reason has to be one line of text"),
        (staged.until.utcoffset() is None, "the end of the approval has no time zone"),
        (staged.until.utcoffset() is not None and staged.until <= now, "the approval is over already"),
        (
            staged.until.utcoffset() is not None and staged.until > now + _LONGEST_APPROVAL,
            f"an approval lasts at most {_LONGEST_APPROVAL.days} days",
        ),
    )
    return next((said for holds, said in checks if holds), None)


def revoke(places: Places, staged: StagedRevocation, asked: Caller, now: datetime) -> None:
    """Withdraw a yes. Anybody who may ask at all may do so.

    Raises:
        ApprovalMissing: there is none by that id.
        UsageProblem: its reason is no line of text.
    """
    _check_digest(staged.digest)
    folder = places.approvals(staged.digest)
    names = {path.name for path in folder.glob("*.json")} if folder.is_dir() else set()
    if f"{staged.approval}.json" not in names:
        raise ApprovalMissing(
            f"the plan {staged.digest[:_ID_LENGTH]} has no approval {staged.approval!r}.",
            next_step="See: hygiene approvals",
        )
    reason = staged.reason.strip()
    if len(reason) > _REASON_LENGTH or not reason.isprintable():
        raise UsageProblem("the reason has to be one line of text. Nothing was withdrawn.")
    made = Revocation(approval=staged.approval, revoked_by=asked, revoked_at=now, reason=reason)
    _write(places, f"approvals/{staged.digest}/{staged.approval}.revoked", encode(revocation_adapter(), made))


def approvals_of(places: Places, digest: str) -> Iterator[tuple[str, Approval, Revocation | None]]:
    """Every approval of a plan by its id, and who withdrew it.

    Raises PlanChanged for one that was edited, or that was given to another plan.
    """
    folder = places.approvals(digest)
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        stored = path.read_bytes()
        if hashlib.sha256(stored).hexdigest()[:_ID_LENGTH] != path.stem:
            raise PlanChanged(
                f"the approval {path.stem} was changed after it was given. Nothing was removed."
            )
        given = decode(approval_adapter(), stored)
        if given.digest != digest:
            raise PlanChanged(f"the approval {path.stem} was given to another plan. Nothing was removed.")
        withdrawn = path.with_suffix(".revoked")
        taken_back = decode(revocation_adapter(), withdrawn.read_bytes()) if withdrawn.exists() else None
        yield path.stem, given, taken_back


def spent_by(places: Places, digest: str) -> str | None:
    """The run that a plan was spent by; `None` if it is not."""
    _check_digest(digest)
    try:
        return (places.spent / digest).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def mark_spent(places: Places, digest: str, run_id: str) -> None:
    """Spend a plan, durably. Raises PlanSpent if it is, EvidenceUnwritable."""
    if run := spent_by(places, digest):
        raise spent(digest, run)
    _write(places, f"spent/{digest}", run_id.encode())


def spent(digest: str, run: str) -> PlanSpent:
    """The refusal of a plan that a run has spent."""
    return PlanSpent(
        f"the plan {digest[:_ID_LENGTH]} was applied by run {run}; none is twice. Nothing was removed.",
        next_step="Make a new plan: hygiene plan --help",
    )


def _decoded(stored: bytes) -> Plan:
    try:
        plan = decode(plan_adapter(), stored)
        said = None
        if encode_plan(plan) != stored:
            # Whatever this kit does not know in it, it must not act beside.
            said = "it has parts that this kit does not know"
        elif None in {plan.made_at.utcoffset(), plan.expires_at.utcoffset()}:
            said = "its times have no zone"
    except ValueError as error:
        said = str(error).partition("\n")[0]
    if said is not None:
        raise PlanChanged(
            f"this is no plan that this kit can read: {said}. Nothing was removed.",
            next_step="Make a new plan: hygiene plan --help",
        )
    return plan


def _check_digest(digest: str) -> None:
    if _DIGEST.fullmatch(digest) is None:
        raise UnknownPlan(f"{digest[:80]!r} is no digest: 64 characters of 0-9 and a-f.")


def _write(places: Places, name: str, stored: bytes) -> None:
    path = places.state / name

    def put() -> None:
        try:
            files.make_directory(path.parent)
            files.replace_file(path, stored, _MODE)
        except OSError as error:
            raise files.unwritable(error, path.parent.name) from error

    _with_room(places, put)


def _with_room(places: Places, put: Callable[[], object]) -> None:
    """Write something small; on a full disk with the room held back: a removal is what frees such a disk."""
    try:
        try:
            put()
        except EvidenceUnwritable as error:
            full = isinstance(error.__cause__, OSError) and files.is_full(error.__cause__)
            if not full or not places.ballast.exists():
                raise
            places.ballast.unlink()
            put()
    except EvidenceUnwritable as error:
        error.message = f"{error.message} Nothing was removed."
        raise
