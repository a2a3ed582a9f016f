"""The HTML file: whole, self-contained, and nothing from a host is markup in it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC
from html.parser import HTMLParser

import pytest

from hygiene_core.model.judgement import Reason
from hygiene_core.model.policy import Limits
from hygiene_core.model.report import Report, WarmBuilder, WarmImage
from hygiene_core.model.text import ELLIPSIS, plain
from hygiene_core.model.toolchain import Tool
from hygiene_core.report import markdown, text
from hygiene_core.report.html import render
from hygiene_core.testing import GIB, filesystem, finding, image, judged, report, section, volume
from tests.unit.report_full import FULL, hostile_everywhere
from tests.unit.report_scenes import ENDLESS, HOSTILE_TEXTS, SCENES, SUMMER
from tests.unit.report_snapshots import HtmlSnapshot

HTML_SCENES = ("attention", "full", "incomplete", "engine-unreachable", "hostile")
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "section", "footer", "h1", "h2", "p"),
    *("div", "span", "strong", "code", "i", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "style", "data-label"}
HOSTILE_MARKUP = (
    "<script>alert(1)</script>",
    "</script><script src=https://example.org/x.js></script>",
    "</style></title></td></table><script>x</script>",
    '"><b onmouseover=alert(1) x="',
    "' autofocus onfocus='alert(1)",
    "<svg/onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a><iframe src=//example.org>",
    "<meta http-equiv=refresh content=0;url=//example.org><base href=//example.org>",
    "--><!-- <![CDATA[ ]]>",
    "</strong></div></section></body></html>",
    "\x00\x07\x1b[31m\x7f\x85\u2028",
    "\u202egpj.exe\u2066\u200f\ufeff",
    "{{ 7*7 }}{% raw %}",
    "&lt;script&gt;&#60;b&#62;",
    "url(https://example.org/x.png);}body{display:none}",
)
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Reader(HTMLParser):
    """Which elements and attributes there are, the text, and whether every element is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.open: list[str] = []
        self.text = ""
        self.cells: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.attributes.update(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append((dict(attrs).get("data-label", ""), ""))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if "td" in self.open:
            label, told = self.cells[-1]
            self.cells[-1] = (label, told + data)

    def column(self, label):
        """The cells under one title, in all tables."""
        return [told for name, told in self.cells if name == label]


def page_of(told: Report, **options) -> Reader:
    return Reader(render(told, zone=UTC, **options))


def bars_of(page: str) -> list[tuple[str, str]]:
    """Of each bar its name and its words."""
    return re.findall(r'<div class="name"><strong>(.*?)</strong><span>(.*?)</span>', page)


@pytest.mark.parametrize("scene", HTML_SCENES)
def test_html(scene, snapshot):
    shown = FULL if scene == "full" else SCENES[scene]
    assert render(shown, zone=SUMMER) == snapshot(extension_class=HtmlSnapshot)


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_is_a_whole_page_of_our_own_elements(scene):
    of_our_own(render(SCENES[scene], zone=SUMMER, resources=None))


def of_our_own(written: str) -> Reader:
    """The page read, if it is whole and has no element, attribute or style but the template's."""
    page = Reader(written)
    assert page.open == []
    assert page.elements <= ELEMENTS
    names = {name for name, _ in page.attributes}
    assert names <= ATTRIBUTES
    assert not any(name.startswith("on") for name in names)
    for name, value in page.attributes:
        if name == "style":
            assert re.fullmatch(r"(width|left):\d{1,3}\.\d\d%", value or "")
        elif name in {"class", "data-label"}:
            assert re.fullmatch(r"[\w ]+", value or "")
    return page


def test_nothing_is_fetched_and_nothing_runs():
    page = render(SCENES["hostile"], zone=SUMMER, resources=None)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert ("content", policy) in Reader(page).attributes
    assert "<script" not in page
    assert "url(" not in page


@pytest.mark.parametrize("text", [*HOSTILE_MARKUP, *HOSTILE_TEXTS])
def test_text_of_a_host_is_text_wherever_it_stands(text):
    written = render(hostile_everywhere(text), zone=UTC)
    page = of_our_own(written)
    assert {"script", "b", "a", "img", "svg", "iframe", "base", "link", "object"}.isdisjoint(page.elements)
    assert {"src", "href", "srcset", "action", "data", "xlink:href"}.isdisjoint(
        name for name, _ in page.attributes
    )
    assert page.text.count(plain(text)) >= 25
    assert {value for name, value in page.attributes if name == "http-equiv"} == {"Content-Security-Policy"}
    # Outside of line ends there is nothing that a terminal or a browser would act on and not show.
    assert plain(written.replace("\n", " "), None) == written.replace("\n", " ")
    written.encode("utf-8")


@pytest.mark.parametrize("unit", ["x", "<", "\x1b", "日", '"', "\u202e"])
def test_endless_text_of_a_host_is_cut(unit):
    written = render(hostile_everywhere(unit * 65_536), zone=UTC)
    of_our_own(written)
    assert ELLIPSIS in written
    assert len(written) < 500_000


def test_a_page_of_labels_of_64_kib_is_not_larger_for_them():
    rows = (judged(image(labels={ENDLESS: ENDLESS})), judged(volume(labels={"k": ENDLESS})))
    assert len(render(report(*rows), zone=UTC)) < 20_000


def test_what_is_not_known_is_never_zero():
    page = Reader(render(SCENES["engine-unreachable"], zone=UTC))
    assert "unknown" in page.text
    assert "0 B" not in page.text
    # Nor an empty bar, which would look like zero, nor a key to bars that are not there.
    docker = render(SCENES["engine-unreachable"], zone=UTC).split("<h2>Docker</h2>")[1].split("</section>")[0]
    assert 'class="bar"' in docker
    assert 'class="track"' not in docker
    assert 'class="key"' not in docker
    assert 'class="track"' in render(SCENES["empty-host"], zone=UTC).split("<h2>Docker</h2>")[1]


def test_roles_of_one_disk_share_a_bar_and_it_is_as_long_as_what_is_used():
    disk = filesystem(used_bytes=60 * GIB, free_bytes=30 * GIB, total_bytes=100 * GIB)
    other = filesystem(role="state", used_bytes=60 * GIB, free_bytes=30 * GIB, total_bytes=100 * GIB)
    page = render(report(filesystems=(disk, other)), zone=UTC)
    assert 'class="used" style="width:60.00%"' in page
    assert 'class="rest" style="width:10.00%"' in page
    assert page.count("30.0 GiB of 100.0 GiB free") == 1
    assert '<span class="rest"' not in render(report(), zone=UTC), "no part of nothing"
    for key in ("used", "kept for the system", "free"):
        assert re.search(rf'<i class="\w+"></i>{key}</span>', page)


def on_disk(limits: Limits | None, *findings, free_bytes: int = 30 * GIB) -> str:
    disks = (
        filesystem("state", "/state", free_bytes=free_bytes, total_bytes=100 * GIB),
        filesystem(free_bytes=free_bytes, total_bytes=100 * GIB),
        filesystem("runner_root:a", "/a", device=7),
    )
    made = report(filesystems=disks, findings=findings)
    return render(replace(made, policy=replace(made.policy, limits=limits)), zone=UTC)


@pytest.mark.parametrize(
    ("limits", "told", "left"),
    [
        (Limits(min_free_bytes=20 * GIB), "30.0 GiB of 100.0 GiB free, above the limit of 20.0 GiB", "80.00"),
        (Limits(min_free_bytes=30 * GIB), "30.0 GiB of 100.0 GiB free, above the limit of 30.0 GiB", "70.00"),
        (Limits(min_free_bytes=60 * GIB), "30.0 GiB of 100.0 GiB free, below the limit of 60.0 GiB", "40.00"),
        (
            Limits(min_free_bytes=900 * GIB),
            "30.0 GiB of 100.0 GiB free, below the limit of 900.0 GiB",
            "0.00",
        ),
        (Limits(max_state_bytes=1), "30.0 GiB of 100.0 GiB free; no limit is set", None),
        (None, "30.0 GiB of 100.0 GiB free; limit unknown", None),
    ],
)
def test_the_limit_stands_on_the_disk_of_the_data_root_as_a_line_and_in_words(limits, told, left):
    page = on_disk(limits)
    assert bars_of(page)[:2] == [
        ("state, data root", told),
        ("runner root:a", "330.0 GiB of 500.0 GiB free"),
    ]
    assert re.findall(r'class="mark" style="left:(.*?)%"', page) == ([left] if left else [])
    assert ("limit: the least that the policy wants free" in page) is bool(left)


def test_the_limit_of_an_older_report_is_known_where_it_was_undercut():
    low = finding("FREE_BYTES_LOW", subject="/var/lib/docker", figure=8 * GIB, limit=50 * GIB, unit="bytes")
    page = on_disk(None, replace(low, subject="/elsewhere"), low, free_bytes=8 * GIB)
    assert "8.0 GiB of 100.0 GiB free, below the limit of 50.0 GiB" in page
    assert 'class="mark" style="left:50.00%"' in page


def test_a_data_root_that_is_not_proven_is_said_to_be_unknown_beside_the_other_disks():
    page = page_of(report(filesystems=(filesystem("state", "/state"),), summary={"free_disk_bytes": None}))
    assert "Free disk of Docker's data root: unknown." in page.text


def class_page(**figures) -> str:
    made = report()
    images = replace(made.summary.classes["images"], **figures)
    other = replace(made.summary.classes["volumes"], size_bytes=10 * GIB)
    classes = made.summary.classes | {"images": images, "volumes": other}
    return render(replace(made, summary=replace(made.summary, classes=classes)), zone=UTC)


@pytest.mark.parametrize(
    ("size_bytes", "loose", "going", "told", "parts"),
    [
        (8, 5, 2, "8.0 GiB, reclaimable 5.0 GiB, candidates 2.0 GiB", "held 30 reclaimable 30 candidate 20"),
        (8, 5, 0, "8.0 GiB, reclaimable 5.0 GiB, candidates 0 B", "held 30 reclaimable 50"),
        (8, 8, 8, "8.0 GiB, reclaimable 8.0 GiB, candidates 8.0 GiB", "candidate 80"),
        (8, 5, None, "8.0 GiB, reclaimable 5.0 GiB, candidates unknown", "held 30 reclaimable 50"),
        (8, None, None, "8.0 GiB, reclaimable unknown, candidates unknown", "unsplit 80"),
        (None, None, None, "unknown, reclaimable unknown, candidates unknown", ""),
        (8, 9, 9, "8.0 GiB, reclaimable 9.0 GiB, candidates 9.0 GiB", "candidate 80"),
    ],
)
def test_a_class_says_what_is_in_use_reclaimable_and_a_candidate(size_bytes, loose, going, told, parts):
    figures = [None if one is None else one * GIB for one in (size_bytes, loose, going)]
    page = class_page(size_bytes=figures[0], reclaimable_bytes=figures[1], candidate_bytes=figures[2])
    assert ("images", told) in bars_of(page)
    bar = page.split("<strong>images</strong>")[1].split("<strong>")[0]
    drawn = re.findall(r'<span class="(\w+)" style="width:(\d+)\.00%">', bar)
    assert " ".join(word for pair in drawn for word in pair) == parts
    for words in ("in use", "reclaimable: nothing uses it", "candidate: a rule would let it go"):
        assert f"</i>{words}</span>" in page
    assert ("size known, not what of it is reclaimable" in page) is ("unsplit" in parts)
    assert Reader(page).column("Candidates")[0] == told.rpartition("candidates ")[2]


def test_no_part_of_a_bar_is_told_by_colour_alone():
    """Whatever may lie beside another in one bar has its own pattern or shade, also without colour."""
    style = render(FULL, zone=UTC).split("<style>")[1].split("</style>")[0]
    for name in ("rest", "reclaimable", "candidate", "protected", "unknown"):
        assert re.search(rf"\.{name}\b[^{{}}]*{{ background: (repeating-linear|radial)-gradient", style)


@pytest.mark.parametrize(
    ("tool", "how", "shown"),
    [
        (Tool(name="engine", version="26.1.5"), "complete", ("26.1.5", "-", "-")),
        (Tool(name="buildx", path="/b"), "complete", ("unknown", "/b", "none known")),
        (Tool(name="buildx", path="/b"), "partial", ("unknown", "/b", "unknown")),
        (Tool(name="buildx", version="1", path="/b", package="p"), "partial", ("1", "/b", "p")),
    ],
)
def test_no_cell_of_the_toolchain_is_blank(tool, how, shown):
    reason = None if how == "complete" else "a program did not answer"
    made = report(tools=(tool,), sections={"toolchain": section("toolchain", how, reason=reason)})
    page = page_of(made)
    row = page.cells[[told for _, told in page.cells].index(tool.name) :][:4]
    assert tuple(told for _, told in row[1:]) == shown
    paragraph = markdown.render(made, zone=UTC).split("### Toolchain")[1].split("###")[0].replace("`", "")
    assert " | ".join(shown) in paragraph
    assert f"{shown[0]}  {shown[1]}\n" in re.sub(r"  +", "  ", text.render(made, zone=UTC, width=100))


def test_without_a_toolchain_section_a_package_is_unknown():
    made = report(tools=(Tool(name="buildx", path="/b"),), sections={})
    assert page_of(made).column("Package") == ["unknown"]


def test_no_cell_of_a_whole_page_is_blank():
    for told in (FULL, SCENES["engine-unreachable"], SCENES["incomplete"], SCENES["attention"]):
        assert [label for label, cell in page_of(told).cells if not cell.strip()] == []


def test_a_candidate_shows_all_its_reasons():
    reasons = (
        Reason("a", "untagged", "s"),
        Reason("b", "idle for 9 d", "s"),
        Reason("c", "over budget", "s"),
    )
    page = render(report(judged(image(), reasons=reasons)), zone=UTC)
    assert "<div>untagged</div><div>idle for 9 d</div><div>over budget</div></td>" in page


@pytest.mark.parametrize(
    ("reserved_bytes", "max_bytes", "told"),
    [
        (8 * GIB, 20 * GIB, "keep 8.0 GiB, cap 20.0 GiB"),
        (None, 20 * GIB, "cap 20.0 GiB"),
        (8 * GIB, None, "keep 8.0 GiB"),
        (None, None, "-"),
    ],
)
def test_a_budget_of_a_warm_builder_with_either_bound_alone(reserved_bytes, max_bytes, told):
    kept = WarmBuilder(name="w", state="running", reserved_bytes=reserved_bytes, max_bytes=max_bytes)
    made = report(summary={"warm_builders": (kept,)})
    assert page_of(made).column("Details") == [told]
    shown = "" if told == "-" else told
    assert f"| builder | `w` | running | {shown} |" in markdown.render(made, zone=UTC)
    assert f"  builder  w  running  {shown}".rstrip() + "\n" in text.render(made, zone=UTC)


@pytest.mark.parametrize(
    ("present", "identity", "cells"),
    [
        (True, "sha256:0123456789abcdef", ("present", "0123456789ab")),
        (True, None, ("present", "unknown")),
        (False, None, ("missing", "-")),
        (None, None, ("unknown", "unknown")),
    ],
)
def test_an_image_that_is_kept_warm(present, identity, cells):
    made = report(summary={"warm_images": (WarmImage(name="i:1", present=present, id=identity),)})
    page = page_of(made)
    assert (page.column("State")[0], page.column("Details")[0]) == cells


def test_on_a_phone_each_cell_names_its_column():
    """Narrow screens show rows as cards: a cell without the name of its column would say nothing there."""
    written = render(FULL, zone=UTC)
    tables = re.findall(r'<table class="cards">(.*?)</table>', written, re.DOTALL)
    assert len(tables) == 9
    for table in tables:
        titles = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", table)
        for row in re.findall(r"<tr>(<td.*?)</tr>", table, re.DOTALL):
            assert re.findall(r'<td data-label="(.*?)"', row) == titles


def test_there_is_a_layout_for_paper_and_one_for_a_dark_screen():
    style = render(FULL, zone=UTC).split("<style>")[1].split("</style>")[0]
    assert "@media print {" in style
    assert "@media screen and (prefers-color-scheme: dark)" in style, "paper is never dark"
    assert style.count("{") == style.count("}")


def test_only_this_format_loads_the_template_engine():
    code = "import sys, hygiene_core.cli, hygiene_core.report.html; assert 'jinja2' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
