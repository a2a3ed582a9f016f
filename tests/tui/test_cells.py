from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from hygiene_tui.widgets.cells import cut, fit, shown
from hygiene_tui.widgets.columns import MARGIN, Column, place

TEXTS = st.text() | st.text(st.sampled_from("a 鏡\u0301\u200d\ufe0f👩\u1161\uac00\u05d0\u202e\x1b[]\\…"))


@pytest.mark.parametrize(
    ("text", "width", "cut_to"),
    [
        ("registry", 8, "registry"),
        ("registry", 7, "regist…"),
        ("registry", 1, "…"),
        ("registry", 0, ""),
        ("registry", -1, ""),
        ("", 5, ""),
        ("鏡鏡鏡", 6, "鏡鏡鏡"),
        ("鏡鏡鏡", 5, "鏡鏡…"),
        ("鏡鏡鏡", 4, "鏡…"),
        ("鏡", 1, "…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("a\x1bb", 80, "a\\x1bb"),
        ("שלום עולם", 5, "שלום…"),
    ],
)
def test_cut(text: str, width: int, cut_to: str):
    assert cut(text, width) == cut_to


def test_ascii_only_shows_escapes_and_another_ellipsis():
    assert cut("ab鏡", 80, ascii_only=True) == "ab\\u93e1"
    assert cut("abcdef", 4, ascii_only=True) == "abc~"
    assert shown("a\nb…", ascii_only=True) == "a\\nb\\u2026"


def test_the_side_a_text_stands_at():
    assert fit("ab", 4) == "ab  "
    assert fit("ab", 4, align="right") == "  ab"
    assert fit("鏡", 3, align="right") == " 鏡"


@given(TEXTS, st.integers(-2, 60), st.sampled_from(["left", "right"]), st.booleans())
@example("\u0301", 1, "left", False)
@example("a\u200d", 1, "left", False)
def test_a_text_takes_exactly_its_cells(text: str, width: int, align, ascii_only: bool):
    fitted = fit(text, width, align=align, ascii_only=ascii_only)
    assert cell_len(fitted) == max(0, width)
    assert fitted.isprintable()
    assert ascii_only <= fitted.isascii()


@given(TEXTS, st.integers(1, 60))
def test_what_is_not_marked_as_cut_is_whole(text: str, width: int):
    short = cut(text, width)
    if not short.endswith("…"):
        assert short == shown(text)
    elif short != shown(text):
        assert shown(text).startswith(short[:-1])


COLUMNS = st.lists(
    st.builds(
        Column,
        key=st.text(max_size=3),
        title=st.just("T"),
        width=st.none() | st.integers(0, 30),
        least_width=st.integers(0, 150),
    ),
    max_size=9,
)


@given(COLUMNS, st.integers(0, 200), st.integers(0, 200))
def test_columns_stand_beside_each_other_in_the_room_there_is(columns, room: int, terminal: int):
    end = MARGIN - 1
    for one in place(columns, room, terminal):
        assert one.column.least_width <= terminal
        assert one.left == end + 1
        assert one.width >= 0
        assert one.left + one.width <= max(room, one.left)
        end = one.left + one.width


def test_the_last_columns_go_first_and_the_flexible_one_last():
    columns = [Column("a", "A", 10), Column("b", "B"), Column("c", "C", 10), Column("d", "D", 10)]

    def keys(room: int) -> list[str]:
        return [one.column.key for one in place(columns, room, 80)]

    assert [keys(room) for room in (44, 43, 33, 32, 22, 5)] == [
        ["a", "b", "c", "d"],
        ["a", "b", "c"],
        ["a", "b", "c"],
        ["a", "b"],
        ["a", "b"],
        ["b"],
    ]
