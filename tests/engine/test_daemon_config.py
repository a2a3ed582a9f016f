"""A real Engine and its daemon.json: whose it is, what is told of it, and that the Engine goes by it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hygiene_core import pipeline
from hygiene_core.decide.collection import ceiling
from hygiene_core.host.probes.daemon_config import why_not_ours
from hygiene_core.host.probes.filesystems import DataRoot
from hygiene_core.model.collecting import version_of
from hygiene_core.model.host import Host
from hygiene_core.model.observation import Availability
from hygiene_core.model.report import Report
from hygiene_core.model.resource import Builder
from hygiene_core.testing import MIB
from hygiene_core.transport.local import LocalTransport
from tests.conftest import lab_tree
from tests.lab import images
from tests.lab.errors import LabFailure
from tests.lab.host import LabHost
from tests.unit.decide.judging import policy

pytestmark = pytest.mark.lab("engine")

INSIDE = "/etc/docker/daemon.json"
ROOT = Path(__file__).parents[2]
CAP = MIB
BUILT = 3 * MIB
KEEPING = {
    "enabled": True,
    "policy": [
        {"filter": ["unused-for=1000h"], "keepStorage": "1MB"},
        {"all": True, "keepStorage": "1MB"},
    ],
}
REFUSED = {"enabled": True, "policy": [{"all": True, "maxUsedSpace": "1MB"}]}

# The whole kit needs libraries that a lab tree does not have; the probe needs the standard library alone.
PROBE = """
import dataclasses, json, sys
sys.path.insert(0, "/run/kit")
from hygiene_core.host.probes.daemon_config import read_daemon_config, why_not_ours
from hygiene_core.host.probes.filesystems import prove_data_root
engine_id, named = sys.argv[1:]
why = why_not_ours("/run/docker.sock", named, prove_data_root(engine_id, named, None))
config, problems = read_daemon_config(None, named)
print(json.dumps([why, dataclasses.asdict(config), problems], default=str))
"""


@pytest.fixture(scope="module", params=["stable", "testing"])
def host(request: pytest.FixtureRequest) -> Iterator[LabHost]:
    with LabHost.start(
        lab_tree(request.param),
        name=f"config-{request.param}",
        extra_daemon_json={"builder": {"gc": {"enabled": False}}, "log-opts": {"max-size": "10m"}},
    ) as made:
        images.import_base(made)
        yield made


def report(host: LabHost, *, file: bool = True) -> Report:
    there = Host(
        name="lab",
        docker_socket=str(host.socket),
        data_root=str(host.data_root),
        daemon_config=str(host.folder / "upper" / INSIDE[1:]) if file else None,
        policy=policy(),
    )
    return pipeline.make_report(pipeline.Tools(host=there, transport=LocalTransport(), store=None)).finished


def embedded(made: Report) -> Builder:
    return next(row.facts for row in made.resources if isinstance(row.facts, Builder))


def codes(made: Report) -> set[str]:
    return {one.code for one in made.findings}


def configure(host: LabHost, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the file anew from inside, and start the Engine with it."""
    settings = json.loads(host.run("cat", INSIDE).stdout)
    change(settings)
    host.run("tee", INSIDE, input=json.dumps(settings))
    host.restart_engine()


def cache_bytes(host: LabHost) -> int:
    with host.api() as api:
        return sum(record["Size"] for record in api.get("/system/df")["BuildCache"] or ())


def test_the_file_is_told_and_the_engine_goes_by_it(host: LabHost):
    off = report(host)
    assert off.sections["daemon_config"].availability is Availability.COMPLETE
    assert embedded(off).gc_policy == ()
    assert "GC_OFF" in codes(off)
    assert "LOG_DEFAULT_UNBOUNDED" not in codes(off)
    files = {f"part-{number}": os.urandom(MIB) for number in range(BUILT // MIB)}
    recipe = "\n".join([f"FROM {images.BASE}", *(f"COPY {name} /{name}" for name in files)])
    context = images.layer({"Dockerfile": recipe.encode(), **files})
    host.docker("buildx", "build", "--output", "type=cacheonly", "-", input=context)
    host.restart_engine()
    time.sleep(3)  # it would collect one second after its start
    assert cache_bytes(host) > BUILT

    configure(host, lambda settings: settings.update({"builder": {"gc": KEEPING}, "log-opts": {}}))
    until = time.monotonic() + 30
    while cache_bytes(host) > CAP and time.monotonic() < until:
        time.sleep(0.5)
    assert cache_bytes(host) <= CAP
    on = report(host)
    assert ceiling(embedded(on)) == CAP
    assert embedded(on).gc_source == str(host.folder / "upper" / INSIDE[1:])
    assert "GC_OFF" not in codes(on)
    assert {"GC_TIER_MISSING", "LOG_DEFAULT_UNBOUNDED"} <= codes(on)


def test_a_rule_without_the_old_bound_keeps_an_old_engine_from_starting(host: LabHost):
    version = version_of(report(host).host.engine.version)  # type: ignore[union-attr] - it answered
    if version is None or version >= (28, 0, 0):
        pytest.skip("from 28.0 on it is a rule like any other")
    before = host.run("cat", INSIDE).stdout
    with pytest.raises(LabFailure, match="could not get builder GC policy"):
        configure(host, lambda settings: settings.update({"builder": {"gc": REFUSED}}))
    host.run("tee", INSIDE, input=before)
    host.restart_engine()


def test_the_file_of_this_machine_is_not_an_engines_in_a_tree_of_its_own(host: LabHost):
    made = report(host, file=False)
    assert "daemon_config" not in made.sections
    assert made.daemon_config is not None
    assert (made.daemon_config.applies, made.daemon_config.gc) == (False, None)
    assert "the Engine sees other files" in (made.daemon_config.reason or "")
    assert (embedded(made).gc_policy, embedded(made).gc_source) == (None, None)
    assert not codes(made) & {"GC_OFF", "GC_TIER_MISSING", "LOG_DEFAULT_UNBOUNDED"}
    # Nor where the data root is seen at the same path: the process behind the socket lives elsewhere.
    why = why_not_ours(str(host.socket), "/var/lib/docker", DataRoot("/var/lib/docker", ""))
    assert why == f"the process behind {host.socket} has another root directory"


def test_beside_the_engine_the_file_is_this_engines(host: LabHost):
    """The probe runs inside, where its default path is the file that the Engine reads."""
    identity = report(host).host.engine
    assert identity is not None
    assert identity.log_driver == "json-file"
    host.run("mkdir", "-p", "/run/kit")
    sources = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "hygiene_core").rglob("*.py"))]
    contents = {name: (ROOT / name).read_bytes() for name in sources}
    host.run("tar", "-x", "-C", "/run/kit", input=images.layer(contents))
    said = host.run("python3", "-c", PROBE, str(identity.id), "/var/lib/docker").stdout
    why, config, problems = json.loads(said)
    assert (why, problems) == (None, [])
    assert (config["path"], config["applies"], config["exists"]) == (INSIDE, True, True)
    assert config["gc"]["policy"][-1]["keep_bytes"] == CAP
