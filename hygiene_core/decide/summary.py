"""The figures of a run, computed from the objects, each with the formula it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from hygiene_core.decide.accounting import account
from hygiene_core.decide.context import Context
from hygiene_core.decide.layers import ImageSizes
from hygiene_core.decide.protecting import is_protected
from hygiene_core.decide.relations import (
    ACTIVE_STATES,
    Relations,
    budget_of,
    builder_names,
    image_names,
)
from hygiene_core.decide.run_caches import run_caches
from hygiene_core.decide.using import is_used
from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.observation import Availability, Filesystem, Observation, SectionName
from hygiene_core.model.policy import Policy, first_match, is_glob
from hygiene_core.model.report import ClassSummary, Summary, WarmBuilder, WarmImage
from hygiene_core.model.resource import EMBEDDED_BUILDER, BuildCacheRecord, Builder, Image, Kind, Volume

__all__ = ["data_root", "orphan_containers", "orphan_volumes", "summarise"]

_FORMULAS = {
    SectionName.IMAGES: "layers held only by images that no container uses, each layer once",
    SectionName.CONTAINERS: "writable layers of containers that are not active",
    SectionName.VOLUMES: "local volumes without driver options that no container mounts",
    SectionName.BUILD_CACHE: "records that are neither shared with an image nor in use",
}
_CANDIDATE_SECTIONS = (*_FORMULAS, SectionName.BUILDERS)
_KINDS = {
    "images": Kind.IMAGE,
    "containers": Kind.CONTAINER,
    "volumes": Kind.VOLUME,
    "build_cache": Kind.BUILD_CACHE,
}
_FORMULA_WITHOUT_LAYERS = "size minus shared size of images that no container uses; layers were not had"


def summarise(observation: Observation, judged: tuple[Judged, ...], context: Context) -> Summary:
    """All figures of one run. Bytes; `None` where a figure is not known."""
    classes = {
        "images": _images(observation, context),
        "containers": _containers(observation),
        "volumes": _volumes(observation, context.relations),
        "build_cache": _build_cache(observation),
    }
    classes = {
        name: replace(one, candidate_bytes=_class_candidates(_KINDS[name], one, judged, context.sizes))
        for name, one in classes.items()
    }
    root = data_root(observation)
    accounting = account(observation, classes)
    return Summary(
        free_disk_bytes=None if root is None else root.free_bytes,
        docker_reclaimable_bytes=_total(summary.reclaimable_bytes for summary in classes.values()),
        runner_workdir_bytes=_workdir_bytes(observation),
        orphan_buildkit_containers=_count(observation, orphan_containers(observation, context)),
        orphan_buildkit_volumes=_count(observation, orphan_volumes(observation, context)),
        candidate_bytes=_candidate_bytes(observation, judged, context),
        warm_builders=_warm_builders(observation, context.policy),
        warm_images=_warm_images(observation, context.policy),
        classes=classes,
        run_caches=run_caches(observation, context.policy, context.now),
        accounted=accounting.terms,
        unaccounted_bytes=accounting.unaccounted_bytes,
    )


def _workdir_bytes(observation: Observation) -> int | None:
    """What the runners' directories hold: a lower bound where their section is partial."""
    known = [one.size_bytes for one in observation.runner_workdirs if one.size_bytes is not None]
    if known or (
        observation.runners and observation.availability(SectionName.RUNNERS) is Availability.COMPLETE
    ):
        return sum(known)
    return None


def data_root(observation: Observation) -> Filesystem | None:
    """The filesystem of the Engine's data root, if it was proven to be this Engine's."""
    return next((fs for fs in observation.filesystems if fs.role == "data_root"), None)


def orphan_containers(observation: Observation, context: Context) -> tuple[Builder, ...]:
    """BuildKit containers that are stopped or abandoned, and that nothing protects or names."""
    return tuple(
        builder
        for builder in observation.builders
        if builder.container_id
        and not builder.instances
        and (builder.container_state not in ACTIVE_STATES or builder.abandoned)
        and not is_protected(builder, context)
    )


