"""Who refers to what: the one place where use is read from an observation.

Images are matched to containers by image id, never by name: a name may have moved to another image since.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from hygiene_core.model.observation import Availability, Observation, Runner, SectionName
from hygiene_core.model.policy import Budget, Policy, Protect, first_match
from hygiene_core.model.report import JobNetwork
from hygiene_core.model.resource import EMBEDDED_BUILDER, Builder, Container, Image, Volume

__all__ = [
    "ACTIVE_STATES",
    "BUILDER_PREFIX",
    "COMPOSE_PROJECT",
    "Relations",
    "budget_of",
    "builder_names",
    "image_names",
    "job_networks",
    "node_names",
    "of_builder",
    "relate",
    "repository",
    "warm_builders",
]

BUILDER_PREFIX = "buildx_buildkit_"
"""What buildx puts before a node's name to name its container."""

COMPOSE_PROJECT = "com.docker.compose.project"
T = TypeVar("T")

ACTIVE_STATES = frozenset({"running", "paused", "restarting", "removing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """References between the resources of one observation. Keys are ids; values are names for people."""

    image_users: dict[str, tuple[str, ...]]
    image_children: dict[str, tuple[str, ...]]
    volume_users: dict[str, tuple[str, ...]]
    record_children: dict[str, tuple[str, ...]]
    live_projects: frozenset[str]
    builder_of_volume: dict[str, Builder]
    warm_container_ids: frozenset[str]
    warm_volume_ids: frozenset[str]
    warm_image_ids: frozenset[str]
    builder_container_ids: frozenset[str]
    image_mounts: tuple[str, ...]
    volumes: dict[str, Volume]
    containers: dict[str, Container]
    runners: dict[str, Runner]
    runner_of_label: dict[str, Runner]
    builders: dict[str, Builder]
    builder_of_container: dict[str, Builder]
    homes_unread: str | None
    directory_users: dict[str, tuple[str, ...]]
    updating: dict[str, str]


def relate(observation: Observation, protect: Protect) -> Relations:
    """Read every reference of an observation once."""
    warm = warm_builders(observation.builders, protect)
    # By name, because the builders cannot be told where the volumes could not be read.
    nodes = {
        container.id: (container, name.removeprefix(BUILDER_PREFIX))
        for container in observation.containers
        for name in container.names
        if name.startswith(BUILDER_PREFIX)
    }
    return Relations(
        image_users=_image_users(observation.containers, observation.images),
        image_children=_grouped(
            (image.parent_id, image.name) for image in observation.images if image.parent_id
        ),
        volume_users=_volume_users(observation.containers, observation.volumes),
        record_children=_grouped(
            (parent, record.id) for record in observation.build_cache for parent in record.parents
        ),
        live_projects=frozenset(
            project
            for container in observation.containers
            if (project := container.labels.get(COMPOSE_PROJECT))
        ),
        builder_of_volume={b.volume: b for b in observation.builders if b.volume},
        warm_container_ids=frozenset(
            container.id
            for container, node in nodes.values()
            if first_match(protect.builders, node_names(node))
        )
        | {b.container_id for b in warm if b.container_id},
        warm_volume_ids=frozenset(b.volume for b in warm if b.volume),
        warm_image_ids=frozenset(b.image_id for b in warm if b.image_id),
        builder_container_ids=frozenset(nodes),
        image_mounts=tuple(
            container.name
            for container in observation.containers
            if any(mount.type == "image" for mount in container.mounts)
        ),
        volumes={volume.id: volume for volume in observation.volumes},
        containers={container.id: container for container in observation.containers},
        runners={runner.name: runner for runner in observation.runners},
        runner_of_label={runner.label: runner for runner in observation.runners if runner.label},
        builders={builder.id: builder for builder in observation.builders},
        builder_of_container={b.container_id: b for b in observation.builders if b.container_id},
        homes_unread=_homes_unread(observation),
        directory_users=_directory_users(observation),
        updating={one.runner: one.id for one in observation.runner_workdirs if one.role == "update"},
    )


def job_networks(observation: Observation) -> tuple[JobNetwork, ...]:
    """The networks that carry the label of a configured runner."""
    owners = {runner.label: runner.name for runner in observation.runners if runner.label}
    return tuple(
        JobNetwork(id=network.id, name=network.name, runner=owner, created_at=network.created_at)
        for network in observation.networks
        if (owner := next((owners[key] for key in network.labels if key in owners), None)) is not None
    )


def budget_of(policy: Policy, builder_id: str) -> Budget | None:
    """The budget of a builder: under its node's name, or under the builder's that the node is of."""
    return of_builder(policy.budgets, builder_id)


def of_builder(table: Mapping[str, T], builder_id: str) -> T | None:
    """What a table keyed by builders says of one: its node's name comes before the builder's."""
    names = (builder_id,) if builder_id == EMBEDDED_BUILDER else node_names(builder_id)
    return next((table[name] for name in names if name in table), None)


def _homes_unread(observation: Observation) -> str | None:
    """Why a configured home's instance files may be missing; `None` if none are, or none was named."""
    section = observation.sections.get(SectionName.INSTANCES)
    if section is None or section.availability is Availability.COMPLETE:
        return None
    return section.reason or section.availability.value


def builder_names(builder: Builder) -> tuple[str, ...]:
    """The names a policy may use for a builder: its node, and the node without its index.

    buildx names the first node of builder `b` `b0`. A node may carry any name, so all spellings protect.
    """
    # A node that is called like the Engine's own builder has its container's whole name for an id.
    node = builder.id.removeprefix(BUILDER_PREFIX)
    return node_names(builder.id) if node == builder.id else (builder.id, *node_names(node))


@lru_cache(maxsize=1024)  # each cache record asks for those of its builder several times
def node_names(node: str) -> tuple[str, ...]:
    """A node's name, and what is left of it as its last digits are dropped one by one.

    Where the index begins cannot be told: node `b170` may be of the builder `b17`, `b1` or `b`.
    """
    names = [node]
    while names[-1][-1:].isdecimal() and names[-1][:-1]:
        names.append(names[-1][:-1])
    return tuple(names)


def image_names(image: Image) -> tuple[str, ...]:
    """The names a policy may use for an image: its references, their repositories, the id."""
    return (*image.names, *dict.fromkeys(map(repository, image.names)), image.id)


def repository(reference: str) -> str:
    """The repository of a tag or of a digest reference."""
    name, at, _ = reference.partition("@")
    return name if at else reference.rpartition(":")[0]


def warm_builders(builders: Iterable[Builder], protect: Protect) -> tuple[Builder, ...]:
    """The builders that the policy keeps on purpose."""
    return tuple(b for b in builders if first_match(protect.builders, builder_names(b)))


def _volume_users(containers: Iterable[Container], volumes: Iterable[Volume]) -> dict[str, tuple[str, ...]]:
    """Who mounts a volume: by its name, or by a bind of its directory or of anything in it."""
    places: dict[str, str] = {}
    for volume in volumes:
        if volume.mountpoint:
            places[volume.mountpoint] = volume.id
            places[volume.mountpoint.removesuffix("/_data")] = volume.id

    def pairs() -> Iterable[tuple[str, str]]:
        for container in containers:
            for mount in container.mounts:
                if mount.type == "volume" and mount.name:
                    yield mount.name, container.name
                elif mount.type == "bind" and mount.source:
                    path = mount.source.rstrip("/")
                    while path:
                        if path in places:
                            yield places[path], container.name
                            break
                        path = path.rpartition("/")[0]

    return _grouped(pairs())


def _directory_users(observation: Observation) -> dict[str, tuple[str, ...]]:
    """Who binds a runner's directory or a run cache, or anything in one: container names by its path."""
    places = {one.path for one in observation.runner_workdirs}
    places |= {one.path for one in observation.run_caches}

    def pairs() -> Iterable[tuple[str, str]]:
        for container in observation.containers:
            for mount in container.mounts:
                path = (mount.source or "").rstrip("/") if mount.type == "bind" else ""
                while path:
                    if path in places:
                        yield path, container.name
                    path = path.rpartition("/")[0]

    return _grouped(pairs())


def _image_users(containers: Iterable[Container], images: Iterable[Image]) -> dict[str, tuple[str, ...]]:
    by_name = {name: image.id for image in images for name in (*image.names, image.id)}

    def pairs() -> Iterable[tuple[str, str]]:
        for container in containers:
            yield container.image_id, container.name
            for mount in container.mounts:
                if mount.type != "image":
                    continue
                named = mount.name or mount.source or ""
                mounted = by_name.get(named) or by_name.get(f"{named}:latest")
                if mounted is not None:
                    yield mounted, container.name

    return _grouped(pairs())


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return {key: tuple(sorted(set(values))) for key, values in groups.items()}
