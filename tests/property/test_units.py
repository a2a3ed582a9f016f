"""Sizes, durations, patterns and lines hold for any input, not only for the examples."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from datetime import timedelta
from fnmatch import translate
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hygiene_core.config import rules
from hygiene_core.config.toml import Location, NotReadable, dotted, line_numbers, parse
from hygiene_core.config.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    UnitProblem,
    format_duration,
    format_size,
    parse_duration,
    parse_percent,
    parse_size,
)
from hygiene_core.model.policy import first_match

SCALES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SCALES |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LARGEST = 2**63 - 1
LONGEST = 3650 * 86400

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text("0123456789 .-+eEBkMGTismhdPT\uff11\uff12", max_size=12),
    st.lists(st.text(), max_size=2),
    st.dates(),
)


def outcome(read: Callable[[Any], Any], value: Any) -> Any:
    """What reading gives, or the refusal."""
    try:
        return read(value)
    except (UnitProblem, NotReadable) as refusal:
        return refusal


@given(st.integers(1, LARGEST))
def test_a_size_is_read_back_as_it_was(size_bytes: int):
    assert parse_size(format_size(size_bytes)) == size_bytes


@given(st.integers(1, LARGEST // 2**40), st.sampled_from(sorted(SCALES)), st.sampled_from(["", " "]))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str, space: str):
    assert parse_size(f"{number}{space}{unit}") == number * SCALES[unit]


@given(st.integers(1, LONGEST))
def test_a_duration_is_read_back_as_it_was(seconds: int):
    span = timedelta(seconds=seconds)
    assert parse_duration(format_duration(span)) == span


@given(st.integers(1, 3650), st.sampled_from(sorted(SECONDS)))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str):
    assert parse_duration(f"{number}{unit}") == timedelta(seconds=number * SECONDS[unit])


@given(anything)
def test_what_is_read_as_a_size_is_within_bounds_and_the_published_pattern(value: object):
    size_bytes = outcome(parse_size, value)
    if isinstance(size_bytes, UnitProblem):
        assert str(size_bytes).isprintable()
        return
    assert 0 < size_bytes <= LARGEST
    assert isinstance(value, str)
    assert re.fullmatch(SIZE_PATTERN.replace("$", r"\Z"), value)


@given(anything)
def test_what_is_read_as_a_duration_is_within_bounds_and_the_published_pattern(value: object):
    span = outcome(parse_duration, value)
    if isinstance(span, UnitProblem):
        assert str(span).isprintable()
        return
    assert 0 < span.total_seconds() <= LONGEST
    assert isinstance(value, str)
    assert re.fullmatch(DURATION_PATTERN.replace("$", r"\Z"), value)


@given(st.from_regex(SIZE_PATTERN, fullmatch=True))
def test_the_published_pattern_of_a_size_is_read_unless_too_large(text: str):
    assume(not text.endswith("\n"))  # `$` also matches before one
    read = outcome(parse_size, text)
    assert isinstance(read, int) or str(read).endswith("is too large")


@given(anything)
def test_a_percent_is_above_zero_and_up_to_a_hundred(value: object):
    try:
        percent = parse_percent(value)
    except UnitProblem:
        return
    assert 0 < percent <= 100
    assert not isinstance(value, bool)


@given(st.text("ab[]!-*?c", max_size=12))
def test_a_pattern_that_is_taken_can_match_and_leaves_no_bracket_to_chance(pattern: str):
    try:
        rules.parse_glob(pattern)
    except UnitProblem:
        return
    # fnmatch spells a class that holds nothing as (?!), and an unclosed bracket as an escaped one.
    expression = translate(pattern)
    assert "(?!)" not in expression
    outside = re.sub(r"\[!?\]?[^\]]*\]", "", pattern)
    assert "[" not in outside


@given(st.text("abc.:/-", min_size=1, max_size=20))
def test_a_name_without_a_glob_matches_itself_and_nothing_else(name: str):
    assert rules.parse_glob(name) == name
    assert first_match((name,), (name,)) == (name, name)
    assert first_match((name,), (name + "x", "x" + name, name.upper() + "A")) is None


keys = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=5),
)
values = st.sampled_from(
    [
        '"a # b"',
        "'[x]'",
        "[\n  'a', # c\n  \"b = 1\",\n]",
        '"""\nx = 1\n[y]\n"""',
        "'''\n[z]\n'''",
        "1",
        "{ k = 1 }",
    ]
)


@given(st.lists(st.tuples(keys, st.lists(st.tuples(keys, values), max_size=3)), max_size=4), st.booleans())
def test_every_key_is_found_on_its_line(tables: list[tuple[str, list[tuple[str, str]]]], lists: bool):
    lines: list[str] = []
    expected: dict[Location, int] = {}
    counts: dict[str, int] = {}
    for name, entries in tables:
        quoted = json.dumps(name)
        lines.append(f"[[{quoted}]]  # [x]" if lists else f"  [ {quoted} ]")
        at: Location = (name,)
        expected.setdefault(at, text_line(lines))
        if lists:
            at = (name, counts.get(name, 0))
            counts[name] = counts.get(name, 0) + 1
            expected[at] = text_line(lines)
        for key, value in entries:
            expected[*at, key] = text_line(lines) + 1
            lines.extend(f"{dotted((key,))} = {value}".split("\n"))
    text = "\n".join(lines)
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    assert line_numbers(text) == expected


def text_line(lines: list[str]) -> int:
    return len(lines)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text: str):
    tables = outcome(parse, text)
    if isinstance(tables, NotReadable):
        assert str(tables)
        return
    assert all(line >= 1 for line in line_numbers(text).values())
    assert {location[0] for location in line_numbers(text)} == set(tables)


def test_a_table_in_a_list_of_tables_belongs_to_the_last_one():
    text = "[[a.b]]\n[[a.b]]\n[a.b.c]\nx = 1\n[[a.b.d]]\n[[a.b.d]]\ny = 1"
    assert line_numbers(text) == {
        ("a",): 1,
        ("a", "b"): 1,
        ("a", "b", 0): 1,
        ("a", "b", 1): 2,
        ("a", "b", 1, "c"): 3,
        ("a", "b", 1, "c", "x"): 4,
        ("a", "b", 1, "d"): 5,
        ("a", "b", 1, "d", 0): 5,
        ("a", "b", 1, "d", 1): 6,
        ("a", "b", 1, "d", 1, "y"): 7,
    }


def test_an_inline_table_counts_whole():
    assert line_numbers("a = { b = { c = 1 } }\n\nd.e = 2") == {("a",): 1, ("d",): 3, ("d", "e"): 3}


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (("hosts", "a.b", "protect", "images", 0), 'hosts."a.b".protect.images[0]'),
        (("hosts", 'a"\\b'), 'hosts."a\\"\\\\b"'),
        ((), ""),
    ],
)
def test_a_location_is_spelled_as_toml_does(location: Location, expected: str):
    assert dotted(location) == expected
