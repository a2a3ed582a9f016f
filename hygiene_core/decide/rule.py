"""What a verdict rule is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from hygiene_core.decide.context import Context
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.resource import Kind

__all__ = ["Check", "Rule"]

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
