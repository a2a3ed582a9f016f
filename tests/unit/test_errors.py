"""The error tree: the drawing in errors.py, the classes, and what each says of itself."""

from __future__ import annotations

import re

import pytest

from hygiene_core import cli, errors
from hygiene_core.errors import EngineProtocol, EngineTimeout, HygieneError, UnknownRun

HEAD_LINE = re.compile(r" {4}HygieneError +code +exit")
DRAWN = re.compile(
    r" {4}(?P<bars>[│ ]*[├└]── )(?P<name>\w+) +(?P<code>[A-Z_]{2,})?(?: *(?P<exit>\d+))?(?: +\(.*\))?"
)


def subclasses(of: type[HygieneError]) -> list[type[HygieneError]]:
    found = []
    for child in of.__subclasses__():
        if child.__module__.startswith("hygiene_core"):
            found += [child, *subclasses(child)]
    return found


def drawn() -> dict[str, tuple[str | None, str | None, int | None]]:
    """(parent, code, exit status) by name, as the docstring draws them."""
    assert errors.__doc__ is not None
    assert any(HEAD_LINE.fullmatch(line) for line in errors.__doc__.splitlines())
    tree: dict[str, tuple[str | None, str | None, int | None]] = {"HygieneError": (None, None, None)}
    above = ["HygieneError"]
    for line in errors.__doc__.splitlines():
        if not (found := DRAWN.fullmatch(line)):
            assert "──" not in line, f"not understood: {line}"
            continue
        del above[len(found["bars"]) // 4 :]
        tree[found["name"]] = (above[-1], found["code"], int(found["exit"]) if found["exit"] else None)
        above.append(found["name"])
    return tree


ALL = [HygieneError, *subclasses(HygieneError)]


def test_the_drawn_tree_is_the_class_tree():
    parents = {name: parent for name, (parent, _, _) in drawn().items()}
    real = {error.__name__: error.__base__.__name__ for error in subclasses(HygieneError) if error.__base__}
    assert parents == {"HygieneError": None, **real}


def test_the_drawn_codes_and_exit_statuses_are_the_real_ones():
    by_name = {error.__name__: error for error in ALL}
    for name, (parent, code, status) in drawn().items():
        if code is not None:
            assert by_name[name].code == code
        if status is not None:
            assert by_name[name].exit_status == status
        elif parent is not None:
            assert by_name[name].exit_status == by_name[parent].exit_status


def test_every_leaf_is_drawn_with_the_code_that_it_sets_itself():
    tree = drawn()
    parents = {parent for parent, _, _ in tree.values()}
    leaves = {name: code for name, (_, code, _) in tree.items() if name not in parents}
    assert leaves == {error.__name__: vars(error).get("code") for error in ALL if error.__name__ in leaves}


def test_no_two_classes_set_the_same_code():
    """A class that sets none says the same as its parent, with another status."""
    codes = [error.code for error in ALL if "code" in vars(error)]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Z][A-Z_]+", code) for code in codes)
    told = [(error.code, error.exit_status) for error in ALL]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("error", subclasses(HygieneError))
def test_a_status_is_one_of_those_in_help_and_a_word_is_one_of_the_few(error):
    assert re.search(rf"(?<!\d){error.exit_status}(, \d+)* [a-z]", cli.EXIT_CODES)
    assert error.word in {"refused", "failed", "stopped"}
    assert error.__doc__


def test_every_class_and_status_is_public():
    assert {error.__name__ for error in ALL} | {
        name for name in vars(errors) if name.startswith("EXIT_")
    } == set(errors.__all__)


def test_an_error_says_word_code_fact_and_next_step_in_this_order():
    error = UnknownRun("no run is called 'x'.", next_step="The runs: hygiene history runs")
    assert str(error) == "refused [UNKNOWN_RUN]: no run is called 'x'. The runs: hygiene history runs"
    assert (error.message, error.next_step) == ("no run is called 'x'.", "The runs: hygiene history runs")


def test_an_error_without_a_next_step_ends_with_its_fact():
    assert str(EngineProtocol("It is not JSON.")) == "failed [ENGINE_PROTOCOL]: It is not JSON."


def test_errors_carry_what_they_are_about():
    assert EngineTimeout("too late", captured_bytes=7).captured_bytes == 7
    assert EngineProtocol("no", http_status=500).http_status == 500
