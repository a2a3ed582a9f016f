"""What is kept once for each host, in a folder of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hygiene_core.executor.places import Places, open_places
from tests.unit.plans import ENGINE, MACHINE


@pytest.fixture
def places(tmp_path: Path) -> Places:
    if os.geteuid() != 0:
        pytest.skip("what is kept has to be root's")
    return open_places(ENGINE, MACHINE, tmp_path / "state", tmp_path / "run")
