"""A disk that is full: removals make room on it, and nothing is removed that cannot be written down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.trees import Tree

pytestmark = pytest.mark.lab("engine")


@pytest.mark.parametrize("which", ["data_root", "evidence"])
def test_a_full_disk(stable_tree: Tree, which: str):
    """F13: that of the Engine and of the evidence; F22: that of the journal, before and after an act."""
    assert stable_tree.path.is_dir()  # the lab can be had, or the test is skipped
    ended = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.faults.apply_full_disk", which],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (ended.returncode, ended.stdout) == (0, "sound\n"), ended.stderr
