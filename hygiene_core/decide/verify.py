"""What the look after an apply proves. The word of the apply counts for nothing here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime

from hygiene_core.model.act import Outcome
from hygiene_core.model.journal import BuilderState, Settled, Snapshot, Verified, WarmthProbed
from hygiene_core.model.observation import SECTION_OF_KIND, Observation, SectionName
from hygiene_core.model.plan import Plan, Verb
from hygiene_core.model.resource import EMBEDDED_BUILDER

__all__ = ["verified"]

_REMOVAL = {Outcome.REMOVED, Outcome.ALREADY_ABSENT}


def verified(
    plan: Plan,
    settled: Sequence[Settled],
    *,
    before: Snapshot,
    after: Snapshot,
    seen: Observation,
    left: Collection[int] = (),
    probes: Sequence[WarmthProbed] = (),
    now: datetime,
) -> Verified:
    """The line of the journal that says what was found: problems make the run a failed one, notes do not.

    Args:
        plan: what was to be done.
        settled: what was said to have been done.
        before: the host before the first removal.
        after: the host after the last.
        seen: the look that `after` was made of.
        left: steps on files of which something is still where it was; no look at the Engine tells of them.
        probes: builds of warm builders before and after.
        now: the present, aware UTC.
    """
    problems = [*_untouched(before, after, seen), *_still_there(plan, settled, seen, left)]
    problems += _warm(plan, settled, before, after)
    problems += _cold(probes, settled)
    notes = [f"{name} was not complete afterwards: {why}" for name, why in after.incomplete.items()]
    notes += _over_budget(plan, settled, after)
    measured = {probe.builder for probe in probes if probe.when == "after" and probe.problem is None}
    return Verified(
        at=now,
        problems=tuple(problems),
        notes=tuple(notes),
        unmeasured=tuple(name for name in _warm_names(plan, before) if name not in measured),
    )


def _untouched(before: Snapshot, after: Snapshot, seen: Observation) -> Iterator[str]:
    """Nothing of the no-touch set may be gone; more of it is nobody's harm."""
    gone = set(before.untouchable) - set(after.untouchable)
    there = {
        *(f"image {one.id}" for one in seen.images),
        *(f"container {one.id}" for one in seen.containers),
        *(f"volume {one.id}" for one in seen.volumes),
    }
    for word in sorted(gone):
        if word in there:
            continue  # it lost its label or name; nothing of it was removed
        kind = word.partition(" ")[0]
        section = next(name for known, name in SECTION_OF_KIND.items() if known.value == kind)
        if section.value in after.incomplete:
            yield f"whether the protected {word} is still there could not be read"
        else:
            yield f"the protected {word} is gone"


def _still_there(
    plan: Plan, settled: Iterable[Settled], seen: Observation, in_place: Collection[int]
) -> Iterator[str]:
    ids = {
        Verb.REMOVE_CONTAINER: {one.id for one in seen.containers},
        Verb.STOP_AND_REMOVE_CONTAINER: {one.id for one in seen.containers},
        Verb.REMOVE_IMAGE: {one.id for one in seen.images},
        Verb.REMOVE_VOLUME: {one.id for one in seen.volumes},
        Verb.PRUNE_RECORDS: {one.id for one in seen.build_cache},
    }
    by_number = {action.number: action for action in plan.actions}
    for one in settled:
        action = by_number[one.number]
        # Of several logs, some may have stayed: then the outcome says why.
        whole = one.number in in_place and one.why is None
        left = ids.get(action.verb, {action.id} if whole else set())
        named = one.removed if action.verb is Verb.PRUNE_RECORDS else (action.id,)
        back = [name for name in named if name in left] if one.outcome in _REMOVAL else []
        if back:
            yield f"{len(back)} of step {one.number} ({action.name}) are still there: {back[0]}"


def _warm(plan: Plan, settled: Sequence[Settled], before: Snapshot, after: Snapshot) -> Iterator[str]:
    was = {one.id: one for one in before.builders}
    now = {one.id: one for one in after.builders}
    for name in _warm_names(plan, before):
        old, new = was.get(name), now.get(name)
        if old is None:
            continue
        if name == EMBEDDED_BUILDER and new is not None:
            yield from _reserve(old, new, _largest_removed(name, plan, settled))
            continue
        if new is None:
            unread = SectionName.BUILDERS.value in after.incomplete
            said = "is gone" if not unread else "is still there could not be read"
            yield f"{'whether ' if unread else ''}the warm builder {name} {said}"
            continue
        if old.container_state == "running" and new.container_state != "running":
            yield f"the warm builder {name} does not run any more: {new.container_state}"
        if (old.container_id, old.volume) != (new.container_id, new.volume):
            yield f"the warm builder {name} has another container or state volume than before"
        yield from _reserve(old, new, _largest_removed(name, plan, settled))


def _warm_names(plan: Plan, before: Snapshot) -> list[str]:
    """The builders that the plan or the host keeps warm."""
    return sorted({*plan.warm_builders, *(one.id for one in before.builders if one.warm)})


def _reserve(old: BuilderState, new: BuilderState, slack_bytes: int) -> Iterator[str]:
    if old.private_bytes is None or old.reserved_bytes is None:
        return
    floor = min(old.private_bytes, old.reserved_bytes) - slack_bytes
    if new.private_bytes is None:
        yield f"the cache of the warm builder {new.id} could not be read afterwards"
    elif new.private_bytes < floor:
        yield f"the cache of the warm builder {new.id} holds {new.private_bytes} bytes, less than {floor}"


def _over_budget(plan: Plan, settled: Iterable[Settled], after: Snapshot) -> Iterator[str]:
    """A prune that left too much: what it could not take, or what came to be the builder's own after it.

    The containerd store lets go of the layers of a removed image only some time later.
    """
    pruned = {action.number: action.id for action in plan.actions if action.verb is Verb.PRUNE_RECORDS}
    went = {pruned[one.number] for one in settled if one.number in pruned and one.outcome in _REMOVAL}
    for builder in after.builders:
        holds, budget = builder.private_bytes, builder.max_bytes
        if builder.id in went and holds is not None and budget is not None and holds > budget:
            yield f"{builder.id} is above its budget: it holds {holds} bytes of its own, {budget} are allowed"


def _largest_removed(name: str, plan: Plan, settled: Iterable[Settled]) -> int:
    sizes = {
        record.id: record.size_bytes
        for action in plan.actions
        if action.id == name
        for record in action.records
    }
    return max((sizes.get(one, 0) for line in settled for one in line.removed), default=0)


def _cold(probes: Sequence[WarmthProbed], settled: Sequence[Settled]) -> Iterator[str]:
    """A probe that came from the cache before and does not now, whether its records went by plan or not."""
    earlier = {probe.builder: probe for probe in probes if probe.when == "before" and probe.problem is None}
    for probe in probes:
        was = earlier.get(probe.builder)
        if probe.when != "after" or was is None:
            continue
        if probe.problem is not None:
            yield f"the probe of {probe.builder} could be built before and not afterwards: {probe.problem}"
        elif (probe.cached_steps or 0) < (was.cached_steps or 0):
            went = len(set(was.used).intersection(one for line in settled for one in line.removed))
            by_plan = f"; {went} of its records went by the plan" if went else ""
            yield (
                f"{probe.builder} went cold: {probe.cached_steps} of the {probe.steps} steps of its probe"
                f" came from the cache, {was.cached_steps} before{by_plan}"
            )
