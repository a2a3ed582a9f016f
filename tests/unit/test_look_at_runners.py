"""A whole look at real runner directories, on a host whose Engine does not answer."""

from __future__ import annotations

import json
from pathlib import Path

from hygiene_core.host.observe import observe
from hygiene_core.model.observation import Availability, SectionName
from hygiene_core.model.request import ObserveRequest


def install(root: Path, *, checkout: str = "odoo-docker") -> Path:
    """A runner laid out as the runner's own installer does; 10 kB in its checkout."""
    inside = root / "_work" / checkout / checkout
    inside.mkdir(parents=True)
    (inside / "big").write_bytes(b"x" * 10_000)
    (root / "_work" / "_update").mkdir()
    (root / ".runner").write_text(
        "\ufeff"
        + json.dumps({"agentName": "lane", "gitHubUrl": "https://github.com/example", "workFolder": "_work"})
    )
    return root


def look(tmp_path: Path, **roots: Path):
    return observe(
        ObserveRequest(
            docker_socket=str(tmp_path / "none.sock"),
            runner_roots={name: str(path) for name, path in roots.items()},
        )
    )


def test_runners_are_seen_although_the_engine_is_not(tmp_path):
    seen = look(tmp_path, lane=install(tmp_path / "lane"))
    assert seen.engine is None
    assert seen.sections[SectionName.RUNNERS].availability is Availability.COMPLETE
    assert [(one.name, one.agent_name, one.busy) for one in seen.runners] == [("lane", "lane", False)]
    found = {one.id: one for one in seen.runner_workdirs}
    assert found["lane/_work/odoo-docker"].apparent_bytes == 10_000
    assert found["lane/_work/_update"].role == "update"


def test_a_root_that_is_not_there_makes_the_section_partial_and_stops_nothing(tmp_path):
    seen = look(tmp_path, lane=install(tmp_path / "lane"), lost=tmp_path / "lost")
    section = seen.sections[SectionName.RUNNERS]
    assert section.availability is Availability.PARTIAL
    assert "lost" in (section.reason or "")
    assert "lane" in {one.name for one in seen.runners}


def test_without_roots_nobody_is_asked(tmp_path):
    assert SectionName.RUNNERS not in look(tmp_path).sections
