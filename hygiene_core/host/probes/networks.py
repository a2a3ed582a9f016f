"""The Engine's networks: read where runners are configured, because a job that was cut off leaves some."""

from __future__ import annotations

from pydantic import Field, TypeAdapter

from hygiene_core.host.mask import mask_labels, mask_text
from hygiene_core.host.probes.probe import Probe, Reading
from hygiene_core.host.rows import Labels, Moment, Name, Row
from hygiene_core.host.wire import read_rows
from hygiene_core.model.observation import Network

__all__ = ["read_networks"]


class _NetworkRow(Row):
    """One of GET /networks."""

    id: Name = Field(alias="Id")
    name: str = Field("", alias="Name")
    driver: str = Field("", alias="Driver")
    created_at: Moment = Field(None, alias="Created")
    labels: Labels | None = Field(None, alias="Labels")


_NETWORKS = TypeAdapter(list[_NetworkRow])


def read_networks(probe: Probe) -> Reading[tuple[Network, ...]]:
    """Every network. Raises as the client does."""
    return probe.listed(read_rows("networks", _NETWORKS, _NetworkRow, probe.get("/networks"), _network))


def _network(row: _NetworkRow) -> Network:
    return Network(
        id=row.id,
        name=mask_text(row.name),
        driver=row.driver,
        created_at=row.created_at,
        labels=mask_labels(row.labels),
    )
