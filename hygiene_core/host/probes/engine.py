"""Which Engine answers, and how it stores images."""

from __future__ import annotations

from dataclasses import dataclass

from hygiene_core.host.engine import EngineVersion, negotiate
from hygiene_core.host.probes.probe import Probe
from hygiene_core.host.wire import Info, parse_info
from hygiene_core.model.observation import EngineIdentity

__all__ = ["EngineReading", "read_engine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReading:
    """The Engine's identity, with what the other probes need of it."""

    identity: EngineIdentity
    version: EngineVersion
    has_builder: bool


def read_engine(probe: Probe) -> EngineReading:
    """Read GET /version, then GET /info. Without /info the Engine is known but its id and store are not."""
    probe.note("GET /version")
    version = negotiate(probe.client)
    info = parse_info(probe.get("/info"))
    if info.id is None:
        probe.miss("GET /info names no Engine id")
    return EngineReading(
        identity=_identity(version, info), version=version, has_builder=info.os_type == "linux"
    )


def _identity(version: EngineVersion, info: Info) -> EngineIdentity:
    return EngineIdentity(
        id=info.id,
        version=version.version,
        api_version=version.api_version,
        api_minimum=version.api_minimum,
        api_used=version.api_used,
        storage_driver=info.storage_driver,
        image_store=info.image_store,
        operating_system=info.operating_system,
        kernel=info.kernel or version.kernel,
        data_root=info.data_root,
        components=version.components,
    )
