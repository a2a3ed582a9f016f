"""Bytes that image removals would free: each layer counted once, shared layers never twice.

Images are chains of layers, so the images of a host form a tree of chain prefixes. Every image tells the size
of the prefix that is its whole chain, and its `shared_bytes` tells the size of the longest prefix it shares.
Where a branching prefix has no known size, the smallest size it can be followed by stands in for it: what a
removal frees is then a lower bound, never too much.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hygiene_core.model.resource import Image

__all__ = ["LayerTree", "layer_tree"]

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


def layer_tree(images: Collection[Image]) -> LayerTree | None:
    """Build the tree, or `None` if any image lacks its layers or its size: a part would mislead."""
    if any(image.layers is None or image.size_bytes is None for image in images):
        return None
    parents, leaf = _nodes(images)
    holders = [0] * len(parents)
    for node in leaf.values():
        holders[node] += 1
    for node in range(len(parents) - 1, _ROOT, -1):
        holders[parents[node]] += holders[node]
    sizes = _sizes(images, parents, leaf, holders)
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


def _sizes(
    images: Collection[Image], parents: list[int], leaf: dict[str, int], holders: list[int]
) -> list[int]:
    """The size of each prefix: told by an image, else the smallest that can follow it."""
    told: dict[int, int] = {}
    for image in images:
        node = leaf[image.id]
        if image.shared_bytes is not None:
            shared = node
            while shared != _ROOT and holders[shared] == 1:
                shared = parents[shared]
            told.setdefault(shared, image.shared_bytes)
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
