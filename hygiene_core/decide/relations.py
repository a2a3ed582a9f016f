"""Who refers to what: the one place where use is read from an observation.

Images are matched to containers by image id, never by name: a name may have moved to another image since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from hygiene_core.model.observation import Observation
from hygiene_core.model.policy import Protect, first_match
from hygiene_core.model.resource import Builder, Container, Image

__all__ = [
    "ACTIVE_STATES",
    "COMPOSE_PROJECT",
    "IDLE_STATES",
    "Relations",
    "builder_names",
    "image_names",
    "relate",
    "warm_builders",
]

COMPOSE_PROJECT = "com.docker.compose.project"
ACTIVE_STATES = frozenset({"running", "paused", "restarting", "removing"})
IDLE_STATES = frozenset({"created", "exited", "dead"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """References between the resources of one observation. Keys are ids; values are names for people."""

    image_users: dict[str, tuple[str, ...]]
    image_children: dict[str, tuple[str, ...]]
    volume_users: dict[str, tuple[str, ...]]
    record_children: dict[str, tuple[str, ...]]
    live_projects: frozenset[str]
    builder_of_container: dict[str, Builder]
    builder_of_volume: dict[str, Builder]
    warm_builder_ids: frozenset[str]
    warm_container_ids: frozenset[str]
    warm_volume_ids: frozenset[str]
    warm_image_ids: frozenset[str]


def relate(observation: Observation, protect: Protect) -> Relations:
    """Read every reference of an observation once."""
    warm = warm_builders(observation.builders, protect)
    return Relations(
        image_users=_image_users(observation.containers, observation.images),
        image_children=_grouped(
            (image.parent_id, image.name) for image in observation.images if image.parent_id
        ),
        volume_users=_grouped(
            (mount.name, container.name)
            for container in observation.containers
            for mount in container.mounts
            if mount.type == "volume" and mount.name
        ),
        record_children=_grouped(
            (parent, record.id) for record in observation.build_cache for parent in record.parents
        ),
        live_projects=frozenset(
            project
            for container in observation.containers
            if (project := container.labels.get(COMPOSE_PROJECT))
        ),
        builder_of_container={b.container_id: b for b in observation.builders if b.container_id},
        builder_of_volume={b.volume: b for b in observation.builders if b.volume},
        warm_builder_ids=frozenset(b.id for b in warm),
        warm_container_ids=frozenset(b.container_id for b in warm if b.container_id),
        warm_volume_ids=frozenset(b.volume for b in warm if b.volume),
        warm_image_ids=frozenset(b.image_id for b in warm if b.image_id),
    )


def builder_names(builder: Builder) -> tuple[str, ...]:
    """The names a policy may use for a builder: its node, and the node without its index.

    buildx names the first node of builder `b` `b0`. A node may carry any name, so both spellings protect.
    """
    stem = builder.id.rstrip("0123456789")
    return (builder.id, stem) if stem and stem != builder.id else (builder.id,)


def image_names(image: Image) -> tuple[str, ...]:
    """The names a policy may use for an image: tags, their repositories, digest references, the id."""
    repositories = tuple(tag.rpartition(":")[0] for tag in image.tags)
    return (*image.tags, *repositories, *image.digests, image.id)


def warm_builders(builders: Iterable[Builder], protect: Protect) -> tuple[Builder, ...]:
    """The builders that the policy keeps on purpose."""
    return tuple(b for b in builders if first_match(protect.builders, builder_names(b)))


def _image_users(containers: Iterable[Container], images: Iterable[Image]) -> dict[str, tuple[str, ...]]:
    by_name = {name: image.id for image in images for name in (*image.names, image.id)}

    def pairs() -> Iterable[tuple[str, str]]:
        for container in containers:
            yield container.image_id, container.name
            for mount in container.mounts:
                mounted = by_name.get(mount.name or mount.source or "") if mount.type == "image" else None
                if mounted is not None:
                    yield mounted, container.name

    return _grouped(pairs())


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return {key: tuple(sorted(set(values))) for key, values in groups.items()}
