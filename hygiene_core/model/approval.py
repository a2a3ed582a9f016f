"""One operator's yes, and what a front end may hand to the executor. Both are stored as they are decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from hygiene_core.model.journal import Caller

__all__ = [
    "Approval",
    "Options",
    "Revocation",
    "Staged",
    "StagedApproval",
    "StagedPlan",
    "StagedRevocation",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an apply is to go about it; nothing here widens what may be removed.

    `wait_idle` is how long to wait for the host to come to rest, `free_target_bytes` the free disk at which
    the run stops, `call_limit` the longest that one removal may take.
    """

    wait_idle: timedelta = timedelta()
    lock_wait: timedelta = timedelta(seconds=10)
    free_target_bytes: int | None = None
    equal_failures: int = 3
    call_limit: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who said yes to which steps, until when and why. `references` lists tags by step number."""

    version: Literal[1] = 1
    digest: str
    machine_id: str
    engine_id: str
    items: tuple[int, ...]
    references: dict[int, tuple[str, ...]] = field(default_factory=dict)
    approved_by: Caller
    approved_at: datetime
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """An approval was withdrawn."""

    version: Literal[1] = 1
    approval: str
    revoked_by: Caller
    revoked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedPlan:
    """A plan to be applied; `plan` is the text of its stored bytes."""

    k: Literal["plan"] = "plan"
    plan: str
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedApproval:
    """A yes. Who says it, the executor asks the operating system."""

    k: Literal["approval"] = "approval"
    digest: str
    items: tuple[int, ...]
    references: dict[int, tuple[str, ...]] = field(default_factory=dict)
    until: datetime
    reason: str
    said_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedRevocation:
    """A yes is withdrawn."""

    k: Literal["revocation"] = "revocation"
    digest: str
    approval: str
    reason: str


Staged: TypeAlias = StagedPlan | StagedApproval | StagedRevocation
