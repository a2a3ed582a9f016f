"""`daemon.json` as real files, whose it is, and `buildkitd.toml` in instance files."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.host.buildkitd_toml import parse_buildkitd
from hygiene_core.host.go_values import bytes_of, duration_of
from hygiene_core.host.probes import daemon_config
from hygiene_core.host.probes.daemon_config import read_daemon_config, why_not_ours
from hygiene_core.host.probes.filesystems import DataRoot
from hygiene_core.host.probes.instances import read_instances
from hygiene_core.model.engine_config import (
    BuildkitdConfig,
    BuildkitdRule,
    DaemonConfig,
    EngineGc,
    EngineGcRule,
    Space,
)
from hygiene_core.testing import GIB, MIB

WEEK = timedelta(days=7)
SECRET = "hunter2-is-secret"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20GB", 20 * GIB),
        ("20 GiB", 20 * GIB),
        ("1.5g", 3 * GIB // 2),
        ("512mb", 512 * MIB),
        ("100", 100),
        ("100b", 100),
        ("0", 0),
        ("1.kib", 1024),
    ],
)
def test_a_size_has_binary_units(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1", "1 xB", "1GBB", "1ib", "10%", " 1", "1e3", 5, None, "9" * 30, "99999999p"]
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match=r"^not a size$"):
        bytes_of(text)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("168h", WEEK),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("-2s", timedelta(seconds=-2)),
        ("1500ms", timedelta(seconds=1.5)),
        ("0", timedelta()),
    ],
)
def test_a_duration(text, duration):
    assert duration_of(text) == duration


@pytest.mark.parametrize("text", ["", "7d", "1", "h", "1h 2m", None, 5, "9999999999999h"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"^not a duration$"):
        duration_of(text)


def written(folder: Path, value: Any) -> Path:
    path = folder / "daemon.json"
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return path


def read(folder: Path, value: Any, named: str = "/var/lib/docker") -> tuple[DaemonConfig, tuple[str, ...]]:
    config, problems = read_daemon_config(str(written(folder, value)), named)
    assert config is not None
    return config, problems


def test_a_whole_file(tmp_path: Path):
    policy = [
        {"keepStorage": "10GB", "filter": ["unused-for=168h", "type=source.local"]},
        {"all": True, "reservedSpace": "1GB", "maxUsedSpace": "5GB", "minFreeSpace": "2GB"},
        {"Filter": {"unused-for": {"168h": True}}, "KEEPSTORAGE": "1GB"},
        {"filter": {"id": ["ab"], "shared": [""], "label": ["x"]}},
    ]
    config, problems = read(
        tmp_path,
        {
            "builder": {"GC": {"enabled": True, "defaultKeepStorage": "20GB", "policy": policy}},
            "log-driver": "json-file",
            "log-opts": {"max-size": "10m", "max-file": "3", "labels": SECRET, "env": SECRET},
            "data-root": "/var/lib/docker/",
            "features": {"containerd-snapshotter": False, "buildkit": True},
            "live-restore": True,
            "registry-mirrors": [SECRET],
            "proxies": {"http-proxy": SECRET},
        },
    )
    assert problems == ()
    assert config == DaemonConfig(
        path=str(tmp_path / "daemon.json"),
        applies=True,
        exists=True,
        gc=EngineGc(
            enabled=True,
            keep_bytes=20 * GIB,
            policy=(
                EngineGcRule(filters=("type==source.local",), keep_for=WEEK, keep_bytes=10 * GIB),
                EngineGcRule(
                    everything=True,
                    reserved_bytes=GIB,
                    max_used_bytes=5 * GIB,
                    min_free_bytes=2 * GIB,
                ),
                EngineGcRule(keep_for=WEEK, keep_bytes=GIB),
                EngineGcRule(filters=("id~=ab,shared",)),
            ),
        ),
        log_driver="json-file",
        log_max_size="10m",
        log_max_file="3",
        data_root="/var/lib/docker/",
        containerd_snapshotter=False,
        live_restore=True,
    )
    assert SECRET not in repr(config)


@pytest.mark.parametrize("content", [b"", b"  \n", b"{}", b"\xef\xbb\xbf{}", b'{"builder": null}'])
def test_a_file_that_says_nothing(tmp_path: Path, content: bytes):
    config, problems = read(tmp_path, content)
    assert (config.applies, config.exists, config.gc, problems) == (True, True, EngineGc(), ())


def test_a_policy_that_is_empty_is_one(tmp_path: Path):
    config, _ = read(tmp_path, {"builder": {"gc": {"policy": []}}})
    assert config.gc == EngineGc(policy=())
    config, _ = read(tmp_path, {"builder": {"gc": {"policy": None, "enabled": None}}})
    assert config.gc == EngineGc()


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"5",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a": "' + SECRET.encode() + b'"',
        b" " * 2**21,
    ],
)
def test_a_broken_file_is_a_problem_and_is_not_repeated(tmp_path: Path, content: bytes):
    path = written(tmp_path, content)
    config, (problem,) = read_daemon_config(str(path), None)
    assert config is None
    assert problem.startswith(f"{path} is ")
    assert SECRET not in problem


@pytest.mark.parametrize(
    "gc",
    [
        {"enabled": SECRET},
        {"defaultKeepStorage": SECRET},
        {"defaultKeepStorage": 20},
        {"policy": {}},
        {"policy": [SECRET]},
        {"policy": [{}] * 65},
        {"policy": [{"filter": SECRET}]},
        {"policy": [{"filter": {"a": SECRET}}]},
        {"policy": [{"filter": ["unused-for=" + SECRET]}]},
        {"policy": [{"filter": ["unused-for=1h", "until=2h"]}]},
        {"policy": [{"filter": ["type=a", "type=b"]}]},
        SECRET,
    ],
)
def test_a_collection_that_cannot_be_read_is_not_known(tmp_path: Path, gc: Any):
    config, (problem,) = read(tmp_path, {"builder": {"gc": gc}, "log-driver": "local"})
    assert (config.gc, config.log_driver) == (None, "local")
    assert "builder.gc is " in problem
    assert SECRET not in problem


def test_other_keys_that_cannot_be_read(tmp_path: Path):
    config, problems = read(
        tmp_path, {"log-opts": [], "log-driver": 5, "live-restore": "yes", "features": {"a": {}}}
    )
    assert (config.log_driver, config.live_restore, config.gc) == (None, None, EngineGc())
    assert len(problems) == 3


def test_a_file_that_names_another_data_root_is_not_in_effect(tmp_path: Path):
    config, (problem,) = read(tmp_path, {"data-root": "/srv/docker"})
    assert (config.applies, config.gc) == (False, None)
    assert problem.endswith("not in effect: it names another data root than the Engine, /var/lib/docker")
    (tmp_path / "link").symlink_to("/srv/docker")
    config, problems = read(tmp_path, {"data-root": str(tmp_path / "link")}, named="/srv/docker")
    assert (config.applies, problems) == (True, ())


def test_no_file_at_the_default_place_is_knowledge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gone = tmp_path / "etc/docker/daemon.json"
    monkeypatch.setattr(daemon_config, "DEFAULT_PATH", str(gone))
    config, problems = read_daemon_config(None, "/var/lib/docker")
    assert config is not None
    assert (config.applies, config.exists, config.gc, problems) == (True, False, EngineGc(), ())
    # One that is named and not there is a mistake.
    config, (problem,) = read_daemon_config(str(gone), None)
    assert config is None
    assert problem == f"the configured daemon_config {gone} is not there"


def test_what_is_no_file_is_a_problem_and_does_not_hang(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "loop", ""):
        config, problems = read_daemon_config(str(tmp_path / name), None)
        assert (config, len(problems)) == (None, 1)


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[str]:
    """A socket of this very process, which has this process's root directory."""
    path = str(tmp_path / "engine.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        yield path


def test_whose_the_default_file_is(listening: str, tmp_path: Path):
    assert why_not_ours(listening, "/srv/docker", DataRoot("/srv/docker/", "")) is None
    unproven = why_not_ours(listening, "/srv/docker", DataRoot(None, "no engine-id"))
    assert unproven == "the data root is not proven to be this Engine's (no engine-id)"
    mapped = why_not_ours(listening, "/var/lib/docker", DataRoot("/mnt/docker", ""))
    assert mapped == "the Engine sees other files: its /var/lib/docker is /mnt/docker here"
    assert "sees other files" in (why_not_ours(listening, None, DataRoot("/mnt/docker", "")) or "")
    nobody = why_not_ours(str(tmp_path / "gone"), "/srv", DataRoot("/srv", ""))
    assert nobody == f"who listens on {tmp_path}/gone is not known (No such file or directory)"


def toml(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def test_a_buildkitd_toml():
    text = """
        debug = true
        [registry."example".tls]
        key = "hunter2-is-secret"
        [worker.oci]
        gc = true
        gckeepstorage = 9000
        reservedSpace = "10%"
        maxUsedSpace = "20GB"
        [[worker.oci.gcpolicy]]
        filters = ["type==source.local", "type==exec.cachemount"]
        keepDuration = "48h"
        keepBytes = "512MB"
        [[worker.oci.gcpolicy]]
        all = true
        keepDuration = 3600
        minFreeSpace = "5%"
    """
    assert parse_buildkitd(toml(text)) == BuildkitdConfig(
        keep=Space(9000),
        reserved=Space(percent=10),
        max_used=Space(20 * GIB),
        policy=(
            BuildkitdRule(
                filters=("type==source.local", "type==exec.cachemount"),
                keep_for=timedelta(hours=48),
                keep=Space(512 * MIB),
            ),
            BuildkitdRule(everything=True, keep_for=timedelta(hours=1), min_free=Space(percent=5)),
        ),
    )


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("", BuildkitdConfig()),
        ("[worker.oci]\ngc = false", BuildkitdConfig(enabled=False)),
        ("[worker.containerd]\ngc = false", BuildkitdConfig()),
        ("[worker.oci]\nenabled = false\n[worker.containerd]\ngc = false", BuildkitdConfig(enabled=False)),
        ("[[worker.oci.gcpolicy]]\nkeepDuration = ''", BuildkitdConfig(policy=(BuildkitdRule(),))),
    ],
)
def test_the_worker_that_is_on(text, config):
    assert parse_buildkitd(toml(text)) == config


