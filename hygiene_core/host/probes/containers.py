"""Every container in any state, when it last started and stopped, and its writable size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hygiene_core.errors import EngineProtocol, HygieneError
from hygiene_core.host.df_wire import parse_container_sizes
from hygiene_core.host.probes.probe import DiskUsage, Probe, Reading
from hygiene_core.host.wire import parse_container_times, parse_containers
from hygiene_core.model.resource import Container

__all__ = ["read_containers"]

_LIST = "/containers/json"
_ALL = {"all": "1"}
_NOT_FOUND = 404


def read_containers(probe: Probe, usage: DiskUsage) -> Reading[tuple[Container, ...]]:
    """List without sizes, inspect each, then ask for the sizes: a slow walk costs only the sizes."""
    listed = probe.listed(parse_containers(probe.get(_LIST, _ALL)))
    containers = _with_times(probe, listed.value)
    try:
        sizes = parse_container_sizes(usage.read(probe, "container"))
    except HygieneError as error:
        probe.miss("writable sizes are not known", error)
        return Reading(value=containers, whole=listed.whole)
    probe.miss(sizes.problem)
    containers = tuple(replace(one, writable_bytes=sizes.by_id.get(one.id)) for one in containers)
    return Reading(value=containers, whole=listed.whole, figure=sizes.figure)


def _with_times(probe: Probe, containers: tuple[Container, ...]) -> tuple[Container, ...]:
    """Each container with its times; one that is gone by now is left out."""
    if containers:
        probe.note(f"GET {probe.client.url('/containers/{id}/json')}")
    seen: list[Container] = []
    failed: dict[str, HygieneError] = {}
    connected = True
    for container in containers:
        if not connected:
            seen.append(container)
            continue
        try:
            times = parse_container_times(probe.client.get_json(f"/containers/{container.id}/json"))
        except HygieneError as error:
            failed[container.id] = error
            connected = isinstance(error, EngineProtocol)
            seen.append(container)
            continue
        seen.append(replace(container, started_at=times.started_at, finished_at=times.finished_at))
    gone = _gone(probe, failed)
    unknown = [error for number, error in failed.items() if number not in gone]
    if unknown:
        probe.miss("start and stop times are not known of every container", unknown[0])
    return tuple(one for one in seen if one.id not in gone)


def _gone(probe: Probe, failed: Mapping[str, HygieneError]) -> set[str]:
    """A container that answers 404 was removed in between, unless the list still has it."""
    absent = {
        number
        for number, error in failed.items()
        if isinstance(error, EngineProtocol) and error.http_status == _NOT_FOUND
    }
    if not absent:
        return set()
    try:
        again = parse_containers(probe.client.get_json(_LIST, _ALL))
    except HygieneError:
        return set()  # they stay, with unknown times, and the section is partial for it
    return set() if again.problem else absent - {one.id for one in again.rows}
