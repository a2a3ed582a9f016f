"""The HTML file: whole, self-contained, and nothing from a host is markup in it."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC
from html.parser import HTMLParser

import pytest

from hygiene_core.report.html import render
from hygiene_core.testing import GIB, filesystem, finding, image, judged, report, volume
from tests.unit.report_scenes import HOSTILE_TEXTS, SCENES, SUMMER
from tests.unit.report_snapshots import HtmlSnapshot

HTML_SCENES = ("attention", "incomplete", "engine-unreachable", "hostile")
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Reader(HTMLParser):
    """Which elements and attributes there are, the text, and whether every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes.update(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("scene", HTML_SCENES)
def test_html(scene, snapshot):
    assert render(SCENES[scene], zone=SUMMER) == snapshot(extension_class=HtmlSnapshot)


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_is_a_whole_page_of_our_own_elements(scene):
    page = Reader(render(SCENES[scene], zone=SUMMER, resources=None))
    assert page.open == []
    assert page.elements <= {
        *("html", "head", "meta", "title", "style", "body", "header", "section", "footer", "h1", "h2", "p"),
        *("div", "span", "strong", "code", "i", "table", "thead", "tbody", "tr", "th", "td"),
    }
    names = {name for name, _ in page.attributes}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "class", "style"}
    assert all(
        re.fullmatch(r"width:\d+\.\d\d%", value or "") for name, value in page.attributes if name == "style"
    )


def test_nothing_is_fetched_and_nothing_runs():
    page = render(SCENES["hostile"], zone=SUMMER, resources=None)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert ("content", policy) in Reader(page).attributes
    assert "<script" not in page
    assert "url(" not in page


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "[/foo]", "{{ 7*7 }}", '"><b>', *HOSTILE_TEXTS]
)
def test_text_of_a_host_is_text(text):
    rows = (judged(volume(text)), judged(image(text)))
    page = Reader(render(report(*rows, findings=(finding(message=text, subject=text),)), zone=UTC))
    assert not page.elements & {"script", "b", "img", "details"}
    assert page.open == []
    if text in {"[/foo]", "{{ 7*7 }}"}:
        assert text in page.text


def test_what_is_not_known_is_never_zero():
    page = Reader(render(SCENES["engine-unreachable"], zone=UTC))
    assert "unknown" in page.text
    assert "0 B" not in page.text


def test_roles_of_one_disk_share_a_bar_and_it_is_as_long_as_what_is_used():
    disk = filesystem(used_bytes=60 * GIB, free_bytes=30 * GIB, total_bytes=100 * GIB)
    other = filesystem(role="state", used_bytes=60 * GIB, free_bytes=30 * GIB, total_bytes=100 * GIB)
    page = render(report(filesystems=(disk, other)), zone=UTC)
    assert 'class="used" style="width:60.00%"' in page
    assert 'class="rest" style="width:10.00%"' in page
    assert page.count("30.0 GiB of 100.0 GiB free") == 1


def test_only_this_format_loads_the_template_engine():
    code = "import sys, hygiene_core.cli, hygiene_core.report.html; assert 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
