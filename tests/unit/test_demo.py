"""The packaged recording is a whole observation, clearly labelled, and holds nothing of where it was made."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from hygiene_core.config.digest import policy_digest
from hygiene_core.errors import UsageProblem
from hygiene_core.model.event import Event, ProbeFinished
from hygiene_core.model.observation import Availability, SectionName
from hygiene_core.model.request import ObserveRequest
from hygiene_core.pipeline import Tools, look
from hygiene_core.transport import demo
from tests.faults.fake_engine import FakeEngine

PACKED = Path(demo.__file__).parents[1] / "demo" / "observation.json.gz"


def test_the_recording_is_complete_and_holds_every_kind():
    seen = demo.DemoTransport().observe(ObserveRequest(docker_socket="/nowhere"))
    assert {section.availability for section in seen.sections.values()} == {Availability.COMPLETE}
    assert set(seen.sections) == set(SectionName)
    assert all(
        (
            *(seen.images, seen.containers, seen.volumes, seen.build_cache, seen.builders),
            *(seen.filesystems, seen.runners, seen.runner_workdirs, seen.run_caches, seen.daemon_config),
        )
    )
    assert {image.layers is not None for image in seen.images} == {True}
    assert seen.engine is not None
    assert seen.engine.proven_data_root == seen.engine.data_root == "/var/lib/docker"


def test_the_recording_is_labelled_and_names_no_folder_of_its_maker():
    text = gzip.decompress(PACKED.read_bytes()).decode()
    assert demo.recording().label.startswith("A recording of a lab host")
    assert demo.recording().tool_version
    for folder in ("/root/", "/home/", "/tmp/"):
        assert folder not in text


def test_each_section_is_told():
    told: list[Event] = []
    demo.DemoTransport().observe(ObserveRequest(docker_socket="x"), emit=told.append)
    assert [event.section.name for event in told if isinstance(event, ProbeFinished)] == list(
        demo.recording().observation.sections
    )


def test_the_policy_of_the_demo_has_the_digest_that_config_computes():
    policy = demo.demo_host().policy
    assert policy.digest == policy_digest(policy)


def test_what_the_policy_keeps_warm_is_in_the_recording():
    tools = Tools(host=demo.demo_host(), transport=demo.DemoTransport(), store=None)
    summary = look(tools).finished.summary
    assert [builder.state for builder in summary.warm_builders] == ["running"]
    assert [image.present for image in summary.warm_images] == [True, True]


def test_what_is_not_complete_is_not_recorded(tmp_path: Path):
    out = tmp_path / "out.gz"
    with FakeEngine() as engine, pytest.raises(UsageProblem, match="filesystems: data_root: not proven"):
        demo.record(ObserveRequest(docker_socket=engine.path), out)
    assert not out.exists()


def test_the_command_says_how_it_is_used():
    command = [sys.executable, "-m", "hygiene_core.transport.demo", "play"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "usage: python -m hygiene_core.transport.demo record SOCKET DAEMON_CONFIG OUT\n"
