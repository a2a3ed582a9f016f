"""The lab itself: if it is not what it says, no test that stands on it means anything."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import images, leftovers, trees
from tests.lab.api import ApiError
from tests.lab.errors import LabFailure
from tests.lab.host import LabHost
from tests.lab.scene import EVIL_LABELS, Scene
from tests.lab.trees import Tree

pytestmark = pytest.mark.lab("engine")

ROOT = Path(__file__).parents[2]
MACHINE_SOCKET = Path("/var/run/docker.sock")

TWO_STANZAS = """\
Types: deb
# was http://old
URIs: http://three/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://sec
Suites: bookworm-security
Components: main
"""


# -- every engine


def test_the_scene_has_every_role_or_says_why_not(lab_host: LabHost, lab_scene: Scene):
    api = lab_host.api()
    listed = {row["Id"] for row in api.get("/images/json", all="1")}
    assert set(lab_scene.images.values()) <= listed
    assert set(lab_scene.containers.values()) == {row["Id"] for row in api.get("/containers/json", all="1")}
    assert set(lab_scene.volumes.values()) == {row["Name"] for row in api.get("/volumes")["Volumes"]}
    allowed = {"overlay2": set(), "containerd": {"rebuilt_old"}}[lab_host.store]
    assert set(lab_scene.absent) == allowed
    assert all(lab_scene.build_cache.values())


def test_the_scene_plays_its_roles(lab_host: LabHost, lab_scene: Scene):
    api = lab_host.api()
    image = {role: api.image(identity) for role, identity in lab_scene.images.items()}
    container = {role: api.get(f"/containers/{one}/json") for role, one in lab_scene.containers.items()}
    for role in ("moved_old", "parent_replaced", "parent_legacy", "dangling"):
        assert not image[role]["RepoTags"], role
    assert image["moved_new"]["RepoTags"] == ["lab/moved:latest"]
    assert container["moved"]["Image"] == lab_scene.images["moved_old"]
    assert container["moved"]["State"]["Status"] == "running"
    assert container["rebuilt"]["Image"] == lab_scene.images.get("rebuilt_old", container["rebuilt"]["Image"])
    assert container["rebuilt"]["Image"] != lab_scene.images["rebuilt_new"]
    assert container["stopped"]["State"]["Status"] == "exited"
    assert container["created"]["State"]["Status"] == "created"
    assert container["paused"]["State"]["Status"] == "paused"
    assert image["child_legacy"]["Parent"] == lab_scene.images["parent_legacy"]
    below, above = (image[role]["RootFS"]["Layers"] for role in ("parent_replaced", "child"))
    assert above[: len(below)] == below
    first, second = (image[role]["RootFS"]["Layers"] for role in ("shared_a", "shared_b"))
    assert first[0] == second[0]
    assert first[1] != second[1]
    assert not [tag for tag in image["digest_only"]["RepoTags"] if "@" not in tag]
    assert len(image["digest_only"]["RepoDigests"]) == 1
    assert len(image["many_tags"]["RepoTags"]) == 3
    assert image["evil"]["Config"]["Labels"] == EVIL_LABELS
    assert container["evil"]["Config"]["Labels"] == EVIL_LABELS
    options = api.get(f"/volumes/{lab_scene.volumes['options']}")
    assert options["Options"]["type"] == "tmpfs"
    mounts = container["warm_builder"]["Mounts"]
    assert [(one["Name"], one["Destination"]) for one in mounts] == [
        (lab_scene.volumes["warm_state"], "/var/lib/buildkit")
    ]


def test_the_version_is_the_trees(lab_host: LabHost):
    version = lab_host.api().get("/version")
    print(f"{lab_host.name}: {lab_host.tree}, API {version['MinAPIVersion']} to {version['ApiVersion']}")
    assert version["Version"] == lab_host.tree.versions["engine"]


def test_the_image_store_is_the_one_asked_for(lab_host: LabHost):
    info = lab_host.api().get("/info")
    c8d = ["driver-type", "io.containerd.snapshotter.v1"] in (info["DriverStatus"] or [])
    assert c8d is (lab_host.store == "containerd")
    assert (info["Driver"] == "overlay2") is (lab_host.store == "overlay2")


def test_a_container_runs(lab_host: LabHost):
    images.import_base(lab_host)
    assert lab_host.docker("run", "--rm", images.BASE, "echo", "it", "runs").stdout == "it runs\n"


def test_buildkit_builds_a_run_step(lab_host: LabHost):
    images.import_base(lab_host)
    built = images.build(lab_host, f"FROM {images.BASE}\nRUN echo built > /x\n", tag="lab-test/built:1")
    assert lab_host.api().image("lab-test/built:1")["Id"] == built
    assert lab_host.docker("run", "--rm", "lab-test/built:1", "cat", "/x").stdout == "built\n"


def test_the_data_root_is_the_engines_on_a_real_filesystem(lab_host: LabHost):
    api = lab_host.api()
    assert api.get("/info")["DockerRootDir"] == "/var/lib/docker"
    name = images.volume(api, "lab-test-root")
    assert (lab_host.data_root / "volumes" / name / "_data").is_dir()
    listed = subprocess.run(
        ["stat", "--file-system", "--format=%T", lab_host.data_root],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.strip() not in {"overlayfs", "tmpfs"}


def test_freeze_and_thaw(lab_host: LabHost):
    lab_host.freeze()
    lab_host.freeze()
    state = (
        Path(f"/proc/{lab_host.engine_pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    )
    assert state == "T"
    lab_host.thaw()
    assert lab_host.api().call("GET", "/_ping").body == b"OK"


def test_a_killed_engine_comes_back_with_what_it_had(lab_host: LabHost):
    images.import_base(lab_host)
    with lab_host.api() as api:
        kept = images.volume(api, "lab-test-kept")
    lab_host.kill_engine()
    with pytest.raises(ConnectionRefusedError), lab_host.api() as api:
        api.get("/version")
    with pytest.raises(LabFailure, match="not running"):
        _ = lab_host.engine_pid
    lab_host.start_engine()
    assert kept in {row["Name"] for row in lab_host.api().get("/volumes")["Volumes"]}


def test_generated_images_are_what_they_say(lab_host: LabHost):
    specs = list(images.many_images(20, prefix="lab-test/many", shared=4, own_every=5))
    images.load(lab_host, specs)
    rows = {row["RepoTags"][0]: row for row in lab_host.api().get("/images/json") if row["RepoTags"]}
    assert {spec.tags[0] for spec in specs} <= set(rows)
    assert rows["lab-test/many-00007:1"]["Labels"] == {"lab.number": "7"}


# -- nothing is left, nothing is touched


def traces(host: LabHost) -> list[str]:
    """What the machine still has of a host: folders, control groups, mounts."""
    paths = [
        host.folder,
        host.shared,
        host.data_root,
        *leftovers.cgroup_folders(f"hygiene-{host.folder.name}"),
    ]
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    return [str(path) for path in paths if path.exists() or str(path) in mounts]


def test_nothing_is_left_of_a_busy_host(stable_tree: Tree):
    before = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    with LabHost.start(stable_tree, name="lab-gone") as host:
        images.import_base(host)
        api = host.api()
        images.container(api, images.BASE)
        images.container(api, images.BASE, state="paused")
        images.build(host, f"FROM {images.BASE}\nRUN echo x > /x\n")
        pids = host.processes()
        assert len(pids) >= 7  # the first one, dockerd, containerd, two shims, two containers
        assert len(traces(host)) > 2
    assert traces(host) == []
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert Path("/proc/self/mountinfo").read_text(encoding="utf-8") == before


def test_nothing_is_left_when_the_engine_cannot_start(stable_tree: Tree):
    hosts = trees.lab_dir() / "hosts"
    with pytest.raises(LabFailure, match="no-such-driver"):
        LabHost.start(stable_tree, name="lab-broken", extra_daemon_json={"storage-driver": "no-such-driver"})
    assert list(hosts.glob("lab-broken-*")) == []


def test_a_killed_owner_leaves_no_process_and_the_next_start_sweeps(stable_tree: Tree):
    program = (
        "import json, sys; from tests.lab import images; from tests.lab.host import LabHost\n"
        "host = LabHost.start('stable', name='lab-orphan', in_memory=True)\n"
        "images.import_base(host); images.container(host.api(), images.BASE, state='paused'); host.freeze()\n"
        "print(json.dumps([str(host.folder), str(host.shared), str(host.data_root), host.pid]), flush=True)\n"
        "sys.stdin.read()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    *folders, first = json.loads(owner.stdout.readline())
    assert all(Path(folder).exists() for folder in folders)
    ended = os.pidfd_open(first)
    owner.kill()
    owner.communicate()
    swept = leftovers.sweep()
    assert [name for name in swept if name.startswith("lab-orphan-")]
    assert select.select([ended], [], [], 30)[0], (
        "the first process of the namespaces goes on without its owner"
    )
    os.close(ended)
    assert [folder for folder in folders if Path(folder).exists()] == []
    assert leftovers.cgroup_folders(f"hygiene-{Path(folders[0]).name}") == []


def test_a_living_hosts_folder_is_not_swept(stable_host: LabHost):
    assert stable_host.folder.name not in leftovers.sweep()
    assert stable_host.api().call("GET", "/_ping").body == b"OK"


def test_two_hosts_do_not_see_each_other(stable_host: LabHost):
    with LabHost.start(stable_host.tree, name="lab-other") as other:
        mine, others = (host.api().get("/info")["ID"] for host in (stable_host, other))
        assert mine != others
        images.volume(other.api(), "only-there")
        with pytest.raises(ApiError, match="only-there"):
            stable_host.api().get("/volumes/only-there")
        assert not set(stable_host.processes()) & set(other.processes())


def test_the_tree_stays_as_it_was_built(stable_host: LabHost):
    stable_host.run("sh", "-c", "echo changed > /etc/changed")
    assert not (stable_host.tree.path / "etc/changed").exists()
    assert not (stable_host.tree.path / "etc/docker/daemon.json").exists()
    assert not any((stable_host.tree.path / "var/lib").glob("docker/*"))


def test_the_machines_own_socket_is_not_the_labs(stable_host: LabHost):
    assert stable_host.socket.is_socket()
    assert len(os.fsencode(stable_host.socket)) <= 100
    if MACHINE_SOCKET.exists():
        assert not MACHINE_SOCKET.samefile(stable_host.socket)
    stable_host.run("test", "-S", "/run/docker.sock")


def test_a_person_can_start_one_and_end_it(stable_tree: Tree):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab", "up", "stable"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Ctrl-C"):
            break
    exports = dict(
        line.removeprefix("export ").strip().split("=", 1) for line in said if line.startswith("export ")
    )
    config = Path(exports["HYGIENE_CONFIG"])
    assert "unix://" in config.read_text(encoding="utf-8")
    process.send_signal(signal.SIGINT)
    assert "Ending." in process.communicate()[0]
    assert process.returncode == 0
    assert not config.parent.exists()


# -- where the lab cannot run


def without_a_mirror(tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """One lab test in a pytest of its own, with no trees and no way to a mirror."""
    passed = {key: value for key, value in os.environ.items() if key not in {"CI", "HYGIENE_REQUIRE_LAB"}}
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            __file__,
            "-k",
            "test_a_container_runs",
        ],
        cwd=ROOT,
        env={**passed, **nowhere, "HYGIENE_LAB_DIR": str(tmp_path), **more},
        capture_output=True,
        text=True,
        check=False,
    )


def test_where_the_lab_cannot_run_its_tests_are_skipped_and_counted(tmp_path: Path):
    done = without_a_mirror(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "4 tests had no engine" in done.stdout
    assert "the lab needs " in done.stdout
    assert [path for path in (tmp_path / "trees").glob("*") if path.suffix != ".lock"] == []


@pytest.mark.parametrize("required", [{"CI": "true"}, {"HYGIENE_REQUIRE_LAB": "1"}])
def test_where_the_lab_is_required_a_test_without_it_fails(tmp_path: Path, required: dict[str, str]):
    done = without_a_mirror(tmp_path, **required)
    assert done.returncode == 1, done.stdout
    assert "4 errors" in done.stdout


# -- where the trees come from


@pytest.mark.parametrize(
    ("file", "text", "mirror"),
    [
        ("sources.list", "deb http://one/debian bookworm main", "http://one/debian"),
        (
            "sources.list",
            "deb [arch=amd64 signed-by=/k.gpg] https://two/d/ bookworm main contrib # x",
            "https://two/d/",
        ),
        (
            "sources.list",
            "# deb http://off/debian bookworm main\ndeb-src http://src/debian bookworm main",
            None,
        ),
        ("sources.list", "deb http://third/party bookworm stable", None),
        ("sources.list", "deb http://sec/debian-security bookworm-security main", None),
        (
            "sources.list.d/debian.sources",
            TWO_STANZAS,
            "http://three/debian",
        ),
        (
            "sources.list.d/x.sources",
            "Types: deb\nURIs: mirror+file:/m\nSuites: bookworm\nComponents: main\n",
            None,
        ),
    ],
)
def test_the_mirror_is_the_machines_own(tmp_path: Path, file: str, text: str, mirror: str | None):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / file).write_text(text, encoding="utf-8")
    release = tmp_path / "os-release"
    release.write_text('ID=debian\nVERSION_CODENAME="bookworm"\n', encoding="utf-8")
    assert trees.debian_mirror(tmp_path, release) == mirror
    release.write_text("ID=other\nVERSION_CODENAME=bookworm\n", encoding="utf-8")
    assert trees.debian_mirror(tmp_path, release) is None
