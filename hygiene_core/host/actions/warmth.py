"""A warmth probe: a small build by the ordinary client, through the builder's own container.

The client is told of a remote BuildKit behind the container's id: so it can start no builder, stop none and
make none, and reads nothing of anybody's buildx configuration. Nothing of the result is kept but the cache.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hygiene_core.host.mask import mask_text
from hygiene_core.model.warmth import Built, Probe

__all__ = ["ProbeFailed", "build", "built"]

_BUILDER = "hygiene-warmth"
_STEP = re.compile(r"\[(?!internal\])(?:[^\]]* )?[0-9]+/[0-9]+\] ")
"""How BuildKit names the steps of a Dockerfile: `[2/3] RUN ...`, `[base 1/2] COPY ...`."""

_SAID_BYTES = 16 * 2**20
_SAID_CHARACTERS = 300
_OVER = {124, 137}
"""What timeout(1) ends with when the time is over: asked to end, or killed."""


class ProbeFailed(Exception):
    """A probe measured nothing. The text says why; it is for the journal, and ends no run."""


def build(probe: Probe, container_id: str, *, docker: str, socket_path: str) -> Built:
    """Build it, and count what came from the cache.

    timeout(1) ends the client also where this process is killed meanwhile, and BuildKit ends the build with
    its client.

    Args:
        probe: what to build.
        container_id: whose BuildKit builds it; it has to run.
        docker: the path of the client.
        socket_path: the Engine's socket.

    Raises:
        ProbeFailed: it could not be built; why, in the client's own last words.
    """
    _check_context(Path(probe.context))
    seconds = max(1, int(probe.max_time.total_seconds()))
    with tempfile.TemporaryDirectory(prefix="hygiene-warmth-") as home:
        instances = Path(home, "buildx/instances")
        instances.mkdir(parents=True)
        endpoint = {"Name": f"{_BUILDER}0", "Endpoint": f"docker-container://{container_id}"}
        instance = {"Name": _BUILDER, "Driver": "remote", "Nodes": [endpoint], "Dynamic": False}
        (instances / _BUILDER).write_text(json.dumps(instance), encoding="utf-8")
        with Path(home, "said").open("w+b") as said:
            began = time.monotonic()
            try:
                done = subprocess.run(  # noqa: S603 - what runs is root's own word, no shell is asked
                    [
                        *("timeout", "--kill-after=5", str(seconds), docker, "buildx", "build"),
                        *("--builder", _BUILDER, "--progress", "rawjson", "--output", "type=cacheonly"),
                        probe.context,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    cwd="/",
                    env=_environment(home, docker, socket_path),
                    start_new_session=True,
                    check=False,
                )
            except OSError as error:
                raise ProbeFailed(f"timeout cannot be run: {os.strerror(error.errno or 0)}") from error
            took = time.monotonic() - began
            said.seek(0)
            text = said.read(_SAID_BYTES).decode(errors="replace")
    if done.returncode in _OVER:
        raise ProbeFailed(f"its build did not end within {seconds} s")
    if done.returncode != 0:
        raise ProbeFailed(f"its build ended with {done.returncode}: {_last_words(text)}")
    steps = built(text)
    if not steps:
        raise ProbeFailed("its build has no step that could come from the cache")
    return Built(steps=len(steps), cached_steps=sum(steps.values()), seconds=round(took, 3))


def _check_context(context: Path) -> None:
    """What root sends to a builder is root's alone."""
    try:
        seen = context.lstat()
    except OSError as error:
        raise ProbeFailed(f"{context} cannot be looked at: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISDIR(seen.st_mode):
        raise ProbeFailed(f"{context} is a link or no directory")
    if seen.st_uid != 0 or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ProbeFailed(f"{context} may be changed by others than root")


def _environment(home: str, docker: str, socket_path: str) -> dict[str, str]:
    return {
        # The client starts itself again to reach into the container.
        "PATH": f"{Path(docker).parent}:/usr/bin:/bin",
        "HOME": home,
        "DOCKER_CONFIG": f"{home}/docker",
        "BUILDX_CONFIG": f"{home}/buildx",
        "DOCKER_HOST": f"unix://{socket_path}",
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        "LC_ALL": "C.UTF-8",
    }


def built(said: str) -> dict[str, bool]:
    """Each step of a Dockerfile in what `--progress rawjson` wrote, and whether it came from the cache."""
    steps: dict[str, bool] = {}
    for told in _documents(said):
        vertexes = told.get("vertexes")
        for vertex in vertexes if isinstance(vertexes, list) else ():
            if not isinstance(vertex, dict) or not _STEP.match(str(vertex.get("name"))):
                continue
            digest = str(vertex.get("digest"))
            # It is told when it begins and when it ends, and only one of the two says that it was cached.
            steps[digest] = steps.get(digest, False) or vertex.get("cached") is True
    return steps


def _documents(said: str) -> Iterator[dict[str, Any]]:
    """JSON objects one after the other, as older and newer clients write them; other words are left out."""
    decoder = json.JSONDecoder()
    at = said.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(said, at)
        except ValueError:
            end = at + 1
        else:
            if isinstance(value, dict):
                yield value
        at = said.find("{", end)


def _last_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip() and line.lstrip()[:1] not in '{}[]"']
    return mask_text(lines[-1])[:_SAID_CHARACTERS] if lines else "no word"
