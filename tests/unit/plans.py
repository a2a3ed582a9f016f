"""Plans, approvals and a host's rules for the tests, each allowed as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hygiene_core.model.approval import Approval
from hygiene_core.model.host_rules import HostRules
from hygiene_core.model.journal import Caller
from hygiene_core.model.plan import Action, Mode, Outlook, Plan, PlannedHost, PlannedRecord, Selection, Verb
from hygiene_core.model.policy import Bounds, Budget
from hygiene_core.model.resource import Kind
from hygiene_core.testing import GIB, MIB, NOW, digest, engine, image

MACHINE = digest("machine")[:32]
ENGINE = engine().id
BUDGET = Budget(max_bytes=8 * GIB, reserved_bytes=GIB, min_age=timedelta(hours=168))
ALICE = Caller(uid=0, login_uid=1000, sudo_uid=1000, name="alice")
LATER = NOW + timedelta(hours=1)
KINDS = {
    Verb.REMOVE_CONTAINER: Kind.CONTAINER,
    Verb.STOP_AND_REMOVE_CONTAINER: Kind.CONTAINER,
    Verb.REMOVE_IMAGE: Kind.IMAGE,
    Verb.REMOVE_VOLUME: Kind.VOLUME,
    Verb.REMOVE_FILES: Kind.RUNNER_WORKDIR,
}


def record(name: str, size_bytes: int = 10 * MIB, **fields: Any) -> PlannedRecord:
    made: dict[str, Any] = {
        "id": name,
        "size_bytes": size_bytes,
        "last_used_at": NOW - timedelta(days=20),
        "usage_count": 1,
    }
    return PlannedRecord(**made | fields)


def prune(builder: str = "embedded", records: Sequence[PlannedRecord] | None = None, **fields: Any) -> Action:
    """A prune of two records of 10 MiB, of a cache of 9 GiB."""
    going = (record("a"), record("b")) if records is None else tuple(records)
    planned = sum(one.size_bytes for one in going)
    made: dict[str, Any] = {
        "number": 1,
        "verb": Verb.PRUNE_RECORDS,
        "kind": Kind.BUILDER,
        "id": builder,
        "name": builder,
        "estimate_bytes": planned,
        "reasons": ("over its budget",),
        "records": going,
        "private_bytes": 9 * GIB,
        "budget": BUDGET,
    }
    made |= fields
    if made["private_bytes"] is not None:
        made.setdefault("cap_bytes", made["private_bytes"] - planned + 1)
    return Action(**made)


def removal(verb: Verb = Verb.REMOVE_IMAGE, name: str = "app:1", **fields: Any) -> Action:
    """A step of a retirement."""
    kind = KINDS[verb]
    ids = {
        Kind.IMAGE: image(name).id,
        Kind.CONTAINER: digest(f"container {name}"),
        Kind.VOLUME: name,
        Kind.LOG: name,
    }
    made: dict[str, Any] = {
        "number": 1,
        "verb": verb,
        "kind": kind,
        "id": ids.get(kind, name),
        "name": name,
        "estimate_bytes": 100 * MIB,
        "reasons": ("idle",),
        "references": (name,) if kind is Kind.IMAGE else (),
    }
    return Action(**made | fields)


def plan(*actions: Action, **fields: Any) -> Plan:
    """A plan of this host, made now; the mode is that of its first step, and its steps are numbered."""
    bounded = not actions or actions[0].verb is Verb.PRUNE_RECORDS
    numbered = tuple(replace(one, number=number) for number, one in enumerate(actions, 1))
    made: dict[str, Any] = {
        "mode": Mode.BOUNDED if bounded else Mode.RETIREMENT,
        "host": PlannedHost(
            name="lab",
            machine_id=MACHINE,
            engine_id=ENGINE,
            engine_version="26.1.5+dfsg1",
            api_version="1.45",
        ),
        "run_id": "7f3a9152-0c4e-4b1d-9a55-2f6c1f0c7a10",
        "tool_version": "0.1.0",
        "made_at": NOW,
        "expires_at": NOW + timedelta(hours=24),
        "policy_digest": digest("policy"),
        "policy_sentence": "Made for a test.",
        "inventory_digest": digest("inventory"),
        "selection": Selection(),
        "bounds": Bounds(),
        "preconditions": (),
        "stop_conditions": (),
        "actions": numbered,
        "outlooks": tuple(outlook(one) for one in numbered if one.verb is Verb.PRUNE_RECORDS),
    }
    return Plan(**made | fields)


def outlook(action: Action) -> Outlook:
    return Outlook(
        builder=action.id,
        private_bytes=action.private_bytes or 0,
        planned_bytes=sum(one.size_bytes for one in action.records),
        target_bytes=8 * GIB,
        budget=action.budget or BUDGET,
        staying=(),
    )


def rules(**fields: Any) -> HostRules:
    """Rules that allow every verb, and alice to approve."""
    made: dict[str, Any] = {
        "host_id": MACHINE,
        "name": "lab",
        "docker_socket": "/run/lab.sock",
        "allow": frozenset(Verb),
        "approvers": ("alice", "bob"),
    }
    return HostRules(**made | fields)


def approval(*items: int, **fields: Any) -> Approval:
    """Alice's yes to these steps, for an hour."""
    made: dict[str, Any] = {
        "digest": digest("plan"),
        "machine_id": MACHINE,
        "engine_id": ENGINE,
        "items": items,
        "approved_by": ALICE,
        "approved_at": NOW,
        "until": LATER,
        "reason": "old",
    }
    return Approval(**made | fields)
