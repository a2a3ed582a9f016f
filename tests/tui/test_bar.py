from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hygiene_tui.widgets.bar import bar

FIGURES = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20)


@pytest.mark.parametrize(
    ("value", "total", "drawn", "in_ascii"),
    [
        (0, 100, "░░░░░░░░", "........"),
        (1, 10**15, "▏░░░░░░░", "#......."),
        (50, 100, "████░░░░", "####...."),
        (33, 100, "██▋░░░░░", "###....."),
        (99.99, 100, "███████▉", "#######."),
        (100, 100, "████████", "########"),
        (300, 100, "████████", "########"),
        (-5, 100, "░░░░░░░░", "........"),
        (None, 100, "unknown ", "unknown "),
        (5, None, "unknown ", "unknown "),
        (5, 0, "unknown ", "unknown "),
    ],
)
def test_bar(value, total, drawn: str, in_ascii: str):
    assert bar(value, total, 8) == drawn
    assert bar(value, total, 8, ascii_only=True) == in_ascii


def test_a_bar_without_room():
    assert bar(5, 10, 0) == ""
    assert bar(None, 10, 3) == " ? "
    assert [bar(value, 10, 1) for value in (0, 1, 9, 10)] == ["░", "▏", "▉", "█"]
    assert [bar(value, 10, 1, ascii_only=True) for value in (0, 1, 9, 10)] == [".", "#", "#", "#"]


@given(FIGURES, FIGURES, st.integers(0, 50), st.booleans())
def test_a_bar_takes_its_cells(value, total, width: int, ascii_only: bool):
    drawn = bar(value, total, width, ascii_only=ascii_only)
    assert cell_len(drawn) == width
    assert ascii_only <= drawn.isascii()
