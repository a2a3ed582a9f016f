"""Ten runs with known growth give the known rates; what went between two runs is somebody else's doing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.evidence.reader import Reader, open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Availability
from hygiene_core.model.report import Report
from hygiene_core.testing import GIB, MIB, filesystem, image, judged, volume
from tests.unit.evidence_scenes import HOST, run

STEP = timedelta(hours=6)
"""Between two runs of the scenes."""


def figures(made: Report, name: str, size_bytes: int | None, **change) -> Report:
    """The report with another size of a class."""
    one = replace(made.summary.classes[name], size_bytes=size_bytes, **change)
    return replace(made, summary=replace(made.summary, classes={**made.summary.classes, name: one}))


def grown(number: int, *, used: int, free: int, volumes: int | None = None) -> Report:
    disk = replace(filesystem(), used_bytes=used, free_bytes=free)
    return figures(run(number, filesystems=(disk,)), "volumes", volumes)


def asked(tmp_path: Path, reports: list[Report]) -> Reader:
    store = EvidenceStore(tmp_path)
    for made in reports:
        store.record(made, Memory())
    assert store.publish().warning is None
    return open_published(tmp_path)


def growth(tmp_path: Path, reports: list[Report], days: int = 30) -> dict[tuple[str, str], dict[str, object]]:
    with asked(tmp_path, reports) as reader:
        table = reader.growth(HOST, days)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return {(row["what"], row["name"]): row for row in rows}


def steady(count: int) -> list[Report]:
    """The disk grows by 1 GiB a run, that is 4 GiB a day; volumes by 10 MiB a run."""
    return [
        grown(n, used=100 * GIB + n * GIB, free=200 * GIB - n * GIB, volumes=GIB + 10 * n * MIB)
        for n in range(1, count + 1)
    ]


def test_ten_runs_of_known_growth(tmp_path: Path):
    rows = growth(tmp_path, steady(10))
    disk = rows["filesystem", "data_root"]
    assert disk["runs"] == 10
    assert disk["now_bytes"] == 110 * GIB
    assert disk["per_day_bytes"] == 4 * GIB
    assert disk["days_to_full"] == 47.5  # 190 GiB at 4 GiB a day
    assert disk["forecast_error_bytes"] == 0
    assert disk["note"] == ""
    assert rows["class", "volumes"]["per_day_bytes"] == 40 * MIB
    assert rows["class", "volumes"]["days_to_full"] is None


def test_a_late_clean_up_or_one_odd_run_does_not_turn_the_rate(tmp_path: Path):
    reports = steady(16)
    after = [grown(n, used=60 * GIB + n * GIB, free=240 * GIB - n * GIB) for n in range(17, 21)]
    rows = growth(tmp_path, reports + after)
    assert rows["filesystem", "data_root"]["per_day_bytes"] == 4 * GIB
    alone = growth(tmp_path / "b", [*reports[:8], grown(9, used=9 * GIB, free=291 * GIB), reports[9]])
    assert alone["filesystem", "data_root"]["per_day_bytes"] == 4 * GIB


def test_the_error_of_the_last_forecast_is_what_was_foretold_less_what_was(tmp_path: Path):
    reports = [*steady(9), grown(10, used=115 * GIB, free=185 * GIB)]
    assert growth(tmp_path, reports)["filesystem", "data_root"]["forecast_error_bytes"] == -5 * GIB


def test_a_run_that_did_not_see_a_class_is_left_out_of_it(tmp_path: Path):
    reports = steady(10)
    reports[4] = figures(reports[4], "volumes", 0, availability=Availability.PARTIAL.value)
    rows = growth(tmp_path, reports)
    assert rows["class", "volumes"]["per_day_bytes"] == 40 * MIB
    assert rows["class", "volumes"]["runs"] == 9


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_runs_are_no_history(tmp_path: Path, count: int):
    row = growth(tmp_path, steady(count))["filesystem", "data_root"]
    assert (row["per_day_bytes"], row["days_to_full"], row["forecast_error_bytes"]) == (None, None, None)
    assert row["note"] == "history is too short"


def test_a_clock_that_stood_still_is_no_history(tmp_path: Path):
    first = steady(1)[0]
    still = [
        replace(made, started_at=first.started_at, ended_at=first.ended_at, run_id=f"still-{n}")
        for n, made in enumerate(steady(5))
    ]
    assert growth(tmp_path, still)["filesystem", "data_root"]["per_day_bytes"] is None


def test_a_disk_that_shrinks_is_never_full(tmp_path: Path):
    shrinking = [grown(n, used=100 * GIB - n * GIB, free=GIB) for n in range(1, 6)]
    row = growth(tmp_path, shrinking)["filesystem", "data_root"]
    assert (row["per_day_bytes"], row["days_to_full"]) == (-4 * GIB, None)


def test_the_window_leaves_out_what_is_older(tmp_path: Path):
    early = [grown(n, used=100 * GIB, free=GIB) for n in range(1, 40)]
    late = [grown(n, used=100 * GIB + (n - 39) * GIB, free=GIB) for n in range(40, 50)]
    assert growth(tmp_path, early + late, days=2)["filesystem", "data_root"]["per_day_bytes"] == 4 * GIB


def test_repositories_grow_by_what_no_other_image_shares(tmp_path: Path):
    tags = [judged(image(f"odoo/app:{n}", id="sha256:" + f"{n:064x}"), unique_bytes=MIB) for n in range(1, 8)]
    other = judged(image("localhost:5000/tools"), unique_bytes=5 * MIB)
    rows = growth(tmp_path, [run(n, *tags[:n], other) for n in range(1, 8)])
    assert rows["repository", "odoo/app"]["per_day_bytes"] == 4 * MIB
    assert rows["repository", "localhost:5000/tools"]["per_day_bytes"] == 0
    assert rows["repository", "localhost:5000/tools"]["now_bytes"] == 5 * MIB


def test_what_was_removed_by_hand_is_told_as_somebody_elses(tmp_path: Path):
    kept, lost = judged(volume("kept")), judged(volume("lost"), size_bytes=7 * MIB)
    with asked(tmp_path, [run(1, kept, lost), run(2, kept, lost), run(3, kept), run(4, kept)]) as reader:
        table = reader.removed(HOST)
        (row,) = (dict(zip(table.columns, one, strict=True)) for one in table.rows)
        assert reader.removed(HOST, "image").rows == ()
    assert (row["kind"], row["name"], row["size_bytes"]) == ("volume", "lost", 7 * MIB)
    assert (row["last_seen_seq"], row["missed_seq"], row["removed_by"]) == (2, 3, "somebody else")
    assert row["missed_at"] - row["last_seen_at"] == STEP
