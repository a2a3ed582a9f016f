"""Tables of questions and listings."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hygiene_core.errors import UsageProblem
from hygiene_core.model.table import Table
from hygiene_core.report.listing import listing
from hygiene_core.report.tables import to_csv, to_json, to_text
from hygiene_core.testing import cache_record, image, judged, report, volume

EAST = timezone(timedelta(hours=2))
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
TABLE = Table(("name", "bytes", "at", "found"), (("a:1", 5, AT, True), ("evil\x1b[2J", None, None, False)))


def test_text_is_aligned_and_plain():
    assert to_text(TABLE, width=None, zone=EAST) == (
        "name         bytes  at                         found\n"
        "a:1              5  2026-05-04 05:02:01+02:00  True\n"
        "evil\\x1b[2J      -  -                          False\n"
    )


def test_text_gives_way_in_the_middle_of_words():
    wide = Table(("name", "bytes"), (("x" * 50 + "y" * 50, 12345),))
    (_, line) = to_text(wide, width=40, zone=EAST).splitlines()
    assert len(line) == 40
    assert line.endswith("yyy  12345")
    assert line.startswith("xxx")


def test_a_table_without_rows_is_its_heading():
    assert to_text(Table(("a", "b"), ()), width=80, zone=EAST) == "a  b\n"
    assert to_csv(Table(("a", "b"), ()), zone=EAST) == "a,b\r\n"
    assert to_json(Table(("a", "b"), ())) == "[]\n"


def test_csv_can_be_read_back():
    rows = list(csv.reader(io.StringIO(to_csv(TABLE, zone=UTC), newline="")))
    assert rows[1:] == [["a:1", "5", "2026-05-04 03:02:01+00:00", "True"], ["evil\x1b[2J", "", "", "False"]]


def test_json_keeps_types():
    odd = Table(("at", "list", "map", "other"), ((AT, [AT, 1], {"k": AT}, 1.5), (None, [], {}, AT.date())))
    first, second = json.loads(to_json(odd))
    at = "2026-05-04T03:02:01+00:00"
    assert first == {"at": at, "list": [at, 1], "map": {"k": at}, "other": 1.5}
    assert second == {"at": None, "list": [], "map": {}, "other": "2026-05-04"}


ROWS = report(
    judged(image("small:1", size_bytes=1), "unknown"),
    judged(image("big:1", size_bytes=9), "candidate"),
    judged(volume("data", size_bytes=5), "retained"),
    judged(cache_record(size_bytes=None), "unknown"),
)


def names(**wanted):
    return [row[2] for row in listing(ROWS, **wanted).rows]


def test_the_biggest_stand_first():
    assert names() == ["big:1", "data", "small:1", "RUN make"]
    assert listing(ROWS).columns == ("verdict", "kind", "name", "id", "unique_bytes", "size_bytes", "why")


def test_narrowed():
    assert names(kind="image") == ["big:1", "small:1"]
    assert names(verdict="candidate") == ["big:1"]
    assert names(kind="volume", verdict="candidate") == []
    assert names(name="*:1", kind="image") == ["big:1", "small:1"]
    assert names(name=image("big:1").id) == ["big:1"]
    assert names(name="BIG*") == []


@pytest.mark.parametrize(("wanted", "word"), [({"kind": "ghost"}, "kind"), ({"verdict": "old"}, "verdict")])
def test_words_that_are_none(wanted, word):
    with pytest.raises(UsageProblem, match=f"is not a {word}; the words are "):
        listing(ROWS, **wanted)
