from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hygiene_core.report.figures import size as size_words
from hygiene_tui.widgets.glyphs import Glyphs
from hygiene_tui.widgets.line_chart import LineChart, render
from tests.tui.harness import WidgetApp
from tests.tui.text_screen import text_of

GIB = 1024**3


def dots(lines: list[str]) -> set[tuple[int, int]]:
    """(column, row) of each dot, from the top left."""
    bits = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    return {
        (2 * x + across, 4 * y + down)
        for y, line in enumerate(lines)
        for x, letter in enumerate(line.partition("│")[2])
        for down, row in enumerate(bits)
        for across, bit in enumerate(row)
        if 0x2800 < ord(letter) <= 0x28FF and ord(letter) & bit
    }


def test_a_rising_line_goes_from_corner_to_corner():
    lines = render([(0, 0.0), (1, 100.0)], 20, 5)
    seen = dots(lines)
    assert (0, 19) in seen
    assert (2 * (20 - 5) - 1, 0) in seen
    assert {x for x, _ in seen} == set(range(30))


def test_labels_are_written_by_the_caller():
    lines = render([(0, 2 * GIB), (1, 198 * GIB)], 40, 6, label=size_words, limit=120 * GIB)
    assert lines[0].startswith("198.0 GiB │")
    assert lines[2].startswith("120.0 GiB │┄")
    assert lines[5].startswith("  2.0 GiB │")
    assert lines[3].startswith("          │")


@pytest.mark.parametrize("at", [0, 1, 4_999, 9_999])
@pytest.mark.parametrize("value", [1_000.0, -1_000.0])
def test_a_spike_among_ten_thousand_points_is_seen(at: int, value: float):
    points = [(float(x), value if x == at else 0.0) for x in range(10_000)]
    seen = dots(render(points, 80, 10))
    edge = 0 if value > 0 else 39
    columns = {x for x, y in seen if y == edge}
    assert len(columns) == 1
    assert abs(columns.pop() / max(x for x, _ in seen) - at / 9_999) < 0.02


def test_a_missing_value_breaks_the_line_and_is_not_zero():
    points = [(x, None if 40 <= x < 60 else 50.0 + x % 2) for x in range(100)]
    lines = render(points, 60, 6)
    seen = {x for x, _ in dots(lines)}
    last = max(seen)
    assert {x for x in range(last + 1) if 0.41 * last < x < 0.59 * last}.isdisjoint(seen)
    assert {x for x in range(last + 1) if x < 0.39 * last or x > 0.61 * last} <= seen
    assert lines[-1].lstrip().startswith("50 │")


def test_a_gap_of_points_without_a_missing_value_is_joined():
    seen = {x for x, _ in dots(render([(0, 1.0), (1, 2.0), (90, 1.0), (91, 2.0)], 60, 6))}
    assert seen == set(range(max(seen) + 1))


def test_one_level_is_drawn_in_the_middle_with_one_label():
    lines = render([(0, 7.0), (5, 7.0)], 20, 5)
    assert [line.partition("│")[0].strip() for line in lines] == ["", "", "7", "", ""]
    assert {y for _, y in dots(lines)} == {9}


def test_a_limit_is_in_view_where_no_value_comes_near_it():
    lines = render([(0, 1.0), (1, 2.0)], 20, 6, limit=100.0)
    assert lines[0] == "100 │" + "┄" * 15
    assert render([(0, 1.0), (1, 2.0)], 20, 6, limit=math.inf) == render([(0, 1.0), (1, 2.0)], 20, 6)


def test_the_foot_names_the_first_and_the_last():
    lines = render([(3, 1.0), (9, 2.0)], 30, 5, foot=lambda x: f"day {x:.0f}")
    assert lines[-1] == "   day 3                 day 9"
    assert render([(3, 1.0), (9, 2.0)], 13, 5, foot=lambda x: f"day {x:.0f}")[-1] == "        day 9"


