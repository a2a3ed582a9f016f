"""What the configuration files of the Engine and of BuildKit say, as far as this kit reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

__all__ = ["BuildkitdConfig", "BuildkitdRule", "DaemonConfig", "EngineGc", "EngineGcRule", "Space"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineGcRule:
    """One rule of `builder.gc.policy`. `keep_bytes` is the older word for `reserved_bytes`."""

    everything: bool = False
    filters: tuple[str, ...] = ()
    keep_for: timedelta | None = None
    keep_bytes: int | None = None
    reserved_bytes: int | None = None
    max_used_bytes: int | None = None
    min_free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineGc:
    """`builder.gc` of `daemon.json`; `None` is "not set". A policy, even if empty, replaces the defaults."""

    enabled: bool | None = None
    keep_bytes: int | None = None
    reserved_bytes: int | None = None
    max_used_bytes: int | None = None
    min_free_bytes: int | None = None
    policy: tuple[EngineGcRule, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfig:
    """The Engine's configuration file. Nothing else of it is read.

    `applies` says whether it is this Engine's; if not, `reason` says why and nothing was read. Where there is
    no file, `exists` is false and the Engine's defaults hold. `gc` is `None` where it could not be read.
    """

    path: str
    applies: bool
    reason: str | None = None
    exists: bool | None = None
    gc: EngineGc | None = None
    log_driver: str | None = None
    log_max_size: str | None = None
    log_max_file: str | None = None
    data_root: str | None = None
    containerd_snapshotter: bool | None = None
    live_restore: bool | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """A bound of `buildkitd.toml`: bytes, or a share of the disk in percent."""

    size_bytes: int = 0
    percent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildkitdRule:
    """One `gcpolicy` table. `keep` is the older word for `reserved`."""

    everything: bool = False
    filters: tuple[str, ...] = ()
    keep_for: timedelta | None = None
    keep: Space = field(default_factory=Space)
    reserved: Space = field(default_factory=Space)
    max_used: Space = field(default_factory=Space)
    min_free: Space = field(default_factory=Space)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildkitdConfig:
    """The worker's garbage collection of `buildkitd.toml`. No policy, or an empty one, is the default's."""

    enabled: bool = True
    keep: Space = field(default_factory=Space)
    reserved: Space = field(default_factory=Space)
    max_used: Space = field(default_factory=Space)
    min_free: Space = field(default_factory=Space)
    policy: tuple[BuildkitdRule, ...] = ()
