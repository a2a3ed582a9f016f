"""What one read-only pass saw, section by section, with the availability of each.

An absent figure is `None` and its section says why. Unknown is never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from hygiene_core.model.coverage import Followed
from hygiene_core.model.disk import DataRootUse
from hygiene_core.model.engine_config import DaemonConfig
from hygiene_core.model.resource import (
    BuildCacheRecord,
    Builder,
    Container,
    Image,
    Kind,
    Labels,
    RunCache,
    RunnerWorkdir,
    Volume,
)
from hygiene_core.model.toolchain import Tool

__all__ = [
    "SECTION_OF_KIND",
    "TIMEOUT_RETURN_CODE",
    "Availability",
    "DockerCredentials",
    "EngineFigure",
    "EngineIdentity",
    "Filesystem",
    "HostIdentity",
    "Network",
    "Observation",
    "Runner",
    "Section",
    "SectionName",
    "would_show",
]

TIMEOUT_RETURN_CODE = 124
"""What a probe reports when its deadline ended it, as timeout(1) does."""


class Availability(StrEnum):
    """How much of a section can be relied on."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    UNAVAILABLE = "unavailable"
    STALE = "stale"


class SectionName(StrEnum):
    """The sections of an observation."""

    HOST = "host"
    ENGINE = "engine"
    FILESYSTEMS = "filesystems"
    IMAGES = "images"
    CONTAINERS = "containers"
    VOLUMES = "volumes"
    BUILD_CACHE = "build_cache"
    BUILDERS = "builders"
    BUILDER_CACHE = "builder_cache"
    INSTANCES = "buildx_instances"
    EVENTS = "events"
    DATA_ROOT = "data_root"
    TOOLCHAIN = "toolchain"
    DAEMON_CONFIG = "daemon_config"
    RUNNERS = "runners"
    NETWORKS = "networks"
    RUN_CACHES = "run_caches"
    CREDENTIALS = "credentials"


