"""What an apply did to each thing, and why not. The words of every front end and of the ledger of acts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["MEANINGS", "Acted", "Outcome", "Why"]


class Outcome(StrEnum):
    """How one call of an action ended."""

    REMOVED = "removed"
    ALREADY_ABSENT = "already_absent"
    KEPT = "kept"
    SKIPPED = "skipped"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Why(StrEnum):
    """Why something was not removed, or not all of it. Each is explained in docs/reference/refusals.md."""

    BOUNDS = "BOUNDS"
    BUDGET_MET = "BUDGET_MET"
    CHANGED = "CHANGED"
    CONFLICT = "CONFLICT"
    CUT_OFF = "CUT_OFF"
    DEPENDS = "DEPENDS"
    ENGINE = "ENGINE"
    GONE = "GONE"
    IN_USE = "IN_USE"
    MULTI_TAG = "MULTI_TAG"
    NEW_REFERENCE = "NEW_REFERENCE"
    NOTHING_FREED = "NOTHING_FREED"
    NOT_APPROVED = "NOT_APPROVED"
    NO_TOUCH = "NO_TOUCH"
    STOPPED = "STOPPED"
    TIMEOUT = "TIMEOUT"
    UNREADABLE = "UNREADABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """The end of one call: of an action, or of a part of one where it takes several.

    `removed` are the identities that went, as the Engine or the filesystem told; `claimed_bytes` is what the
    Engine says it freed. `foreign` are identities that went although nobody named them: the run has to stop.
    """

    outcome: Outcome
    why: Why | None = None
    detail: str = ""
    removed: tuple[str, ...] = ()
    claimed_bytes: int | None = None
    foreign: tuple[str, ...] = ()


MEANINGS: dict[Why, str] = {
    Why.BOUNDS: "A bound of the plan, a ceiling of the host or a reserve leaves no room for it.",
    Why.BUDGET_MET: "The cache was down to its budget before it was its turn.",
    Why.CHANGED: "It is not what it was when the plan was made.",
    Why.CONFLICT: "The Engine refused, because something holds it.",
    Why.CUT_OFF: "The run was cut off while it was at this step; what is true was found by looking.",
    Why.DEPENDS: "Something else stands on it and stays, or a step before it did not end well.",
    Why.ENGINE: "The Engine or the builder answered with an error.",
    Why.GONE: "It was not there any more.",
    Why.IN_USE: "Something uses it now.",
    Why.MULTI_TAG: "It has several references, and no approval lists each of them.",
    Why.NEW_REFERENCE: "It has a reference that it did not have when the plan was made.",
    Why.NOTHING_FREED: "It is gone, and the disk did not gain what it held.",
    Why.NOT_APPROVED: "It needs an approval that it does not have.",
    Why.NO_TOUCH: "The no-touch set of the host or of the plan has it.",
    Why.STOPPED: "The run was asked to stop before it was its turn.",
    Why.TIMEOUT: "The call did not end within its time.",
    Why.UNREADABLE: "What has to be known before it is removed could not be read.",
}
"""Each reason in a sentence, for docs/reference/refusals.md and for front ends."""
