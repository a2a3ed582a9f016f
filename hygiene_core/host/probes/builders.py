"""BuildKit builders, told by their containers and state volumes: buildx puts no label on either."""

from __future__ import annotations

from collections.abc import Iterable

from hygiene_core.model.resource import EMBEDDED_BUILDER, BuildCacheRecord, Builder, Container, Volume

__all__ = [
    "STATE_FOLDER",
    "builder_of_name",
    "embedded_builder",
    "find_builders",
    "node_of_container",
    "node_of_id",
    "node_of_volume",
]

STATE_FOLDER = "/var/lib/buildkit"
_PREFIX = "buildx_buildkit_"
_SUFFIX = "_state"


def builder_of_name(name: str) -> str | None:
    """The id of the builder whose container is called so; `None` if it is no builder's."""
    is_one = name.startswith(_PREFIX) and len(name) > len(_PREFIX)
    return _id_of(name.removeprefix(_PREFIX)) if is_one else None


def node_of_container(container: Container) -> str | None:
    """The buildx node that a container runs, by its name."""
    for name in container.names:
        if name.startswith(_PREFIX) and len(name) > len(_PREFIX):
            return name.removeprefix(_PREFIX)
    return None


def node_of_volume(name: str) -> str | None:
    """The buildx node that a volume holds the state of, by its name."""
    if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
        return name[len(_PREFIX) : -len(_SUFFIX)] or None
    return None


def _id_of(node: str) -> str:
    """The node, which is what buildx calls a builder; the whole name where the node alone is another's id.

    A node may be called `embedded`. That no two nodes share an id, one that begins like a whole name has its
    whole name too.
    """
    return _PREFIX + node if node == EMBEDDED_BUILDER or node.startswith(_PREFIX) else node


def node_of_id(builder_id: str) -> str:
    """The node of a builder's id: see `_id_of`."""
    return builder_id.removeprefix(_PREFIX)


def find_builders(
    containers: Iterable[Container], volumes: Iterable[Volume], *, containers_are_whole: bool
) -> tuple[Builder, ...]:
    """The container builders, and the state volumes left without their container.

    Where containers may be missing from the list, no volume is called left over.
    """
    sizes = {volume.id: volume.size_bytes for volume in volumes}
    builders: dict[str, Builder] = {}
    held: set[str] = set()
    for container in containers:
        held.update(mount.name for mount in container.mounts if mount.type == "volume" and mount.name)
        node = node_of_container(container)
        if node is not None:
            builders.setdefault(node, _running(node, container, sizes))
    if containers_are_whole:
        for name, size in sizes.items():
            node = node_of_volume(name)
            if node is not None and node not in builders and name not in held:
                builders[node] = Builder(id=_id_of(node), volume=name, size_bytes=size)
    return tuple(builders[node] for node in sorted(builders))


def _running(node: str, container: Container, sizes: dict[str, int | None]) -> Builder:
    mounted = [mount.name for mount in container.mounts if mount.destination == STATE_FOLDER and mount.name]
    conventional = f"{_PREFIX}{node}{_SUFFIX}"
    volume = next(iter(mounted), conventional if conventional in sizes else None)
    return Builder(
        id=_id_of(node),
        container_id=container.id,
        container_state=container.state,
        image_id=container.image_id,
        image_name=container.image_name,
        volume=volume,
        size_bytes=sizes.get(volume) if volume else None,
    )


def embedded_builder(records: Iterable[BuildCacheRecord] | None) -> Builder:
    """The builder inside the Engine. Its size is that of its private records: shared ones are the images'."""
    sizes = None if records is None else [record.size_bytes for record in records if not record.shared]
    known = None if sizes is None else [size for size in sizes if size is not None]
    total = None if known is None or sizes is None or len(known) < len(sizes) else sum(known)
    return Builder(id=EMBEDDED_BUILDER, driver="embedded", container_state=None, size_bytes=total)
