"""What an operator types to narrow a list."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hygiene_core.testing import GIB
from hygiene_tui.query import Query, parse


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", Query()),
        ("  Odoo  web ", Query(words=("odoo", "web"))),
        ('"two words"', Query(words=("two words",))),
        ("-cache web", Query(words=("web",), without=("cache",))),
        ("-", Query(words=("-",))),
        ("kind:im", Query(kinds=frozenset({"image"}))),
        ("kind:image kind:volume", Query(kinds=frozenset({"image", "volume"}))),
        ("kind:build-cache", Query(kinds=frozenset({"build_cache"}))),
        ("verdict:c", Query(verdicts=frozenset({"candidate"}))),
        ("size>1GiB", Query(over_bytes=GIB)),
        ("size<2GiB size>1GiB", Query(over_bytes=GIB, under_bytes=2 * GIB)),
        ("idle>30d idle<60d", Query(idle_over=timedelta(days=30), idle_under=timedelta(days=60))),
        ("rule:x", Query(words=("rule:x",))),
        ("it's half", Query(words=("it", "s", "half"))),
    ],
)
def test_terms(typed, meant):
    assert parse(typed) == meant


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("size>1", 'size>1: "1" has no unit'),
        ("size>", "size>: "),
        ("idle>30", 'idle>30: "30"'),
        ("kind:cat", "no kind is called "),
        ("kind:", "no kind is called "),
        ("verdict:maybe", "no verdict is called "),
    ],
)
def test_a_term_that_cannot_be_read_narrows_nothing_and_is_said(typed, said):
    found = parse(typed)
    assert found.problem is not None
    assert found.problem.startswith(said)
    assert found.is_empty
    assert parse(f"{typed} web").words == ("web",)


@given(st.text(max_size=60))
def test_whatever_is_typed_is_taken(typed):
    found = parse(typed)
    assert all(word == word.lower() for word in (*found.words, *found.without))
