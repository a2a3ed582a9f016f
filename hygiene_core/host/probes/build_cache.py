"""The records of the builder inside the Engine."""

from __future__ import annotations

from dataclasses import replace

from hygiene_core.host.probes.probe import DiskUsage, Probe, Reading
from hygiene_core.host.wire import parse_build_cache
from hygiene_core.model.resource import BuildCacheRecord

__all__ = ["read_build_cache"]


def read_build_cache(probe: Probe, usage: DiskUsage) -> Reading[tuple[BuildCacheRecord, ...]]:
    """Every record. There is no list without sizes: if df fails, the section is unavailable."""
    parsed, figure = parse_build_cache(usage.read(probe, "build-cache"))
    return replace(probe.listed(parsed), figure=figure)
