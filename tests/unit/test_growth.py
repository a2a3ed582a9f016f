"""Ten runs with known growth give the known rates; what went between two runs is somebody else's doing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hygiene_core.cli.ask import history_growth
from hygiene_core.cli.words import Shape
from hygiene_core.evidence.reader import Reader, open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.coverage import Removal
from hygiene_core.model.judgement import Judged
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Availability
from hygiene_core.model.report import HostReference, Report
from hygiene_core.testing import (
    GIB,
    MIB,
    cache_record,
    engine,
    filesystem,
    image,
    judged,
    run_cache,
    section,
    volume,
    workdir,
)
from tests.unit.evidence_scenes import HOST, remembered, run

HOST_NAMED = SimpleNamespace(name=HOST)
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


def test_ten_runs_of_known_growth(tmp_path: Path) -> None:
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


def test_a_late_clean_up_or_one_odd_run_does_not_turn_the_rate(tmp_path: Path) -> None:
    reports = steady(16)
    after = [grown(n, used=60 * GIB + n * GIB, free=240 * GIB - n * GIB) for n in range(17, 21)]
    rows = growth(tmp_path, reports + after)
    assert rows["filesystem", "data_root"]["per_day_bytes"] == 4 * GIB
    alone = growth(tmp_path / "b", [*reports[:8], grown(9, used=9 * GIB, free=291 * GIB), reports[9]])
    assert alone["filesystem", "data_root"]["per_day_bytes"] == 4 * GIB


def test_the_error_of_the_last_forecast_is_what_was_foretold_less_what_was(tmp_path: Path) -> None:
    reports = [*steady(9), grown(10, used=115 * GIB, free=185 * GIB)]
    assert growth(tmp_path, reports)["filesystem", "data_root"]["forecast_error_bytes"] == -5 * GIB


def test_a_run_that_did_not_see_a_class_is_left_out_of_it(tmp_path: Path) -> None:
    reports = steady(10)
    reports[4] = figures(reports[4], "volumes", 0, availability=Availability.PARTIAL.value)
    rows = growth(tmp_path, reports)
    assert rows["class", "volumes"]["per_day_bytes"] == 40 * MIB
    assert rows["class", "volumes"]["runs"] == 9


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_runs_are_no_history(tmp_path: Path, count: int) -> None:
    row = growth(tmp_path, steady(count))["filesystem", "data_root"]
    assert (row["per_day_bytes"], row["days_to_full"], row["forecast_error_bytes"]) == (None, None, None)
    assert row["note"] == "history is too short"


def test_a_clock_that_stood_still_is_no_history(tmp_path: Path) -> None:
    first = steady(1)[0]
    still = [
        replace(made, started_at=first.started_at, ended_at=first.ended_at, run_id=f"still-{n}")
        for n, made in enumerate(steady(5))
    ]
    assert growth(tmp_path, still)["filesystem", "data_root"]["per_day_bytes"] is None


def test_a_disk_that_shrinks_is_never_full(tmp_path: Path) -> None:
    shrinking = [grown(n, used=100 * GIB - n * GIB, free=GIB) for n in range(1, 6)]
    row = growth(tmp_path, shrinking)["filesystem", "data_root"]
    assert (row["per_day_bytes"], row["days_to_full"]) == (-4 * GIB, None)


def test_the_window_leaves_out_what_is_older(tmp_path: Path) -> None:
    early = [grown(n, used=100 * GIB, free=GIB) for n in range(1, 40)]
    late = [grown(n, used=100 * GIB + (n - 39) * GIB, free=GIB) for n in range(40, 50)]
    assert growth(tmp_path, early + late, days=2)["filesystem", "data_root"]["per_day_bytes"] == 4 * GIB


def test_repositories_grow_by_what_no_other_image_shares(tmp_path: Path) -> None:
    tags = [judged(image(f"odoo/app:{n}", id="sha256:" + f"{n:064x}"), unique_bytes=MIB) for n in range(1, 8)]
    other = judged(image("localhost:5000/tools"), unique_bytes=5 * MIB)
    rows = growth(tmp_path, [run(n, *tags[:n], other) for n in range(1, 8)])
    assert rows["repository", "odoo/app"]["per_day_bytes"] == 4 * MIB
    assert rows["repository", "localhost:5000/tools"]["per_day_bytes"] == 0
    assert rows["repository", "localhost:5000/tools"]["now_bytes"] == 5 * MIB


def test_run_caches_and_directories_of_runners_grow(tmp_path: Path) -> None:
    def caches(n: int) -> list[Judged]:
        made = [judged(run_cache(f"builds/run-{k}", size_bytes=MIB), "retained") for k in range(n, n + n)]
        return [*made, judged(workdir(size_bytes=n * 2 * MIB), "retained")]

    def asked_of(n: int) -> Report:
        made = run(n, *caches(n))
        names = ("run_caches", "runners")
        return replace(made, sections=made.sections | {name: section(name) for name in names})

    rows = growth(tmp_path, [asked_of(n) for n in range(1, 9)])
    assert (rows["run_cache", "builds"]["now_bytes"], rows["run_cache", "builds"]["per_day_bytes"]) == (
        8 * MIB,
        4 * MIB,
    )
    directory = rows["directory", "lane-1/_work/odoo-docker"]
    assert (directory["now_bytes"], directory["per_day_bytes"], directory["days_to_full"]) == (
        16 * MIB,
        8 * MIB,
        None,
    )


def test_what_was_removed_by_hand_is_told_as_somebody_elses(tmp_path: Path) -> None:
    kept, lost = judged(volume("kept")), judged(volume("lost"), size_bytes=7 * MIB)
    third = run(3, kept)
    removal = Removal(kind="volume", id="lost", removed_at=third.started_at - timedelta(hours=1))
    third = replace(third, removals=(removal,))
    with asked(tmp_path, [run(1, kept, lost), run(2, kept, lost), third, run(4, kept)]) as reader:
        table = reader.removed(HOST)
        (row,) = (dict(zip(table.columns, one, strict=True)) for one in table.rows)
        assert reader.removed(HOST, "image").rows == ()
    assert (row["kind"], row["name"], row["size_bytes"]) == ("volume", "lost", 7 * MIB)
    assert (row["last_seen_seq"], row["missed_seq"], row["removed_by"]) == (2, 3, "somebody else")
    assert row["missed_at"] - row["last_seen_at"] == STEP
    assert row["removed_at"] == removal.removed_at


def test_without_an_event_nobody_knows_by_whom(tmp_path: Path) -> None:
    with carried(tmp_path, [run(1, judged(volume("lost"))), run(2)]) as reader:
        (row,) = gone(reader)
    assert (row["removed_by"], row["removed_at"]) == ("unknown", None)


def test_a_prune_is_told_of_what_it_named_and_of_the_engines_cache(tmp_path: Path) -> None:
    lost = judged(volume("lost")), judged(cache_record(id="c")), judged(cache_record(id="b/c", builder="b"))
    second = run(2)
    at = second.started_at - timedelta(hours=1)
    told = (
        Removal(kind="volume", id="lost", removed_at=at, pruned=True),
        Removal(kind="build_cache", id=None, removed_at=at, claimed_bytes=7),
    )
    with carried(tmp_path, [run(1, *lost), replace(second, removals=told)]) as reader:
        rows = {row["id"]: (row["removed_by"], row["removed_at"]) for row in gone(reader)}
        assert reader.query("SELECT sum(claimed_bytes) FROM removal").rows == ((7,),)
    assert rows == {
        "lost": ("somebody else, by a prune", at),
        "c": ("somebody else, by a prune", at),
        "b/c": ("unknown", None),
    }


def test_a_run_that_could_not_look_may_have_heard_of_it(tmp_path: Path) -> None:
    blind = run(2, unavailable={"volumes": "the Engine answered 500"})
    told = Removal(kind="volume", id="lost", removed_at=blind.started_at)
    reports = [run(1, judged(volume("lost"))), replace(blind, removals=(told,)), run(3)]
    with carried(tmp_path, reports) as reader:
        (row,) = gone(reader)
    assert (row["removed_by"], row["removed_at"]) == ("somebody else", blind.started_at)


@pytest.mark.parametrize("at", [3, 6, 9])
def test_one_clean_up_anywhere_is_left_out_and_told(tmp_path: Path, at: int) -> None:
    fallen = [grown(n, used=(60 if n >= at else 100) * GIB + n * GIB, free=190 * GIB) for n in range(1, 11)]
    row = growth(tmp_path, fallen)["filesystem", "data_root"]
    assert (row["per_day_bytes"], row["days_to_full"]) == (4 * GIB, 47.5)
    assert (row["forecast_error_bytes"], row["note"]) == (0, f"without the clean-up before run {at}")


def test_a_clean_up_before_the_newest_run_is_an_error_of_the_forecast(tmp_path: Path) -> None:
    row = growth(tmp_path, [*steady(9), grown(10, used=60 * GIB, free=240 * GIB)])["filesystem", "data_root"]
    assert row["per_day_bytes"] == 4 * GIB
    assert (row["forecast_error_bytes"], row["forecast_error_percent"]) == (50 * GIB, 10.0)  # of 500 GiB


def test_a_saw_tooth_has_no_clean_up_to_leave_out(tmp_path: Path) -> None:
    teeth = [grown(n, used=100 * GIB + n % 4 * GIB, free=GIB) for n in range(1, 41)]
    row = growth(tmp_path, teeth)["filesystem", "data_root"]
    assert (row["per_day_bytes"], row["days_to_full"], row["note"]) == (0, None, "")


def test_inodes_fill_a_filesystem_too(tmp_path: Path) -> None:
    disks = [replace(filesystem(), used_inodes=1000 + 10 * n, free_inodes=400) for n in range(1, 11)]
    rows = growth(tmp_path, [run(n, filesystems=(disk,)) for n, disk in enumerate(disks, start=1)])
    row = rows["inodes", "data_root"]
    assert (row["now_inodes"], row["per_day_inodes"], row["days_to_full"]) == (1100, 40, 10.0)
    assert (row["now_bytes"], row["per_day_bytes"], row["forecast_error_percent"]) == (None, None, 0)


def test_a_clock_that_stood_still_for_one_run_does_not_turn_the_rate(tmp_path: Path) -> None:
    reports = steady(10)
    reports[4] = replace(reports[4], started_at=reports[3].started_at, ended_at=reports[3].ended_at)
    assert growth(tmp_path, reports)["filesystem", "data_root"]["per_day_bytes"] == 4 * GIB


def test_a_class_that_the_newest_run_did_not_see_is_told_as_of_the_one_before(tmp_path: Path) -> None:
    reports = steady(10)
    reports[9] = figures(reports[9], "volumes", None, availability=Availability.UNAVAILABLE.value)
    row = growth(tmp_path, reports)["class", "volumes"]
    assert (row["per_day_bytes"], row["seen_at"]) == (40 * MIB, reports[8].ended_at)


def test_a_figure_that_was_not_read_is_no_point(tmp_path: Path) -> None:
    reports = steady(10)
    disk = replace(filesystem(), total_inodes=None, used_inodes=None, free_inodes=None)
    reports[9] = replace(reports[9], filesystems=(disk,))
    assert growth(tmp_path, reports)["inodes", "data_root"]["runs"] == 9


def test_runs_of_another_engine_or_disk_are_left_out(tmp_path: Path) -> None:
    other = [grown(n, used=400 * GIB + n * GIB, free=GIB) for n in range(1, 6)]
    moved = [
        replace(made, filesystems=(replace(made.filesystems[0], path="/old"),), host=swapped(made))
        for made in other
    ]
    rows = growth(tmp_path, [*moved, *steady(11)[5:]])
    assert (rows["filesystem", "data_root"]["runs"], rows["class", "images"]["runs"]) == (6, 6)
    assert rows["filesystem", "data_root"]["note"] == ""


def swapped(made: Report) -> HostReference:
    """The host of the report with another Engine."""
    return replace(made.host, engine=engine(id="another"))


def test_more_runs_than_can_be_paired_are_thinned_and_the_newest_stays(tmp_path: Path) -> None:
    row = growth(tmp_path, steady(130), days=60)["filesystem", "data_root"]
    assert (row["runs"], row["now_bytes"], row["per_day_bytes"]) == (130, 230 * GIB, 4 * GIB)


def test_a_repository_with_an_image_of_unknown_size_is_not_summed(tmp_path: Path) -> None:
    known = judged(image("odoo/app:1"), unique_bytes=MIB)
    unsized = judged(image("odoo/app:2"), unique_bytes=None)
    rows = growth(tmp_path, [run(1, known), run(2, known, unsized), run(3, known), run(4)])
    assert ("repository", "odoo/app") not in rows
    rows = growth(tmp_path / "b", [run(1, known), run(2, known, unsized), run(3, known), run(4, known)])
    row = rows["repository", "odoo/app"]
    assert (row["runs"], row["now_bytes"], row["per_day_bytes"]) == (3, MIB, 0)


def gone(reader: Reader, **asking: Any) -> list[dict[str, object]]:
    table = reader.removed(HOST, **asking)
    return [dict(zip(table.columns, one, strict=True)) for one in table.rows]


def test_a_run_that_could_not_look_did_not_see_what_went(tmp_path: Path) -> None:
    lost = judged(volume("lost"), "candidate")
    blind = [run(n, unavailable={"volumes": "the Engine answered 500"}) for n in (3, 4)]
    reports = [run(1, lost), run(2, lost), *blind, run(5), run(6, lost)]
    with carried(tmp_path, reports) as reader:
        (row,) = gone(reader)
        assert gone(reader, since=5) == []
        assert len(gone(reader, since="run-0004")) == 1
    assert (row["last_seen_seq"], row["missed_seq"], row["back_seq"]) == (2, 5, 6)
    assert (row["last_seen_at"], row["missed_at"]) == (reports[1].ended_at, reports[4].ended_at)
    assert (row["was_candidate"], row["verdict"]) == (True, "candidate")


def test_where_another_engine_answers_nobody_removed_anything(tmp_path: Path) -> None:
    later = run(2)
    with carried(tmp_path, [run(1, judged(volume("v"))), replace(later, host=swapped(later))]) as reader:
        assert [row["removed_by"] for row in gone(reader)] == ["nobody: another Engine answered"]


def carried(tmp_path: Path, reports: list[Report]) -> Reader:
    """The published evidence of the reports, each recorded with what the kit remembers of those before."""
    store = EvidenceStore(tmp_path)
    for made in reports:
        store.record(made, remembered(made, store.recall(HOST)))
    assert store.publish().warning is None
    return open_published(tmp_path)


def test_a_terminal_has_room_for_names_and_notes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fallen = [grown(n, used=(60 if n > 5 else 100) * GIB + n * GIB, free=190 * GIB) for n in range(1, 11)]
    asked(tmp_path, fallen).close()
    monkeypatch.setenv("HYGIENE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("hygiene_core.cli.ask.host_of", lambda *_: HOST_NAMED)
    history_growth()
    shown = capsys.readouterr().out
    assert "data_root" in shown
    assert "without the clean-up before run 6" in shown
    history_growth(shape=Shape.CSV)
    assert "forecast_error_bytes" in capsys.readouterr().out
