"""Rules that hold a resource because the evidence to judge it is missing."""

from __future__ import annotations

from hygiene_core.decide.cache import age_reference
from hygiene_core.decide.context import Context, stamp
from hygiene_core.decide.directories import directory_age, is_diagnostics
from hygiene_core.decide.relations import ACTIVE_STATES
from hygiene_core.decide.rule import (
    AGED,
    BUILD_CACHE,
    BUILDER,
    CONTAINER,
    DIRECTORY,
    IMAGE,
    RECORDS,
    WORKDIR,
    Rule,
    listed,
)
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.observation import SectionName
from hygiene_core.model.resource import (
    EMBEDDED_BUILDER,
    IDLE_STATES,
    BuildCacheRecord,
    Builder,
    Container,
    Image,
    Kind,
    Resource,
    RunCache,
    RunnerWorkdir,
    Volume,
)

__all__ = ["UNKNOWN_RULES", "incomplete", "unknown_directory"]

_NEEDED_SECTIONS: dict[Kind, tuple[SectionName, ...]] = {
    Kind.IMAGE: (SectionName.CONTAINERS, SectionName.IMAGES),
    Kind.CONTAINER: (SectionName.CONTAINERS,),
    Kind.VOLUME: (SectionName.CONTAINERS, SectionName.VOLUMES, SectionName.BUILDERS),
    Kind.BUILD_CACHE: (SectionName.BUILD_CACHE,),
    Kind.BUILDER: (SectionName.CONTAINERS, SectionName.VOLUMES, SectionName.BUILDERS),
    Kind.RUNNER_WORKDIR: (SectionName.CONTAINERS, SectionName.RUNNERS),
    Kind.RUN_CACHE: (SectionName.CONTAINERS, SectionName.RUN_CACHES),
}


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


def unknown_directory(resource: RunnerWorkdir | RunCache, context: Context) -> str | None:
    """What has to be known of a directory before any rule lets go of it, and is not; or `None`."""
    if directory_age(resource, context.policy) is None:
        return None
    if None in {resource.device, resource.inode, resource.ctime_ns}:
        return "which directory it is was not read: device, inode and change time"
    if is_diagnostics(resource):
        return None  # each log has a size and stamps of its own
    if not resource.whole or resource.size_bytes is None:
        return "something inside could not be read"
    return "when it last changed is not known" if resource.changed_at is None else None


UNKNOWN_RULES = (
    Rule(
        "unknown.section",
        Verdict.UNKNOWN,
        AGED | BUILD_CACHE | DIRECTORY,
        "Is the evidence to judge it missing?",
        "sections of the observation",
        incomplete,
    ),
    Rule(
        "unknown.clock",
        Verdict.UNKNOWN,
        AGED | BUILD_CACHE | DIRECTORY,
        "Is the clock in doubt?",
        "ledger",
        _clock,
    ),
    Rule(
        "unknown.memory",
        Verdict.UNKNOWN,
        AGED | DIRECTORY,
        "Is its history missing?",
        "known resources",
        _not_remembered,
    ),
    Rule(
        "unknown.state",
        Verdict.UNKNOWN,
        CONTAINER,
        "Is its state a new word?",
        "GET /containers/json",
        _odd_state,
    ),
    Rule(
        "unknown.builder_state",
        Verdict.UNKNOWN,
        BUILDER,
        "Is the state of its container a new word?",
        "GET /containers/json",
        _odd_builder_state,
    ),
    Rule(
        "unknown.coverage",
        Verdict.UNKNOWN,
        IMAGE,
        "Would idleness of a named image have to be known, and is not?",
        "coverage of use",
        _no_coverage,
    ),
    Rule(
        "unknown.image_mount",
        Verdict.UNKNOWN,
        IMAGE,
        "May a container mount it by a name that it has lost?",
        "Mounts of GET /containers/json",
        _image_mounts,
    ),
    Rule(
        "unknown.runner",
        Verdict.UNKNOWN,
        WORKDIR,
        "Is it not known whether its runner runs a job?",
        "process table",
        _runner_unseen,
    ),
    Rule(
        "unknown.directory",
        Verdict.UNKNOWN,
        DIRECTORY,
        "Would its identity, size and age have to be known, and are not?",
        "runner directory, run cache",
        unknown_directory,
    ),
    Rule(
        "unknown.record",
        Verdict.UNKNOWN,
        BUILD_CACHE,
        "Is its size or its age missing?",
        RECORDS,
        _record_unmeasured,
    ),
)
