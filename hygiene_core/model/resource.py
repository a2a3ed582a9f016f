"""What a host holds: one frozen class per kind of resource, as one observation saw it.

Names are the Engine's where it has one. Sizes are bytes; `None` is "not known" and never zero. Times are
aware UTC datetimes. All text comes from the host: it is shown as text and never interpreted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

__all__ = [
    "EMBEDDED_BUILDER",
    "IDLE_STATES",
    "QUARANTINE",
    "BuildCacheRecord",
    "Builder",
    "Container",
    "DiagnosticLog",
    "GcRule",
    "Image",
    "Kind",
    "Labels",
    "Mount",
    "Resource",
    "RunCache",
    "RunnerWorkdir",
    "Volume",
]

EMBEDDED_BUILDER = "embedded"
"""The name of the BuildKit inside the Engine, wherever a builder is named."""

IDLE_STATES = frozenset({"created", "exited", "dead"})
"""The states of a container in which nothing of it runs."""

QUARANTINE = ".hygiene-quarantine"
"""The directory, in the root that an operator allows, through which other directories are removed."""

Labels: TypeAlias = dict[str, str]


class Kind(StrEnum):
    """The kinds of resource that a report may hold."""

    IMAGE = "image"
    CONTAINER = "container"
    VOLUME = "volume"
    BUILD_CACHE = "build_cache"
    BUILDER = "builder"
    RUNNER_WORKDIR = "runner_workdir"
    RUN_CACHE = "run_cache"
    LOG = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of the Engine's store, whether tagged, pinned by digest or untagged.

    `created_at` is the image configuration's own stamp. It proves nothing about when the image came to this
    host. `layers` are the diff ids of `RootFS.Layers`, base first, or `None` where the inspect was not had.
    """

    kind: Literal[Kind.IMAGE] = Kind.IMAGE
    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    created_at: datetime | None = None
    size_bytes: int | None = None
    shared_bytes: int | None = None
    parent_id: str | None = None
    layers: tuple[str, ...] | None = None
    labels: Labels = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The first tag, else the first digest reference, else the id."""
        return next(iter((*self.tags, *self.digests)), self.id)

    @property
    def names(self) -> tuple[str, ...]:
        """Every reference: tags, then digests."""
        return self.tags + self.digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount of a container. `name` is the volume's name or the image's for those types."""

    type: str
    name: str | None = None
    source: str | None = None
    destination: str
    read_write: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container in any state. `image_id` is stable; `image_name` may by now be another image."""

    kind: Literal[Kind.CONTAINER] = Kind.CONTAINER
    id: str
    names: tuple[str, ...] = ()
    image_id: str
    image_name: str
    state: str
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    writable_bytes: int | None = None
    mounts: tuple[Mount, ...] = ()
    labels: Labels = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The first name without its slash, else the id."""
        return next(iter(self.names), self.id)

    @property
    def size_bytes(self) -> int | None:
        """The writable layer; the image is counted with the images."""
        return self.writable_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One volume. `id` is its name. The Engine sizes only plain local volumes: others are `None`.

    `anonymous` is the Engine's own label (23.0 and later). On 20.10 it is a guess by the name, which a person
    may have given.
    """

    kind: Literal[Kind.VOLUME] = Kind.VOLUME
    id: str
    driver: str
    options: Labels = field(default_factory=dict)
    mountpoint: str | None = None
    created_at: datetime | None = None
    anonymous: bool = False
    size_bytes: int | None = None
    engine_references: int | None = None
    labels: Labels = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The volume's name, which is also its id."""
        return self.id

    @property
    def names(self) -> tuple[str, ...]:
        """The one name it has."""
        return (self.id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCacheRecord:
    """One record of a builder's cache. In a container builder `id` and `parents` begin with `<builder>/`.

    `shared` means that an image uses the same layer: removing the record frees next to nothing. `shared_with`
    is one such image, where its layers could be told to be the same. `in_use` is
    BuildKit's own word and is known to stick at true; it keeps, it never proves that a build runs.
    """

    kind: Literal[Kind.BUILD_CACHE] = Kind.BUILD_CACHE
    id: str
    builder: str = EMBEDDED_BUILDER
    type: str = ""
    description: str = ""
    size_bytes: int | None = None
    shared: bool = False
    shared_with: str | None = None
    in_use: bool = False
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    usage_count: int | None = None
    parents: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The description where there is one: an id alone tells a person nothing."""
        return self.description or self.id

    @property
    def names(self) -> tuple[str, ...]:
        """Records have no names."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GcRule:
    """One tier of BuildKit's own garbage collection. `None` is "no bound"; `everything` has no exceptions."""

    everything: bool = False
    filters: tuple[str, ...] = ()
    keep_for: timedelta | None = None
    reserved_bytes: int | None = None
    max_used_bytes: int | None = None
    min_free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """One BuildKit builder: the embedded one, or a container `buildx_buildkit_<node>` and its state volume.

    `id` is the node; where that would be the embedded builder's, it is the whole name of the container.
    `container_state` is `None` where only the state volume is left.

    What BuildKit itself told stands in `version`, `running_builds` and `last_build_at`. `gc_policy` (empty:
    it collects nothing) was told by it too, or by its configuration: `gc_source` says which. `sessions`
    counts the clients that are attached to its container now. `instances` are the buildx instance files
    that name this node, in the homes that the configuration names. Each is `None` where it was not read.
    `records_read` says that every record of its cache was.
    """

    kind: Literal[Kind.BUILDER] = Kind.BUILDER
    id: str
    driver: Literal["embedded", "docker-container"] = "docker-container"
    container_id: str | None = None
    container_state: str | None = None
    image_id: str | None = None
    image_name: str | None = None
    volume: str | None = None
    size_bytes: int | None = None
    version: str | None = None
    gc_policy: tuple[GcRule, ...] | None = None
    gc_source: str | None = None
    running_builds: int | None = None
    last_build_at: datetime | None = None
    sessions: int | None = None
    instances: tuple[str, ...] | None = None
    records_read: bool = False

    @property
    def abandoned(self) -> bool:
        """Whether nobody is left who could ask it for anything, container or not.

        No instance file of any configured home names it, no client is attached and no build runs. What was
        not read is no proof.
        """
        quiet = self.container_state in IDLE_STATES or (self.sessions == 0 and self.running_builds == 0)
        return self.container_id is not None and self.instances == () and quiet

    @property
    def name(self) -> str:
        """What it is called, which is also its id."""
        return self.id

    @property
    def names(self) -> tuple[str, ...]:
        """The one name it has."""
        return (self.id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiagnosticLog:
    """One `Runner_*.log` or `Worker_*.log` of a runner's `_diag`. `changed_at` is the newest of its stamps.

    `size_bytes` counts the blocks that are allocated, `apparent_bytes` is the length. Device, inode and
    change time (nanoseconds since the epoch, stat(2)) are its identity.
    """

    name: str
    device: int
    inode: int
    ctime_ns: int
    size_bytes: int
    apparent_bytes: int
    changed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerWorkdir:
    """One directory of a GitHub Actions runner: a checkout under `_work`, or a directory the runner keeps.

    `id` is `<root>/<path below it>`, such as `lane-1/_work/odoo-docker`. `size_bytes` counts the blocks that
    are allocated, `apparent_bytes` the lengths of the files; a file with several names counts once.
    `changed_at` is the newest change of anything inside. Symbolic links are not followed, other filesystems
    not entered. `whole` is false where something inside could not be read: the figures are then lower bounds.

    `device`, `inode` and `ctime_ns` (nanoseconds since the epoch, stat(2)) are the identity of the directory
    itself; `None` where they were not read. `logs` are the logs of `_diag`, oldest first, a thousand at most.
    """

    kind: Literal[Kind.RUNNER_WORKDIR] = Kind.RUNNER_WORKDIR
    id: str
    runner: str
    role: Literal["checkout", "tools", "actions", "temporary", "update", "diagnostics"]
    path: str
    size_bytes: int | None = None
    apparent_bytes: int | None = None
    entries: int | None = None
    changed_at: datetime | None = None
    whole: bool = True
    device: int | None = None
    inode: int | None = None
    ctime_ns: int | None = None
    logs: tuple[DiagnosticLog, ...] = ()

    @property
    def name(self) -> str:
        """What it is called, which is also its id."""
        return self.id

    @property
    def names(self) -> tuple[str, ...]:
        """The one name it has."""
        return (self.id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCache:
    """What one CI run left in a cache directory: a directory named by a prefix and the id of the run.

    `id` is `<cache>/<directory>`. The figures are those of `RunnerWorkdir`.
    """

    kind: Literal[Kind.RUN_CACHE] = Kind.RUN_CACHE
    id: str
    cache: str
    run: str
    path: str
    size_bytes: int | None = None
    apparent_bytes: int | None = None
    entries: int | None = None
    changed_at: datetime | None = None
    whole: bool = True
    device: int | None = None
    inode: int | None = None
    ctime_ns: int | None = None

    @property
    def name(self) -> str:
        """What it is called, which is also its id."""
        return self.id

    @property
    def names(self) -> tuple[str, ...]:
        """The one name it has."""
        return (self.id,)


Resource: TypeAlias = Image | Container | Volume | BuildCacheRecord | Builder | RunnerWorkdir | RunCache
