"""Every image: the list, its shared sizes, and the layers of those not inspected before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hygiene_core.errors import EngineProtocol, HygieneError
from hygiene_core.host.df_wire import parse_image_sizes
from hygiene_core.host.probes.probe import DiskUsage, Probe, Reading
from hygiene_core.host.wire import parse_images, parse_layers
from hygiene_core.model.resource import Image

__all__ = ["read_images"]

_LIST = "/images/json"
_ALL = {"all": "1"}
_NOT_FOUND = 404


def read_images(
    probe: Probe, usage: DiskUsage, known_layers: Mapping[str, tuple[str, ...]]
) -> Reading[tuple[Image, ...]]:
    """List images, then inspect the new ones, then ask for shared sizes: the slowest last."""
    listed = probe.listed(parse_images(probe.get(_LIST, _ALL)))
    layers = _layers(probe, listed.value, known_layers)
    images = tuple(replace(image, layers=layers[image.id]) for image in listed.value if image.id in layers)
    try:
        sizes = parse_image_sizes(usage.read(probe, "image"))
    except HygieneError as error:
        probe.miss("shared sizes are not known", error)
        return Reading(value=images, whole=listed.whole)
    probe.miss(sizes.problem)
    images = tuple(replace(image, shared_bytes=sizes.by_id.get(image.id)) for image in images)
    return Reading(value=images, whole=listed.whole, figure=sizes.figure)


def _layers(
    probe: Probe, images: tuple[Image, ...], known: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...] | None]:
    """Layers by id. An image that is gone by now is left out; one that could not be inspected is `None`."""
    layers: dict[str, tuple[str, ...] | None] = {image.id: known.get(image.id) for image in images}
    new = [image_id for image_id, of in layers.items() if of is None]
    if not new:
        return layers
    probe.note(f"GET {probe.client.url(_LIST.replace('json', '{id}/json'))}")
    absent: set[str] = set()
    failed: list[HygieneError] = []
    for image_id in new:
        try:
            layers[image_id] = parse_layers(probe.client.get_json(f"/images/{image_id}/json"))
        except HygieneError as error:
            if isinstance(error, EngineProtocol) and error.http_status == _NOT_FOUND:
                absent.add(image_id)
                continue
            failed.append(error)
            if not isinstance(error, EngineProtocol):
                break  # the connection or the time is gone: so are the rest
    if absent:
        _drop_gone(probe, layers, absent)
    missing = sum(1 for of in layers.values() if of is None)
    if missing:
        probe.miss(f"layers of {missing} of {len(layers)} images are not known", next(iter(failed), None))
    return layers


def _drop_gone(probe: Probe, layers: dict[str, tuple[str, ...] | None], absent: set[str]) -> None:
    """An image that answers 404 was removed in between, unless the list still has it."""
    try:
        again = parse_images(probe.client.get_json(_LIST, _ALL))
    except HygieneError:
        return  # they stay, with unknown layers, and the section is partial for it
    if again.problem:
        return  # nor does a list with rows that cannot be read say that they are gone
    for image_id in absent - {image.id for image in again.rows}:
        del layers[image_id]
