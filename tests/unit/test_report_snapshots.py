from __future__ import annotations

from tests.unit.report_scenes import SCENES
from tests.unit.report_snapshots import DIRECTORY
from tests.unit.run_scenes import SCENES as RUNS
from tests.unit.test_report_html import HTML_SCENES
from tests.unit.test_report_text import QUIET

REPORTS = DIRECTORY / "reports"


def test_every_scene_is_reviewed_in_every_format_and_no_file_is_left_over():
    """syrupy cannot see that a file of a deleted scene is stale: it relates files to tests that ran."""
    wanted = {f"text/{scene}-{width}.txt" for scene in SCENES for width in (80, 120)}
    wanted |= {f"attention/{scene}.txt" for scene in SCENES if scene not in QUIET}
    wanted |= {f"markdown/{scene}.md" for scene in SCENES}
    wanted |= {f"html/{scene}.html" for scene in HTML_SCENES}
    wanted |= {f"status/{scene}.txt" for scene in SCENES}
    wanted |= {f"json/{scene}.json" for scene in SCENES if scene != "thousands"}
    wanted |= {f"resources/{width}.txt" for width in (80, 140)}
    assert {str(path.relative_to(REPORTS)) for path in REPORTS.rglob("*.*")} == wanted


def test_every_scene_of_a_run_is_reviewed_and_no_file_is_left_over():
    folder = REPORTS.parent / "runs"
    wanted = {f"{kind}/{scene}.txt" for kind in ("ended", "told") for scene in RUNS}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.*")} == wanted
