from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hygiene_core.model.text import ELLIPSIS, plain

ANYTHING = st.text(st.characters(), max_size=60)  # lone surrogates included


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("odoo-docker:verify-devtools", "odoo-docker:verify-devtools"),
        ("evil[/foo]", "evil[/foo]"),
        ("$(id)", "$(id)"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("c1 \x9b2J", r"c1 \x9b2J"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("\u202egnp.exe\u2069", r"\u202egnp.exe\u2069"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("no\xa0break\u2028line", r"no\xa0break\u2028line"),
        ("filler\u3164\uffa0\u2800", r"filler\u3164\uffa0\u2800"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("file \udc80", r"file \udc80"),
        ("日本語 עברית é e\u0301", "日本語 עברית é e\u0301"),
        ("\u0301 first", r"\u0301 first"),
        ("z" + "\u0351" * 4, "z\u0351\u0351" + r"\u0351\u0351"),
        ("back\\slash", "back\\slash"),
        ("", ""),
    ],
)
def test_what_a_reader_would_not_see_becomes_visible(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("ab\x1bcd", 6, r"ab…"),
        ("ab\x1b", 6, r"ab\x1b"),
        ("\x1b", 1, "…"),
        ("x" * 65_536, 4, "xxx…"),
        ("", 1, ""),
    ],
)
def test_a_limit_never_cuts_an_escape_in_two(text, limit, shown):
    assert plain(text, limit) == shown


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        plain("x", 0)


@given(ANYTHING)
def test_anything_becomes_one_printable_line(text):
    shown = plain(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert not shown or not unicodedata.category(shown[0]).startswith("M") or text[0] == shown[0]


@given(ANYTHING)
def test_shown_text_shows_as_itself(text):
    assert plain(plain(text)) == plain(text)


@given(ANYTHING, st.integers(1, 80))
def test_a_limit_holds_and_keeps_the_beginning(text, limit):
    whole, cut = plain(text), plain(text, limit)
    assert len(cut) <= limit
    assert cut == whole if len(whole) <= limit else whole.startswith(cut.removesuffix(ELLIPSIS))
