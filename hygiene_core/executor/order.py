"""What a run is to do, for whom, and how."""

from __future__ import annotations

from dataclasses import dataclass

from hygiene_core.decide.permit import Permitted
from hygiene_core.model.activity import ProcessId
from hygiene_core.model.approval import Options
from hygiene_core.model.journal import Caller
from hygiene_core.model.plan import Plan

__all__ = ["Order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A plan under its digest, what of it is permitted, and the processes that are no foreign work."""

    digest: str
    plan: Plan
    permitted: Permitted
    options: Options
    caller: Caller
    excluded: frozenset[ProcessId]
