from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from hygiene_core.model.codec import decode, encode, judged_adapter
from hygiene_core.model.disk import DataRootUse, DeletedFile
from hygiene_core.model.resource import Kind
from hygiene_core.report.figures import (
    age,
    amount,
    compared,
    count,
    duration,
    known_as,
    share,
    size,
    space_terms,
)
from hygiene_core.report.layout import Column, Ink, fit, pad, table, wrap
from hygiene_core.testing import GIB, MIB, NOW, container, finding, image, judged, report, volume

NO_INK = Ink(color=False)


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (None, "unknown"),
        (0, "0 B"),
        (1, "1 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (8 * GIB, "8.0 GiB"),
        (148 * 10**9, "137.8 GiB"),
        (2**40, "1.0 TiB"),
        (MIB - 1, "1.0 MiB"),
        (GIB - 60 * MIB, "964.0 MiB"),
        (2**80, "1048576.0 EiB"),
        (-MIB, "-1.0 MiB"),
    ],
)
def test_bytes_are_in_iec_units(figure, shown):
    assert size(figure) == shown


@pytest.mark.parametrize(
    ("figure", "unit", "shown"),
    [
        (None, "bytes", "unknown"),
        (GIB, "bytes", "1.0 GiB"),
        (3.14, "percent", "3.1 %"),
        (12_000, "count", "12,000"),
        (7, None, "7"),
    ],
)
def test_a_figure_is_shown_in_its_unit(figure, unit, shown):
    assert amount(figure, unit) == shown


def test_figures_are_compared_to_where_they_differ():
    assert compared(finding()) == ("", "")
    assert compared(finding(figure=5, unit="count")) == ("5", "")
    assert compared(finding(figure=GIB, limit=2 * GIB, unit="bytes")) == ("1.0 GiB", "2.0 GiB")
    assert compared(finding(figure=GIB - 1, limit=GIB, unit="bytes")) == (
        "1,073,741,823 bytes",
        "1,073,741,824 bytes",
    )
    assert compared(finding(figure=9.96, limit=10.0, unit="percent")) == ("9.96 percent", "10.0 percent")
    assert compared(finding(limit=3, unit="count")) == ("unknown", "3")


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1, 3, "33 %"), (2, 3, "66 %"), (0, 5, "0 %"), (5, 5, "100 %"), (None, 5, "unknown"), (0, 0, "unknown")],
)
def test_a_share_is_rounded_down(part, whole, shown):
    assert share(part, whole) == shown


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(seconds=59), "under 1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=23, minutes=59), "23 h"),
        (timedelta(days=1), "1 d"),
        (timedelta(days=1200), "1,200 d"),
        (timedelta(seconds=-5), "under 1 min"),
    ],
)
def test_a_span_is_in_its_largest_whole_unit(span, shown):
    assert duration(span) == shown
    assert age(NOW - span, NOW) == shown


def test_an_age_that_nothing_tells_is_a_dash():
    assert age(None, NOW.astimezone(UTC)) == "-"
    assert count(None) == "unknown"


def test_what_has_no_name_goes_by_its_short_id():
    untagged, nameless = image("x", tags=()), container("y", names=())
    assert known_as(judged(untagged)) == f"{untagged.id[7:19]} (untagged)"
    assert known_as(judged(nameless)) == nameless.id[:12]
    assert known_as(judged(volume("a-volume-is-its-name"))) == "a-volume-is-its-name"
    assert known_as(judged(image("web:1"))) == "web:1"


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcdefghi", 5, "ab…hi"),
        ("abcdefghi", 6, "abc…hi"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("日本語日本語", 7, "日 …語"),
        ("e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"),
    ],
)
def test_what_does_not_fit_loses_its_middle(text, cells, shown):
    assert fit(text, cells).replace(" ", "") == shown.replace(" ", "")


def test_padding_counts_cells():
    assert pad("日", 4) == "日  "
    assert pad("日", 4, right=True) == "  日"
    assert pad("long", 2) == "long"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 8, ["- one", "  two", "  three"]),
        ("", 8, ["- "]),
        ("abcdefghij", 6, ["- abcd", "  efgh", "  ij"]),
        ("日本語日本語", 6, ["- 日本", "  語日", "  本語"]),
        ("a  b", 20, ["- a  b"]),
    ],
)
def test_wrapping_counts_cells_and_loses_nothing(text, width, lines):
    assert wrap(text, width, first="- ") == lines


def test_only_flexible_columns_give_way():
    columns = (Column("N", right=True), Column("NAME", flexible=True), Column("STATE"))
    rows = [("1", "abcdefghijklmnop", ("running", "good")), ("12", "b", ("", ""))]
    assert table(columns, rows, 24, NO_INK) == [
        "   N  NAME       STATE",
        "   1  abcd…mnop  running",
        "  12  b",
    ]


def test_ink_is_around_the_text_alone():
    line = table((Column("A"), Column("B")), [(("x", "bad"), "y")], 40, Ink(color=True))[1]
    assert line == "  \x1b[1;31mx\x1b[0m  y"
    assert Ink(color=True)("x", "") == "x"
    assert Ink(color=False)("x", "bad") == "x"


def test_one_row_is_written_as_in_the_report():
    row = judged(image())
    stored = encode(judged_adapter(), row)
    assert decode(judged_adapter(), stored) == row
    assert row.kind is Kind.IMAGE


def test_where_the_space_went_names_only_what_is_worth_it():
    files = tuple(
        DeletedFile(process=f"p{size_bytes}", pid=1, size_bytes=size_bytes)
        for size_bytes in (2**20, 2**20 - 1)
    )
    use = DataRootUse(path="/d", device=1, folders={}, logs=(), deleted_bytes=2**21, deleted=files)
    made = report(
        summary={"accounted": {"volumes": None, "images": 5, "journal": 0}},
        data_root_use=use,
    )
    assert space_terms(made) == [
        ("images", "5 B"),
        ("volumes", "unknown"),
        (f"deleted, but open in p{2**20} (1)", "1.0 MiB"),
        ("not accounted for", "unknown"),
    ]
    assert space_terms(report()) == []
