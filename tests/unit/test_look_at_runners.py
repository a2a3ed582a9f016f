"""A whole look at real runner directories, on a host whose Engine does not answer."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

from hygiene_core.host.observe import observe
from hygiene_core.host.probes import credentials
from hygiene_core.model.observation import Availability, SectionName
from hygiene_core.model.request import Deadlines, ObserveRequest


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


def look(tmp_path: Path, deadlines: Deadlines | None = None, **roots: Path):
    return observe(
        ObserveRequest(
            docker_socket=str(tmp_path / "none.sock"),
            runner_roots={name: str(path) for name, path in roots.items()},
            deadlines=deadlines or Deadlines(),
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


def test_the_account_of_a_runner_stands_beside_it(tmp_path):
    root = install(tmp_path / "lane")
    (root / ".env").write_text(f"DOCKER_CONFIG={tmp_path}\n")
    (tmp_path / "config.json").write_text('{"auths": {"registry.example": {"auth": "x"}}}')
    seen = look(tmp_path, lane=root)
    assert seen.sections[SectionName.CREDENTIALS].availability is Availability.COMPLETE
    (runner,) = seen.runners
    assert runner.docker_config == str(tmp_path)
    assert runner.docker_credentials is not None
    assert (runner.docker_credentials.present, runner.docker_credentials.stored_count) == (True, 1)


def test_a_configuration_that_cannot_be_read_costs_no_directory(tmp_path):
    root = install(tmp_path / "lane")
    (root / ".env").write_text(f"DOCKER_CONFIG={tmp_path}\n")
    (tmp_path / "config.json").mkdir()
    seen = look(tmp_path, lane=root)
    assert seen.sections[SectionName.CREDENTIALS].availability is Availability.PARTIAL
    assert "config.json cannot be read" in (seen.sections[SectionName.CREDENTIALS].reason or "")
    assert seen.sections[SectionName.RUNNERS].availability is Availability.COMPLETE
    assert seen.runners[0].docker_credentials is None


def test_a_home_that_hangs_costs_the_account_alone(tmp_path, monkeypatch):
    let_go = threading.Event()

    def hang(roots):
        let_go.wait(60)
        return credentials.CredentialsReading()

    monkeypatch.setattr(credentials, "read_credentials", hang)
    try:
        seen = look(
            tmp_path, deadlines=Deadlines(engine=timedelta(seconds=0.2)), lane=install(tmp_path / "lane")
        )
    finally:
        let_go.set()
    assert seen.sections[SectionName.CREDENTIALS].return_code == 124
    assert seen.sections[SectionName.RUNNERS].availability is Availability.COMPLETE
    assert [(one.name, one.user) for one in seen.runners] == [("lane", None)]
    assert len(seen.runner_workdirs) == 2


def test_without_roots_nobody_is_asked(tmp_path):
    assert not {SectionName.RUNNERS, SectionName.CREDENTIALS} & set(look(tmp_path).sections)
