from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from hygiene_core.decide.findings import FindingCode
from hygiene_core.model.report import Severity, Status, WarmBuilder, WarmImage
from hygiene_core.report.figures import SECTION_INCOMPLETE
from hygiene_core.report.markdown import render as render_markdown
from hygiene_core.report.text import render, render_attention
from hygiene_core.testing import GIB, finding, image, judged, report, volume
from tests.unit.report_scenes import ENDLESS, SCENES, SUMMER, WEST
from tests.unit.report_snapshots import AttentionSnapshot, TextSnapshot

ESCAPE = re.compile("\x1b\\[[0-9;]*m")


QUIET = ("healthy", "empty-host", "thousands")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("scene", SCENES)
def test_text(scene, width, snapshot):
    assert render(SCENES[scene], width=width, zone=SUMMER) == snapshot(extension_class=TextSnapshot)


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene not in QUIET])
def test_attention(scene, snapshot):
    assert render_attention(SCENES[scene], zone=SUMMER) == snapshot(extension_class=AttentionSnapshot)


@pytest.mark.parametrize("scene", QUIET)
def test_a_healthy_host_says_nothing_when_only_attention_is_asked_for(scene):
    assert render_attention(SCENES[scene], zone=SUMMER) == ""


def test_information_alone_is_no_reason_for_a_mail():
    told = report(findings=(finding(severity=Severity.INFO),))
    assert told.status is Status.HEALTHY
    assert render_attention(told, zone=UTC) == ""
    assert "info" in render(told, zone=UTC)


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("scene", SCENES)
def test_no_line_is_wider_than_the_terminal(scene, width):
    for line in render(SCENES[scene], width=width, zone=SUMMER).splitlines():
        assert cell_len(line) <= width, line


@pytest.mark.parametrize("scene", SCENES)
def test_colour_only_repeats_what_words_say(scene):
    coloured = render(SCENES[scene], color=True, zone=SUMMER)
    assert ESCAPE.search(coloured)
    assert ESCAPE.sub("", coloured) == render(SCENES[scene], zone=SUMMER)


def test_host_text_never_reaches_the_terminal_as_control():
    shown = render(SCENES["hostile"], zone=SUMMER, resources=None)
    assert all(line.isprintable() for line in shown.split("\n"))
    assert r"\x1b[2J\x1b]52;c;AAAA\x07" in shown
    assert "[bold red]x[/bold red]" in shown
    shown.encode("utf-8")


def test_endless_text_does_not_fill_the_page():
    told = report(
        judged(image("a", tags=(ENDLESS,)), detail=ENDLESS),
        findings=[finding(ENDLESS, message=ENDLESS, subject=ENDLESS, next_step=ENDLESS)],
        unavailable={"volumes": ENDLESS},
    )
    for width in (80, 120):
        lines = render(told, width=width, zone=UTC).splitlines()
        assert len(lines) < 120
        assert max(map(cell_len, lines)) <= width


def test_unknown_is_never_shown_as_zero():
    shown = render(SCENES["engine-unreachable"], zone=SUMMER)
    docker = shown.split("Docker\n")[1].split("Kept warm")[0]
    assert docker.count("unknown") == 4 * 4 + 4
    assert not re.search(r"\d", docker)
    empty = render(SCENES["empty-host"], zone=SUMMER)
    assert "reclaimable in all             0 B" in empty


def test_a_total_with_a_missing_part_says_the_least_it_can_be():
    shown = render(SCENES["incomplete"], width=120, zone=SUMMER)
    assert "unknown, at least 700.0 MiB without volumes and build cache" in shown


def test_figures_that_round_to_the_same_text_are_told_apart():
    shown = render(SCENES["attention"], zone=SUMMER)
    assert "21,474,836,481 bytes against a limit of 21,474,836,480 bytes" in shown
    assert "8.0 GiB against a limit of 60.0 GiB" in shown