@pytest.mark.parametrize(
    "encoded",
    [
        None,
        5,
        SECRET,
        toml(b"\xff"),
        toml(f"key = {SECRET}"),
        toml("worker = 5"),
        toml("[worker]\noci = 5"),
        toml("[worker.oci]\ngc = 'x'"),
        toml("[worker.oci]\ngcpolicy = 5"),
        toml("[worker.oci]\ngcpolicy = [5]"),
        toml("[worker.oci]\ngcpolicy = [{filters = 5}]"),
        toml(f"[worker.oci]\ngcpolicy = [{{keepDuration = '{SECRET}'}}]"),
        toml(f"[worker.oci]\nmaxUsedSpace = '{SECRET}'"),
        toml("[worker.oci]\nmaxUsedSpace = '101%'"),
        toml("[worker.oci]\nmaxUsedSpace = true"),
        toml("[[worker.oci.gcpolicy]]\n" * 65),
    ],
)
def test_a_buildkitd_toml_that_cannot_be_read_is_not_repeated(encoded):
    with pytest.raises(ValueError, match=r"^(not|odd|without)") as caught:
        parse_buildkitd(encoded)
    assert "hunter2" not in str(caught.value)


def instance(home: Path, name: str, *nodes: dict[str, Any]) -> Path:
    folder = home / "instances"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps({"Name": name, "Nodes": nodes}))
    return folder / name


