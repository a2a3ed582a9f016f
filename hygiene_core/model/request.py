"""What is asked of a transport: where the Engine is, what to look at, and how long each probe may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

__all__ = ["Deadlines", "ObserveRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """The longest that each probe may take, counted from the start of the look."""

    engine: timedelta = timedelta(seconds=10)
    images: timedelta = timedelta(seconds=60)
    containers: timedelta = timedelta(seconds=30)
    volumes: timedelta = timedelta(seconds=120)
    build_cache: timedelta = timedelta(seconds=60)
    runners: timedelta = timedelta(seconds=120)
    run_caches: timedelta = timedelta(seconds=120)
    builder_cache: timedelta = timedelta(seconds=60)
    data_root: timedelta = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserveRequest:
    """One read-only pass over one host.

    `docker_socket` is a filesystem path. `data_root` maps the Engine's data root into this process's view,
    `None` to use the path that the Engine names. `daemon_config` is the Engine's configuration file as it
    is seen from here, `None` for the default where that is certainly this Engine's. `state_directory` and
    `roots` (role to path) are measured as filesystems. `runner_roots` (name to path) are where runners are
    installed, `run_caches` (name to path and prefix) where CI runs leave a directory each. `homes` are the
    directories whose buildx instance files tell which builders somebody still knows. `known_layers` holds
    the layers of images inspected earlier, by image id.
    """

    docker_socket: str
    data_root: str | None = None
    daemon_config: str | None = None
    state_directory: str | None = None
    roots: dict[str, str] = field(default_factory=dict)
    runner_roots: dict[str, str] = field(default_factory=dict)
    run_caches: dict[str, tuple[str, str]] = field(default_factory=dict)
    homes: tuple[str, ...] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)
    known_layers: dict[str, tuple[str, ...]] = field(default_factory=dict)
