"""Rules that keep a resource for now, and rules that would let it go."""

from __future__ import annotations

from datetime import datetime, timedelta

from hygiene_core.decide.cache import UNTOUCHED_TYPES, age_reference
from hygiene_core.decide.context import Context, stamp
from hygiene_core.decide.directories import directory_age, is_diagnostics, old_logs
from hygiene_core.decide.relations import budget_of
from hygiene_core.decide.rule import (
    AGED,
    BUILD_CACHE,
    BUILDER,
    CONTAINER,
    DIRECTORY,
    IMAGE,
    KNOWN,
    RECORDS,
    RUN_CACHE,
    VOLUME,
    WORKDIR,
    Rule,
)
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.resource import (
    BuildCacheRecord,
    Builder,
    Container,
    Image,
    Resource,
    RunCache,
    RunnerWorkdir,
    Volume,
)

__all__ = ["CANDIDATE_RULES", "RETAINED_RULES", "keep_age"]


def keep_age(resource: Resource, context: Context) -> timedelta | None:
    """How long a resource of this sort must be idle before a rule lets it go; `None` for never."""
    ages, relations = context.policy.ages, context.relations
    age: timedelta | None = None
    match resource:
        case Image():
            age = ages.tagged_image if resource.names else ages.dangling_image
        case Container():
            built = resource.id in relations.builder_container_ids
            age = ages.orphan_builder if built else ages.stopped_container
        case Volume() if resource.id in relations.builder_of_volume:
            age = ages.orphan_builder
        case Volume() if resource.anonymous:
            age = ages.anonymous_volume
        case Builder():
            age = ages.orphan_builder
        case RunnerWorkdir() | RunCache():
            age = directory_age(resource, context.policy)
    return age


def _until(reference: datetime, span: timedelta, context: Context) -> str | None:
    """The sentence of a wait that is not over, or `None` once it is."""
    ends_at = reference + span
    if context.now >= ends_at:
        return None
    return f"idle since {stamp(reference)}; kept until {stamp(ends_at)}"


def _grace(resource: Resource, context: Context) -> str | None:
    if is_diagnostics(resource):
        return None  # it always changes; `keep.young_logs` speaks of what is in it
    reference = context.idle_reference(resource)
    return None if reference is None else _until(reference, context.policy.ages.grace, context)


def _idle_age(resource: Resource, context: Context) -> str | None:
    if is_diagnostics(resource):
        return None
    reference, span = context.idle_reference(resource), keep_age(resource, context)
    if reference is None or span is None:
        return None
    return _until(reference, span, context)


def _no_rule(resource: Resource, context: Context) -> str | None:
    if keep_age(resource, context) is None:
        return "no rule of the policy lets go of this sort of resource"
    return None


def _young_logs(resource: RunnerWorkdir, context: Context) -> str | None:
    age = keep_age(resource, context)
    if not is_diagnostics(resource) or age is None or old_logs(resource, context):
        return None
    before = context.now - max(age, context.policy.ages.grace)
    return f"no log in it was last written before {stamp(before)}"


def _within_water(resource: RunCache, context: Context) -> str | None:
    water = context.water.get(resource.cache)
    if water is None or resource.id in water.selected:
        return None
    if water.held_bytes <= water.high_bytes:
        return f"{resource.cache} holds {water.held_bytes} bytes; its high water is {water.high_bytes} bytes"
    if water.left_bytes > water.low_bytes:
        return None  # the water keeps nothing then; what stays has a reason of its own
    return f"{resource.cache} reaches its low water of {water.low_bytes} bytes without it"


def _named_volume(resource: Volume, context: Context) -> str | None:
    if resource.anonymous or resource.id in context.relations.builder_of_volume:
        return None
    return "a named volume is never let go by age alone"


def _remote_volume(resource: Volume | Builder, context: Context) -> str | None:
    if isinstance(resource, Builder):
        volume = context.relations.volumes.get(resource.volume or "")
        return None if volume is None else _remote_volume(volume, context)
    if resource.driver != "local":
        return f"its data is kept by the driver {resource.driver}"
    return "it has driver options: its data may be elsewhere" if resource.options else None


def _live_builder(resource: Volume | Builder, context: Context) -> str | None:
    of_volume = context.relations.builder_of_volume
    found = resource if isinstance(resource, Builder) else of_volume.get(resource.id)
    if found is None or found.container_id is None or (found is resource and found.abandoned):
        return None
    return f"the builder {found.id} has its container, which is {found.container_state}"


