"""Short ways to run the pure part on built inventories."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hygiene_core.decide.classify import classify, explain
from hygiene_core.decide.context import Context
from hygiene_core.decide.remember import gather, resources_of
from hygiene_core.model.judgement import Chain, Judged
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.observation import Observation
from hygiene_core.model.policy import Ages, Budget, Policy
from hygiene_core.model.resource import Container
from hygiene_core.testing import GIB, NOW
from hygiene_core.testing import container as made_container

WEEK = timedelta(hours=168)
LONG_AGO = NOW - timedelta(days=60)
BUDGET = Budget(max_bytes=8 * GIB, reserved_bytes=4 * GIB, min_age=WEEK)
ALL_AGES = Ages(
    grace=WEEK,
    dangling_image=WEEK,
    tagged_image=WEEK,
    stopped_container=WEEK,
    anonymous_volume=WEEK,
    orphan_builder=WEEK,
)


def container(name: str = "web", **fields: Any) -> Container:
    """A container whose every event is long ago."""
    return made_container(
        name, **{"created_at": LONG_AGO, "started_at": LONG_AGO, "finished_at": LONG_AGO} | fields
    )


def policy(**fields: Any) -> Policy:
    made: dict[str, Any] = {"source": "hygiene.toml", "digest": "0" * 64, "ages": ALL_AGES}
    return Policy(**made | fields)


def memory_of(seen: Observation, since: datetime = LONG_AGO) -> Memory:
    """A memory in which everything was idle since `since`, under the names it has now."""
    entries = {
        (resource.kind.value, resource.id): Known(
            first_seen_at=since, idle_since_at=since, names=tuple(sorted(resource.names))
        )
        for resource in resources_of(seen)
    }
    return Memory(entries=entries, last_run_at=NOW - timedelta(days=1))


def context_of(
    seen: Observation, rules: Policy | None = None, memory: Memory | None = None, now: datetime = NOW
) -> Context:
    return gather(seen, memory_of(seen) if memory is None else memory, rules or policy(), now)


def judge(seen: Observation, rules: Policy | None = None, **more: Any) -> dict[str, Judged]:
    """Judged rows by id."""
    return {row.id: row for row in classify(seen, context_of(seen, rules, **more))}


def chain(resource: Any, seen: Observation, rules: Policy | None = None, **more: Any) -> Chain:
    return explain(resource, context_of(seen, rules, **more))


def rules_of(row: Judged) -> tuple[str, ...]:
    return tuple(reason.rule for reason in row.reasons)
