"""Rules that hold a resource because nobody may touch it."""

from __future__ import annotations

from hygiene_core.decide.context import Context
from hygiene_core.decide.relations import COMPOSE_PROJECT, builder_names, image_names
from hygiene_core.decide.rule import (
    AGED,
    BUILDER,
    IMAGE,
    LABELLED,
    VOLUME,
    WORKDIR,
    Rule,
)
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.policy import first_match
from hygiene_core.model.resource import (
    Builder,
    Container,
    Image,
    Resource,
    RunnerWorkdir,
    Volume,
)
from hygiene_core.model.text import CUT, MASKED

__all__ = ["PROTECTED_RULES", "PROTECT_LABEL", "is_protected"]

PROTECT_LABEL = "hygiene.protect"


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


def _runner_update(resource: RunnerWorkdir, context: Context) -> str | None:
    if resource.role == "update":
        return "the runner updates itself through it"
    update = context.relations.updating.get(resource.runner)
    return f"the runner {resource.runner} updates itself: {update} is there" if update else None


def _runner_role(resource: RunnerWorkdir, _context: Context) -> str | None:
    if resource.role in {"tools", "actions", "temporary"}:
        return f"the runner keeps it for its jobs ({resource.role})"
    return None


def is_protected(resource: Resource, context: Context) -> bool:
    """Whether any no-touch rule holds the resource."""
    return any(
        rule.check(resource, context) is not None for rule in PROTECTED_RULES if resource.kind in rule.kinds
    )


PROTECTED_RULES = (
    Rule(
        "protect.policy",
        Verdict.PROTECTED,
        AGED,
        "Does the policy protect its name?",
        "hygiene.toml",
        _operator,
    ),
    Rule("protect.label", Verdict.PROTECTED, LABELLED, "Does a label protect it?", "labels", _label),
    Rule(
        "protect.warm_builder",
        Verdict.PROTECTED,
        LABELLED,
        "Is it a part of a warm builder?",
        "containers and volumes of the builder",
        _warm_builder,
    ),
    Rule(
        "protect.compose_project",
        Verdict.PROTECTED,
        IMAGE | VOLUME,
        "Does its compose project have containers?",
        "labels",
        _live_compose_project,
    ),
    Rule(
        "protect.part",
        Verdict.PROTECTED,
        BUILDER,
        "Is its container or its state volume protected?",
        "containers and volumes of the builder",
        _protected_part,
    ),
    Rule(
        "protect.embedded_builder",
        Verdict.PROTECTED,
        BUILDER,
        "Is it the Engine's own?",
        "GET /info",
        _embedded_builder,
    ),
    Rule(
        "protect.runner_update",
        Verdict.PROTECTED,
        WORKDIR,
        "Does its runner update itself?",
        "runner directory",
        _runner_update,
    ),
    Rule(
        "protect.runner_role",
        Verdict.PROTECTED,
        WORKDIR,
        "Is it the runner's own?",
        "runner directory",
        _runner_role,
    ),
)
