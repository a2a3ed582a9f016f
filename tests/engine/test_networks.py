"""Networks of a runner's jobs on a real Engine, told by the runner's label."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core import pipeline
from hygiene_core.model.host import Host
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Availability
from hygiene_core.model.policy import Ages, Policy, RunnerRoot
from hygiene_core.transport.local import LocalTransport
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")


def test_networks_that_a_job_left(lab_host: LabHost, tmp_path: Path):
    root = tmp_path / "lane-1"
    root.mkdir()
    settings = json.dumps({"agentName": "lane-1"})
    (root / ".runner").write_text(settings)
    label = hashlib.sha256(settings.encode()).hexdigest()[:6]
    for name, labels in (("github_network_1", (label,)), ("mine", ()), ("other", ("abcdef",))):
        lab_host.docker("network", "create", *(f"--label={one}" for one in labels), name)
    policy = Policy(
        source="hygiene.toml",
        digest="0" * 64,
        ages=Ages(grace=timedelta(0)),
        runner_roots=(RunnerRoot(name="lane-1", path=str(root)),),
    )
    host = Host(
        name="lab", docker_socket=str(lab_host.socket), data_root=str(lab_host.data_root), policy=policy
    )
    tools = pipeline.Tools(host=host, transport=LocalTransport(), store=None)
    made = pipeline.make_report(tools).finished
    assert made.sections["networks"].availability is Availability.COMPLETE
    (network,) = made.job_networks
    assert (network.name, network.runner) == ("github_network_1", "lane-1")
    assert network.created_at is not None
    assert "JOB_NETWORKS_LEFT" in {one.code for one in made.findings}
    again = pipeline.rejudge(made, Memory(), policy)
    assert "JOB_NETWORKS_LEFT" in {one.code for one in again.findings}
