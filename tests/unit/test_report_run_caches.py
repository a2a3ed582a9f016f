"""What a report says of run caches."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from hygiene_core.report import html, markdown, text
from hygiene_core.report.run_caches import run_cache_rows
from hygiene_core.testing import report
from tests.unit.report_full import FULL


def test_a_row_tells_the_runs_of_each_age():
    builds, logs = run_cache_rows(FULL)
    assert (builds.name, builds.runs, builds.held, builds.oldest) == ("builds", "6", "2.0 GiB", "100 d")
    assert builds.titles == ("under 1 h", "1 h to 1 d", "1 d to 7 d", "7 d to 30 d", "over 30 d")
    assert builds.ages == ("-", "6.0 MiB", "2.0 GiB", "3.0 MiB", "3.0 MiB")
    assert (logs.runs, logs.held, logs.oldest, set(logs.ages)) == ("0", "0 B", "-", {"-"})


def test_a_narrow_page_joins_ages_and_loses_nothing():
    narrow, _ = run_cache_rows(FULL, wide=False)
    assert narrow.titles == ("under 1 d", "1 d to 7 d", "over 7 d")
    assert narrow.ages == ("6.0 MiB", "2.0 GiB", "6.0 MiB")


def test_lower_bounds_say_so():
    (one, _) = FULL.summary.run_caches
    partial = replace(FULL, summary=replace(FULL.summary, run_caches=(replace(one, whole=False),)))
    assert [row.held for row in run_cache_rows(partial)] == ["at least 2.0 GiB"]


def test_every_format_has_them_where_some_are_configured():
    for width in (80, 140):
        shown = text.render(FULL, width=width, zone=UTC)
        part = shown[shown.index("Run caches") :].split("\n\n")[0]
        assert "builds" in part
        assert max(map(len, part.splitlines())) <= width
    assert "### Run caches" in markdown.render(FULL, zone=UTC)
    assert "<h2>Run caches</h2>" in html.render(FULL, zone=UTC)
    for rendered in (text, markdown, html):
        assert "run caches" not in rendered.render(report(), zone=UTC).lower()
