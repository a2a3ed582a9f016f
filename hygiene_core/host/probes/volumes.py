"""Every volume, and the sizes of those that the Engine can size."""

from __future__ import annotations

from dataclasses import replace

from hygiene_core.errors import HygieneError
from hygiene_core.host.df_wire import Sizes, VolumeSize, parse_volume_sizes
from hygiene_core.host.engine import EngineVersion
from hygiene_core.host.probes.probe import DiskUsage, Probe, Reading
from hygiene_core.host.wire import parse_volumes
from hygiene_core.model.resource import Volume

__all__ = ["read_volumes"]


_LIST = "/volumes"


def read_volumes(probe: Probe, usage: DiskUsage, version: EngineVersion) -> Reading[tuple[Volume, ...]]:
    """List volumes, then ask for sizes. The Engine sizes only plain local volumes; the rest stay `None`."""
    parsed, warnings = parse_volumes(probe.get(_LIST), by_label=version.at_least(1, 42))
    listed = probe.listed(parsed)
    for warning in warnings:
        probe.miss(f"the Engine warns: {warning}")
    whole = listed.whole and not warnings
    try:
        sizes = parse_volume_sizes(usage.read(probe, "volume"))
    except HygieneError as error:
        probe.miss("sizes are not known", error)
        return Reading(value=listed.value, whole=whole)
    probe.miss(sizes.problem)
    return Reading(value=_sized(probe, listed.value, sizes), whole=whole, figure=sizes.figure)


def _sized(probe: Probe, volumes: tuple[Volume, ...], sizes: Sizes[VolumeSize]) -> tuple[Volume, ...]:
    unsized = [one.id for one in volumes if _is_plain(one) and one.id not in sizes.by_id]
    gone = _gone(probe, unsized)
    rows: list[Volume] = []
    for one in volumes:
        if one.id in gone:
            continue
        size = sizes.by_id.get(one.id)
        rows.append(
            one
            if size is None
            else replace(one, size_bytes=size.size_bytes, engine_references=size.references)
        )
    missing = sum(1 for one in rows if _is_plain(one) and one.size_bytes is None)
    if missing:
        probe.miss(f"the Engine could not size {missing} of {len(rows)} volumes")
    return tuple(rows)


def _gone(probe: Probe, names: list[str]) -> set[str]:
    """Volumes that were removed while the sizes were counted."""
    if not names:
        return set()
    try:
        again, warnings = parse_volumes(probe.client.get_json(_LIST), by_label=True)
    except HygieneError:
        return set()  # they stay without a size, and the section is partial for it
    return set() if again.problem or warnings else set(names) - {one.id for one in again.rows}


def _is_plain(volume: Volume) -> bool:
    """Whether the Engine's df covers it: the local driver without options."""
    return volume.driver == "local" and not volume.options
