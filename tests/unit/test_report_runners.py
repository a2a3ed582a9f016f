"""What a report says of runners."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hygiene_core.model.judgement import Verdict
from hygiene_core.report import html, markdown, text
from hygiene_core.report.runners import RunnerRow, credentials_of, runner_rows, state_of, workdir_total
from hygiene_core.testing import GIB, NOW, docker_credentials, judged, report, runner, section, workdir

CHECKOUT = workdir()
TOOLS = workdir("lane-1/_work/_tool", role="tools", size_bytes=GIB, changed_at=NOW)


def rows(*workdirs, **fields):
    made = report(
        *(judged(one, Verdict.RETAINED) for one in workdirs),
        runners=(runner(**fields), runner("lane-2", listening=False)),
    )
    return list(runner_rows(made))


def test_a_row_sums_what_a_runner_holds_and_ages_its_checkouts():
    assert rows(TOOLS, CHECKOUT) == [
        RunnerRow("lane-1", "chris-testing-lane-1", "idle", "3.0 GiB", "2 d", "ci", "no file"),
        RunnerRow("lane-2", "chris-testing-lane-2", "stopped", "unknown", "-", "ci", "no file"),
    ]


@pytest.mark.parametrize(
    "lost", [workdir("lane-1/_work/b", size_bytes=None), workdir("lane-1/_work/b", whole=False)]
)
def test_what_is_not_whole_is_a_lower_bound(lost):
    assert rows(TOOLS, CHECKOUT, lost)[0].held.startswith("at least ")


@pytest.mark.parametrize(
    ("busy", "listening", "said"),
    [
        (True, True, "busy"),
        (True, None, "busy"),
        (False, True, "idle"),
        (False, False, "stopped"),
        (None, True, "unknown"),
        (False, None, "unknown"),
    ],
)
def test_states(busy, listening, said):
    assert state_of(runner(busy=busy, listening=listening)) == said


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (None, "unknown"),
        (docker_credentials(), "no file"),
        (docker_credentials(0), "none"),
        (docker_credentials(2), "2 stored"),
    ],
)
def test_credentials(seen, said):
    assert credentials_of(runner(docker_credentials=seen)) == said


def test_a_report_of_before_knows_no_user():
    assert rows(user=None, docker_credentials=None)[0].user == "unknown"


def test_text_shows_the_user_where_there_is_room():
    made = report(runners=(runner("odoo-enterprise-lane-1", user="github-runner"),))
    narrow, wide = (text.render(made, width=width, zone=UTC) for width in (80, 120))
    assert "github-runner" not in narrow
    assert max(map(len, narrow.splitlines())) <= 80
    assert "github-runner  no file" in wide


@pytest.mark.parametrize(("availability", "said"), [("complete", "3.0 GiB"), ("partial", "at least 3.0 GiB")])
def test_the_total_is_a_lower_bound_where_the_section_is_partial(availability, said):
    reason = None if availability == "complete" else "a file vanished"
    made = report(
        summary={"runner_workdir_bytes": 3 * GIB},
        sections={"runners": section("runners", availability, reason=reason)},
    )
    assert workdir_total(made) == said


def test_no_runner_is_no_table_and_no_zero():
    made = report()
    assert "Runners" not in text.render(made, zone=UTC)
    assert workdir_total(made) == "unknown"


def test_both_formats_show_the_table_and_no_markup_of_the_host():
    evil = runner(agent_name="[bold]\x1b[2J|x<script>", user="a|b\x1b[2J<script>")
    made = report(judged(CHECKOUT, Verdict.RETAINED), runners=(evil,))
    shown = text.render(made, width=120, zone=UTC)
    assert "Runners" in shown
    assert "\x1b" not in shown
    assert "idle" in shown
    page = markdown.render(made, zone=UTC)
    assert "### Runners" in page
    assert "<script>" in page  # inside a code span, where it is text
    assert "`[bold]\\x1b[2J\\|x<script>`" in page
    assert "`a\\|b\\x1b[2J<script>`" in page
    assert "a|b\\x1b[2J&lt;script&gt;" in html.render(made, zone=UTC)


def test_the_newest_change_counts_from_the_end_of_the_run():
    old = workdir(changed_at=datetime.min.replace(tzinfo=UTC) + timedelta(days=1))
    assert rows(old, CHECKOUT)[0].changed == "2 d"
