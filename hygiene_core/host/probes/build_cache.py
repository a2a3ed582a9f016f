"""The records of the builder inside the Engine."""

from __future__ import annotations

from dataclasses import replace

from hygiene_core.host.df_wire import parse_build_cache
from hygiene_core.host.probes.probe import DiskUsage, Probe, Reading
from hygiene_core.host.probes.shared import name_images
from hygiene_core.model.resource import BuildCacheRecord

__all__ = ["read_build_cache"]


def read_build_cache(probe: Probe, usage: DiskUsage) -> Reading[tuple[BuildCacheRecord, ...]]:
    """Every record. There is no list without sizes: if df fails, the section is unavailable."""
    parsed, figure = parse_build_cache(usage.read(probe, "build-cache"))
    listed = probe.listed(parsed)
    return replace(listed, value=name_images(probe, listed.value), figure=figure)