def node(name: str, encoded: str, **more: Any) -> dict[str, Any]:
    return {"Name": name, "Files": {"buildkitd.toml": encoded, "certs/x/key.pem": toml(SECRET)}, **more}


def test_instance_files_tell_the_collection_of_their_nodes(tmp_path: Path):
    off, on = toml("[worker.oci]\ngc = false"), toml("[worker.oci]\nmaxUsedSpace = '1GB'")
    instance(tmp_path / "a", "one", node("a0", off), node("a1", on, Flags=["--debug"]))
    instance(tmp_path / "a", "two", node("b0", on, Flags=["--oci-worker-gc-keepstorage=5"]))
    instance(tmp_path / "a", "three", {"Name": "c0", "Files": {"other.toml": off}}, {"Files": 5})
    seen = read_instances((str(tmp_path / "a"),))
    assert seen.configs == {
        "a0": BuildkitdConfig(enabled=False),
        "a1": BuildkitdConfig(max_used=Space(GIB)),
    }
    assert (seen.problems, seen.config_problems) == ((), ())
    # Two homes that say the same say it; where they differ, neither is believed.
    instance(tmp_path / "b", "one", node("a0", off), node("a1", off))
    both = read_instances((str(tmp_path / "a"), str(tmp_path / "b")))
    assert both.configs == {"a0": BuildkitdConfig(enabled=False)}


def test_a_broken_toml_is_a_problem_of_its_own(tmp_path: Path):
    path = instance(tmp_path, "one", node("a0", SECRET), node("a1", toml("x = " + SECRET)))
    seen = read_instances((str(tmp_path),))
    assert seen.by_node == {"a0": (str(path),), "a1": (str(path),)}
    assert (seen.configs, seen.problems) == ({}, ())
    assert seen.config_problems == (
        f"{path}: the buildkitd.toml of a0 is not text in base64",
        f"{path}: the buildkitd.toml of a1 is not TOML",
    )
