"""What earlier observations remember of a resource."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from hygiene_core.model.coverage import Span

__all__ = ["Key", "Known", "Memory"]

Key: TypeAlias = tuple[str, str]
"""(kind, id), the identity of a resource on one host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One resource's memory.

    `idle_since_at` is the first observation in which nothing used, tagged or protected it, and `None` while
    something does. `names` are the references of that observation: a change of them restarts the grace.
    `layers` are an image's diff ids, which never change for an id. `unused_since_at` is of images alone: the
    first observation in which no container used it, or its last use since, whatever tags it has.
    """

    first_seen_at: datetime
    idle_since_at: datetime | None = None
    changed_at: datetime | None = None
    names: tuple[str, ...] = ()
    layers: tuple[str, ...] | None = None
    unused_since_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a host's earlier runs remember. `last_run_at` is `None` before the first run.

    `engine_id` is of the newest run that read an Engine: what another Engine calls the same is not the same.
    `covered` is the newest time in which the use of images was followed without a gap.
    """

    entries: dict[Key, Known] = field(default_factory=dict)
    last_run_at: datetime | None = None
    last_sequence: int = 0
    engine_id: str | None = None
    covered: Span | None = None
