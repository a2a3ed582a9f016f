"""Which image a shared record of the Engine's build cache has its layer from or in.

BuildKit says that a record is shared, and never with what. A record is one layer, its parents are those
below it, and both the record and the history of an image tell the bytes of a layer: where the sizes of a
whole chain are those of an image's layers, byte by byte, it is that image. Records of a base that was there
before the build have no size of their own.

With the containerd store the two sizes are measured differently and never agree: there nothing is named.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hygiene_core.errors import HygieneError
from hygiene_core.host.probes.probe import Probe
from hygiene_core.host.wire import parse_images, parse_layer_sizes
from hygiene_core.model.resource import BuildCacheRecord, Image

__all__ = ["name_images"]

_MOST_IMAGES = 64
"""Histories asked in one look: each is a call, and a name is a help and no evidence."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """A record and all below it, lowest first: ids, the sizes there are, and how many come before those."""

    ids: tuple[str, ...]
    sizes: tuple[int, ...]
    unsized: int

    def is_of(self, layers: tuple[int, ...]) -> bool:
        """Whether these are layers of an image, the lowest at most as high as the unsized reach."""
        length = len(self.sizes)
        return any(layers[at : at + length] == self.sizes for at in range(self.unsized + 1))


def name_images(probe: Probe, records: tuple[BuildCacheRecord, ...]) -> tuple[BuildCacheRecord, ...]:
    """The records, those that are shared with the name of one image where one was found.

    What cannot be asked is left without a name: no section is less complete for it.
    """
    chains = _chains(records)
    if not chains:
        return records
    named: dict[str, str] = {}
    try:
        for image in _newest(parse_images(probe.client.get_json("/images/json")).rows):
            if chains.keys() <= named.keys():
                break
            layers = parse_layer_sizes(probe.client.get_json(f"/images/{image.id}/history"))
            for top, chain in chains.items():
                if top not in named and chain.is_of(layers):
                    # Whoever shares a layer shares all below it.
                    for below in chain.ids:
                        named.setdefault(below, image.name)
    except HygieneError:
        pass  # see above
    return tuple(replace(one, shared_with=named[one.id]) if one.id in named else one for one in records)


def _newest(images: Iterable[Image]) -> list[Image]:
    """The images to ask, those with a name first, then the youngest."""

    def order(image: Image) -> tuple[bool, float, str]:
        return not image.names, -(image.created_at.timestamp() if image.created_at else 0.0), image.id

    return sorted(images, key=order)[:_MOST_IMAGES]


def _chains(records: tuple[BuildCacheRecord, ...]) -> dict[str, _Chain]:
    """The chain of each shared record that has a size, where all of it is known and shared."""
    by_id = {record.id: record for record in records}
    found: dict[str, _Chain] = {}
    for record in records:
        if not record.shared or not record.size_bytes:
            continue
        rows = _down(record, by_id)
        if rows is None:
            continue
        sizes = [one.size_bytes or 0 for one in reversed(rows)]
        unsized = next(place for place, size in enumerate(sizes) if size)
        found[record.id] = _Chain(
            tuple(one.id for one in reversed(rows)), tuple(size for size in sizes if size), unsized
        )
    return found


def _down(record: BuildCacheRecord, by_id: dict[str, BuildCacheRecord]) -> list[BuildCacheRecord] | None:
    """A record and what it stands on, itself first; `None` where that forks, loops or is not known."""
    rows = [record]
    while rows[-1].parents:
        parent = by_id.get(rows[-1].parents[0])
        if parent is None or len(rows[-1].parents) > 1 or not parent.shared or len(rows) > len(by_id):
            return None
        rows.append(parent)
    return rows
