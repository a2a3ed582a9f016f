"""What a verdict rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from hygiene_core.decide.context import Context
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.resource import Kind

__all__ = [
    "AGED",
    "BUILDER",
    "BUILD_CACHE",
    "CONTAINER",
    "DIRECTORY",
    "IMAGE",
    "KNOWN",
    "LABELLED",
    "RECORDS",
    "RUN_CACHE",
    "VOLUME",
    "WORKDIR",
    "Check",
    "Rule",
    "listed",
]

IMAGE = frozenset({Kind.IMAGE})
CONTAINER = frozenset({Kind.CONTAINER})
VOLUME = frozenset({Kind.VOLUME})
BUILD_CACHE = frozenset({Kind.BUILD_CACHE})
BUILDER = frozenset({Kind.BUILDER})
WORKDIR = frozenset({Kind.RUNNER_WORKDIR})
RUN_CACHE = frozenset({Kind.RUN_CACHE})
DIRECTORY = WORKDIR | RUN_CACHE
LABELLED = IMAGE | CONTAINER | VOLUME
AGED = LABELLED | BUILDER
"""The kinds whose age is counted by our own evidence."""

KNOWN = "known resources"
"""Where the facts of earlier observations are read."""
RECORDS = "GET /system/df, or `buildctl du` in the builder"
"""Where the records of a build cache are read."""

_SHOWN = 3

Check: TypeAlias = Callable[[Any, Context], str | None]
"""Looks at one resource of the rule's kinds: the fact that makes the rule speak, or `None`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: stable name, `group.what`; stands in reports, evidence and documentation.
        verdict: the verdict it gives when it speaks.
        kinds: the kinds it is asked about.
        asks: its question, for `hygiene explain` and the reference.
        source: where its fact was read.
        check: the question as code.
    """

    id: str
    verdict: Verdict
    kinds: frozenset[Kind]
    asks: str
    source: str
    check: Check


def listed(names: tuple[str, ...]) -> str:
    """A few names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
