"""Prune build caches: exact records by their ids, and a cap beside them. Never one without the other.

Both builders take an anchored alternation of ids: the Engine's in `filters`, BuildKit's own client as
`id~=`. A filter that matched nothing would remove nothing; one that matched more is stopped by the cap, and
what went is compared with what was named. A plain size cap misses its ceiling and claims what it does not
free, and every version that can be read takes ids: there is no such fallback.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from hygiene_core.errors import EngineProtocol, EngineTimeout, HygieneError
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.buildkit_wire import parse_du
from hygiene_core.host.df_wire import parse_build_cache
from hygiene_core.host.exec import run_in, running
from hygiene_core.host.mask import mask_text
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action
from hygiene_core.model.resource import EMBEDDED_BUILDER, BuildCacheRecord

__all__ = ["CALL_RECORDS", "prune", "read_records", "still_pruning"]

CALL_RECORDS = 500
"""The most ids of one call: some 13 KB, far below the 128 KiB that one argument of a program may have."""

_ID = re.compile(r"[a-z0-9]{1,128}")
_BROKEN_FROM = 500
"""An Engine that answers so may have removed a part of it before."""

_FILTERED_BY_SPACE = (1, 48)
"""From this API on the cap is `max-used-space`. Older ones ignore that name, and would prune everything."""


def read_records(action: Action, hands: Hands) -> tuple[BuildCacheRecord, ...]:
    """Every record of the action's builder, now.

    Raises:
        HygieneError: they cannot be read, or not all of them, or the builder is another.
    """
    with hands.reader() as client:
        if action.id == EMBEDDED_BUILDER:
            parsed, _ = parse_build_cache(client.get_json("/system/df", {"type": "build-cache"}))
            if parsed.problem is not None:
                raise EngineProtocol(f"records of the build cache cannot be read: {parsed.problem}")
            return tuple(one for one in parsed.rows if one.builder == EMBEDDED_BUILDER)
        container_id = _container_of(action)
        inspected = client.get_json(f"/containers/{container_id}/json")
        state = inspected.get("State") if isinstance(inspected, dict) else None
        if not isinstance(state, dict) or state.get("Running") is not True or state.get("Paused"):
            raise EngineProtocol(f"the container of {action.id} does not run")
        output = run_in(client, container_id, ("buildctl", "du", "--format", "{{json .}}"))
        told = parse_du(output, action.id)
        if told.problem is not None:
            raise EngineProtocol(f"records of {action.id} cannot be read: {told.problem}")
        return told.rows


def prune(action: Action, ids: Sequence[str], cap_bytes: int, hands: Hands) -> Acted:
    """Have the builder remove exactly these records, children before parents, down to a cap.

    Args:
        action: which builder.
        ids: of its records, as the model has them; at most `CALL_RECORDS`.
        cap_bytes: what it is not to fall below; at least 1.
        hands: the Engine.
    """
    bare = [one.removeprefix(f"{action.id}/") for one in ids]
    if not bare or len(bare) > CALL_RECORDS or cap_bytes < 1:
        return Acted(outcome=Outcome.REFUSED, why=Why.BOUNDS, detail="a prune without ids or without a cap")
    if any(_ID.fullmatch(one) is None for one in bare):
        return Acted(outcome=Outcome.REFUSED, why=Why.CHANGED, detail="the id of a record is none")
    try:
        if action.id == EMBEDDED_BUILDER:
            gone, claimed = _prune_embedded(bare, cap_bytes, hands)
        else:
            gone, claimed = _prune_in_container(_container_of(action), bare, cap_bytes, hands)
    except EngineTimeout as error:
        return Acted(outcome=Outcome.UNKNOWN, why=Why.TIMEOUT, detail=error.message)
    except EngineProtocol as error:
        refused = error.http_status is not None and error.http_status < _BROKEN_FROM
        outcome = Outcome.FAILED if refused else Outcome.UNKNOWN
        return Acted(outcome=outcome, why=Why.ENGINE, detail=error.message)
    except HygieneError as error:
        return Acted(outcome=Outcome.UNKNOWN, why=Why.ENGINE, detail=error.message)
    return _told(action, bare, gone, claimed)


def _told(action: Action, named: Sequence[str], gone: Sequence[str], claimed: int | None) -> Acted:
    """What the builder says went, beside what was named."""
    prefix = "" if action.id == EMBEDDED_BUILDER else f"{action.id}/"
    removed = tuple(f"{prefix}{one}" for one in gone if one in set(named))
    stayed = len(named) - len(removed)
    return Acted(
        outcome=Outcome.REMOVED if removed else Outcome.KEPT,
        why=Why.IN_USE if stayed else None,
        detail=f"the builder kept {stayed} of {len(named)}" if stayed else "",
        removed=removed,
        claimed_bytes=claimed,
        foreign=tuple(f"{prefix}{one}" for one in gone if one not in set(named)),
    )


def still_pruning(action: Action, hands: Hands) -> bool:
    """Whether a `buildctl prune` of an earlier call still runs in the builder's container.

    An exec has no deadline of its own: one whose answer was not waited for goes on.
    """
    if action.id == EMBEDDED_BUILDER:
        return False  # the Engine stops when the connection closes
    with hands.reader() as client:
        sessions = running(client, _container_of(action))
    return any(one.program == "buildctl" and one.first_argument == "prune" for one in sessions)


def _pattern(ids: Sequence[str]) -> str:
    return f"^({'|'.join(ids)})$"


def _prune_embedded(ids: Sequence[str], cap_bytes: int, hands: Hands) -> tuple[list[str], int | None]:
    major, _, minor = hands.api_version.partition(".")
    cap = "max-used-space" if (int(major), int(minor)) >= _FILTERED_BY_SPACE else "keep-storage"
    answer = hands.post("/build/prune", {cap: cap_bytes, "filters": json.dumps({"id": [_pattern(ids)]})})
    gone, claimed = answer.get("CachesDeleted"), answer.get("SpaceReclaimed")
    return [str(one) for one in gone or ()], claimed if isinstance(claimed, int) else None


def _prune_in_container(
    container_id: str, ids: Sequence[str], cap_bytes: int, hands: Hands
) -> tuple[list[str], int | None]:
    command = (
        "buildctl",
        "prune",
        "--filter",
        f'id~="{_pattern(ids)}"',
        "--keep-storage",
        f"{cap_bytes / 1e6:.6f}",  # BuildKit's client counts in millions of bytes
        "--format",
        "{{json .}}",
    )
    with hands.reader() as client:
        output = run_in(client, container_id, command)
    gone: list[str] = []
    claimed = 0
    for line in output.splitlines():
        record = _object(line)
        gone.append(str(record.get("id")))
        claimed += record["size"] if isinstance(record.get("size"), int) else 0
    return gone, claimed


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        said = mask_text(line[:80].decode(errors="replace"))
        raise EngineProtocol(f"`buildctl prune` told something that is no record: {said}")
    return value


def _container_of(action: Action) -> str:
    if action.container_id is None or re.fullmatch(r"[0-9a-f]{64}", action.container_id) is None:
        raise EngineProtocol(f"the plan names no container of {action.id}")
    return action.container_id
