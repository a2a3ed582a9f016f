"""Layers are counted once, and a removal's bytes are never overstated."""

from __future__ import annotations

from dataclasses import replace

from hygiene_core.decide.layers import image_sizes, layer_tree
from hygiene_core.testing import engine, image, observation


def chain(name, layers, size, shared=0):
    return image(name, layers=tuple(layers), size_bytes=size, shared_bytes=shared)


def test_one_image_frees_itself():
    one = chain("a", "xyz", 30)
    tree = layer_tree([one])
    assert (tree.unique_bytes(one.id), tree.freed_bytes([one.id]), tree.total_bytes) == (30, 30, 30)


def test_a_shared_base_is_freed_only_with_all_its_holders():
    a, b = chain("a", "xa", 30, 20), chain("b", "xb", 25, 20)
    tree = layer_tree([a, b])
    assert tree.freed_bytes([a.id]) == 10
    assert tree.freed_bytes([b.id]) == 5
    assert tree.freed_bytes([a.id, b.id]) == tree.total_bytes == 35


def test_an_image_below_another_frees_only_what_it_adds():
    base, app = chain("base", "x", 20, 20), chain("app", "xy", 50, 20)
    tree = layer_tree([base, app])
    assert tree.unique_bytes(base.id) == 0
    assert tree.unique_bytes(app.id) == 30
    assert tree.freed_bytes([base.id]) == 0
    assert tree.freed_bytes([base.id, app.id]) == 50


def test_two_images_of_the_same_layers_free_nothing_alone():
    a, b = chain("a", "xy", 40, 40), chain("b", "xy", 40, 40)
    tree = layer_tree([a, b])
    assert tree.unique_bytes(a.id) == 0
    assert tree.freed_bytes([a.id, b.id]) == 40


def test_an_unknown_branching_point_is_taken_at_its_largest():
    """x branches into xa and xb, each shared by two images: nobody tells the size of x itself."""
    images = [
        chain("1", "xap", 31, 30),
        chain("2", "xaq", 32, 30),
        chain("3", "xbp", 23, 20),
        chain("4", "xbq", 24, 20),
    ]
    tree = layer_tree(images)
    pair = [images[0].id, images[1].id]
    # At least 31 + 32 - 30 - 20: x may be anything up to 20 bytes.
    assert tree.freed_bytes(pair) == 13
    assert tree.freed_bytes([one.id for one in images]) == 40


def test_an_empty_image_frees_nothing():
    empty = chain("scratch", "", 0)
    tree = layer_tree([empty])
    assert (tree.unique_bytes(empty.id), tree.freed_bytes([empty.id])) == (0, 0)


def test_missing_shared_bytes_are_no_obstacle():
    a, b = chain("a", "xa", 30, None), chain("b", "xb", 25, None)
    tree = layer_tree([a, b])
    assert tree.freed_bytes([a.id]) == 5
    assert tree.freed_bytes([a.id, b.id]) == 30


def test_an_image_without_shared_bytes_does_not_hide_those_of_the_next():
    images = [chain("a", "xa", 30, None), chain("b", "xb", 25, 20)]
    assert layer_tree(images).freed_bytes([images[0].id]) == 10


def test_without_a_tree_own_bytes_add_up():
    pair = [replace(chain(name, "x", 10, 4), layers=None) for name in "ab"]
    assert image_sizes(observation(*pair)).freed_bytes(pair) == 12


def test_contradicting_sizes_never_go_below_zero():
    base, app = chain("base", "x", 50, 50), chain("app", "xy", 20, 50)
    assert layer_tree([base, app]).unique_bytes(app.id) == 0


def test_no_tree_without_every_layer_and_size():
    assert layer_tree([chain("a", "x", 1), image("b", layers=None)]) is None
    assert layer_tree([chain("a", "x", 1), image("b", size_bytes=None)]) is None
    assert layer_tree([]).total_bytes == 0


def test_on_the_containerd_store_only_images_tell_the_sizes():
    """Its sizes are unpacked layers and packed content; its shared sizes are of the unpacked ones alone."""
    pair = [chain("a", "xa", 26, 10), chain("b", "xb", 25, 10)]
    seen = observation(*pair, engine=engine(image_store="containerd"))
    sizes = image_sizes(seen)
    assert [sizes.unique_bytes(one) for one in pair] == [1, 0]
    assert sizes.freed_bytes(pair) == sizes.total_bytes == 26
    with_base = observation(*pair, chain("base", "x", 20, 10), engine=engine(image_store="containerd"))
    assert image_sizes(with_base).unique_bytes(pair[0]) == 6
    assert image_sizes(observation(*pair)).unique_bytes(pair[0]) == 16
    assert image_sizes(observation(*pair, engine=None)).unique_bytes(pair[0]) == 16
