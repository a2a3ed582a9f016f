"""What a builder is known to collect, by whichever part of the look tells it."""

from __future__ import annotations

from typing import Any

import pytest

from hygiene_core.host.engine import EngineVersion
from hygiene_core.host.probes.buildkit import GC_SOURCE, BuilderFacts, BuildersReading
from hygiene_core.host.probes.engine import EngineReading
from hygiene_core.host.probes.instances import InstancesReading
from hygiene_core.host.probes.probe import Reading
from hygiene_core.host.sections import Outcome
from hygiene_core.host.told import builders_of
from hygiene_core.model.engine_config import BuildkitdConfig, DaemonConfig, EngineGc, Space
from hygiene_core.model.observation import SectionName
from hygiene_core.model.resource import Builder, GcRule
from hygiene_core.testing import GIB, container, engine, filesystem, section

RULE = GcRule(everything=True, max_used_bytes=GIB)
CAPPED = BuildkitdConfig(max_used=Space(GIB))
PATH = "/etc/docker/daemon.json"


def found(*, version: str = "29.7.2", disk: bool = True, **values: Any) -> dict[str, Builder]:
    """The builders by id: the one inside the Engine, and the container `a0`."""
    one = container("buildx_buildkit_a0", state="exited", image_name="moby/buildkit:buildx-stable-1")
    row = values.pop("row", one)
    reading = EngineReading(identity=engine(version=version), version=VERSION, has_builder=True)
    disks = (filesystem("state", "/srv", total_bytes=1), *((filesystem(),) if disk else ()))
    told = {
        SectionName.ENGINE: reading,
        SectionName.FILESYSTEMS: (disks, None, None),
        SectionName.CONTAINERS: Reading(value=(row,)),
        SectionName.VOLUMES: Reading(value=()),
        SectionName.BUILD_CACHE: None,
        **{SectionName(name): value for name, value in values.items()},
    }
    outcomes = {name: Outcome(section(name), value) for name, value in told.items()}
    return {builder.id: builder for builder in builders_of(outcomes).value.value}


VERSION = EngineVersion(
    version="29.7.2", api_version="1.55", api_minimum="1.40", api_used="1.55", operating_system="linux"
)


def test_what_buildkit_told_goes_first():
    row = container("buildx_buildkit_a0")
    facts = BuildersReading(facts={row.id: BuilderFacts(gc_policy=(RULE,))})
    files = InstancesReading(by_node={"a0": ("/x",)}, configs={"a0": CAPPED})
    made = found(row=row, builder_cache=facts, buildx_instances=files)["a0"]
    assert (made.gc_policy, made.gc_source, made.instances) == ((RULE,), GC_SOURCE, ("/x",))


@pytest.mark.parametrize("facts", [None, BuildersReading(facts={container().id: BuilderFacts()})])
def test_a_builder_that_told_nothing_is_known_by_its_file(facts):
    files = InstancesReading(by_node={"a0": ("/x",)}, configs={"a0": CAPPED}, config_problems=("b0",))
    made = found(builder_cache=facts, buildx_instances=files)["a0"]
    assert made.gc_policy is not None
    assert made.gc_policy[-1] == RULE
    assert made.gc_source == "buildkitd.toml in the instance file"


def test_what_no_file_tells_is_not_known():
    share = BuildkitdConfig(max_used=Space(percent=10))
    for disk, configs in ((True, {}), (True, {"b0": CAPPED}), (False, {"a0": share})):
        made = found(disk=disk, buildx_instances=InstancesReading(configs=configs))["a0"]
        assert (made.gc_policy, made.gc_source, made.instances) == (None, None, ())
    broken = InstancesReading(problems=("x",))
    assert found(buildx_instances=broken)["a0"].instances is None
    assert found()["a0"].instances is None


def config(**fields: Any) -> DaemonConfig:
    return DaemonConfig(**{"path": PATH, "applies": True, "exists": True, "gc": EngineGc()} | fields)


@pytest.mark.parametrize(
    ("told", "source"),
    [
        (config(), f"{PATH} and the Engine's defaults"),
        (config(exists=False), f"the Engine's defaults (there is no {PATH})"),
        (config(gc=EngineGc(policy=())), PATH),
        (config(gc=EngineGc(enabled=False)), PATH),
    ],
)
def test_the_builder_inside_the_engine(told, source):
    made = found(daemon_config=told)["embedded"]
    assert made.gc_policy is not None
    assert made.gc_source == source


def test_an_old_engine_without_a_file_collects_nothing():
    made = found(version="26.1.5+dfsg1", daemon_config=config(exists=False))["embedded"]
    assert (made.gc_policy, made.gc_source) == ((), f"the Engine's defaults (there is no {PATH})")
    set_nothing = found(version="26.1.5+dfsg1", daemon_config=config())["embedded"]
    assert (set_nothing.gc_policy, set_nothing.gc_source) == ((), f"{PATH} and the Engine's defaults")


@pytest.mark.parametrize("told", [None, config(gc=None), config(applies=False)])
def test_a_configuration_that_is_not_known_tells_nothing(told):
    made = found(daemon_config=told)["embedded"]
    assert (made.gc_policy, made.gc_source) == (None, None)


def test_a_share_of_an_unknown_disk_tells_nothing():
    made = found(disk=False, daemon_config=config())["embedded"]
    assert (made.gc_policy, made.gc_source) == (None, None)
