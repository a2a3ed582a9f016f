"""Programs that tell what they are, and some that do not: scripts stand for what a machine may not have."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes import toolchain
from hygiene_core.host.probes.toolchain import read_toolchain


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def read(system: Path, *homes: Path):
    return read_toolchain(tuple(map(str, homes)), Deadline.after(timedelta(seconds=30)), system=system)


DOCKER = 'echo "Docker version 26.1.5+dfsg1, build a72d7cd"'
BUILDX = """echo '{"SchemaVersion": "0.1.0", "Version": "0.13.1+ds1"}'"""


def test_every_copy_with_its_package(tmp_path: Path):
    system, home = tmp_path / "system", tmp_path / "home"
    docker = program(system / "usr/bin/docker", DOCKER)
    (system / "bin").mkdir()
    (system / "bin/docker").symlink_to(docker)
    program(system / "usr/libexec/docker/cli-plugins/docker-buildx", BUILDX)
    program(home / ".docker/cli-plugins/docker-buildx", BUILDX.replace("0.13.1+ds1", "v0.30.0"))
    listed = system / "var/lib/dpkg/info"
    listed.mkdir(parents=True)
    (listed / "docker-cli.list").write_text("/.\n/usr/bin/docker\n")
    tools, problems = read(system, home)
    assert problems == ()
    assert [(one.name, one.version, one.package) for one in tools] == [
        ("docker-cli", "26.1.5+dfsg1", "docker-cli"),
        ("buildx", "v0.30.0", None),
        ("buildx", "0.13.1+ds1", None),
    ]
    assert tools[0].path == "/usr/bin/docker"


def test_a_host_without_any(tmp_path: Path):
    assert read(tmp_path, tmp_path / "nobody") == ((), ())


@pytest.mark.parametrize(
    ("body", "said"),
    [("exit 3", "ended with 3"), ("echo nonsense", "did not tell a version"), ("sleep 60", "within 0.2 s")],
)
def test_one_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str):
    monkeypatch.setattr(toolchain, "_SECONDS_EACH", 0.2)
    program(tmp_path / "usr/bin/docker", body)
    program(tmp_path / "usr/lib/docker/cli-plugins/docker-buildx", body)
    tools, problems = read(tmp_path)
    assert [one.version for one in tools] == [None, None]
    assert len(problems) == 2
    assert all(said in problem for problem in problems)


def test_one_that_cannot_be_run(tmp_path: Path):
    path = tmp_path / "usr/bin/docker"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x7fELF of another machine")
    path.chmod(0o755)
    (one,), (problem,) = read(tmp_path)
    assert one.version is None
    assert "cannot be run" in problem


def test_no_engine_and_no_home_is_given_to_it(tmp_path: Path):
    told = tmp_path / "told"
    program(tmp_path / "usr/bin/docker", f"env > {told}; {DOCKER}")
    read(tmp_path)
    environment = dict(line.split("=", 1) for line in told.read_text().splitlines())
    assert environment["HOME"] == "/nonexistent"
    assert environment["DOCKER_HOST"] == "unix:///"


@pytest.mark.parametrize("how", ["file", "folder", "owner"])
def test_what_somebody_else_may_change_is_never_run(tmp_path: Path, how: str):
    ran = tmp_path / "ran"
    path = program(tmp_path / "home/.docker/cli-plugins/docker-buildx", f"touch {ran}; {BUILDX}")
    if how == "owner":
        os.chown(path, 12345, 12345)
    else:
        (path if how == "file" else path.parent).chmod(0o777)
    (one,), problems = read(tmp_path / "system", tmp_path / "home")
    assert (one.name, one.version, problems) == ("buildx", None, ())
    assert not ran.exists()