def orphan_volumes(observation: Observation, context: Context) -> tuple[Builder, ...]:
    """BuildKit state volumes without a container that nothing mounts, protects or names."""
    return tuple(
        builder
        for builder in observation.builders
        if builder.volume
        and builder.container_id is None
        and not builder.instances
        and not is_used(builder, context)
        and not is_protected(builder, context)
    )


def _count(observation: Observation, builders: tuple[Builder, ...]) -> int | None:
    complete = observation.availability(SectionName.BUILDERS) is Availability.COMPLETE
    return len(builders) if complete else None


def _total(figures: Iterable[int | None]) -> int | None:
    """The sum, or `None` if any part is not known."""
    total = 0
    for figure in figures:
        if figure is None:
            return None
        total += figure
    return total


def _class(
    observation: Observation,
    name: SectionName,
    figures: Callable[[], tuple[int, int | None, int | None, int | None]],
    *,
    formula: str | None = None,
) -> ClassSummary:
    """A class summary: (count, active, size, reclaimable) from `figures`, unless the class was not had."""
    section = observation.sections.get(name)
    availability = observation.availability(name)
    reason = "it was not asked" if section is None else section.reason
    if availability is Availability.UNAVAILABLE or (section is not None and section.rows_missing):
        # A sum over the rows that happened to be readable would pass for the whole.
        count = active = size = reclaimable = None
    else:
        count, active, size, reclaimable = figures()
    return ClassSummary(
        availability=availability.value,
        reason=reason,
        count=count,
        active_count=active,
        size_bytes=size,
        reclaimable_bytes=reclaimable,
        formula=formula or _FORMULAS[name],
        engine=observation.engine_figures.get(name.value),
    )


def _images(observation: Observation, context: Context) -> ClassSummary:
    relations, sizes = context.relations, context.sizes

    def figures() -> tuple[int, int | None, int | None, int | None]:
        images = observation.images
        if observation.availability(SectionName.CONTAINERS) is not Availability.COMPLETE:
            return len(images), None, sizes.total_bytes, None
        unused = [image for image in images if image.id not in relations.image_users]
        return len(images), len(images) - len(unused), sizes.total_bytes, sizes.freed_bytes(unused)

    formula = None if sizes.tree is not None else _FORMULA_WITHOUT_LAYERS
    return _class(observation, SectionName.IMAGES, figures, formula=formula)


def _containers(observation: Observation) -> ClassSummary:
    def figures() -> tuple[int, int | None, int | None, int | None]:
        containers = observation.containers
        idle = [c for c in containers if c.state not in ACTIVE_STATES]
        return (
            len(containers),
            len(containers) - len(idle),
            _total(c.writable_bytes for c in containers),
            _total(c.writable_bytes for c in idle),
        )

    return _class(observation, SectionName.CONTAINERS, figures)


def _volumes(observation: Observation, relations: Relations) -> ClassSummary:
    def figures() -> tuple[int, int | None, int | None, int | None]:
        volumes = observation.volumes
        here = [volume for volume in volumes if _kept_here(volume)]
        size = _total(volume.size_bytes for volume in here)
        if observation.availability(SectionName.CONTAINERS) is not Availability.COMPLETE:
            return len(volumes), None, size, None
        used = [v for v in volumes if v.id in relations.volume_users or v.engine_references]
        used_ids = {volume.id for volume in used}
        reclaimable = _total(volume.size_bytes for volume in here if volume.id not in used_ids)
        return len(volumes), len(used), size, reclaimable

    return _class(observation, SectionName.VOLUMES, figures)


def _kept_here(volume: Volume) -> bool:
    """Whether the Engine sizes the volume: only plain local ones are known to be on its disk."""
    return volume.driver == "local" and not volume.options


def _build_cache(observation: Observation) -> ClassSummary:
    def figures() -> tuple[int, int | None, int | None, int | None]:
        # The records of a container builder are a part of its state volume.
        records = [record for record in observation.build_cache if record.builder == EMBEDDED_BUILDER]
        private = [record for record in records if not record.shared]
        return (
            len(records),
            sum(record.in_use for record in records),
            _total(record.size_bytes for record in private),
            _total(record.size_bytes for record in private if not record.in_use),
        )

    return _class(observation, SectionName.BUILD_CACHE, figures)