def test_without_values_it_says_so():
    assert render([], 12, 2) == ["no figures  ", " " * 12]
    assert render([(1, None), (2, math.nan), (math.inf, 1.0)], 12, 1, empty="no runs") == ["no runs     "]


def test_points_may_come_in_any_order():
    points = [(float(x), float(x * x % 17)) for x in range(50)]
    assert render(points[::-1], 50, 8) == render(points, 50, 8)


def test_ascii():
    lines = render(
        [(x, abs(x - 10.0)) for x in range(20)], 40, 6, ascii_only=True, limit=5.0, label=size_words
    )
    assert all(line.isascii() for line in lines)
    assert "*" in "".join(lines)
    assert lines[2].startswith("   5.0 B |") or lines[3].startswith("   5.0 B |") or "-" in "".join(lines)


FIGURES = st.none() | st.floats() | st.integers(-(10**18), 10**18)


@given(
    points=st.lists(st.tuples(st.floats(), FIGURES), max_size=60),
    width=st.integers(-1, 90),
    height=st.integers(-1, 20),
    ascii_only=st.booleans(),
    limit=st.none() | st.floats(),
    footed=st.booleans(),
)
def test_a_chart_has_its_size_whatever_the_points_are(*, points, width, height, ascii_only, limit, footed):
    lines = render(
        points,
        width,
        height,
        ascii_only=ascii_only,
        limit=limit,
        foot=(lambda x: f"{x:.3g}") if footed else None,
    )
    assert len(lines) == max(0, height)
    assert {cell_len(line) for line in lines} <= {max(0, width)}
    assert all(ascii_only <= line.isascii() for line in lines)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=400))
def test_the_highest_and_the_lowest_are_always_seen(values):
    lines = render([(float(x), y) for x, y in enumerate(values)], 40, 8)
    rows = {y for _, y in dots(lines)}
    if max(values) - min(values) > 1e-3:
        assert {0, 31} <= rows
    assert {x for x, _ in dots(lines)} == set(range(max(x for x, _ in dots(lines)) + 1))


@given(st.lists(st.none() | st.floats(0, 100), min_size=40, max_size=40))
def test_only_columns_between_known_neighbours_are_drawn(values):
    """Forty points a column apart and more: a column without a value and beside a missing one stays empty."""
    points = [(float(x), y) for x, y in enumerate(values)]
    lines = render(points, 200, 8)
    drawn = {x for x, _ in dots(lines)}
    plot = 2 * len(lines[0].partition("│")[2])
    for x, (here, after) in enumerate(pairwise(values)):
        middle = round((x + 0.5) / 39 * (plot - 1))
        if any(value is not None for value in values):
            assert (middle in drawn) == (here is not None and after is not None)


def readings() -> list[tuple[float, float | None]]:
    return [
        (float(x), None if 70 <= x < 80 else (200 - x % 60 * 2.2 - (40 if x == 100 else 0)) * GIB)
        for x in range(240)
    ]


@pytest.mark.parametrize("ascii_only", [False, True], ids=["unicode", "ascii"])
async def test_looks(size, ascii_only: bool, screen_snapshot):
    def chart() -> LineChart:
        made = LineChart(label=size_words, foot=lambda x: f"hour {x:.0f}", glyphs=Glyphs(ascii_only))
        made.styles.height = 12
        made.show(readings(), 120 * GIB)
        return made

    app = WidgetApp(chart)
    async with app.run_test(size=size):
        assert text_of(app) == screen_snapshot


async def test_the_widget_follows_its_size_and_its_points():
    app = WidgetApp(LineChart)
    async with app.run_test(size=(80, 24)) as pilot:
        chart = app.query_one(LineChart)
        assert text_of(app).startswith("no figures\n")
        chart.show([(0, 1.0), (1, 9.0)])
        await pilot.pause()
        assert text_of(app).splitlines()[23].startswith("1 │")
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        assert text_of(app).splitlines()[9].startswith("1 │")
