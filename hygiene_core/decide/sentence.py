"""A policy in one English sentence, shown before anything is done in its name."""

from __future__ import annotations

from datetime import timedelta

from hygiene_core.model.policy import Budget, Limits, Policy, Protect, RunCacheRoot, is_glob
from hygiene_core.model.sizes import iec_size

__all__ = ["sentence"]

_LET_GO = (
    ("dangling_image", "dangling images"),
    ("tagged_image", "unused tagged images"),
    ("stopped_container", "stopped containers"),
    ("anonymous_volume", "anonymous volumes"),
    ("orphan_builder", "orphans of builders"),
    ("runner_checkout", "checkouts of runners"),
    ("diagnostic_log", "logs of runners"),
)


def sentence(policy: Policy) -> str:
    """The policy, complete but for the single names it lists; sizes in IEC units, spans in hours.

    Every age is the effective one: the grace holds for everything, so no age is shorter.
    """
    clauses = [
        f"keep everything seen idle for less than {_span(policy.ages.grace)}",
        _kept(policy.protect),
        _let_go(policy),
        _budgets(policy),
        *(_water(place) for place in policy.run_caches),
        _limits(policy.limits),
    ]
    text = "; ".join(clause for clause in clauses if clause) + "."
    if policy.source is None:
        return f"Built-in protective defaults: {text}"
    return text[0].upper() + text[1:]


def _kept(protect: Protect) -> str:
    parts = []
    for names, one, many in (
        (protect.builders, "warm builder", "warm builders"),
        (protect.images, "warm image", "warm images"),
        (protect.volumes, "volume", "volumes"),
        (protect.containers, "container", "containers"),
    ):
        globs = sum(map(is_glob, names))
        if plain := len(names) - globs:
            parts.append(f"{plain} {one if plain == 1 else many}")
        if globs:
            parts.append(f"the {many} of {_count(globs, 'pattern')}")
    if protect.labels:
        parts.append(f"whatever carries {'the label' if len(protect.labels) == 1 else 'one of the labels'} ")
        parts[-1] += _joined([repr(label) for label in protect.labels], "or")
    return f"keep {_joined(parts)}" if parts else "keep nothing by name"


def _let_go(policy: Policy) -> str:
    ages: dict[timedelta, list[str]] = {}
    for name, words in _LET_GO:
        span: timedelta | None = getattr(policy.ages, name)
        if span is not None:
            ages.setdefault(max(span, policy.ages.grace), []).append(words)
    if not ages:
        return "let go of nothing by age"
    return "let go of " + _joined(
        [f"{_joined(kinds)} idle for {_span(span)}" for span, kinds in sorted(ages.items())]
    )


def _budgets(policy: Policy) -> str:
    if not policy.budgets:
        return "leave every build cache alone"
    alike: dict[Budget, list[str]] = {}
    for builder, budget in policy.budgets.items():
        alike.setdefault(budget, []).append(builder)
    return "; ".join(_budget(budget, builders) for budget, builders in alike.items())


def _budget(budget: Budget, builders: list[str]) -> str:
    caches = f"the {builders[0]} cache" if len(builders) == 1 else f"the caches of {_joined(builders)} each"
    return (
        f"prune {caches} down to {_size(budget.max_bytes)}, never under {_size(budget.reserved_bytes)}, "
        f"and no record used in the last {_span(budget.min_age)}"
        + (
            f", and further where less than {_size(budget.min_free_bytes)} are free"
            if budget.min_free_bytes
            else ""
        )
    )


def _water(place: RunCacheRoot) -> str:
    if place.high_water_bytes is None or place.low_water_bytes is None:
        return ""
    return (
        f"once the run cache {place.name} holds over {_size(place.high_water_bytes)}, "
        f"let go of its oldest runs down to {_size(place.low_water_bytes)}"
    )


def _limits(limits: Limits) -> str:
    wanted = []
    if limits.min_free_bytes is not None:
        wanted.append(f"less than {_size(limits.min_free_bytes)} free")
    if limits.min_free_inodes_percent is not None:
        wanted.append(f"less than {limits.min_free_inodes_percent:g} % of inodes free")
    if limits.max_reclaimable_bytes is not None:
        wanted.append(f"more than {_size(limits.max_reclaimable_bytes)} reclaimable")
    if limits.max_state_bytes is not None:
        wanted.append(f"more than {_size(limits.max_state_bytes)} of evidence")
    if limits.max_days_without_apply is not None:
        wanted.append(f"{_count(limits.max_days_without_apply, 'day')} without an apply on a busy host")
    return f"ask for attention at {_joined(wanted, 'or')}" if wanted else "no limits are set"


def _joined(parts: list[str], last: str = "and") -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _span(span: timedelta) -> str:
    """Hours where they are whole, else minutes, else seconds."""
    seconds = span // timedelta(seconds=1)
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _size(size_bytes: int) -> str:
    return iec_size(size_bytes, whole=True)
