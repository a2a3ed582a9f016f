"""The recorder of the demo host: a lab host with real builders and a runner, seen from its own places."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab import buildkit
from tests.lab.errors import LabFailure
from tests.lab.host import LabHost
from tests.lab.scene import build_scene

__all__ = ["record"]

_HOME = "/srv/ci"
_USER_ID = 1001
_WARM, _LEAKED = "odoo-docker-chris-testing", "builder-5c6b1f0e"

# Run in a mount and host-name namespace of its own: nothing of this machine stays to be seen.
_LOOK = """
set -eu
mount --make-rprivate /
for program in /usr/local/bin/docker /usr/bin/docker /snap/bin/docker; do
    if [ -e "$program" ]; then mount --bind /dev/null "$program"; fi
done
for plugins in /usr/local/lib/docker /usr/local/libexec/docker /usr/lib/docker /usr/libexec/docker; do
    if [ -d "$plugins" ]; then mount -t tmpfs tmpfs "$plugins"; fi
done
mount -t tmpfs tmpfs /srv
mkdir -p /srv/ci /srv/runners/lane-1 /srv/builds /srv/docker
mount --bind "$SCRATCH/home" /srv/ci
mount --bind "$SCRATCH/runner" /srv/runners/lane-1
mount --bind "$SCRATCH/builds" /srv/builds
cp "$SCRATCH/daemon.json" /srv/docker/
mount -t tmpfs tmpfs /mnt
mkdir /mnt/lib /mnt/lib/docker
mount --bind "$DATA" /mnt/lib/docker
mount --bind "$SCRATCH/machine-id" /etc/machine-id
mount --bind "$SCRATCH/passwd" /etc/passwd
mount --bind "$SCRATCH/group" /etc/group
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
ln -s "$SOCKET" /run/docker.sock
mount --rbind /mnt/lib /var/lib
hostname demo-host
exec "$PYTHON" -m hygiene_core.transport.demo record /run/docker.sock /srv/docker/daemon.json "$OUT"
"""


def record(out: Path) -> str:
    """Record a stable lab host to `out`; returns what the recorder said. Raises LabFailure."""
    with LabHost.start("stable", name="demo-host") as host:
        build_scene(host, rebuilt=True, builders=False)
        host.run("mkdir", "-p", _HOME)
        for name in (_WARM, _LEAKED):
            buildkit.create_builder(host, name, buildkit.CURRENT, home=_HOME)
            buildkit.build(host, name, home=_HOME)
        scratch = host.folder / "scratch"
        shutil.copytree(host.folder / "upper" / _HOME.lstrip("/"), scratch / "home")
        (scratch / f"home/.docker/buildx/instances/{_LEAKED}").unlink()
        (scratch / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        _lay_out_runner(scratch / "runner")
        _lay_out_account(scratch)
        _lay_out_builds(scratch / "builds")
        shutil.copy(host.folder / "upper/etc/docker/daemon.json", scratch / "daemon.json")
        done = subprocess.run(
            ["unshare", "--mount", "--uts", "sh", "-c", _LOOK],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "PYTHON": sys.executable,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "SCRATCH": str(scratch),
                "DATA": str(host.data_root),
                "SOCKET": str(host.socket),
                "OUT": str(out.absolute()),
            },
        )
        if done.returncode != 0:
            raise LabFailure(f"the recorder ended with {done.returncode}: {done.stderr}")
        return done.stdout


def _lay_out_runner(root: Path) -> None:
    """As the runner's own installer and a few jobs leave it."""
    folders = (
        "_work/odoo-docker/odoo-docker",
        "_work/_tool/Python",
        "_work/_actions",
        "_work/_temp",
        "_diag",
    )
    for folder in folders:
        (root / folder).mkdir(parents=True)
    settings = {
        "agentId": 7,
        "agentName": "chris-testing-lane-1",
        "gitHubUrl": "https://github.com/example/odoo-docker",
        "workFolder": "_work",
    }
    (root / ".runner").write_text(json.dumps(settings), encoding="utf-8")
    (root / "_work/odoo-docker/odoo-docker/history.pack").write_bytes(b"\1" * 3_000_000)
    (root / "_work/_tool/Python/library").write_bytes(b"\1" * 9_000_000)
    (root / "_diag/Runner_20260501-010203-utc.log").write_bytes(b"x" * 40_000)


def _lay_out_account(scratch: Path) -> None:
    """The user whom the runner's jobs run as, who has logged in to a registry once."""
    (scratch / "passwd").write_text(
        f"root:x:0:0:root:/root:/bin/sh\nci:x:{_USER_ID}:{_USER_ID}::{_HOME}:/bin/sh\n", encoding="utf-8"
    )
    (scratch / "group").write_text(f"root:x:0:\nci:x:{_USER_ID}:\n", encoding="utf-8")
    settings = {"auths": {"registry.example": {"auth": "bm8gc2VjcmV0"}}}
    (scratch / "home/.docker/config.json").write_text(json.dumps(settings), encoding="utf-8")
    for folder in ("home", "runner"):
        for path in ((scratch / folder), *(scratch / folder).rglob("*")):
            os.chown(path, _USER_ID, _USER_ID, follow_symlinks=False)


def _lay_out_builds(folder: Path) -> None:
    """What three runs left."""
    for run, size in ((7001, 400_000), (7002, 800_000), (7003, 1_200_000)):
        (folder / f"run-{run}").mkdir(parents=True)
        (folder / f"run-{run}" / "objects").write_bytes(b"\1" * size)