def _instance(resource: Volume | Builder | Container, context: Context) -> str | None:
    relations = context.relations
    match resource:
        case Builder():
            found: Builder | None = resource
        case Volume():
            found = relations.builder_of_volume.get(resource.id)
        case _:
            found = relations.builder_of_container.get(resource.id)
    if found is None or not found.instances:
        return None
    return f"an instance file names the builder {found.id}: {found.instances[0]}"


def _record_shared(resource: BuildCacheRecord, _context: Context) -> str | None:
    if not resource.shared:
        return None
    # BuildKit names no image; the record of a base image says where it was pulled from.
    _, _, reference = resource.description.partition("pulled from ")
    found = resource.shared_with or reference
    which = f"the image {found}" if found else "an image"
    return f"shared with {which}: removing it would free next to nothing"


def _record_internal(resource: BuildCacheRecord, _context: Context) -> str | None:
    if resource.type in UNTOUCHED_TYPES:
        return f"of type {resource.type}, which BuildKit keeps for itself"
    return None


def _record_no_budget(resource: BuildCacheRecord, context: Context) -> str | None:
    if budget_of(context.policy, resource.builder) is not None:
        return None
    return f"the policy has no budget for the builder {resource.builder}"


def _record_young(resource: BuildCacheRecord, context: Context) -> str | None:
    budget = budget_of(context.policy, resource.builder)
    touched = age_reference(resource)
    if budget is None or touched is None or context.now - touched >= budget.min_age:
        return None
    return f"last used {stamp(touched)}; kept until {stamp(touched + budget.min_age)}"


def _record_pinned(resource: BuildCacheRecord, context: Context) -> str | None:
    selection = context.cache.get(resource.builder)
    child = selection.pinned_by.get(resource.id) if selection else None
    return f"pinned by its child {child}" if child else None


def _record_within_budget(resource: BuildCacheRecord, context: Context) -> str | None:
    selection = context.cache.get(resource.builder)
    budget = budget_of(context.policy, resource.builder)
    if selection is None or budget is None or resource.id in selection.selected:
        return None
    if resource.id in selection.held_by_reserve:
        return f"without it the cache would fall under its reserve of {budget.reserved_bytes} bytes"
    what = "budget" if selection.target_bytes == budget.max_bytes else "target"
    return f"the {what} of {selection.target_bytes} bytes is met without removing it"


def _record_selected(resource: BuildCacheRecord, context: Context) -> str | None:
    selection = context.cache.get(resource.builder)
    budget = budget_of(context.policy, resource.builder)
    if selection is None or budget is None or resource.id not in selection.selected:
        return None
    if selection.target_bytes < budget.max_bytes:
        return (
            f"less than {budget.min_free_bytes} bytes are free: {resource.builder} is to come down to "
            f"{selection.target_bytes} bytes; least recently used"
        )
    return f"{resource.builder} holds more than its budget of {budget.max_bytes} bytes; least recently used"


def _waited(what: str, resource: Resource, context: Context) -> str | None:
    reference, span = context.idle_reference(resource), keep_age(resource, context)
    if reference is None or span is None or context.now < reference + span:
        return None
    return f"{what}, idle since {stamp(reference)}"


def _dangling(resource: Image, context: Context) -> str | None:
    return None if resource.names else _waited("untagged and unused", resource, context)


def _tagged(resource: Image, context: Context) -> str | None:
    window = context.policy.ages.tagged_image
    if not resource.names or window is None or not context.covers(window):
        return None
    return _waited("tagged and unused", resource, context)


def _stopped(resource: Container, context: Context) -> str | None:
    return _waited(f"{resource.state}", resource, context)


def _anonymous(resource: Volume, context: Context) -> str | None:
    return _waited("anonymous and unmounted", resource, context) if resource.anonymous else None


def _abandoned(resource: Builder, context: Context) -> str | None:
    if not resource.abandoned:
        return None
    return _waited("a builder that no instance file names, without client or build", resource, context)


def _leaked_state(resource: Volume | Builder, context: Context) -> str | None:
    if isinstance(resource, Builder) and resource.container_id is not None:
        return None
    if isinstance(resource, Volume) and resource.id not in context.relations.builder_of_volume:
        return None
    return _waited("the state volume of a builder that has no container", resource, context)


