"""Rules that hold a resource because it is protected, in use, or cannot be judged."""

from __future__ import annotations

from hygiene_core.decide.cache import age_reference
from hygiene_core.decide.context import Context, stamp
from hygiene_core.decide.relations import (
    ACTIVE_STATES,
    COMPOSE_PROJECT,
    builder_names,
    image_names,
)
from hygiene_core.decide.rule import Rule
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.observation import SectionName
from hygiene_core.model.policy import first_match
from hygiene_core.model.resource import (
    EMBEDDED_BUILDER,
    IDLE_STATES,
    BuildCacheRecord,
    Builder,
    Container,
    Image,
    Kind,
    Resource,
    RunnerWorkdir,
    Volume,
)
from hygiene_core.model.text import CUT, MASKED

__all__ = [
    "IN_USE_RULES",
    "PROTECTED_RULES",
    "PROTECT_LABEL",
    "UNKNOWN_RULES",
    "incomplete",
    "is_protected",
    "is_used",
]

PROTECT_LABEL = "hygiene.protect"
_SHOWN = 3
_RECORDS = "GET /system/df, or `buildctl du` in the builder"

IMAGE = frozenset({Kind.IMAGE})
CONTAINER = frozenset({Kind.CONTAINER})
VOLUME = frozenset({Kind.VOLUME})
BUILD_CACHE = frozenset({Kind.BUILD_CACHE})
BUILDER = frozenset({Kind.BUILDER})
WORKDIR = frozenset({Kind.RUNNER_WORKDIR})
LABELLED = IMAGE | CONTAINER | VOLUME
AGED = LABELLED | BUILDER

_NEEDED_SECTIONS: dict[Kind, tuple[SectionName, ...]] = {
    Kind.IMAGE: (SectionName.CONTAINERS, SectionName.IMAGES),
    Kind.CONTAINER: (SectionName.CONTAINERS,),
    Kind.VOLUME: (SectionName.CONTAINERS, SectionName.VOLUMES, SectionName.BUILDERS),
    Kind.BUILD_CACHE: (SectionName.BUILD_CACHE,),
    Kind.BUILDER: (SectionName.CONTAINERS, SectionName.VOLUMES, SectionName.BUILDERS),
    Kind.RUNNER_WORKDIR: (SectionName.RUNNERS,),
}


