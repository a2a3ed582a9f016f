"""The events that the Engine still remembers: uses of images, removals, and since when none is lost.

The Engine keeps the newest 256 events in memory. Nothing was missed since the oldest that it still has. Our
own commands in builders are events too, so that this is read before any of them runs.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from hygiene_core.clock import utc_now
from hygiene_core.errors import EngineProtocol
from hygiene_core.host.probes.builders import builder_of_name
from hygiene_core.host.probes.probe import Probe
from hygiene_core.model.coverage import Followed, Removal, Span
from hygiene_core.model.resource import Kind

__all__ = ["read_events"]

_USES = frozenset({"create", "start", "die"})
"""What a container does when it is used. An exec is none: a look must not keep an image young."""

_REMOVALS = {
    ("image", "delete"): Kind.IMAGE,
    ("container", "destroy"): Kind.CONTAINER,
    ("volume", "destroy"): Kind.VOLUME,
}
_PRUNES = {
    "image": Kind.IMAGE,
    "container": Kind.CONTAINER,
    "volume": Kind.VOLUME,
    "builder": Kind.BUILD_CACHE,
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_NAME = 4096


def read_events(probe: Probe) -> Followed:
    """Every event that is left, in one answer that ends at once.

    Only the kind, the action, the time, the id, and the names of a container and of its image are read.
    Raises as the client does.
    """
    until_at = utc_now()
    probe.note(f"GET {probe.client.url('/events')}")
    params = {"since": "0", "until": f"{time.time():.9f}"}
    oldest: datetime | None = None
    uses: dict[str, datetime] = {}
    removals: list[Removal] = []
    for event in probe.client.get_lines("/events", params):
        at = _time_of(event)
        oldest = at if oldest is None else min(oldest, at)
        image = _used_image(event)
        if image is not None:
            uses[image] = max(at, uses.get(image, at))
        removals += _removals(event, at)
    spans = () if oldest is None else (Span(min(oldest, until_at), until_at),)
    return Followed(spans=spans, uses=uses, removals=tuple(removals))


def _time_of(event: Any) -> datetime:
    """To the millisecond, as every time of the evidence is; rounded up, so that no span grows by it."""
    nanoseconds = event.get("timeNano") if isinstance(event, dict) else None
    if not isinstance(nanoseconds, int) or nanoseconds < 0:
        raise EngineProtocol("The Engine told an event without a time.")
    return _EPOCH + timedelta(milliseconds=-(-nanoseconds // 1_000_000))


def _used_image(event: dict[str, Any]) -> str | None:
    if event.get("Type") != "container" or event.get("Action") not in _USES:
        return None
    image = _attributes(event).get("image")
    if not isinstance(image, str) or not 0 < len(image) <= _LONGEST_NAME:
        raise EngineProtocol("The Engine told of a container without naming its image.")
    return image


def _removals(event: dict[str, Any], at: datetime) -> list[Removal]:
    """What an event says is gone: one thing, or two where the container was a builder's."""
    told, action = event.get("Type"), event.get("Action")
    if action == "prune" and told in _PRUNES:
        claimed = str(_attributes(event).get("reclaimed", ""))
        freed = int(claimed) if claimed.isascii() and claimed.isdecimal() else None
        return [Removal(kind=_PRUNES[told], id=None, removed_at=at, claimed_bytes=freed)]
    kind = _REMOVALS.get((str(told), str(action)))
    if kind is None:
        return []
    actor = event.get("Actor")
    own_id = actor.get("ID") if isinstance(actor, dict) else None
    if not isinstance(own_id, str) or not 0 < len(own_id) <= _LONGEST_NAME:
        raise EngineProtocol(f"The Engine told of a removed {kind} without its id.")
    removed = [Removal(kind=kind, id=own_id, removed_at=at)]
    builder = builder_of_name(str(_attributes(event).get("name", ""))) if kind is Kind.CONTAINER else None
    return removed if builder is None else [*removed, Removal(kind=Kind.BUILDER, id=builder, removed_at=at)]


def _attributes(event: dict[str, Any]) -> dict[str, Any]:
    actor = event.get("Actor")
    attributes = actor.get("Attributes") if isinstance(actor, dict) else None
    return attributes if isinstance(attributes, dict) else {}
