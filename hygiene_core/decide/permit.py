"""Whether a plan may be applied now, and which of its steps: by host rules, approvals and the clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hygiene_core.decide.relations import BUILDER_PREFIX, node_names, of_builder, repository
from hygiene_core.model.act import Why
from hygiene_core.model.approval import Approval
from hygiene_core.model.host_rules import HostRules
from hygiene_core.model.plan import PLAN_VERSION, Action, Mode, Plan, Verb
from hygiene_core.model.policy import first_match
from hygiene_core.model.resource import Kind

__all__ = ["Permitted", "Refusal", "permitted", "refusals"]

_CLOCK_SLACK = timedelta(minutes=5)
_LONGEST_EXPIRY = timedelta(days=31)

_KINDS = {
    Verb.PRUNE_RECORDS: (Kind.BUILDER,),
    Verb.REMOVE_CONTAINER: (Kind.CONTAINER,),
    Verb.STOP_AND_REMOVE_CONTAINER: (Kind.CONTAINER,),
    Verb.REMOVE_IMAGE: (Kind.IMAGE,),
    Verb.REMOVE_VOLUME: (Kind.VOLUME,),
    Verb.REMOVE_DIRECTORY: (Kind.RUNNER_WORKDIR, Kind.RUN_CACHE),
    Verb.REMOVE_FILES: (Kind.RUNNER_WORKDIR,),
}
"""What each verb is about: a step that says otherwise would be held against the wrong patterns."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the whole plan may not be applied: a code of `errors`, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitted:
    """`actions` may be done, in their order; `withheld` says by number why another may not."""

    actions: tuple[Action, ...]
    references: dict[int, tuple[str, ...]]
    withheld: dict[int, tuple[Why, str]]
    approvals: tuple[str, ...] = ()


def refusals(
    plan: Plan, rules: HostRules, *, machine_id: str | None, engine_id: str | None, now: datetime
) -> tuple[Refusal, ...]:
    """Every reason that the host has against the whole plan.

    Args:
        plan: as it was stored.
        rules: the host's own.
        machine_id: of this machine, now.
        engine_id: of the Engine that answers, now.
        now: the present, aware UTC.
    """
    found = [*_of_another_host(plan, rules, machine_id, engine_id), *_out_of_time(plan, now)]
    if plan.version != PLAN_VERSION:
        found.append(("PLAN_CHANGED", f"the plan is of version {plan.version}, not {PLAN_VERSION}"))
    found += [
        ("PLAN_BLOCKED", f"{one.message} [{one.code.value}]") for one in plan.blockers if one.subject is None
    ]
    found += _beyond(plan, rules)
    return tuple(Refusal(code, message) for code, message in found)


def _of_another_host(
    plan: Plan, rules: HostRules, machine_id: str | None, engine_id: str | None
) -> Iterable[tuple[str, str]]:
    if machine_id is None or rules.host_id != machine_id:
        yield "WRONG_HOST", f"the host's own rules are of machine {rules.host_id}, this is {machine_id}"
    if plan.host.machine_id != machine_id:
        yield "WRONG_HOST", f"the plan is for machine {plan.host.machine_id}, this is {machine_id}"
    if engine_id is None or plan.host.engine_id != engine_id:
        yield "WRONG_HOST", f"the plan is for Engine {plan.host.engine_id}, {engine_id} answers here"


def _out_of_time(plan: Plan, now: datetime) -> Iterable[tuple[str, str]]:
    if plan.made_at > now + _CLOCK_SLACK:
        yield "CLOCK_SUSPECT", f"the plan was made at {plan.made_at:%F %T}Z, which is not yet"
    if plan.expires_at <= now:
        yield "PLAN_EXPIRED", f"the plan could be applied until {plan.expires_at:%F %T}Z"
    if plan.lasts > _LONGEST_EXPIRY:
        yield "PLAN_EXPIRED", f"the plan is to last {plan.lasts.days} days, more than {_LONGEST_EXPIRY.days}"


def _beyond(plan: Plan, rules: HostRules) -> Iterable[tuple[str, str]]:
    """What exceeds the host's own limits."""
    ceilings, bounds = rules.ceilings, plan.bounds
    items = sum(max(1, len(action.records), len(action.files)) for action in plan.actions)
    estimate = sum(_bytes_of(action) for action in plan.actions)
    for what, planned, most in (
        ("objects", items, min(ceilings.max_items, bounds.max_items)),
        ("bytes", estimate, min(ceilings.max_bytes, bounds.max_bytes)),
    ):
        if planned > most:
            yield "BUDGET_EXCEEDED", f"the plan takes {planned} {what}, and at most {most} are allowed"
    if bounds.max_time > ceilings.max_time:
        yield "BUDGET_EXCEEDED", f"the plan may take {bounds.max_time}, the host allows {ceilings.max_time}"
    for verb in sorted({action.verb for action in plan.actions} - rules.allow):
        yield "NOT_ALLOWED", f"the host does not allow {verb.value}"
    numbers = [action.number for action in plan.actions]
    if numbers != list(range(1, len(numbers) + 1)):
        yield "PLAN_CHANGED", "the steps of the plan are not numbered one by one"
    seen: set[tuple[Kind, str]] = set()
    for action in plan.actions:
        if (action.kind, action.id) in seen:
            yield "PLAN_CHANGED", f"the plan names {action.kind.value} {action.id} twice"
        seen.add((action.kind, action.id))
        yield from _of_action(action, plan, rules)


