"""The tiers of garbage collection that a configuration makes, as the Engine and BuildKit compute them.

`None` is "cannot be told": a version that cannot be read, or a share of a disk whose size is not known.
Sources: `getGCPolicy` and `DefaultGCPolicy` of the Engine (builder-next), `DefaultGCPolicy` of buildkitd.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta

from hygiene_core.model.engine_config import BuildkitdConfig, BuildkitdRule, EngineGc, EngineGcRule, Space
from hygiene_core.model.resource import GcRule

__all__ = ["buildkit_version", "container_policy", "embedded_policy", "version_of"]

Version = tuple[int, int, int]

_CHEAP = ("type==source.local", "type==exec.cachemount", "type==source.git.checkout")
_CHEAP_AGE, _OLD_AGE = timedelta(hours=48), timedelta(days=60)
_LEAST_CHEAP_BYTES = 512 * 10**6
_CHEAP_SHARE = math.e * math.pi * (1 + math.sqrt(5)) / 2 / 100
"""The Engine keeps about 13.8 % of the reserve of what is made again at no cost."""

_AGES_IN_HOURS: Version = (23, 0, 0)
_THREE_BOUNDS: Version = (28, 0, 0)
_ON_BY_DEFAULT: Version = (28, 2, 0)
_TRUE_SHARES: Version = (28, 5, 1)
_CHEAP_MATCHES: Version = (29, 6, 0)
_BUILDKIT_THREE_BOUNDS: Version = (0, 17, 0)
_BUILDKIT_CHEAP_MATCHES: Version = (0, 31, 0)

_NUMBERS = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?![\d])")
_TAG = re.compile(r"/buildkit:(v\d[^@:/]*?)(?:-rootless)?(?:@|\Z)")


def version_of(text: str | None) -> Version | None:
    """The numbers that a version begins with: `26.1.5+dfsg1`, `v0.32.2`."""
    found = _NUMBERS.match(text or "")
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def buildkit_version(version: str | None, image_name: str | None) -> Version | None:
    """What BuildKit told, else the tag of its image where that is a version."""
    tag = _TAG.search(image_name or "")
    return version_of(version) or (version_of(tag[1]) if tag else None)


def _share(disk_bytes: int, percent: int) -> int:
    """A share of the disk, rounded up as both programs do it."""
    return (disk_bytes * percent // 100 // 2**30 + 1) * 10**9


def embedded_policy(
    gc: EngineGc, engine_version: str | None, disk_bytes: int | None
) -> tuple[GcRule, ...] | None:
    """The tiers of the builder inside the Engine; empty if it collects nothing."""
    version = version_of(engine_version)
    if version is None:
        return None
    enabled = version >= _ON_BY_DEFAULT if gc.enabled is None else gc.enabled
    if not enabled:
        return ()
    if gc.policy is not None:
        if version < _THREE_BOUNDS and any(rule.keep_bytes is None for rule in gc.policy):
            return None  # it would not start: whatever holds now is not this
        return tuple(_engine_rule(rule, gc, version) for rule in gc.policy)
    bounds = _engine_bounds(gc, version, disk_bytes)
    return None if bounds is None else _engine_default(bounds, version)


@dataclass(frozen=True, slots=True)
class _Bounds:
    reserved: int = 0
    max_used: int = 0
    min_free: int = 0

    def rule(
        self, *, everything: bool = False, filters: tuple[str, ...] = (), keep_for: timedelta | None = None
    ) -> GcRule:
        return GcRule(
            everything=everything,
            filters=filters,
            keep_for=keep_for,
            reserved_bytes=self.reserved or None,
            max_used_bytes=self.max_used or None,
            min_free_bytes=self.min_free or None,
        )


def _engine_rule(rule: EngineGcRule, gc: EngineGc, version: Version) -> GcRule:
    """One explicit rule. Before 28.0 one bound alone is read, and the default stands in for it."""
    if version < _THREE_BOUNDS:
        bounds = _Bounds(max_used=rule.keep_bytes or gc.keep_bytes or 0)
    else:
        reserved = rule.keep_bytes if rule.reserved_bytes is None else rule.reserved_bytes
        bounds = _Bounds(reserved or 0, rule.max_used_bytes or 0, rule.min_free_bytes or 0)
    return bounds.rule(everything=rule.everything, filters=rule.filters, keep_for=rule.keep_for)


def _engine_bounds(gc: EngineGc, version: Version, disk_bytes: int | None) -> _Bounds | None:
    if version < _THREE_BOUNDS:
        if gc.keep_bytes:
            return _Bounds(max_used=gc.keep_bytes)
        return None if disk_bytes is None else _Bounds(max_used=_share(disk_bytes, 10))
    reserved = gc.keep_bytes if gc.reserved_bytes is None else gc.reserved_bytes
    if reserved or gc.max_used_bytes or gc.min_free_bytes:
        return _Bounds(reserved or 0, gc.max_used_bytes or 0, gc.min_free_bytes or 0)
    if disk_bytes is None:
        return None
    if version < _TRUE_SHARES:
        # It divides by the percentage: 80 % is an eightieth, 20 % a twentieth; only 10 % comes out right.
        return _Bounds(*((disk_bytes // percent // 2**30 + 1) * 10**9 for percent in (10, 80, 20)))
    return _Bounds(*(_share(disk_bytes, percent) for percent in (10, 80, 20)))


def _engine_default(bounds: _Bounds, version: Version) -> tuple[GcRule, ...]:
    kept = bounds.max_used if version < _THREE_BOUNDS else bounds.reserved
    cheap = _Bounds(max_used=max(round(kept * _CHEAP_SHARE), _LEAST_CHEAP_BYTES))
    # 20.10 gives nanoseconds where hours are meant: its ages hold nothing back.
    aged = version >= _AGES_IN_HOURS
    return (
        cheap.rule(
            filters=_CHEAP if version >= _CHEAP_MATCHES else (",".join(_CHEAP),),
            keep_for=_CHEAP_AGE if aged else None,
        ),
        bounds.rule(keep_for=_OLD_AGE if aged else None),
        bounds.rule(),
        bounds.rule(everything=True),
    )


def container_policy(
    config: BuildkitdConfig, version: Version | None, disk_bytes: int | None
) -> tuple[GcRule, ...] | None:
    """The tiers of a container builder by its `buildkitd.toml`; empty if it collects nothing.

    Where the version is not known, what every version makes of the file is told, else `None`.
    """
    if not config.enabled:
        return ()
    one_bound = version is not None and version < _BUILDKIT_THREE_BOUNDS
    if config.policy:
        rules = [_buildkitd_rule(rule, disk_bytes, one_bound=one_bound) for rule in config.policy]
        told = tuple(rule for rule in rules if rule is not None)
        return told if len(told) == len(rules) else None
    if one_bound:
        keep = _bytes(config.keep if config.keep != Space() else Space(percent=10), disk_bytes)
        bounds = None if keep is None else _Bounds(max_used=keep)
    else:
        bounds = _buildkitd_bounds(config, disk_bytes, known=version is not None)
    if bounds is None:
        return None
    matches = version is None or version >= _BUILDKIT_CHEAP_MATCHES
    cheap = _Bounds(max_used=_LEAST_CHEAP_BYTES)
    return (
        cheap.rule(filters=_CHEAP if matches else (",".join(_CHEAP),), keep_for=_CHEAP_AGE),
        bounds.rule(keep_for=_OLD_AGE),
        bounds.rule(),
        bounds.rule(everything=True),
    )


def _bytes(space: Space, disk_bytes: int | None) -> int | None:
    if space.size_bytes or not space.percent:
        return space.size_bytes
    return None if disk_bytes is None else _share(disk_bytes, space.percent)


def _three(disk_bytes: int | None, *spaces: Space) -> _Bounds | None:
    sizes = [_bytes(space, disk_bytes) for space in spaces]
    known = [size for size in sizes if size is not None]
    return _Bounds(*known) if len(known) == len(sizes) else None


def _buildkitd_rule(rule: BuildkitdRule, disk_bytes: int | None, *, one_bound: bool) -> GcRule | None:
    if one_bound:
        bounds = _three(disk_bytes, Space(), rule.keep, Space())
    else:
        reserved = rule.keep if rule.reserved == Space() else rule.reserved
        bounds = _three(disk_bytes, reserved, rule.max_used, rule.min_free)
    if bounds is None:
        return None
    return bounds.rule(everything=rule.everything, filters=rule.filters, keep_for=rule.keep_for)


def _buildkitd_bounds(config: BuildkitdConfig, disk_bytes: int | None, *, known: bool) -> _Bounds | None:
    """The bounds of 0.17 and later: those that are set, else a share of the disk with a limit in bytes."""
    set_ = (config.reserved, config.max_used, config.min_free)
    if any(space != Space() for space in set_):
        return _three(disk_bytes, *set_)
    if config.keep != Space():
        return _three(disk_bytes, config.keep, Space(), Space())
    if disk_bytes is None or not known:
        return None
    return _Bounds(
        min(_share(disk_bytes, 10), 10 * 10**9),
        min(_share(disk_bytes, 80), 100 * 10**9),
        _share(disk_bytes, 20),
    )
