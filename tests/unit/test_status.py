"""One screen about a host: it fits, it is honest about its age, and text of the host is text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.cells import cell_len

from hygiene_core.report.status import OLD, render
from hygiene_core.testing import finding, report
from tests.unit.report_scenes import SCENES, SUMMER
from tests.unit.report_snapshots import StatusSnapshot


def screen(made, *, later: timedelta = timedelta(hours=3), **how) -> str:
    return render(made, now=made.ended_at + later, zone=SUMMER, **how)


@pytest.mark.parametrize("scene", SCENES)
def test_status(scene, snapshot):
    assert screen(SCENES[scene]) == snapshot(extension_class=StatusSnapshot)


@pytest.mark.parametrize("scene", SCENES)
def test_it_fits_a_terminal(scene):
    lines = screen(SCENES[scene]).splitlines()
    assert len(lines) <= 24
    assert all(cell_len(line) <= 80 for line in lines)


def test_an_old_report_says_so_and_asks_for_a_new_one():
    made = SCENES["healthy"]
    assert "older than 2 days" not in screen(made, later=OLD - timedelta(seconds=1))
    old = screen(made, later=OLD)
    assert "older than 2 days: look anew." in old
    assert old.endswith("Next          hygiene report\n")


def test_a_clock_behind_the_report_is_no_age():
    assert "Looked at under 1 min ago" in screen(SCENES["healthy"], later=-timedelta(hours=1))


def test_more_findings_than_fit_are_counted():
    many = [finding(code=f"X{n}", message=f"wrong {n}") for n in range(9)]
    shown = screen(report(findings=tuple(many)))
    assert "wrong 4" in shown
    assert "wrong 5" not in shown
    assert "and 4 more" in shown


def test_colour_changes_nothing_but_colour():
    plain, painted = screen(SCENES["attention"]), screen(SCENES["attention"], color=True)
    assert "\x1b[" in painted
    assert plain != painted
