"""Which image a shared record is of, told by the sizes of layers."""

from __future__ import annotations

from typing import Any

import pytest

from hygiene_core.host.observe import observe
from hygiene_core.model.request import ObserveRequest
from tests.faults.fake_engine import FakeEngine, plain, reply

ONE, TWO, BASE = (f"sha256:{digit * 64}" for digit in "abc")


def record(own_id: str, size: int, *parents: str, shared: bool = True) -> dict[str, Any]:
    return {
        "ID": own_id, "Type": "regular", "Description": "", "InUse": False, "Shared": shared, "Size": size,
        " Parents": list(parents),
    }  # fmt: skip


CHAIN = [
    record("base", 0),
    record("a", 300, "base"),
    record("b", 2, "a"),
    record("w", 0, "b"),
    record("c", 95, "w"),
]


def layers(*sizes: int) -> list[dict[str, Any]]:
    """A history, newest first, with the entries of what makes no layer in between."""
    return [row for size in reversed(sizes) for row in ({"Size": 0, "CreatedBy": "ENV"}, {"Size": size})]


def named(records: list[dict[str, Any]], **histories: Any) -> dict[str, str | None]:
    ids = {"one": ONE, "two": TWO, "base": BASE}
    rows = [
        {"Id": ids[name], "RepoTags": [f"{name}:1"] if name != "two" else [], "Created": place, "Size": 1}
        for place, name in enumerate(histories)
    ]
    routes = {
        "/images/json": reply(rows),
        "/system/df": reply({"LayersSize": 0, "Images": rows, "BuildCache": records}),
        **{f"/images/{ids[name]}/history": told for name, told in histories.items()},
        **{f"/images/{ids[name]}/json": reply({"Id": ids[name], "RootFS": {"Type": "layers", "Layers": []}})
           for name in histories},
    }  # fmt: skip
    with FakeEngine(routes) as engine:
        seen = observe(ObserveRequest(docker_socket=engine.path))
    return {one.id: one.shared_with for one in seen.build_cache}


def test_a_chain_is_of_the_image_whose_layers_have_its_sizes():
    found = named(CHAIN, one=reply(layers(2000, 300, 2, 95)), base=reply(layers(2000)))
    assert found == dict.fromkeys(("base", "a", "b", "w", "c"), "one:1")


def test_a_shorter_image_names_the_lower_part_alone():
    found = named(CHAIN, one=reply(layers(2000, 300)))
    assert found == {"base": "one:1", "a": "one:1", "b": None, "w": None, "c": None}


def test_an_image_with_a_name_goes_before_one_without():
    chain = CHAIN[:2]
    assert named(chain, one=reply(layers(2000, 300)), two=reply(layers(2000, 300)))["a"] == "one:1"
    assert named(chain, two=reply(layers(2000, 300)))["a"] == TWO


@pytest.mark.parametrize(
    ("records", "sizes"),
    [
        (CHAIN[:2], (2000, 301)),  # another size
        (CHAIN[:2], (2000, 7, 300)),  # higher than its base reaches
        ([record("a", 300)], (2000, 300)),  # a first layer of its own
        ([record("a", 300, "gone")], (2000, 300)),
        ([record("x", 0), record("y", 0), record("a", 300, "x", "y")], (2000, 300)),
        ([record("x", 0, shared=False), record("a", 300, "x")], (2000, 300)),
        ([record("a", 300, "b"), record("b", 300, "a")], (300, 300)),
        ([record("a", 300, shared=False)], (300,)),
        ([record("base", 0)], (2000,)),  # its size is not told, so that it may be of any image
    ],
)
def test_what_is_not_certain_has_no_name(records: list[dict[str, Any]], sizes: tuple[int, ...]):
    assert set(named(records, one=reply(layers(*sizes))).values()) == {None}


@pytest.mark.parametrize(
    "broken",
    [reply({"message": "no"}, status=500), plain(b"[{"), reply({}), reply([{"Size": "much"}]), reply(None)],
)
def test_a_history_that_cannot_be_read_costs_the_name_alone(broken: Any):
    routes = {
        "/images/json": reply([{"Id": ONE, "RepoTags": ["one:1"], "Created": 1, "Size": 1}]),
        "/images/" + ONE + "/history": broken,
        "/system/df": reply({"LayersSize": 0, "Images": [], "BuildCache": CHAIN}),
    }
    with FakeEngine(routes) as engine:
        seen = observe(ObserveRequest(docker_socket=engine.path))
    assert {one.shared_with for one in seen.build_cache} == {None}
    assert seen.sections["build_cache"].availability == "complete"


def test_no_history_is_asked_where_nothing_is_shared():
    with FakeEngine({"/system/df": reply({"BuildCache": [record("a", 5, shared=False)]})}) as engine:
        observe(ObserveRequest(docker_socket=engine.path))
        assert not [target for target in engine.asked if "history" in target]


def test_only_so_many_are_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hygiene_core.host.probes.shared._MOST_IMAGES", 1)
    assert named(CHAIN, one=reply(layers(1)), base=reply(layers(2000, 300)))["a"] == "base:1"
    assert named(CHAIN, base=reply(layers(2000, 300)), one=reply(layers(1)))["a"] is None
