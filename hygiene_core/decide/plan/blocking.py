"""Why a plan may not be applied: known when it is made, and said before anybody approves it."""

from __future__ import annotations

from hygiene_core.decide.context import Context
from hygiene_core.decide.relations import budget_of
from hygiene_core.decide.summary import data_root
from hygiene_core.model.observation import Observation, SectionName
from hygiene_core.model.plan import Blocker, BlockerCode, Mode
from hygiene_core.model.resource import EMBEDDED_BUILDER

__all__ = ["LEAST_API", "blockers_of"]

LEAST_API = (1, 42)
"""The oldest API that this kit changes anything through: an older Engine labels no anonymous volume."""

_RETIRED_FROM = (SectionName.CONTAINERS, SectionName.IMAGES, SectionName.VOLUMES, SectionName.BUILDERS)


def blockers_of(observation: Observation, context: Context, mode: Mode) -> tuple[Blocker, ...]:
    """Every reason, those that block the whole plan first."""
    return (*_whole(observation, context, mode), *_parts(observation, context, mode))


def _whole(observation: Observation, context: Context, mode: Mode) -> list[Blocker]:
    policy, engine = context.policy, observation.engine
    code = BlockerCode
    found = []
    if policy.source is None:
        found.append((code.NO_POLICY, "no configuration was found, and the built-in defaults remove nothing"))
    if mode is Mode.BOUNDED and not policy.budgets:
        found.append((code.EMPTY_POLICY, "the policy has no budget, so that no cache is pruned"))
    if context.clock_problem is not None:
        found.append((code.CLOCK_SUSPECT, context.clock_problem))
    if engine is None or engine.id is None or observation.host.machine_id is None:
        found.append((code.HOST_UNKNOWN, "the machine or its Engine did not tell its id"))
    elif _number(engine.api_version) < LEAST_API:
        found.append((code.API_TOO_OLD, f"the Engine's API is {engine.api_version}, older than 1.42"))
    if data_root(observation) is None:
        told = None if engine is None else engine.data_root_reason
        why = told or "it was not seen"
        found.append((code.DATA_ROOT_UNPROVEN, f"the data root is not proven to be this Engine's: {why}"))
    return [Blocker(code=one, message=message) for one, message in found]


def _parts(observation: Observation, context: Context, mode: Mode) -> list[Blocker]:
    if mode is Mode.RETIREMENT:
        return [
            _incomplete(f"section {name.value} is not complete: {context.missing[name]}", name.value)
            for name in _retired_from(context)
            if name in context.missing
        ]
    found = []
    unseen = context.missing.get(SectionName.BUILDERS)
    if context.policy.budgets and unseen is not None:
        # One that was not seen may be over its budget.
        found.append(_incomplete(f"not every builder is known: {unseen}", SectionName.BUILDERS.value))
    for builder in observation.builders:
        if budget_of(context.policy, builder.id) is None:
            continue
        if builder.id == EMBEDDED_BUILDER:
            why = context.missing.get(SectionName.BUILD_CACHE)
        elif builder.records_read:
            why = None
        else:
            why = f"its container is {builder.container_state or 'not there'}; not every record was read"
        if why is not None:
            found.append(_incomplete(f"the cache of {builder.id} is not known: {why}", builder.id))
    return found


def _retired_from(context: Context) -> tuple[SectionName, ...]:
    """The sections that objects are retired from; the directories' only where there are any to look at."""
    policy = context.policy
    runners = (SectionName.RUNNERS,) if policy.runner_roots else ()
    return (*_RETIRED_FROM, *runners, *((SectionName.RUN_CACHES,) if policy.run_caches else ()))


def _incomplete(message: str, subject: str) -> Blocker:
    return Blocker(code=BlockerCode.INVENTORY_INCOMPLETE, message=message, subject=subject)


def _number(version: str) -> tuple[int, ...]:
    """An API version as numbers; one that is none is older than all."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
