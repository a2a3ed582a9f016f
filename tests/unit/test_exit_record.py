"""However a run ends, its record says so."""

from __future__ import annotations

import json

import pytest

from hygiene_core.errors import EvidenceUnwritable, Terminated
from hygiene_core.evidence.exit_record import exit_record


def stored(directory):
    return json.loads((directory / "exits" / "h" / "report.json").read_text())


def test_a_run_that_ends_well(tmp_path):
    with exit_record(tmp_path, "h", "report") as record:
        record.run_id, record.exit_status = "r1", 8
    found = stored(tmp_path)
    assert (found["verb"], found["host"], found["run_id"]) == ("report", "h", "r1")
    assert (found["exit_status"], found["error"]) == (8, None)
    assert found["started_at"] <= found["ended_at"]
    assert set(found) == {"verb", "host", "run_id", "exit_status", "error", "started_at", "ended_at"}


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (EvidenceUnwritable("no room."), 7, "failed [EVIDENCE_UNWRITABLE]: no room."),
        (Terminated("by SIGTERM."), 143, "stopped [STOPPED]: by SIGTERM."),
        (ZeroDivisionError("x"), 1, "ZeroDivisionError: x"),
    ],
)
def test_a_run_that_ends_badly(tmp_path, error, status, text):
    with pytest.raises(type(error)), exit_record(tmp_path, "h", "report"):
        raise error
    assert (stored(tmp_path)["exit_status"], stored(tmp_path)["error"]) == (status, text)


def test_the_newest_run_replaces_the_record(tmp_path):
    for run in ("r1", "r2"):
        with exit_record(tmp_path, "h", "report") as record:
            record.run_id = run
    assert stored(tmp_path)["run_id"] == "r2"
    assert [path.name for path in (tmp_path / "exits" / "h").iterdir()] == ["report.json"]


def test_a_record_that_cannot_be_written_is_told_and_changes_nothing(tmp_path):
    (tmp_path / "exits").write_text("in the way")
    with exit_record(tmp_path, "h", "report") as record:
        record.exit_status = 4
    assert record.exit_status == 4
    assert record.problem.startswith("The exit record of this run could not be written: ")
