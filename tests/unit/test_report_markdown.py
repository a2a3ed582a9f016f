from __future__ import annotations

import re
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hygiene_core.model.text import plain
from hygiene_core.report.markdown import markdown_cell, markdown_text, render
from hygiene_core.testing import finding, image, judged, report, volume
from tests.unit.report_scenes import ENDLESS, HOSTILE_TEXTS, SCENES, SUMMER
from tests.unit.report_snapshots import MarkdownSnapshot

GITHUB_LIKE = MarkdownIt("gfm-like")
BREAK = "\u200b"
OWN_HTML = {
    *("h2", "h3", "p", "strong", "code", "ul", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
    *("details", "summary"),
}


def tags(markdown):
    return set(re.findall(r"<(\w+)", GITHUB_LIKE.render(markdown)))


def shown(markdown):
    """What a reader of the rendered page sees, block by block."""
    tokens = GITHUB_LIKE.parse(markdown)
    return "".join(child.content for token in tokens for child in token.children or ())


@pytest.mark.parametrize("scene", SCENES)
def test_markdown(scene, snapshot):
    assert render(SCENES[scene], zone=SUMMER) == snapshot(extension_class=MarkdownSnapshot)


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_but_our_own_markup_is_rendered(scene):
    assert tags(render(SCENES[scene], zone=SUMMER, resources=None)) <= OWN_HTML


@pytest.mark.parametrize("scene", SCENES)
def test_every_table_parses_with_the_same_cells_in_every_row(scene):
    page = GITHUB_LIKE.render(render(SCENES[scene], zone=SUMMER))
    source = render(SCENES[scene], zone=SUMMER)
    tables = re.findall(r"<table>.*?</table>", page, re.DOTALL)
    assert len(tables) == len(re.findall(r"^\| -", source, re.MULTILINE))
    for table in tables:
        rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        assert len({row.count("</t") for row in rows}) == 1
        assert len(rows) > 1
    # A row that did not parse would be left over as text.
    assert not re.search(r"^(<p>)?\|", page, re.MULTILINE)


def test_every_candidate_has_its_row():
    source = render(SCENES["hostile"], zone=SUMMER, resources=None)
    details = GITHUB_LIKE.render(source).split("<details>")[1].split("</details>")[0]
    assert details.count("<tr>") == 1 + len(HOSTILE_TEXTS)


@pytest.mark.parametrize("text", [*HOSTILE_TEXTS, ENDLESS])
def test_a_cell_is_one_code_span_that_says_the_text(text):
    table = f"| a | b |\n| --- | --- |\n| {markdown_cell(text)} | end |\n"
    row = GITHUB_LIKE.render(table).split("<tbody>")[1]
    assert tags(table) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert row.count("<td>") == 2
    assert row.count("<code>") == (1 if text else 0)
    said = shown(table).removeprefix("ab").removesuffix("end")
    assert said == (plain(text, 200).replace("\\|", r"\\x7c") if text else "(empty)")


@pytest.mark.parametrize("text", [*HOSTILE_TEXTS, ENDLESS])
def test_a_sentence_is_text_and_says_the_text(text):
    quoted = f"It says {markdown_text(text)} here."
    assert tags(quoted) <= {"p"}
    assert shown(quoted).replace(BREAK, "") == f"It says {plain(text, 2000).strip()} here."


@pytest.mark.parametrize(
    ("text", "bait"),
    [
        ("ask @somebody", "@somebody"),
        ("see https://example.org/x", "https://"),
        ("see WWW.example.org", "www."),
        ("fixes #12", "#12"),
        ("fixes GH-12", "GH-12"),
        (":tada:", ":tada:"),
        ("a@example.org", "a@example"),
    ],
)
def test_what_github_would_link_by_itself_is_broken_up(text, bait):
    page = GITHUB_LIKE.render(markdown_text(text))
    assert "<a" not in page
    assert bait.lower() not in page.lower()
    assert text in page.replace(BREAK, "")


def test_a_summary_stays_under_the_limit_of_github():
    assert len(render(SCENES["thousands"], zone=SUMMER).encode()) < 2**20
    assert "the biggest 50 of 3,000" in render(SCENES["thousands"], zone=SUMMER)


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("`|\\*_[]()<>!@#:/ \n~&;$-+=wabW1."), max_size=12) | st.text(max_size=30))
def test_any_text_anywhere_is_only_text(text):
    told = report(
        judged(image("a", tags=(text,)), detail=text),
        judged(volume(text or "v"), "unknown", text),
        findings=[finding(text, message=text, subject=text, next_step=text)],
        unavailable={"volumes": text},
    )
    source = render(told, zone=UTC)
    assert tags(source) <= OWN_HTML
    details = GITHUB_LIKE.render(source).split("<details>")[1].split("</details>")[0]
    assert details.count("<td") == 5
