"""BuildKit's own garbage collection, beside what the policy asks: can the builders keep to their bounds?"""

from __future__ import annotations

from dataclasses import dataclass

from hygiene_core.decide.relations import budget_of
from hygiene_core.model.policy import Policy
from hygiene_core.model.resource import Builder, GcRule

__all__ = ["Overcommit", "ceiling", "grows_unbounded", "lacks", "over_budget", "overcommit"]

_CHEAP_TYPES = ("source.local", "exec.cachemount", "source.git.checkout")
"""What is made again at no cost; BuildKit's own default lets it go first."""


def ceiling(builder: Builder) -> int | None:
    """The bytes under which BuildKit keeps an ordinary cache by itself; `None` if nothing bounds it."""
    return min((bound for rule in _for_all(builder) if (bound := _bound(rule)) is not None), default=None)


def _bound(rule: GcRule) -> int | None:
    """The bytes that one tier lets a cache have on a disk that is not full (`calculateKeepBytes`).

    The reserve goes before every other bound, and alone it is the bound. A tier that says nothing lets go of
    all that it is for.
    """
    if rule.max_used_bytes is None and rule.min_free_bytes is not None:
        return None
    return max(rule.max_used_bytes or 0, rule.reserved_bytes or 0)


def grows_unbounded(builder: Builder, policy: Policy) -> bool:
    """Whether BuildKit was read and has no tier at all, and this kit has no budget for it either."""
    return builder.gc_policy == () and budget_of(policy, builder.id) is None


def lacks(builder: Builder) -> tuple[str, ...]:
    """The tiers that its collection lacks, in words; none where it was not read or there is none at all."""
    rules = builder.gc_policy
    if not rules:
        return ()
    missing = []
    cheap = [text for rule in rules for text in rule.filters if any(kind in text for kind in _CHEAP_TYPES)]
    if not any(map(_can_match, cheap)):
        why = "; its own asks for several types at once and never matches" if cheap else ""
        missing.append(f"a tier that lets cheap records go first (local sources, cache mounts{why})")
    if not _for_all(builder):
        missing.append("a tier without age and filter, which bounds the whole cache")
    if not any(rule.everything for rule in rules):
        missing.append("a tier for internal and frontend records, which otherwise stay for ever")
    return tuple(missing)


def _can_match(text: str) -> bool:
    """Whether one record can be all that a filter asks: its parts all have to hold, and a type is one only.

    BuildKit's own default asks for three types at once before 0.31, and the Engine's before 29.6.
    """
    types = {part.strip() for part in text.split(",") if part.strip().startswith("type==")}
    return len(types) <= 1


def over_budget(builder: Builder, policy: Policy) -> tuple[int | None, int] | None:
    """BuildKit's ceiling and the budget that it will not meet by itself; `None` if it will, or has none."""
    budget = budget_of(policy, builder.id)
    if budget is None or builder.gc_policy is None:
        return None
    own = ceiling(builder)
    return (own, budget.max_bytes) if own is None or own > budget.max_bytes else None


@dataclass(frozen=True, slots=True)
class Overcommit:
    """Builders that together may take more than there is: the sum of their ceilings, in bytes."""

    builders: tuple[str, ...]
    total_bytes: int


def overcommit(builders: tuple[Builder, ...], disk_bytes: int) -> Overcommit | None:
    """Whether the ceilings of all builders are more than the disk, and nothing keeps any of it free."""
    unguarded = [(one, own) for one in builders if (own := ceiling(one)) is not None and not _guards(one)]
    total = sum(own for _, own in unguarded)
    return Overcommit(tuple(one.id for one, _ in unguarded), total) if total > disk_bytes else None


def _for_all(builder: Builder) -> list[GcRule]:
    """The tiers that every record is subject to, whatever its age."""
    return [rule for rule in builder.gc_policy or () if not rule.filters and rule.keep_for is None]


def _guards(builder: Builder) -> bool:
    return any(rule.min_free_bytes for rule in _for_all(builder))