def _checkout(resource: RunnerWorkdir, context: Context) -> str | None:
    if resource.role != "checkout":
        return None
    return _waited("a checkout that no job has changed", resource, context)


def _logs(resource: RunnerWorkdir, context: Context) -> str | None:
    logs = old_logs(resource, context)
    if not logs:
        return None
    newest = stamp(max(log.changed_at for log in logs if log.changed_at is not None))
    count = f"{len(logs)} {'log' if len(logs) == 1 else 'logs'}"
    return f"{count} in it, last written up to {newest}; all else in it stays"


def _over_water(resource: RunCache, context: Context) -> str | None:
    water = context.water.get(resource.cache)
    if water is None or resource.id not in water.selected:
        return None
    return (
        f"{resource.cache} holds {water.held_bytes} bytes, over its high water of {water.high_bytes}; "
        f"the oldest go down to {water.low_bytes}"
    )


_R, _C = Verdict.RETAINED, Verdict.CANDIDATE

RETAINED_RULES = (
    Rule("keep.grace", _R, AGED | DIRECTORY, "Is it within the grace time?", KNOWN, _grace),
    Rule("keep.idle_age", _R, AGED | WORKDIR, "Has it been idle for too short a time?", KNOWN, _idle_age),
    Rule("keep.named_volume", _R, VOLUME, "Is it a named volume?", "GET /volumes", _named_volume),
    Rule(
        "keep.volume_elsewhere",
        _R,
        VOLUME | BUILDER,
        "Is its data elsewhere?",
        "GET /volumes",
        _remote_volume,
    ),
    Rule(
        "keep.builder",
        _R,
        VOLUME | BUILDER,
        "Does its builder still have a container?",
        "GET /containers/json",
        _live_builder,
    ),
    Rule(
        "keep.instance",
        _R,
        VOLUME | BUILDER | CONTAINER,
        "Does an instance file name its builder?",
        "buildx instance files of the configured homes",
        _instance,
    ),
    Rule("keep.no_rule", _R, AGED | DIRECTORY, "Is there no rule for it?", "hygiene.toml", _no_rule),
    Rule("keep.young_logs", _R, WORKDIR, "Are all logs in it too young?", "runner directory", _young_logs),
    Rule(
        "keep.water",
        _R,
        RUN_CACHE,
        "Is its cache within its water marks without removing it?",
        "run caches",
        _within_water,
    ),
    Rule("cache.shared", _R, BUILD_CACHE, "Is it shared with an image?", RECORDS, _record_shared),
    Rule("cache.internal", _R, BUILD_CACHE, "Is it BuildKit's own?", RECORDS, _record_internal),
    Rule("cache.no_budget", _R, BUILD_CACHE, "Is there no budget?", "hygiene.toml", _record_no_budget),
    Rule("cache.young", _R, BUILD_CACHE, "Was it used too lately?", RECORDS, _record_young),
    Rule("cache.pinned", _R, BUILD_CACHE, "Does a child keep it?", RECORDS, _record_pinned),
    Rule(
        "cache.budget_met",
        _R,
        BUILD_CACHE,
        "Is the budget met without it?",
        RECORDS,
        _record_within_budget,
    ),
)

CANDIDATE_RULES = (
    Rule("release.dangling_image", _C, IMAGE, "Is it untagged and idle?", KNOWN, _dangling),
    Rule("release.tagged_image", _C, IMAGE, "Is it tagged and long unused?", "coverage of use", _tagged),
    Rule("release.stopped_container", _C, CONTAINER, "Is it stopped for long?", KNOWN, _stopped),
    Rule("release.anonymous_volume", _C, VOLUME, "Is it anonymous and idle?", KNOWN, _anonymous),
    Rule(
        "release.leaked_state",
        _C,
        VOLUME | BUILDER,
        "Is it what a vanished builder left?",
        KNOWN,
        _leaked_state,
    ),
    Rule("release.abandoned_builder", _C, BUILDER, "Is it a builder without owner?", KNOWN, _abandoned),
    Rule("release.runner_checkout", _C, WORKDIR, "Is it a checkout left alone?", KNOWN, _checkout),
    Rule("release.diagnostic_logs", _C, WORKDIR, "Are old logs in it?", "runner directory", _logs),
    Rule("release.run_cache", _C, RUN_CACHE, "Is its cache over its high water?", "run caches", _over_water),
    Rule("cache.over_budget", _C, BUILD_CACHE, "Is it over the budget?", RECORDS, _record_selected),
)
