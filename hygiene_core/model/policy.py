"""What the operator wants of one host, as the pure part of the kit reads it.

`config` makes these from `hygiene.toml`. Every list that protects and every bound is explicit: there is no
value here that means "everything" or "no limit" by being empty or zero.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import translate
from functools import lru_cache

__all__ = [
    "Ages",
    "Bounds",
    "Budget",
    "Limits",
    "Policy",
    "Protect",
    "RunCacheRoot",
    "RunnerRoot",
    "first_match",
    "is_glob",
]

_GLOB_CHARACTERS = frozenset("*?[")


@lru_cache(maxsize=1024)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for all the patterns: most names match none of them."""
    return re.compile("|".join(translate(pattern) for pattern in patterns))


def is_glob(pattern: str) -> bool:
    """Whether a pattern can match more than its own text."""
    return not _GLOB_CHARACTERS.isdisjoint(pattern)


def first_match(patterns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, str] | None:
    """The first (pattern, name) that matches, case-sensitively, or `None`."""
    if not patterns or not any(map(_compiled(patterns).match, names)):
        return None
    return next(
        (pattern, name) for pattern in patterns for name in names if _compiled((pattern,)).match(name)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Protect:
    """The no-touch set: names and shell-style globs per kind.

    A builder or image given without a glob is also required: its absence is a finding. `labels` are
    `key` or `key=value`, each side may be a glob.
    """

    builders: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Thresholds of the findings. `None` is "not set": that figure is reported and not judged."""

    min_free_bytes: int | None = None
    min_free_inodes_percent: float | None = None
    max_reclaimable_bytes: int | None = None
    max_state_bytes: int | None = None
    max_days_without_apply: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """How long a resource must have been idle, by our own evidence, before a rule lets it go.

    `None` means that no rule lets go of that kind. `grace` holds for everything.
    """

    grace: timedelta
    dangling_image: timedelta | None = None
    tagged_image: timedelta | None = None
    stopped_container: timedelta | None = None
    anonymous_volume: timedelta | None = None
    orphan_builder: timedelta | None = None
    runner_checkout: timedelta | None = None
    diagnostic_log: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A builder's cache budget: removed down to `max_bytes`, never under `reserved_bytes`.

    Where the disk has less than `min_free_bytes` free, more is removed, still never under `reserved_bytes`.
    """

    max_bytes: int
    reserved_bytes: int
    min_age: timedelta
    min_free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one plan may take, whatever the budgets and ages say, and how long it may be applied.

    `max_items` counts removed objects; each record of a build cache is one.
    """

    max_items: int = 5000
    max_bytes: int = 500 * 2**30
    max_time: timedelta = timedelta(minutes=30)
    expiry: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerRoot:
    """A directory that holds a GitHub Actions runner."""

    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCacheRoot:
    """A directory in which CI runs leave one directory each, called `prefix` and the id of the run.

    Once all of them hold more than `high_water_bytes`, the oldest may go until they hold `low_water_bytes`.
    Without these two nothing of it may go.
    """

    name: str
    path: str
    prefix: str
    high_water_bytes: int | None = None
    low_water_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One host's policy.

    `source` is the file it was read from, or `None` for the built-in protective defaults. `digest` is
    sha256 over the canonical JSON of everything else. `homes` are where buildx keeps its instance files.
    `minimums` are versions by tool.
    """

    source: str | None
    digest: str
    protect: Protect = field(default_factory=Protect)
    limits: Limits = field(default_factory=Limits)
    ages: Ages
    budgets: dict[str, Budget] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    runner_roots: tuple[RunnerRoot, ...] = ()
    run_caches: tuple[RunCacheRoot, ...] = ()
    homes: tuple[str, ...] = ()
    minimums: dict[str, str] = field(default_factory=dict)
