"""Resources of a host with sensible defaults and ids."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hygiene_core.model.observation import (
    DockerCredentials,
    Runner,
)
from hygiene_core.model.resource import (
    BuildCacheRecord,
    Builder,
    Container,
    DiagnosticLog,
    Image,
    RunCache,
    RunnerWorkdir,
    Volume,
)
from hygiene_core.testing.moment import GIB, MIB, NOW, digest

__all__ = [
    "builder",
    "cache_record",
    "container",
    "diagnostic_log",
    "docker_credentials",
    "image",
    "run_cache",
    "runner",
    "volume",
    "workdir",
]


def image(name: str = "app:1", **fields: Any) -> Image:
    """An image tagged `name`, id made from the name; pass `tags=()` for an untagged one."""
    made: dict[str, Any] = {
        "id": f"sha256:{digest(f'image {name}')}",
        "tags": (name,),
        "created_at": NOW - timedelta(days=30),
        "size_bytes": 100 * MIB,
        "shared_bytes": 0,
        "layers": (f"sha256:{digest(f'layer {name}')}",),
    }
    return Image(**made | fields)


def container(name: str = "web", **fields: Any) -> Container:
    """A running container called `name` of the image `app:1`; `state="exited"` for a stopped one."""
    made: dict[str, Any] = {
        "id": digest(f"container {name}"),
        "names": (name,),
        "image_id": image().id,
        "image_name": "app:1",
        "state": "running",
        "created_at": NOW - timedelta(days=2),
        "started_at": NOW - timedelta(days=2),
        "writable_bytes": 4 * MIB,
    }
    if fields.get("state", "running") != "running":
        made["finished_at"] = NOW - timedelta(days=1)
    return Container(**made | fields)


def volume(name: str = "data", **fields: Any) -> Volume:
    """A named local volume; `anonymous=True` gives it the 64-digit name that the Engine would."""
    anonymous = bool(fields.get("anonymous", False))
    made: dict[str, Any] = {
        "id": digest(f"volume {name}") if anonymous else name,
        "driver": "local",
        "created_at": NOW - timedelta(days=20),
        "size_bytes": 50 * MIB,
        "engine_references": 0,
    }
    made["mountpoint"] = f"/var/lib/docker/volumes/{fields.get('id', made['id'])}/_data"
    return Volume(**made | fields)


def cache_record(description: str = "RUN make", **fields: Any) -> BuildCacheRecord:
    """A private, idle record of the embedded builder, id made from the description."""
    made: dict[str, Any] = {
        "id": digest(f"cache {description}")[:25],
        "type": "regular",
        "description": description,
        "size_bytes": 200 * MIB,
        "created_at": NOW - timedelta(days=15),
        "last_used_at": NOW - timedelta(days=9),
        "usage_count": 3,
    }
    return BuildCacheRecord(**made | fields)


def builder(name: str = "odoo-docker-chris-testing0", **fields: Any) -> Builder:
    """A running BuildKit container builder that answered; `name` is its node's."""
    made: dict[str, Any] = {
        "id": name,
        "container_id": digest(f"builder {name}"),
        "container_state": "running",
        "image_id": image("moby/buildkit:buildx-stable-1").id,
        "image_name": "moby/buildkit:buildx-stable-1",
        "volume": f"buildx_buildkit_{name}_state",
        "size_bytes": 8 * GIB,
        "version": "v0.32.2",
        "running_builds": 0,
        "sessions": 0,
        "records_read": True,
    }
    return Builder(**made | fields)


def runner(name: str = "lane-1", **fields: Any) -> Runner:
    """A runner that waits for a job; `busy=True` for one that has it."""
    made: dict[str, Any] = {
        "name": name,
        "path": f"/srv/{name}",
        "agent_name": f"chris-testing-{name}",
        "url": "https://github.com/example",
        "work_folder": "_work",
        "listening": True,
        "busy": False,
        "user": "ci",
        "home": "/home/ci",
        "docker_config": "/home/ci/.docker",
        "docker_credentials": docker_credentials(),
    }
    return Runner(**made | fields)


def docker_credentials(stored_count: int | None = None, **fields: Any) -> DockerCredentials:
    """A `config.json` of the user `ci`; without a count there is no such file yet."""
    made: dict[str, Any] = {
        "path": "/home/ci/.docker/config.json",
        "present": stored_count is not None,
        "writable": True,
        "stored_count": stored_count or 0,
    }
    if made["present"]:
        made |= {"owner": "ci", "mode": "0600"}
    return DockerCredentials(**made | fields)


def workdir(name: str = "lane-1/_work/odoo-docker", **fields: Any) -> RunnerWorkdir:
    """A checkout of the runner `lane-1`, last changed two days ago."""
    made: dict[str, Any] = {
        "id": name,
        "runner": name.partition("/")[0],
        "role": "checkout",
        "path": f"/srv/{name}",
        "size_bytes": 2 * GIB,
        "apparent_bytes": 2 * GIB - MIB,
        "entries": 40_000,
        "changed_at": NOW - timedelta(days=2),
        "device": 2049,
        "inode": int(digest(name)[:8], 16),
        "ctime_ns": 1_767_225_600_000_000_007,
    }
    return RunnerWorkdir(**made | fields)


def diagnostic_log(name: str = "Worker_20260401-000000-utc.log", **fields: Any) -> DiagnosticLog:
    """A log of 4 KiB, last written 40 days ago."""
    made: dict[str, Any] = {
        "name": name,
        "device": 2049,
        "inode": int(digest(name)[:8], 16),
        "ctime_ns": 1_767_225_600_000_000_007,
        "size_bytes": 4096,
        "apparent_bytes": 4000,
        "changed_at": NOW - timedelta(days=40),
    }
    return DiagnosticLog(**made | fields)


def run_cache(name: str = "builds/run-7001", **fields: Any) -> RunCache:
    """What run 7001 left in the place `builds`, last changed two days ago."""
    made: dict[str, Any] = {
        "id": name,
        "cache": name.partition("/")[0],
        "run": name.rpartition("run-")[2],
        "path": f"/srv/{name}",
        "size_bytes": 3 * MIB,
        "apparent_bytes": 3 * MIB - 5,
        "entries": 12,
        "changed_at": NOW - timedelta(days=2),
        "device": 2049,
        "inode": int(digest(name)[:8], 16),
        "ctime_ns": 1_767_225_600_000_000_007,
    }
    return RunCache(**made | fields)
