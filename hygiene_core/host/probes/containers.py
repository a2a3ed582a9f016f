"""Every container in any state, when it last started and stopped, and its writable size."""

from __future__ import annotations

from dataclasses import replace

from hygiene_core.errors import EngineProtocol, HygieneError
from hygiene_core.host.probes.probe import DiskUsage, Probe, Reading
from hygiene_core.host.wire import parse_container_sizes, parse_container_times, parse_containers
from hygiene_core.model.resource import Container

__all__ = ["read_containers"]

_NOT_FOUND = 404


def read_containers(probe: Probe, usage: DiskUsage) -> Reading[tuple[Container, ...]]:
    """List without sizes, inspect each, then ask for the sizes: a slow walk costs only the sizes."""
    listed = probe.listed(parse_containers(probe.get("/containers/json", {"all": "1"})))
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
    """Each container with its times; one that vanished in between (404) is dropped."""
    if containers:
        probe.note(f"GET {probe.client.url('/containers/{id}/json')}")
    seen: list[Container] = []
    failed: list[HygieneError] = []
    connected = True
    for container in containers:
        if not connected:
            seen.append(container)
            continue
        try:
            times = parse_container_times(probe.client.get_json(f"/containers/{container.id}/json"))
        except HygieneError as error:
            if isinstance(error, EngineProtocol) and error.http_status == _NOT_FOUND:
                continue
            failed.append(error)
            connected = isinstance(error, EngineProtocol)
            seen.append(container)
            continue
        seen.append(replace(container, started_at=times.started_at, finished_at=times.finished_at))
    if failed:
        probe.miss("start and stop times are not known of every container", failed[0])
    return tuple(seen)
