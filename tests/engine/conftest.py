"""Every test below needs a real engine; `lab_scene` furnishes one with traps."""

from __future__ import annotations

import pytest

from tests.lab.host import LabHost
from tests.lab.scene import Scene, build_scene


@pytest.fixture(scope="module")
def lab_scene(lab_host: LabHost) -> Scene:
    """The scene of traps on `lab_host`, on each engine in turn; the host has nothing else in it yet."""
    return build_scene(lab_host, rebuilt=True)
