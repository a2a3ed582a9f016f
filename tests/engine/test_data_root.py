"""A data root on a filesystem of its own: what fills it is named, and the rest is what was put there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hygiene_core import pipeline
from hygiene_core.model.host import Host
from hygiene_core.model.observation import Availability
from hygiene_core.model.policy import Policy
from hygiene_core.model.report import Report
from hygiene_core.testing import MIB
from hygiene_core.transport.local import LocalTransport
from tests.conftest import lab_tree
from tests.lab import images
from tests.lab.host import LabHost
from tests.unit.decide.judging import policy

pytestmark = pytest.mark.lab("engine")

POLICY: Policy = policy()


@pytest.fixture(scope="module", params=["stable", "testing"])
def host(request: pytest.FixtureRequest) -> Iterator[LabHost]:
    """On tmpfs, so that all that is used of it is this Engine's."""
    with LabHost.start(lab_tree(request.param), name=f"rest-{request.param}", in_memory=True) as made:
        images.import_base(made)
        yield made


def report(host: LabHost) -> Report:
    there = Host(name="lab", docker_socket=str(host.socket), data_root=str(host.data_root), policy=POLICY)
    return pipeline.make_report(pipeline.Tools(host=there, transport=LocalTransport(), store=None)).finished


def test_a_full_disk_has_its_reasons(host: LabHost):
    before = report(host).summary.unaccounted_bytes
    assert before is not None
    orphan = host.data_root / "overlay2" / "left-by-a-crash"
    orphan.mkdir()
    (orphan / "layer").write_bytes(os.urandom(50 * MIB))
    with host.api() as api:
        speaks = (
            "i=0; while [ $i -lt 300000 ]; do echo $i-abcdefghijklmnopqrstuvwxyz-0123456789; i=$((i+1)); done"
        )
        container = images.container(api, images.BASE, state="exited", command=["sh", "-c", speaks])
    with tempfile.TemporaryFile(dir=host.data_root) as deleted:
        deleted.write(os.urandom(40 * MIB))
        deleted.flush()
        made = report(host)
    assert made.sections["data_root"].availability is Availability.COMPLETE
    summary, use = made.summary, made.data_root_use
    assert use is not None
    (log,) = (one for one in use.logs if one.container_id == container)
    assert (log.driver, log.bounded) == ("json-file", False)
    assert log.size_bytes > 20 * MIB
    assert summary.accounted["container_logs"] == sum(one.size_bytes for one in use.logs)
    assert use.deleted_bytes == pytest.approx(40 * MIB, rel=0.05)
    assert use.deleted[0].pid == os.getpid()
    assert summary.unaccounted_bytes is not None
    assert summary.unaccounted_bytes - before == pytest.approx(50 * MIB, rel=0.05)


def test_what_is_not_accounted_for_of_a_quiet_data_root_is_little(host: LabHost):
    made = report(host)
    disk = next(one for one in made.filesystems if one.role == "data_root")
    orphan = Path(host.data_root) / "overlay2" / "left-by-a-crash"
    left = sum(path.stat().st_size for path in orphan.rglob("*")) if orphan.exists() else 0
    assert made.summary.unaccounted_bytes is not None
    assert made.summary.unaccounted_bytes - left < 0.05 * disk.used_bytes