def listed(names: tuple[str, ...]) -> str:
    """A few names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _operator(resource: Image | Container | Volume | Builder, context: Context) -> str | None:
    protect = context.policy.protect
    match resource:
        case Image():
            patterns, names = protect.images, image_names(resource)
        case Container():
            patterns, names = protect.containers, (*resource.names, resource.id)
        case Volume():
            patterns, names = protect.volumes, resource.names
        case _:
            patterns, names = protect.builders, builder_names(resource)
    hit = first_match(patterns, names)
    return f"the policy protects {hit[0]!r}; this is named {hit[1]}" if hit else None


def _label(resource: Image | Container | Volume, context: Context) -> str | None:
    labels = resource.labels
    if PROTECT_LABEL in labels:
        return f"labelled {PROTECT_LABEL}={labels[PROTECT_LABEL]}"
    patterns = context.policy.protect.labels
    if not patterns or not labels:
        return None
    for pattern in patterns:
        key, separator, value = pattern.partition("=")
        for own_key, own_value in labels.items():
            if not first_match((key,), (own_key,)):
                continue
            # What the value was cannot be told once it is masked or cut: then the key alone protects.
            unreadable = MASKED in own_value or own_value.endswith(CUT)
            if not separator or unreadable or first_match((value,), (own_value,)):
                return f"the policy protects the label {pattern!r}; this has {own_key}={own_value}"
    return None


def _warm_builder(resource: Image | Container | Volume, context: Context) -> str | None:
    relations = context.relations
    match resource:
        case Image():
            warm, part = relations.warm_image_ids, "the image"
        case Container():
            warm, part = relations.warm_container_ids, "the container"
        case _:
            warm, part = relations.warm_volume_ids, "the state volume"
    return f"{part} of a warm builder" if resource.id in warm else None


def _live_compose_project(resource: Image | Volume, context: Context) -> str | None:
    project = resource.labels.get(COMPOSE_PROJECT)
    if project and project in context.relations.live_projects:
        return f"belongs to the compose project {project}, which has containers"
    return None


def _protected_part(resource: Builder, context: Context) -> str | None:
    relations = context.relations
    volume = relations.volumes.get(resource.volume or "")
    container = relations.containers.get(resource.container_id or "")
    for part, what in ((volume, "its state volume"), (container, "its container")):
        if part is not None and is_protected(part, context):
            return f"{what} is protected"
    return None


def _embedded_builder(resource: Builder, _context: Context) -> str | None:
    return "it is a part of the Engine" if resource.driver == "embedded" else None


def _runner_update(resource: RunnerWorkdir, _context: Context) -> str | None:
    return "the runner updates itself through it" if resource.role == "update" else None


def _job_runs(resource: RunnerWorkdir | Container, context: Context) -> str | None:
    relations = context.relations
    if isinstance(resource, RunnerWorkdir):
        runner = relations.runners.get(resource.runner)
    else:
        # The runner labels the containers of its jobs with a label of its own, which has no value.
        owners = (relations.runner_of_label.get(key) for key in resource.labels)
        runner = next((owner for owner in owners if owner is not None), None)
    return f"the runner {runner.name} runs a job" if runner is not None and runner.busy else None


def _used_by_container(resource: Image, context: Context) -> str | None:
    users = context.relations.image_users.get(resource.id)
    return f"used by container {listed(users)}" if users else None


def _child_image(resource: Image, context: Context) -> str | None:
    children = context.relations.image_children.get(resource.id)
    return f"parent of image {listed(children)}" if children else None


def _mounted(resource: Volume, context: Context) -> str | None:
    users = context.relations.volume_users.get(resource.id)
    if users:
        return f"mounted by container {listed(users)}"
    count = resource.engine_references
    return f"the Engine counts {count} references" if count else None


def _state_mounted(resource: Builder, context: Context) -> str | None:
    if resource.volume is None or resource.container_id is not None:
        return None  # its own container mounts it; `keep.builder` speaks of that
    users = context.relations.volume_users.get(resource.volume)
    if users:
        return f"its state volume is mounted by container {listed(users)}"
    volume = context.relations.volumes.get(resource.volume)
    return None if volume is None else _mounted(volume, context)


def _active(resource: Container, _context: Context) -> str | None:
    return f"its state is {resource.state}" if resource.state in ACTIVE_STATES else None


def _record_in_use(resource: BuildCacheRecord, _context: Context) -> str | None:
    return "BuildKit says that it is in use" if resource.in_use else None


def _builder_active(resource: Builder, _context: Context) -> str | None:
    state = resource.container_state
    return f"its container is {state}" if state in ACTIVE_STATES and not resource.abandoned else None


def _builder_attached(resource: Builder, _context: Context) -> str | None:
    count = resource.sessions
    return f"{count} {'client is' if count == 1 else 'clients are'} attached" if count else None


def _builder_builds(resource: Builder, _context: Context) -> str | None:
    count = resource.running_builds
    return f"{count} {'build runs' if count == 1 else 'builds run'} in it" if count else None


def incomplete(resource: Resource, context: Context) -> str | None:
    """Which evidence to judge the resource is missing, or `None`."""
    relations = context.relations
    match resource:
        case BuildCacheRecord() if resource.builder != EMBEDDED_BUILDER:
            builder = relations.builders.get(resource.builder)
            read = builder is not None and builder.records_read
            return None if read else f"not every record of the builder {resource.builder} was read"
        case Builder() | Volume() | Container() if relations.homes_unread and _of_builder(resource, context):
            return f"an instance file may name its builder and was not read: {relations.homes_unread}"
        case _:
            pass
    for section in _NEEDED_SECTIONS[resource.kind]:
        if (why := context.missing.get(section)) is not None:
            return f"section {section.value} is not complete: {why}"
    return None


def _of_builder(resource: Builder | Volume | Container, context: Context) -> bool:
    """Whether it is, or is a part of, a builder that no instance file that was read names."""
    relations = context.relations
    match resource:
        case Builder():
            builder: Builder | None = resource
        case Volume():
            builder = relations.builder_of_volume.get(resource.id)
        case _:
            builder = relations.builder_of_container.get(resource.id)
    return builder is not None and builder.driver != "embedded" and not builder.instances


def _odd_state(resource: Container, _context: Context) -> str | None:
    state = resource.state
    if state not in ACTIVE_STATES and state not in IDLE_STATES:
        return f"its state {state!r} is not one this kit knows"
    return None


def _odd_builder_state(resource: Builder, _context: Context) -> str | None:
    state = resource.container_state
    if state is not None and state not in ACTIVE_STATES and state not in IDLE_STATES:
        return f"the state {state!r} of its container is not one this kit knows"
    return None


def _clock(_resource: Resource, context: Context) -> str | None:
    return context.clock_problem


def _not_remembered(resource: Resource, context: Context) -> str | None:
    return "no earlier observation is at hand" if context.known(resource) is None else None


def _no_coverage(resource: Image, context: Context) -> str | None:
    window = context.policy.ages.tagged_image
    if window is None or not resource.names:
        return None
    if context.covers(window):
        return None
    if context.covered is None:
        return "no coverage: nothing has followed the use of this image without a gap"
    since = stamp(context.covered.since_at)
    return f"no coverage: use was followed without a gap since {since} only; the window is longer"


def _image_mounts(resource: Image, context: Context) -> str | None:
    mounters = context.relations.image_mounts
    if not mounters or resource.names:
        return None
    return f"container {listed(mounters)} mounts an image by a name that may have been this one's"


def _record_unmeasured(resource: BuildCacheRecord, _context: Context) -> str | None:
    if resource.size_bytes is None:
        return "its size is not known"
    return "neither a use nor a creation time is known" if age_reference(resource) is None else None


def _runner_unseen(resource: RunnerWorkdir, context: Context) -> str | None:
    runner = context.relations.runners.get(resource.runner)
    if runner is None or runner.busy is None:
        return f"whether the runner {resource.runner} runs a job could not be seen"
    return None


def is_protected(resource: Resource, context: Context) -> bool:
    """Whether any no-touch rule holds the resource."""
    return any(
        rule.check(resource, context) is not None for rule in PROTECTED_RULES if resource.kind in rule.kinds
    )


def is_used(resource: Resource, context: Context) -> bool:
    """Whether anything refers to the resource now."""
    return any(
        rule.check(resource, context) is not None for rule in IN_USE_RULES if resource.kind in rule.kinds
    )


_P, _U, _X = Verdict.PROTECTED, Verdict.IN_USE, Verdict.UNKNOWN

PROTECTED_RULES = (
    Rule("protect.policy", _P, AGED, "Does the policy protect its name?", "hygiene.toml", _operator),
    Rule("protect.label", _P, LABELLED, "Does a label protect it?", "labels", _label),
    Rule(
        "protect.warm_builder",
        _P,
        LABELLED,
        "Is it a part of a warm builder?",
        "containers and volumes of the builder",
        _warm_builder,
    ),
    Rule(
        "protect.compose_project",
        _P,
        IMAGE | VOLUME,
        "Does its compose project have containers?",
        "labels",
        _live_compose_project,
    ),
    Rule(
        "protect.part",
        _P,
        BUILDER,
        "Is its container or its state volume protected?",
        "containers and volumes of the builder",
        _protected_part,
    ),
    Rule("protect.embedded_builder", _P, BUILDER, "Is it the Engine's own?", "GET /info", _embedded_builder),
    Rule("protect.runner_update", _P, WORKDIR, "Is it the runner's own?", "runner directory", _runner_update),
)

IN_USE_RULES = (
    Rule(
        "use.container",
        _U,
        IMAGE,
        "Does a container of any state use it?",
        "ImageID of GET /containers/json",
        _used_by_container,
    ),
    Rule("use.child_image", _U, IMAGE, "Is it the parent of an image?", "GET /images/json", _child_image),
    Rule(
        "use.mount",
        _U,
        VOLUME,
        "Does a container of any state mount it?",
        "Mounts of GET /containers/json",
        _mounted,
    ),
    Rule(
        "use.state_mount",
        _U,
        BUILDER,
        "Does a container of any state mount its state volume?",
        "Mounts of GET /containers/json",
        _state_mounted,
    ),
    Rule("use.active", _U, CONTAINER, "Is it active?", "GET /containers/json", _active),
    Rule("use.record", _U, BUILD_CACHE, "Does BuildKit hold it?", _RECORDS, _record_in_use),
    Rule(
        "use.builder_active", _U, BUILDER, "Is its container active?", "GET /containers/json", _builder_active
    ),
    Rule("use.session", _U, BUILDER, "Is a client attached?", "execs of its container", _builder_attached),
    Rule("use.build", _U, BUILDER, "Does a build run in it?", "BuildKit's build records", _builder_builds),
    Rule("use.job", _U, WORKDIR | CONTAINER, "Does its runner run a job?", "process table", _job_runs),
)

UNKNOWN_RULES = (
    Rule(
        "unknown.section",
        _X,
        AGED | BUILD_CACHE | WORKDIR,
        "Is the evidence to judge it missing?",
        "sections of the observation",
        incomplete,
    ),
    Rule("unknown.clock", _X, AGED | BUILD_CACHE | WORKDIR, "Is the clock in doubt?", "ledger", _clock),
    Rule("unknown.memory", _X, AGED, "Is its history missing?", "known resources", _not_remembered),
    Rule("unknown.state", _X, CONTAINER, "Is its state a new word?", "GET /containers/json", _odd_state),
    Rule(
        "unknown.builder_state",
        _X,
        BUILDER,
        "Is the state of its container a new word?",
        "GET /containers/json",
        _odd_builder_state,
    ),
    Rule(
        "unknown.coverage",
        _X,
        IMAGE,
        "Would idleness of a named image have to be known, and is not?",
        "coverage of use",
        _no_coverage,
    ),
    Rule(
        "unknown.image_mount",
        _X,
        IMAGE,
        "May a container mount it by a name that it has lost?",
        "Mounts of GET /containers/json",
        _image_mounts,
    ),
    Rule(
        "unknown.runner",
        _X,
        WORKDIR,
        "Is it not known whether its runner runs a job?",
        "process table",
        _runner_unseen,
    ),
    Rule(
        "unknown.record",
        _X,
        BUILD_CACHE,
        "Is its size or its age missing?",
        _RECORDS,
        _record_unmeasured,
    ),
)
