"""Images, volumes and containers without a registry: imported, built, or loaded from generated tars."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import quote

from tests.lab.api import Api
from tests.lab.host import LabHost

__all__ = [
    "BASE",
    "ImageSpec",
    "build",
    "container",
    "import_base",
    "layer",
    "load",
    "many_images",
    "many_volumes",
    "volume",
    "write_archive",
]

BASE = "lab/base:1"
"""The image `import_base` makes: Debian's busybox-static with a link for each of its programs."""

FOREVER = ("sleep", "2147483647")
_CREATED = "2026-05-04T08:00:00Z"

State = Literal["created", "running", "exited", "paused"]


def import_base(host: LabHost, tag: str = BASE) -> str:
    """Import the busybox image; returns its id. A second call with the same tag makes nothing new."""
    known = host.docker("images", "--quiet", "--no-trunc", tag).stdout.split()
    if known:
        return known[0]
    busybox = next(
        path for path in (host.tree.path / "bin/busybox", host.tree.path / "usr/bin/busybox") if path.exists()
    )
    programs = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    files: dict[str, bytes | str] = {
        "bin/busybox": busybox.read_bytes(),
        "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
    }
    files["bin/buildctl"] = _recorded_buildctl()
    files |= {f"bin/{program}": "busybox" for program in programs if program != "busybox"}
    host.docker("import", "--change", 'CMD ["sh"]', "-", tag, input=layer(files))
    return host.docker("image", "inspect", "--format", "{{.Id}}", tag).stdout.strip()


def _recorded_buildctl() -> bytes:
    """A script that prints what a real `buildctl` printed once: for builders whose program is busybox.

    A fake, because a real BuildKit has to be compiled first; `tests.lab.buildkit` does that, for the tests
    that are about BuildKit.
    """
    answers = Path(__file__).parents[1] / "data/buildkit/0.32.2"
    cases = "".join(
        f"{command!r}) cat <<'EOF'\n{(answers / f'{name}.json').read_text()}\nEOF\n;;\n"
        for command, name in (("du", "du"), ("debug workers", "workers"), ("debug histories", "histories"))
    )
    # Nothing is built in it: no record is being written to.
    cases += "'du --filter inuse,mutable') echo null;;\n"
    return f'#!/bin/sh\nasked="$*"\ncase "${{asked% --format*}}" in\n{cases}*) exit 2;;\nesac\n'.encode()