def _candidate_bytes(observation: Observation, judged: tuple[Judged, ...], context: Context) -> int | None:
    """What all candidates together would free; `None` unless everything that may be one was seen.

    The row of a builder without a container repeats its volume and is left out; the volume of one that has a
    container is no candidate by itself.
    """
    policy = context.policy
    sections = [*_CANDIDATE_SECTIONS]
    if policy.runner_roots and (policy.ages.runner_checkout or policy.ages.diagnostic_log):
        sections.append(SectionName.RUNNERS)
    if any(place.high_water_bytes is not None for place in policy.run_caches):
        sections.append(SectionName.RUN_CACHES)
    if any(observation.availability(name) is not Availability.COMPLETE for name in sections):
        return None
    told = observation.sections.get(SectionName.BUILDER_CACHE)  # an older recording has none
    if told is not None and told.availability is not Availability.COMPLETE:
        return None
    candidates = [row for row in judged if row.verdict is Verdict.CANDIDATE]
    images = [row.facts for row in candidates if isinstance(row.facts, Image)]
    others = [row for row in candidates if row.kind is not Kind.IMAGE and not _is_told_twice(row)]
    return _total([context.sizes.freed_bytes(images), *(row.unique_bytes for row in others)])


def _class_candidates(
    kind: Kind, one: ClassSummary, judged: tuple[Judged, ...], sizes: ImageSizes
) -> int | None:
    """What the candidates of a class would free together; `None` unless the class was seen whole.

    Only what the class's size counts: a builder's own records are a part of its volume, and a volume that is
    not kept here has no size.
    """
    if one.availability != Availability.COMPLETE or one.reclaimable_bytes is None:
        return None
    rows = [row for row in judged if row.verdict is Verdict.CANDIDATE and row.kind is kind]
    if kind is Kind.IMAGE:
        return sizes.freed_bytes([row.facts for row in rows if isinstance(row.facts, Image)])
    return _total(row.unique_bytes for row in rows if _is_counted(row))


def _is_counted(row: Judged) -> bool:
    if isinstance(row.facts, Volume):
        return _kept_here(row.facts)
    return not isinstance(row.facts, BuildCacheRecord) or row.facts.builder == EMBEDDED_BUILDER


def _is_told_twice(row: Judged) -> bool:
    return isinstance(row.facts, Builder) and row.facts.container_id is None


def _warm_builders(observation: Observation, policy: Policy) -> tuple[WarmBuilder, ...]:
    known = observation.availability(SectionName.BUILDERS) is Availability.COMPLETE
    rows: list[WarmBuilder] = []
    for pattern in policy.protect.builders:
        matches = [b for b in observation.builders if first_match((pattern,), builder_names(b))]
        budget = budget_of(policy, pattern)
        reserved = budget.reserved_bytes if budget else None
        maximum = budget.max_bytes if budget else None
        rows += [
            WarmBuilder(
                name=pattern if not is_glob(pattern) else builder.id,
                state=builder.container_state or "no container",
                node=builder.id,
                volume=builder.volume,
                reserved_bytes=reserved,
                max_bytes=maximum,
            )
            for builder in matches
        ]
        if not matches and not is_glob(pattern):
            state = "missing" if known else "unknown"
            rows.append(WarmBuilder(name=pattern, state=state, reserved_bytes=reserved, max_bytes=maximum))
    return tuple(rows)


def _warm_images(observation: Observation, policy: Policy) -> tuple[WarmImage, ...]:
    known = observation.availability(SectionName.IMAGES) is Availability.COMPLETE
    rows: list[WarmImage] = []
    for pattern in policy.protect.images:
        matches = [image for image in observation.images if first_match((pattern,), image_names(image))]
        rows += [
            WarmImage(name=pattern if not is_glob(pattern) else image.name, present=True, id=image.id)
            for image in matches
        ]
        if not matches and not is_glob(pattern):
            rows.append(WarmImage(name=pattern, present=False if known else None))
    return tuple(rows)
