"""The Engine's events, read again and again: the part of a look that a follower needs."""

from __future__ import annotations

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient, negotiate
from hygiene_core.host.probes.events import read_events
from hygiene_core.host.probes.probe import Probe
from hygiene_core.model.coverage import Followed
from hygiene_core.model.request import ObserveRequest

__all__ = ["follow"]


def follow(request: ObserveRequest) -> Followed:
    """What the Engine still remembers. Raises Unreachable for whatever keeps it from being read."""
    with EngineClient(request.docker_socket, Deadline.after(request.deadlines.engine)) as client:
        negotiate(client)
        return read_events(Probe(client))
