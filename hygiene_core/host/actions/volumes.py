"""Remove one volume by its name. Never forced."""

from __future__ import annotations

from hygiene_core.host.actions.calling import call
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.actions.looking import HolderRow, VolumeLook, holders
from hygiene_core.host.engine import EngineClient
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action

__all__ = ["drift", "remove"]


def drift(action: Action, seen: VolumeLook, client: EngineClient) -> Acted | None:
    """The end of the action if the volume is not as it was planned, or a container of any state mounts it."""
    for name, value in seen.facts.items():
        planned = action.facts.get(name)
        if planned != value:
            said = f"its {name} was {planned or 'none'} and is {value or 'none'}"
            return Acted(outcome=Outcome.SKIPPED, why=Why.CHANGED, detail=said)
    place = (seen.mountpoint or "").removesuffix("/_data")
    user = next((one.name for one in holders(client) if _mounts(one, action.id, place)), None)
    if user is not None:
        return Acted(outcome=Outcome.SKIPPED, why=Why.IN_USE, detail=f"container {user} mounts it")
    return None


def _mounts(container: HolderRow, name: str, place: str) -> bool:
    """By name, or by a bind of its directory or of anything in it, which the Engine does not count."""
    for mount in container.mounts or ():
        if mount.type == "volume" and mount.name == name:
            return True
        source = (mount.source or "").rstrip("/")
        if place and (source == place or source.startswith(f"{place}/")):
            return True
    return False


def remove(action: Action, hands: Hands) -> Acted:
    """Remove it. The Engine answers a conflict if a container mounts it by now."""
    ended = call(action, hands, lambda client: client.remove_volume(action.id, force=False))
    return Acted(outcome=Outcome.REMOVED, removed=(action.id,)) if ended is None else ended