def test_a_quoted_next_step_is_shown_as_it_is_typed():
    step = f"hygiene explain {shlex.quote('evil[/foo];$(id)`')}"
    told = report(findings=[finding(next_step=step)])
    assert f"Next: {step}\n" in render(told, zone=UTC)
    assert f"``{step}``" in render_markdown(told, zone=UTC)


def test_the_worst_finding_stands_first():
    shown = render(
        report(findings=[finding("A", "info"), finding("B", "warning"), finding("C", "critical")]), zone=UTC
    )
    assert shown.index("[C]") < shown.index("[B]") < shown.index("[A]")


def test_a_dead_engine_is_told_once_and_a_strange_section_finding_is_not_lost():
    dead = SCENES["engine-unreachable"]
    assert render(dead, zone=UTC).count("connection refused") == 1
    strange = replace(dead, findings=(finding(SECTION_INCOMPLETE, subject="moon", message="no moon"),))
    assert "no moon" in render(strange, zone=UTC)
    assert FindingCode.SECTION_INCOMPLETE.value == SECTION_INCOMPLETE


def test_times_are_the_readers():
    told = SCENES["healthy"]
    assert "2026-05-04 05:02 CEST" in render(told, zone=SUMMER)
    assert "2026-05-03 15:02 UTC-12:00" in render(told, zone=WEST)
    assert "2026-05-04 03:02 UTC" in render(told, zone=UTC)


def test_candidates_are_the_biggest_and_the_rest_is_counted():
    told = SCENES["thousands"]
    assert "and 2,990 more" in render(told, zone=UTC)
    assert "2.9 GiB" in render(told, zone=UTC)
    assert " more\n" not in render(told, zone=UTC, resources=None)
    assert "FREES" not in render(told, zone=UTC, resources=0)


def test_a_candidate_of_unknown_size_stands_last_as_unknown():
    rows = [judged(volume("nfs-share-of-the-team", size_bytes=None)), judged(image(size_bytes=GIB))]
    lines = render(report(*rows), zone=UTC).splitlines()
    first = next(number for number, line in enumerate(lines) if "FREES" in line)
    assert "app:1" in lines[first + 1]
    assert lines[first + 2].split()[:3] == ["unknown", "volume", "nfs-share-of-the-team"]


def test_a_glob_that_keeps_hundreds_does_not_fill_the_page():
    there = [
        WarmImage(name=f"odoo:{number}", present=True, id=f"sha256:{number:064}") for number in range(300)
    ]
    gone = WarmImage(name="odoo:gone", present=False)
    stopped = WarmBuilder(name="stopped", state="exited")
    told = report(summary={"warm_builders": (stopped,), "warm_images": (*there, gone)})
    for shown in (render(told, zone=UTC), render_markdown(told, zone=UTC)):
        assert "odoo:gone" in shown
        assert "stopped" in shown
        assert "288 more, all as they should be" in shown
        assert "odoo:11" in shown
        assert "odoo:12" not in shown


def test_wide_letters_keep_the_columns():
    rows = [judged(image(name)) for name in ("日本語:1", "plain:1", "e\u0301a\u0300:1")]
    lines = render(report(*rows), zone=UTC).splitlines()
    first = next(number for number, line in enumerate(lines) if "FREES" in line)
    assert len({cell_len(line) for line in lines[first : first + 4]}) == 1


def test_a_quiet_report_does_not_load_what_it_does_not_need():
    loaded = (
        "import sys, hygiene_core.report.text, hygiene_core.report.markdown, hygiene_core.report.document"
    )
    heavy = {"pydantic", "duckdb", "docker", "asyncssh", "rich.console", "textual"}
    asked = f"{loaded}; print(sorted({heavy!r} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=200), st.integers(80, 160))
def test_any_text_anywhere_stays_inside_the_page(text, width):
    told = report(
        judged(image("a", tags=(text,)), detail=text),
        judged(volume(text or "v"), detail=text),
        findings=[finding(text, message=text, subject=text, next_step=text)],
        unavailable={"volumes": text},
    )
    for line in render(told, width=width, zone=UTC).split("\n"):
        assert line.isprintable()
        assert cell_len(line) <= width
