"""What an apply did to each thing, and why not. The words of every front end and of the ledger of acts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Acted", "Outcome", "Why"]


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
