"""Tables of questions and listings."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from rich.cells import cell_len

from hygiene_core.errors import UsageProblem
from hygiene_core.model.table import Table
from hygiene_core.report.listing import listing, listing_text
from hygiene_core.report.tables import to_csv, to_json, to_text
from hygiene_core.testing import cache_record, image, judged, report, volume
from tests.unit.report_scenes import SCENES
from tests.unit.report_snapshots import ListingSnapshot

EAST = timezone(timedelta(hours=2))
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
TABLE = Table(("name", "bytes", "at", "found"), (("a:1", 5, AT, True), ("evil\x1b[2J", None, None, False)))


def test_text_is_aligned_and_plain():
    assert to_text(TABLE, width=None, zone=EAST) == (
        "name         bytes  at (UTC+02:00)    found\n"
        "a:1              5  2026-05-04 05:02  True\n"
        "evil\\x1b[2J      -  -                 False\n"
    )


def test_text_gives_way_in_the_middle_of_words():
    wide = Table(("name", "bytes"), (("x" * 50 + "y" * 50, 12345),))
    (_, line) = to_text(wide, width=40, zone=EAST).splitlines()
    assert len(line) == 40
    assert line.endswith("yyy  12345")
    assert line.startswith("xxx")


RUN = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
RUNS = Table(
    ("host", "seq", "run_id", "started_at", "status", "free_disk_bytes", "docker_reclaimable_bytes"),
    (
        ("chris-testing", 12, RUN, AT, "attention", 354 * 2**30, 148 * 2**30),
        ("chris-testing", 11, RUN, AT - timedelta(days=1), "incomplete", None, None),
    ),
)


def test_runs_on_a_narrow_terminal_are_whole():
    assert to_text(RUNS, width=70, zone=EAST) == (
        "               started at                                    docker\n"
        "seq  run id    (UTC+02:00)       status      free disk  reclaimable\n"
        " 12  7c9e6679  2026-05-04 05:02  attention   354.0 GiB    148.0 GiB\n"
        " 11  7c9e6679  2026-05-03 05:02  incomplete          -            -\n"
    )


def test_runs_on_a_wide_terminal_have_their_own_titles():
    first, second, _ = to_text(RUNS, width=140, zone=UTC).splitlines()
    assert first.split() == [*RUNS.columns[:4], "(UTC)", *RUNS.columns[4:]]
    assert second.startswith("chris-testing   12  7c9e6679  2026-05-04 03:02  attention ")
    assert second.split()[-4:] == ["354.0", "GiB", "148.0", "GiB"]


def test_programs_get_every_byte_and_the_whole_id():
    assert json.loads(to_json(RUNS))[0]["run_id"] == RUN
    (row,) = csv.DictReader(io.StringIO(to_csv(Table(RUNS.columns, RUNS.rows[:1]), zone=UTC), newline=""))
    assert (row["run_id"], row["free_disk_bytes"]) == (RUN, str(354 * 2**30))


def test_a_time_that_passes_a_change_of_the_clock_names_both_zones():
    berlin = ZoneInfo("Europe/Berlin")
    rows = ((datetime(2026, 3, 28, 12, tzinfo=UTC),), (datetime(2026, 3, 30, 12, tzinfo=UTC),))
    assert to_text(Table(("at",), rows), width=None, zone=berlin) == (
        "at (CEST/CET)\n2026-03-28 13:00\n2026-03-30 14:00\n"
    )


def test_columns_that_are_bytes_by_another_name():
    trend = Table(("seq", "images"), ((1024, 1024),))
    assert to_text(trend, width=None, zone=UTC, sizes=("images",)) == " seq   images\n1024  1.0 KiB\n"


def test_figures_and_times_never_give_way():
    wide = Table(("at", "n", "run_id", "why"), ((AT, 10**12, RUN, "because of this and that"),))
    (*_, line) = to_text(wide, width=45, zone=UTC).splitlines()
    assert line == "2026-05-04 03:02  1000000000000  7c9e6679  b…t"


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


@pytest.mark.parametrize("width", [80, 140])
def test_resources_for_a_person(width, snapshot):
    text = listing_text(SCENES["hostile"], width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.replace("\n", "").isprintable()
    assert text == snapshot(extension_class=ListingSnapshot)


def test_a_resource_is_two_lines_and_its_id_stands_only_where_no_name_tells():
    row, why, *_ = listing_text(ROWS, width=80, name="big:1").splitlines()[1:]
    assert row.split() == ["candidate", "image", "9", "B", "9", "B", "big:1"]
    assert why.startswith("    ")
    assert why.strip()
    (step,) = (line for line in listing_text(ROWS, width=80).splitlines() if "RUN make" in line)
    assert step.endswith(f"RUN make ({cache_record().id[:12]})")
    assert "unknown" in step
    bare = report(judged(image("a", tags=()), "candidate"))
    assert listing_text(bare, width=80).splitlines()[1].endswith(" (untagged)")
    assert len(listing_text(bare, width=None).splitlines()) == 3


def test_a_listing_for_programs_has_the_whole_id():
    assert listing(ROWS, name="big:1").rows[0][3] == image("big:1").id


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
