"""What a run tells while it goes on, so that a front end can show progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from hygiene_core.model.observation import Section, SectionName

__all__ = ["Emit", "Event", "ProbeFinished", "ProbeStarted", "StageFinished", "StageStarted", "silent"]


@dataclass(frozen=True, slots=True)
class ProbeStarted:
    """A probe began to read its section."""

    section: SectionName


@dataclass(frozen=True, slots=True)
class ProbeFinished:
    """A probe ended, well or badly: the section says which."""

    section: Section


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage of the pipeline began."""

    stage: str


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage of the pipeline ended well; one that ends badly raises."""

    stage: str


Event: TypeAlias = ProbeStarted | ProbeFinished | StageStarted | StageFinished
Emit: TypeAlias = Callable[[Event], None]


def silent(_event: Event) -> None:
    """The listener of a run that nobody watches."""