def layer(files: Mapping[str, bytes | str], *, mtime: int = 0) -> bytes:
    """A tar of `files`: bytes become a file, a string a symbolic link to it. Same files, same bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mtime = mtime
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(content), 0o755
                tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """One image of a generated archive. `layers` are tars, lowest first; `created_at` is RFC 3339 text."""

    tags: tuple[str, ...]
    layers: tuple[bytes, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    created_at: str = _CREATED

    def config(self) -> bytes:
        """The image's config document; its sha256 is the image's id on overlay2."""
        diffs = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in self.layers]
        document = {
            "architecture": "amd64",
            "os": "linux",
            "created": self.created_at,
            "config": {"Cmd": ["/bin/sh"], "Labels": dict(self.labels)},
            "rootfs": {"type": "layers", "diff_ids": diffs},
            "history": [{"created": self.created_at, "created_by": "lab"} for _ in diffs],
        }
        return json.dumps(document, sort_keys=True).encode()


def write_archive(specs: Iterable[ImageSpec], out: IO[bytes]) -> None:
    """Write `specs` as the archive `docker load` reads; a layer that several images share is written once."""
    manifest: list[dict[str, Any]] = []
    written: set[str] = set()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for spec in specs:
            config = spec.config()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            _add(tar, written, name, config)
            layers = []
            for content in spec.layers:
                layers.append(f"{hashlib.sha256(content).hexdigest()}/layer.tar")
                _add(tar, written, layers[-1], content)
            manifest.append({"Config": name, "RepoTags": list(spec.tags) or None, "Layers": layers})
        _add(tar, written, "manifest.json", json.dumps(manifest).encode())


def _add(tar: tarfile.TarFile, written: set[str], name: str, content: bytes) -> None:
    if name not in written:
        written.add(name)
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))


def load(host: LabHost, specs: Iterable[ImageSpec]) -> None:
    """Load the images of `specs` in one call."""
    with tempfile.TemporaryFile(dir=host.folder) as archive:
        write_archive(specs, archive)
        length = archive.tell()
        archive.seek(0)
        api = host.api()
        answer = api.call("POST", "/images/load", raw=archive, headers={"Content-Length": str(length)})
        api.close()
    # The status is sent before the work is done: an error stands in the stream.
    for line in answer.body.splitlines():
        said = json.loads(line)
        if "error" in said:
            raise RuntimeError(f"docker load: {said['error']}")


def many_images(
    count: int, *, prefix: str = "lab/many", shared: int = 10, own_every: int = 10
) -> Iterator[ImageSpec]:
    """`count` small tagged images over `shared` common layers; every `own_every`-th adds a layer of its own.

    A layer costs the engine a few fsyncs, so a layer for each image (`own_every=1`) takes far longer.
    """
    bases = [layer({f"base-{number}": bytes(4096)}) for number in range(shared)]
    for number in range(count):
        layers = [bases[number % shared]]
        if number % own_every == 0:
            layers.append(layer({f"own-{number}": number.to_bytes(8, "big") * 64}))
        yield ImageSpec((f"{prefix}-{number:05d}:1",), tuple(layers), {"lab.number": str(number)})


def build(
    host: LabHost,
    dockerfile: str,
    *,
    tag: str | None = None,
    files: Mapping[str, bytes] | None = None,
    options: Sequence[str] = (),
    legacy: bool = False,
) -> str:
    """Build with BuildKit, or the legacy builder; `files` are the context. Returns the image's id."""
    context = layer({"Dockerfile": dockerfile.encode(), **(files or {})})
    command = ["build", "--iidfile", "/tmp/iid", *options, *(("--tag", tag) if tag else ()), "-"]
    host.docker(*command, input=context, env={"DOCKER_BUILDKIT": "0" if legacy else "1"})
    return host.run("cat", "/tmp/iid").stdout.strip()


def volume(
    api: Api, name: str, *, labels: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None
) -> str:
    """Create a local volume; returns its name."""
    body = {"Name": name, "Driver": "local", "DriverOpts": dict(options or {}), "Labels": dict(labels or {})}
    created = api.post("/volumes/create", body)
    return str(created["Name"])


def many_volumes(api: Api, count: int, *, prefix: str = "lab-many") -> list[str]:
    """Create `count` named, empty volumes."""
    return [volume(api, f"{prefix}-{number:05d}") for number in range(count)]


def container(
    api: Api,
    image: str,
    *,
    name: str | None = None,
    state: State = "running",
    command: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    binds: Sequence[str] = (),
    anonymous: Sequence[str] = (),
) -> str:
    """Create a container and bring it to `state`; returns its id.

    `binds` are `volume:path`; `anonymous` are paths that each get an anonymous volume. A container that
    goes on ends at once when it is asked to, because its stop signal is SIGKILL.
    """
    goes_on = state in {"running", "paused"}
    body = {
        "Image": image,
        "Cmd": list(command or (FOREVER if goes_on else ("true",))),
        "Labels": dict(labels or {}),
        "StopSignal": "SIGKILL",
        "Volumes": {path: {} for path in anonymous},
        "HostConfig": {"Binds": list(binds)},
    }
    made = str(
        api.call("POST", "/containers/create", query={"name": name} if name else None, body=body).json["Id"]
    )
    if state == "created":
        return made
    api.post(f"/containers/{made}/start")
    if state == "exited":
        ended = api.post(f"/containers/{made}/wait")
        if ended["StatusCode"] != 0:
            raise RuntimeError(f"container {name or made}: {command} ended with {ended['StatusCode']}")
    elif state == "paused":
        api.post(f"/containers/{made}/pause")
    return made


def remove_container(api: Api, identity: str) -> None:
    """Remove a container and leave its volumes."""
    api.delete(f"/containers/{quote(identity)}", force="1")