def _bytes_of(action: Action) -> int:
    """By estimate; a figure that cannot be right must not make room for others."""
    records = sum(max(0, record.size_bytes) for record in action.records)
    return max(0, action.estimate_bytes or 0, records)


def _of_action(action: Action, plan: Plan, rules: HostRules) -> Iterable[tuple[str, str]]:
    if (plan.mode is Mode.BOUNDED) != (action.verb is Verb.PRUNE_RECORDS):
        yield "NOT_ALLOWED", f"{action.verb.value} is no step of a {plan.mode.value} plan"
    if action.kind not in _KINDS[action.verb]:
        yield "PLAN_CHANGED", f"step {action.number} is to {action.verb.value} a {action.kind.value}"
    if hit := _untouchable(action, rules):
        yield "NO_TOUCH", f"the host does not let {hit[1]} be touched ({hit[0]})"
    if f"{action.kind.value} {action.id}" in plan.untouched:
        yield "NO_TOUCH", f"the plan names {action.kind.value} {action.id} and protects it as well"
    if action.verb is Verb.PRUNE_RECORDS:
        yield from _of_prune(action, rules)


def _untouchable(action: Action, rules: HostRules) -> tuple[str, str] | None:
    """The pattern of the host's no-touch set that a step meets, and the name that it meets by.

    Labels are asked when the host is looked at: a plan does not have them.
    """
    names = (action.id, action.name, *action.references)
    match action.kind:
        case Kind.IMAGE:
            repositories = tuple(dict.fromkeys(map(repository, (action.name, *action.references))))
            return first_match(rules.no_touch.images, (*names, *repositories))
        case Kind.CONTAINER:
            return first_match(rules.no_touch.containers, names) or _part_of_builder(names, rules)
        case Kind.VOLUME:
            return first_match(rules.no_touch.volumes, names) or _part_of_builder(names, rules)
        case _:
            return None


def _part_of_builder(names: Iterable[str], rules: HostRules) -> tuple[str, str] | None:
    """A warm builder is its container and its state volume; buildx names both after the node."""
    nodes = [name.removeprefix(BUILDER_PREFIX) for name in names if name.startswith(BUILDER_PREFIX)]
    nodes += [node.removesuffix("_state") for node in nodes]
    return first_match(rules.no_touch.builders, tuple(one for node in nodes for one in node_names(node)))


def _of_prune(action: Action, rules: HostRules) -> Iterable[tuple[str, str]]:
    budget, private = action.budget, action.private_bytes
    planned = sum(record.size_bytes for record in action.records)
    if (
        not action.records
        or budget is None
        or private is None
        or not action.cap_bytes
        or budget.max_bytes < 1
    ):
        yield "UNBOUNDED", f"the prune of {action.id} has no records, no budget or no cap"
        return
    if action.cap_bytes != private - planned + 1 or any(one.size_bytes < 0 for one in action.records):
        yield "UNBOUNDED", f"the cap of the prune of {action.id} is not what its records leave"
    if len({record.id for record in action.records}) != len(action.records):
        yield "PLAN_CHANGED", f"the prune of {action.id} names a record twice"
    floor = max(of_builder(rules.reserves, action.id) or 0, budget.reserved_bytes)
    if private - planned < floor:
        yield "BUDGET_EXCEEDED", f"{action.id} would fall under its reserve of {floor} bytes"


def permitted(
    plan: Plan,
    rules: HostRules,
    approvals: Collection[tuple[str, Approval]],
    *,
    pruned_before: Collection[str],
    now: datetime,
) -> Permitted:
    """The steps that may be done.

    Args:
        plan: without refusals.
        rules: the host's own.
        approvals: of this plan, by their ids, without those that were withdrawn.
        pruned_before: builders that were pruned on this host before.
        now: the present, aware UTC.
    """
    valid = [(name, one) for name, one in approvals if one.until > now and _counts(one, plan, rules)]
    yes = {number for _, one in valid for number in one.items}
    references: dict[int, tuple[str, ...]] = {}
    for _, one in valid:
        for number, listed in one.references.items():
            references[number] = tuple(dict.fromkeys((*references.get(number, ()), *listed)))
    actions, withheld = [], {}
    for action in plan.actions:
        why = None if action.number in yes else _needs(action, plan.mode, pruned_before)
        if why is None:
            actions.append(action)
        else:
            withheld[action.number] = (Why.NOT_APPROVED, why)
    return Permitted(
        actions=tuple(actions),
        references=references,
        withheld=withheld,
        approvals=tuple(name for name, _ in valid),
    )


def _counts(approval: Approval, plan: Plan, rules: HostRules) -> bool:
    """Whether a yes is of this host, and of somebody whose yes counts here."""
    same = (approval.machine_id, approval.engine_id) == (plan.host.machine_id, plan.host.engine_id)
    return same and approval.approved_by.name in rules.approvers


def _needs(action: Action, mode: Mode, pruned_before: Collection[str]) -> str | None:
    """Why a step needs a yes that it does not have."""
    if mode is Mode.RETIREMENT:
        return "nobody approved it"
    planned = sum(record.size_bytes for record in action.records)
    if planned * 2 > (action.private_bytes or 0) and action.id not in pruned_before:
        return "the first prune of a builder that takes more than half of its cache needs an approval"
    return None
