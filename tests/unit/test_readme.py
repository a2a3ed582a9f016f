"""The README shows what the demo prints."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from hygiene_core import pipeline
from hygiene_core.report.text import render
from hygiene_core.transport.demo import DemoTransport, demo_host

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_shows_the_demo():
    made = pipeline.make_report(
        pipeline.Tools(host=demo_host(), transport=DemoTransport(), store=None)
    ).finished
    shown = README.read_text().partition("```text\n")[2].partition("```")[0].splitlines()
    printed = render(made, zone=UTC).splitlines()
    assert shown[:-1] == printed[:-1]
    assert shown[-1].startswith("Evidence  run ")
