"""Rules that hold a resource because something refers to it now."""

from __future__ import annotations

from hygiene_core.decide.context import Context
from hygiene_core.decide.relations import ACTIVE_STATES
from hygiene_core.decide.rule import (
    BUILD_CACHE,
    BUILDER,
    CONTAINER,
    DIRECTORY,
    IMAGE,
    RECORDS,
    VOLUME,
    WORKDIR,
    Rule,
    listed,
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

__all__ = ["IN_USE_RULES", "is_used"]


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


def _bound(resource: RunnerWorkdir | RunCache, context: Context) -> str | None:
    users = context.relations.directory_users.get(resource.path)
    return f"bound by container {listed(users)}" if users else None


def is_used(resource: Resource, context: Context) -> bool:
    """Whether anything refers to the resource now."""
    return any(
        rule.check(resource, context) is not None for rule in IN_USE_RULES if resource.kind in rule.kinds
    )


IN_USE_RULES = (
    Rule(
        "use.container",
        Verdict.IN_USE,
        IMAGE,
        "Does a container of any state use it?",
        "ImageID of GET /containers/json",
        _used_by_container,
    ),
    Rule(
        "use.child_image",
        Verdict.IN_USE,
        IMAGE,
        "Is it the parent of an image?",
        "GET /images/json",
        _child_image,
    ),
    Rule(
        "use.mount",
        Verdict.IN_USE,
        VOLUME,
        "Does a container of any state mount it?",
        "Mounts of GET /containers/json",
        _mounted,
    ),
    Rule(
        "use.state_mount",
        Verdict.IN_USE,
        BUILDER,
        "Does a container of any state mount its state volume?",
        "Mounts of GET /containers/json",
        _state_mounted,
    ),
    Rule("use.active", Verdict.IN_USE, CONTAINER, "Is it active?", "GET /containers/json", _active),
    Rule("use.record", Verdict.IN_USE, BUILD_CACHE, "Does BuildKit hold it?", RECORDS, _record_in_use),
    Rule(
        "use.builder_active",
        Verdict.IN_USE,
        BUILDER,
        "Is its container active?",
        "GET /containers/json",
        _builder_active,
    ),
    Rule(
        "use.session",
        Verdict.IN_USE,
        BUILDER,
        "Is a client attached?",
        "execs of its container",
        _builder_attached,
    ),
    Rule(
        "use.build",
        Verdict.IN_USE,
        BUILDER,
        "Does a build run in it?",
        "BuildKit's build records",
        _builder_builds,
    ),
    Rule(
        "use.job",
        Verdict.IN_USE,
        WORKDIR | CONTAINER,
        "Does its runner run a job?",
        "process table",
        _job_runs,
    ),
    Rule(
        "use.bind",
        Verdict.IN_USE,
        DIRECTORY,
        "Does a container of any state bind it, or anything in it?",
        "Mounts of GET /containers/json",
        _bound,
    ),
)
