"""Which Engine answers, and how it stores images."""

from __future__ import annotations

from dataclasses import dataclass

from hygiene_core.errors import HygieneError
from hygiene_core.host.engine import EngineClient, EngineVersion, negotiate
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


def read_engine(probe: Probe, held_open: EngineClient) -> EngineReading:
    """Read GET /version, then GET /info. Without /info the Engine is known, its id and store are not.

    The first goes over a connection that is kept to the end of the pass, the second over the probe's own: a
    /info that hangs must not cost the other.
    """
    probe.note("GET /version")
    version = negotiate(held_open)
    probe.client.api_version = version.api_used
    info: Info | None = None
    try:
        info = parse_info(probe.get("/info"))
    except HygieneError as error:
        probe.miss("the Engine's id and store are not known", error)
    else:
        if info.id is None:
            probe.miss("GET /info names no Engine id")
    return EngineReading(
        identity=_identity(version, info), version=version, has_builder=version.operating_system == "linux"
    )


def _identity(version: EngineVersion, info: Info | None) -> EngineIdentity:
    return EngineIdentity(
        id=info.id if info else None,
        version=version.version,
        api_version=version.api_version,
        api_minimum=version.api_minimum,
        api_used=version.api_used,
        storage_driver=info.storage_driver if info else None,
        image_store=info.image_store if info else None,
        operating_system=info.operating_system if info else None,
        kernel=(info.kernel if info else None) or version.kernel,
        data_root=info.data_root if info else None,
        components=version.components,
        log_driver=info.log_driver if info else None,
    )
