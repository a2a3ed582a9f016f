"""Remove one container by its id. Never forced, and never its volumes: they are objects of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hygiene_core.errors import HygieneError
from hygiene_core.host.actions.calling import call
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.actions.looking import ContainerLook, look
from hygiene_core.host.engine import EngineClient
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action, Verb
from hygiene_core.model.resource import IDLE_STATES

__all__ = ["STOP_GRACE", "drift", "remove", "stop_and_remove"]

STOP_GRACE = timedelta(seconds=30)
"""How long a container may take to end by itself; then the Engine kills it, as it does on any stop."""

_OF_STOPPING = frozenset({"state", "finished_at"})


def drift(action: Action, seen: ContainerLook, _client: EngineClient) -> Acted | None:
    """The end of the action if the container is not as it was planned."""
    status = seen.state.status
    if status not in IDLE_STATES and action.verb is Verb.REMOVE_CONTAINER:
        return _skipped(Why.IN_USE, f"it is {status}")
    if changed := _changed(action, seen):
        return changed
    return _would_harm(seen) if action.verb is Verb.STOP_AND_REMOVE_CONTAINER else None


def _would_harm(seen: ContainerLook) -> Acted | None:
    """Why a container may not be stopped, although it is as it was planned."""
    if seen.execs:
        return _skipped(
            Why.IN_USE, f"programs were started in it (exec) and have not ended: {len(seen.execs)}"
        )
    if seen.host_config.auto_remove:
        said = "it was started with --rm: a stop would remove its anonymous volumes, which nobody named"
        return _skipped(Why.CONFLICT, said)
    return None


def _changed(action: Action, seen: ContainerLook, apart: frozenset[str] = frozenset()) -> Acted | None:
    now = seen.facts
    for name, value in now.items():
        planned = action.facts.get(name)
        if name not in apart and planned != value:
            return _skipped(Why.CHANGED, f"its {name} was {planned or 'none'} and is {value or 'none'}")
    return None


def remove(action: Action, hands: Hands) -> Acted:
    """Remove it; it does not run."""
    ended = call(
        action, hands, lambda client: client.remove_container(action.id, v=False, link=False, force=False)
    )
    return Acted(outcome=Outcome.REMOVED, removed=(action.id,)) if ended is None else ended


def stop_and_remove(action: Action, hands: Hands) -> Acted:
    """Stop it, see that it is the same one and stopped, and remove it."""
    grace = min(STOP_GRACE, hands.call_limit)
    stopped = call(action, hands, lambda client: client.stop(action.id, timeout=int(grace.total_seconds())))
    if stopped is not None:
        return stopped
    if (held := _once_stopped(action, hands)) is not None:
        return held
    ended = remove(action, hands)
    if ended.outcome in {Outcome.REMOVED, Outcome.ALREADY_ABSENT}:
        return ended
    return replace(ended, detail=f"it was stopped; {ended.detail}")


def _once_stopped(action: Action, hands: Hands) -> Acted | None:
    """The end of the action if the container is not there as it was, and stopped."""
    try:
        with hands.reader() as client:
            seen = look(client, action)
    except HygieneError as error:
        return _kept(Why.UNREADABLE, error.message)
    if not isinstance(seen, ContainerLook):
        return Acted(outcome=Outcome.ALREADY_ABSENT, why=Why.GONE, detail="it was gone once it had stopped")
    if seen.state.status not in IDLE_STATES:
        return _kept(Why.IN_USE, f"it is {seen.state.status} again")
    changed = _changed(action, seen, _OF_STOPPING)
    return None if changed is None else _kept(changed.why, changed.detail)


def _kept(why: Why | None, detail: str) -> Acted:
    return Acted(outcome=Outcome.KEPT, why=why, detail=f"it was stopped; {detail}")


def _skipped(why: Why, detail: str) -> Acted:
    return Acted(outcome=Outcome.SKIPPED, why=why, detail=detail)
