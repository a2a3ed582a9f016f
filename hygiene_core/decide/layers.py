"""Bytes that image removals would free: each layer counted once, shared layers never twice.

Images are chains of layers, so the images of a host form a tree of chain prefixes. Every image tells the size
of the prefix that is its whole chain, and its `shared_bytes` tells the size of the longest prefix it shares.
Where a branching prefix has no known size, the smallest size it can be followed by stands in for it: what a
removal frees is then a lower bound, never too much.

With the containerd store an image's size is its unpacked layers and their packed content, while its shared
size is of the unpacked layers alone: there only the images themselves tell the sizes of prefixes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hygiene_core.model.observation import Observation, SectionName
from hygiene_core.model.resource import Image

__all__ = ["CONTAINERD", "ImageSizes", "InTurn", "LayerTree", "image_sizes", "layer_tree"]

CONTAINERD = "containerd"
"""The image store whose shared sizes leave the packed content out."""

_ROOT = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTree:
    """The layers of a host's images.

    `own_bytes[n]` is what node n adds to its parent, `parents[n]` its parent, `holders[n]` the number of
    images whose chain passes through it; `leaf` maps an image id to the node where its chain ends.
    """

    parents: Sequence[int]
    own_bytes: Sequence[int]
    holders: Sequence[int]
    leaf: dict[str, int]

    @property
    def total_bytes(self) -> int:
        """All layers, each once."""
        return sum(self.own_bytes)

    def chain(self, image_id: str) -> list[int]:
        """The nodes of an image, its leaf first."""
        node, nodes = self.leaf[image_id], []
        while node != _ROOT:
            nodes.append(node)
            node = self.parents[node]
        return nodes

    def unique_bytes(self, image_id: str) -> int:
        """What removing this image alone would free."""
        node, freed = self.leaf[image_id], 0
        while node != _ROOT and self.holders[node] == 1:
            freed += self.own_bytes[node]
            node = self.parents[node]
        return freed

    def freed_bytes(self, image_ids: Collection[str]) -> int:
        """What removing all of these images together would free."""
        leaving = [0] * len(self.parents)
        for image_id in image_ids:
            leaving[self.leaf[image_id]] += 1
        # A child's number is always above its parent's, so one pass downwards sums whole subtrees.
        for node in range(len(self.parents) - 1, _ROOT, -1):
            leaving[self.parents[node]] += leaving[node]
        return sum(
            own
            for own, gone, held in zip(self.own_bytes, leaving, self.holders, strict=True)
            if gone and gone == held
        )


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """What can be said of the bytes of a host's images. `tree` is `None` where a layer or a size is missing.

    Without a tree an image's own bytes are its size less its shared size, where the two are comparable.
    """

    tree: LayerTree | None
    shared_is_whole: bool

    @property
    def total_bytes(self) -> int | None:
        """All layers, each once."""
        return None if self.tree is None else self.tree.total_bytes

    def unique_bytes(self, image: Image) -> int | None:
        """What removing this image alone would free."""
        if self.tree is not None:
            return self.tree.unique_bytes(image.id)
        if image.size_bytes is None or image.shared_bytes is None or not self.shared_is_whole:
            return None
        return max(0, image.size_bytes - image.shared_bytes)

    def freed_bytes(self, images: Collection[Image]) -> int | None:
        """What removing all of these images together would free."""
        if self.tree is not None:
            return self.tree.freed_bytes([image.id for image in images])
        total = 0
        for image in images:
            unique = self.unique_bytes(image)
            if unique is None:
                return None
            total += unique
        return total


class InTurn:
    """Images that go one after the other: what each frees depends on which have gone before it."""

    def __init__(self, sizes: ImageSizes) -> None:
        self._sizes = sizes
        self._gone: dict[int, int] = {}

    def would_free(self, image: Image) -> int | None:
        """What removing this image next would free. Summed over all that go, it is `freed_bytes` of them."""
        tree = self._sizes.tree
        if tree is None:
            return self._sizes.unique_bytes(image)
        chain = tree.chain(image.id)
        return sum(
            tree.own_bytes[node] for node in chain if self._gone.get(node, 0) + 1 == tree.holders[node]
        )

    def goes(self, image: Image) -> None:
        """This image goes."""
        if self._sizes.tree is not None:
            for node in self._sizes.tree.chain(image.id):
                self._gone[node] = self._gone.get(node, 0) + 1


def image_sizes(observation: Observation) -> ImageSizes:
    """The sizes of an observation's images."""
    section = observation.sections.get(SectionName.IMAGES)
    if section is None or section.rows_missing:
        # An image that nobody saw may hold any of the layers.
        return ImageSizes(None, shared_is_whole=False)
    engine = observation.engine
    shared_is_whole = engine is None or engine.image_store != CONTAINERD
    return ImageSizes(layer_tree(observation.images, shared_is_whole=shared_is_whole), shared_is_whole)


def layer_tree(images: Collection[Image], *, shared_is_whole: bool = True) -> LayerTree | None:
    """Build the tree, or `None` if any image lacks its layers or its size: a part would mislead."""
    if any(image.layers is None or image.size_bytes is None for image in images):
        return None
    parents, leaf = _nodes(images)
    holders = [0] * len(parents)
    for node in leaf.values():
        holders[node] += 1
    for node in range(len(parents) - 1, _ROOT, -1):
        holders[parents[node]] += holders[node]
    told = _shared_sizes(images, parents, leaf, holders) if shared_is_whole else {}
    sizes = _sizes(images, parents, leaf, told)
    own = [max(0, sizes[node] - sizes[parents[node]]) for node in range(len(parents))]
    return LayerTree(parents=parents, own_bytes=own, holders=holders, leaf=leaf)


def _nodes(images: Collection[Image]) -> tuple[list[int], dict[str, int]]:
    """Number the chain prefixes, parents first; node 0 is the empty chain."""
    numbers: dict[tuple[int, str], int] = {}
    parents = [_ROOT]
    leaf: dict[str, int] = {}
    for image in images:
        node = _ROOT
        for layer in image.layers or ():
            key = (node, layer)
            if (child := numbers.get(key)) is None:
                child = numbers[key] = len(parents)
                parents.append(node)
            node = child
        leaf[image.id] = node
    return parents, leaf


def _shared_sizes(
    images: Collection[Image], parents: list[int], leaf: dict[str, int], holders: list[int]
) -> dict[int, int]:
    """The sizes of the prefixes at which images branch off, as their shared sizes tell them."""
    told: dict[int, int] = {}
    for image in images:
        node = leaf[image.id]
        if image.shared_bytes is None:
            continue
        while node != _ROOT and holders[node] == 1:
            node = parents[node]
        told.setdefault(node, image.shared_bytes)
    return told


def _sizes(
    images: Collection[Image], parents: list[int], leaf: dict[str, int], told: dict[int, int]
) -> list[int]:
    """The size of each prefix: told, else the smallest that can follow it."""
    told.update((leaf[image.id], image.size_bytes or 0) for image in images)
    told[_ROOT] = 0
    sizes: list[int | None] = [told.get(node) for node in range(len(parents))]
    smallest_below: list[int | None] = [None] * len(parents)
    for node in range(len(parents) - 1, _ROOT, -1):
        size = sizes[node]
        if size is None:
            size = sizes[node] = smallest_below[node]
        parent = parents[node]
        below = smallest_below[parent]
        if size is not None and (below is None or size < below):
            smallest_below[parent] = size
    return [size or 0 for size in sizes]