SECTION_OF_KIND: dict[Kind, SectionName] = {
    Kind.IMAGE: SectionName.IMAGES,
    Kind.CONTAINER: SectionName.CONTAINERS,
    Kind.VOLUME: SectionName.VOLUMES,
    Kind.BUILD_CACHE: SectionName.BUILD_CACHE,
    Kind.BUILDER: SectionName.BUILDERS,
    Kind.RUNNER_WORKDIR: SectionName.RUNNERS,
    Kind.RUN_CACHE: SectionName.RUN_CACHES,
}
"""The section that has to be complete before an absent resource of a kind is gone, not unseen.

See `would_show`, which knows the one exception.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The fate of one probe.

    `reason` is set whenever the section is not complete. `return_code` is 0, 124 for a deadline, 1 otherwise;
    `captured_bytes` is what had arrived when the probe ended early. `rows_missing` says that the list itself
    is not whole: there are resources of this section that nobody saw.
    """

    name: SectionName
    availability: Availability
    reason: str | None = None
    source: str = ""
    started_at: datetime
    ended_at: datetime
    return_code: int = 0
    captured_bytes: int | None = None
    rows_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostIdentity:
    """Which machine this is. Sources: /etc/machine-id, gethostname(2), /proc/sys/kernel/random/boot_id."""

    machine_id: str | None = None
    hostname: str | None = None
    boot_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineIdentity:
    """Which Engine answers and how it stores images. Sources: GET /version and GET /info.

    `image_store` is `graphdriver` or `containerd`. `data_root` is the path the Engine names;
    `proven_data_root` is that path as this process sees it, and is set only if it was proven to be this
    Engine's. `data_root_reason` says how it was proven or why not. `log_driver` is what a container gets that
    asks for none.
    """

    id: str | None
    version: str
    api_version: str
    api_minimum: str
    api_used: str
    storage_driver: str | None = None
    image_store: str | None = None
    operating_system: str | None = None
    kernel: str | None = None
    data_root: str | None = None
    proven_data_root: str | None = None
    data_root_reason: str | None = None
    components: dict[str, str] = field(default_factory=dict)
    log_driver: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem:
    """One filesystem as statvfs(3) tells it, for each role it has.

    A role is `data_root`, `state`, `runner_root:NAME` or `run_cache:NAME`.

    `free_bytes` is what an ordinary user may still write (f_bavail); `used_bytes` is total minus f_bfree.
    Inode figures are `None` where the filesystem does not count them.
    """

    role: str
    path: str
    device: int
    total_bytes: int
    used_bytes: int
    free_bytes: int
    total_inodes: int | None
    used_inodes: int | None
    free_inodes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerCredentials:
    """The `config.json` that the `docker` command of a runner's jobs reads, without values and registries.

    `path` is where its links lead. `stored_count` counts the registries whose credentials stand in the file
    itself; `helpers` are the programs that it names to ask for others. `writable` says whether the service
    user may change the file, make it, or put another in its place; `None` where that could not be told.
    """

    path: str
    present: bool
    owner: str | None = None
    mode: str | None = None
    writable: bool | None = None
    stored_count: int = 0
    helpers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """One GitHub Actions runner, as its directory and the process table tell.

    `name` is the configured root's, `agent_name`, `url` and `work_folder` are read from `.runner`; `unit` is
    read from `.service`; `unit_state` and `unit_enabled` are systemd's, `None` where there is no systemd or
    no unit. `label` is what the runner labels the containers and networks of its jobs with. `listening` and
    `busy` say whether a `Runner.Listener` and a `Runner.Worker` of this directory run now; `None` where the
    processes could not be seen.

    `user` is whom its jobs run as, by name or else by number, and `home` is where that user lives.
    `docker_config` is the directory where the `docker` command of its jobs keeps its configuration, and
    `docker_credentials` what was read there. They are of the section `credentials`, not of `runners`.
    """

    name: str
    path: str
    agent_name: str | None = None
    url: str | None = None
    work_folder: str | None = None
    unit: str | None = None
    unit_state: Literal["active", "inactive", "missing"] | None = None
    unit_enabled: bool | None = None
    label: str | None = None
    version: str | None = None
    listening: bool | None = None
    busy: bool | None = None
    user: str | None = None
    home: str | None = None
    docker_config: str | None = None
    docker_credentials: DockerCredentials | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network of the Engine. It takes no disk; what it takes is one of a few dozen address ranges."""

    id: str
    name: str
    driver: str
    created_at: datetime | None = None
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigure:
    """The Engine's own figure for a class, beside ours. `name` is the field it was read from."""

    name: str
    size_bytes: int | None = None
    reclaimable_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything one pass saw. A resource tuple is complete only if its section says so.

    `engine_error` is the code (see `errors`) of what kept the Engine from being read, `None` if it was; the
    message is the reason of the `engine` section, and `engine_next_step` the one command to run next.
    """

    started_at: datetime
    ended_at: datetime
    host: HostIdentity
    engine: EngineIdentity | None = None
    filesystems: tuple[Filesystem, ...] = ()
    images: tuple[Image, ...] = ()
    containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    build_cache: tuple[BuildCacheRecord, ...] = ()
    builders: tuple[Builder, ...] = ()
    runners: tuple[Runner, ...] = ()
    runner_workdirs: tuple[RunnerWorkdir, ...] = ()
    networks: tuple[Network, ...] = ()
    run_caches: tuple[RunCache, ...] = ()
    tools: tuple[Tool, ...] = ()
    data_root_use: DataRootUse | None = None
    daemon_config: DaemonConfig | None = None
    followed: Followed = field(default_factory=Followed)
    engine_figures: dict[str, EngineFigure] = field(default_factory=dict)
    sections: dict[SectionName, Section] = field(default_factory=dict)
    engine_error: str | None = None
    engine_next_step: str | None = None

    def availability(self, name: SectionName) -> Availability:
        """The availability of a section; one that was never asked is unavailable."""
        section = self.sections.get(name)
        return Availability.UNAVAILABLE if section is None else section.availability


def would_show(
    kind: str, resource_id: str, sections: Mapping[SectionName, Section], builders: Mapping[str, Builder]
) -> bool:
    """Whether a resource that was not seen would have been, were it still there.

    The records of a container builder are of its own cache: they are gone if all its records were read, or
    if the builder itself is gone with all that it kept.
    """

    def complete(name: SectionName) -> bool:
        section = sections.get(name)
        return section is not None and section.availability is Availability.COMPLETE

    if kind == Kind.BUILD_CACHE and "/" in resource_id:
        builder = builders.get(resource_id.partition("/")[0])
        return complete(SectionName.BUILDERS) and (builder is None or builder.records_read)
    try:
        return complete(SECTION_OF_KIND[Kind(kind)])
    except (KeyError, ValueError):
        return False
