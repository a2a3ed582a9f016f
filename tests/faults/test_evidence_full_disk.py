"""A full disk: the ballast lets the last run through, the next is refused whole, and room heals all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def no_namespace() -> str | None:
    """Why a mount namespace cannot be had here, or `None`."""
    if shutil.which("unshare") is None:
        return "unshare(1) is not installed"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"no mount namespace: {tried.stderr.strip()}"


def test_a_full_filesystem(tmp_path):
    if reason := no_namespace():
        pytest.skip(reason)
    ended = subprocess.run(
        ["unshare", "--mount", sys.executable, "-m", "tests.faults.evidence_full_disk", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (ended.returncode, ended.stdout) == (0, "sound\n"), ended.stderr
    assert list(tmp_path.iterdir()) == []  # the mount was never seen outside
