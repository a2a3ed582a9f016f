"""What was decided of a resource, and the reasons for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hygiene_core.model.resource import Kind, Resource

__all__ = ["Chain", "Judged", "Reason", "Verdict", "Weighed"]


class Verdict(StrEnum):
    """The verdicts, strongest first: the first that any rule gives decides."""

    PROTECTED = "protected"
    IN_USE = "in_use"
    UNKNOWN = "unknown"
    RETAINED = "retained"
    CANDIDATE = "candidate"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule spoke: its id, the fact it saw, and where that fact was read."""

    rule: str
    detail: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A resource with its verdict: one row of a report.

    `unique_bytes` is what removing this resource alone would free, as far as the objects tell; `None` if not
    known. `unused_since_at` is of images alone: since when no container has used it, tagged or not. `used_by`
    names what refers to it now. `facts` is the resource as it was observed.
    """

    kind: Kind
    id: str
    name: str
    names: tuple[str, ...]
    verdict: Verdict
    reasons: tuple[Reason, ...]
    size_bytes: int | None
    unique_bytes: int | None
    used_by: tuple[str, ...] = ()
    first_seen_at: datetime | None = None
    idle_since_at: datetime | None = None
    unused_since_at: datetime | None = None
    facts: Resource


@dataclass(frozen=True, slots=True)
class Weighed:
    """One rule's answer in an explanation.

    `would_give` is the verdict that the rule stands for; `verdict` is the same if it spoke, else `None`.
    """

    rule: str
    asks: str
    would_give: Verdict
    verdict: Verdict | None
    detail: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The whole explanation of one resource: every rule that was asked, in order."""

    judged: Judged
    rules: tuple[Weighed, ...]
