"""Whom jobs run as and what their `docker` finds, from real files with real owners and modes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hygiene_core.host.probes.accounts import Account, Accounts, may_change
from hygiene_core.host.probes.credentials import CredentialsReading, JobAccount, read_credentials
from hygiene_core.host.probes.files import MOST_BYTES
from hygiene_core.model.observation import DockerCredentials
from hygiene_core.testing import runner

UNIT = "actions.runner.example-odoo.lane-1.service"
CI, OTHER, DOCKERS = 64_001, 64_002, 64_100
SECRET = "c2VjcmV0OnNlY3JldA=="
LOGGED_IN = {"auths": {"registry.example": {"auth": SECRET}, "other.example": {"identitytoken": SECRET}}}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")


class Scene:
    """A system whose users are `ci` and `other`, with one runner of `ci`."""

    def __init__(self, base: Path) -> None:
        self.base, self.system = base, base / "system"
        self.units = self.system / "etc/systemd/system"
        self.units.mkdir(parents=True)
        self.home, self.root = self.directory("home-ci", CI), self.directory("lane-1", CI)
        (self.root / ".service").write_text(f"{UNIT}\n")
        (self.system / "etc/passwd").write_text(
            "root:x:0:0:root:/root:/bin/bash\n+::::::\nbroken\n"
            f"ci:x:{CI}:{CI}::{self.home}:/bin/bash\nother:x:{OTHER}:{OTHER}::/nowhere:/bin/sh\n"
        )
        (self.system / "etc/group").write_text(f"docker:x:{DOCKERS}:someone,ci\nodd:x:{'9' * 5000}:ci\n")

    def directory(self, name: str, owner: int, mode: int = 0o755) -> Path:
        made = self.base / name
        made.mkdir(parents=True)
        made.chmod(mode)
        os.chown(made, owner, owner)
        return made

    def config(self, content: object = None, owner: int = CI, mode: int = 0o600) -> Path:
        """`~/.docker/config.json`, its directory of the same owner."""
        folder = self.directory("home-ci/.docker", owner)
        made = folder / "config.json"
        made.write_bytes(content if isinstance(content, bytes) else json.dumps(content or {}).encode())
        made.chmod(mode)
        os.chown(made, owner, owner)
        return made

    def read(self, **more: Path) -> CredentialsReading:
        roots = {"lane-1": self.root, **more}
        return read_credentials({name: str(path) for name, path in roots.items()}, system=self.system)

    def account(self) -> JobAccount:
        """The account of the runner, which was read without a problem."""
        seen = self.read()
        assert seen.problems == ()
        return seen.by_runner["lane-1"]

    def credentials(self) -> DockerCredentials:
        found = self.account().docker_credentials
        assert found is not None
        return found

    def problem(self) -> str:
        """The one problem of the runner; nothing is claimed of its credentials then."""
        seen = self.read()
        assert len(seen.problems) == 1, seen.problems
        assert seen.by_runner["lane-1"].docker_credentials is None
        return seen.problems[0]


@pytest.fixture
def scene() -> Iterator[Scene]:
    # pytest's own directories are closed to other users, which would be told as a missing permission.
    with tempfile.TemporaryDirectory() as base:
        Path(base).chmod(0o755)
        yield Scene(Path(base).resolve())


# -- the user ------------------------------------------------------------------------------------------------


def test_the_owner_of_the_directory_where_there_is_no_unit(scene):
    seen = scene.account()
    assert (seen.user, seen.home) == ("ci", str(scene.home))
    (scene.root / ".service").unlink()
    assert scene.account().user == "ci"


@pytest.mark.parametrize(
    ("unit", "user"),
    [
        ("[Service]\nUser=other\n", "other"),
        ("[Service]\n User = other \n", "other"),
        ("[Service]\nUser=ci\nUser=other\n", "other"),
        (f"[Service]\nUser={OTHER}\n", "other"),
        ("[Service]\nUser=\\\n other\n", "other"),
        ("[Service]\nUser=ci\nUser=\n", "root"),
        ("[Service]\n#User=other\n;User=other\n", "root"),
        ("[Unit]\nUser=other\n[Service]\n", "root"),
        ("[Service]\nUser=other\n[Install]\nUser=ci\n", "other"),
    ],
)
def test_the_user_of_the_unit(scene, unit, user):
    (scene.units / UNIT).write_text(unit)
    seen = scene.read().by_runner["lane-1"]
    assert seen.user == user


def test_drop_ins_in_the_order_of_their_names_and_those_in_etc_before_their_namesakes(scene):
    (scene.units / UNIT).write_text("[Service]\nUser=ci\n")
    etc = scene.units / f"{UNIT}.d"
    vendor = scene.system / "usr/lib/systemd/system" / f"{UNIT}.d"
    for folder in (etc, vendor):
        folder.mkdir(parents=True)
    (vendor / "20-user.conf").write_text("[Service]\nUser=other\n")
    (etc / "10-user.conf").write_text("[Service]\nUser=root\n")
    (etc / "30-not-one").write_text("[Service]\nUser=root\n")
    assert scene.account().user == "other"
    (etc / "20-user.conf").write_text("[Service]\nUser=ci\n")
    assert scene.account().user == "ci"


def test_drop_ins_without_a_unit_are_no_unit(scene):
    folder = scene.units / f"{UNIT}.d"
    folder.mkdir()
    (folder / "10-user.conf").write_text("[Service]\nUser=other\n")
    assert scene.account().user == "ci"


def test_a_unit_that_is_masked_is_told_and_the_owner_stands_for_its_user(scene):
    (scene.units / UNIT).symlink_to("/dev/null")
    seen = scene.read()
    assert seen.problems == (
        f"lane-1: {UNIT} cannot be read (not a regular file): its user is taken from the directory's owner",
    )
    assert seen.by_runner["lane-1"].user == "ci"


@pytest.mark.parametrize("unit", ["../../etc/passwd", "nul\0in.service"])
def test_a_unit_that_is_no_name_of_one(scene, unit):
    (scene.root / ".service").write_text(unit)
    assert scene.read().by_runner["lane-1"].user == "ci"


def test_a_user_that_only_systemd_can_work_out_is_not_guessed(scene):
    (scene.units / UNIT).write_text("[Service]\nUser=%i\n")
    assert "which only systemd can work out" in scene.problem()
    assert scene.read().by_runner["lane-1"] == JobAccount()


def test_a_user_that_nobody_knows(scene):
    (scene.units / UNIT).write_text("[Service]\nUser=ghost\n")
    assert "the home of ghost is not known" in scene.problem()
    assert scene.read().by_runner["lane-1"].user == "ghost"
    (scene.root / ".env").write_text(f"DOCKER_CONFIG={scene.config(LOGGED_IN).parent}\n")
    assert scene.credentials().writable is None


def test_an_owner_without_a_name_is_a_number(scene):
    os.chown(scene.root, 64_777, 64_777)
    assert "the home of 64777 is not known" in scene.problem()
    assert scene.read().by_runner["lane-1"].user == "64777"


def test_without_passwd_users_are_numbers_and_without_group_they_have_none(scene):
    for name in ("passwd", "group"):
        (scene.system / "etc" / name).unlink()
    assert scene.read().by_runner["lane-1"].user == str(CI)


def test_a_passwd_that_cannot_be_read_is_told(scene):
    (scene.system / "etc/passwd").unlink()
    (scene.system / "etc/passwd").mkdir()
    assert scene.read().problems[0] == f"{scene.system}/etc/passwd cannot be read (not a regular file)"


def test_the_system_itself_knows_its_users_and_asks_for_no_others_twice(scene):
    (scene.root / ".service").unlink()
    os.chown(scene.root, 0, 0)
    seen = read_credentials({"lane-1": str(scene.root)}).by_runner["lane-1"]
    assert (seen.user, seen.home) == ("root", "/root")
    os.chown(scene.root, 64_777, 64_777)  # neither in a file nor known to the name service
    assert read_credentials({"lane-1": str(scene.root)}).by_runner["lane-1"].user == "64777"


def test_a_root_that_is_not_there(scene):
    seen = scene.read(gone=scene.base / "gone")
    assert seen.problems == (f"gone: {scene.base}/gone is not a directory here",)
    assert set(seen.by_runner) == {"lane-1"}


# -- where docker looks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"LANG=C.UTF-8\nDOCKER_CONFIG=/srv/docker\nTOKEN=x\n", "/srv/docker"),
        (b"\xef\xbb\xbfDOCKER_CONFIG=/srv/docker\r\nA=b\r\n", "/srv/docker"),
        ("\ufeffDOCKER_CONFIG=/srv/docker\n".encode("utf-16-le"), "/srv/docker"),
        (b"A=\xff\xfe\nDOCKER_CONFIG=/srv/docker", "/srv/docker"),
        (b"DOCKER_CONFIG=/a\rDOCKER_CONFIG=/b", "/b"),
        (b"DOCKER_CONFIG=/a=b c", "/a=b c"),
        (b"DOCKER_CONFIG=/a\nDOCKER_CONFIG=\n", None),
        (b"XDOCKER_CONFIG=/a\n DOCKER_CONFIG=/a\nDOCKER_CONFIG =/a\nDOCKER_CONFIG", None),
        (b"A=b\x0bDOCKER_CONFIG=/a\n", None),
        (b"", None),
    ],
)
def test_the_one_key_of_the_environment(scene, content, found):
    (scene.root / ".env").write_bytes(content)
    assert scene.account().docker_config == (found or f"{scene.home}/.docker")


def test_nothing_else_of_the_environment_is_kept(scene):
    (scene.root / ".env").write_text("OTHER_KEY=other-value\nDOCKER_CONFIG=/srv/docker\n")
    assert "other" not in repr(scene.read()).lower().replace("/nowhere", "")


@pytest.mark.parametrize("value", ["docker", "~/.docker", '"/srv/docker"', "/srv/nul\0in"])
def test_a_directory_that_is_no_absolute_path(scene, value):
    (scene.root / ".env").write_text(f"DOCKER_CONFIG={value}\n")
    assert "DOCKER_CONFIG in .env is no absolute path" in scene.problem()


def test_an_environment_that_may_be_a_link(scene):
    (scene.base / "env").write_text("DOCKER_CONFIG=/srv/docker\n")
    (scene.root / ".env").symlink_to(scene.base / "env")
    assert scene.account().docker_config == "/srv/docker"


def fifo(path: Path) -> None:
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def huge(path: Path) -> None:
    path.write_bytes(b"A=b\n" * (MOST_BYTES // 4) + b" ")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def device(path: Path) -> None:
    path.symlink_to("/dev/null")


FAULTS = [
    (fifo, "not a regular file"),
    (Path.mkdir, "not a regular file"),
    (listening, "not a regular file"),
    (device, "not a regular file"),
    (loop, "Too many levels of symbolic links"),
    (huge, f"longer than {MOST_BYTES} bytes"),
]


@pytest.mark.parametrize(("lay", "said"), FAULTS)
def test_an_environment_that_is_none_is_told_and_nothing_is_guessed(scene, lay, said):
    lay(scene.root / ".env")
    assert scene.problem() == (
        f"lane-1: .env cannot be read ({said}), so that it is not known where docker looks"
    )
    assert scene.read().by_runner["lane-1"].docker_config is None


# -- what it finds there -------------------------------------------------------------------------------------


def test_no_file_is_a_state_of_its_own(scene):
    path = f"{scene.home}/.docker/config.json"
    assert scene.credentials() == DockerCredentials(path=path, present=False, writable=True)


def test_a_login_is_counted_and_not_kept(scene):
    path = scene.config(LOGGED_IN)
    assert scene.credentials() == DockerCredentials(
        path=str(path), present=True, owner="ci", mode="0600", writable=True, stored_count=2
    )
    seen = repr(scene.read())
    assert not any(word in seen for word in (SECRET, "registry.example", "other.example"))


@pytest.mark.parametrize(
    ("content", "count"),
    [
        ({"auths": {"a": {"auth": ""}, "b": {}, "c": None}}, 0),
        ({"auths": {"a": {"username": "u", "password": "p"}, "b": {"registrytoken": "t"}}}, 2),
        ({"AUTHS": {"a": {"Auth": "x"}}}, 1),
        ({"auths": None}, 0),
        ({"proxies": {"default": {"httpProxy": "http://u:p@proxy"}}}, 0),
        (b"", 0),
        (b" \n", 0),
    ],
)
def test_what_counts_as_stored(scene, content, count):
    scene.config(content)
    assert scene.credentials().stored_count == count


def test_helpers_that_a_job_made_up_are_cut(scene):
    scene.config({"credHelpers": {str(number): f"{number:03d}" * 100 for number in range(500)}})
    assert {len(one) for one in scene.credentials().helpers} == {64}
    assert len(scene.credentials().helpers) == 16


def test_helpers_are_named_each_once_and_masked(scene):
    helpers = {"a.example": "ecr-login", "b.example": "pass", "c.example": 7, "d.example": ""}
    scene.config({"credsStore": "pass", "credHelpers": helpers})
    assert scene.credentials().helpers == ("ecr-login", "pass")
    (scene.home / ".docker/config.json").write_text(json.dumps({"credsStore": "ghp_" + "a1" * 18}))
    assert "a1a1" not in scene.credentials().helpers[0]


@pytest.mark.parametrize(
    "content",
    [
        f'{{"auths": {{"registry.example": {{"auth": "{SECRET}"'.encode(),
        b"[]",
        b'"text"',
        b'{"auths": []}',
        b'{"auths": {"a": "x"}}',
        b'{"credHelpers": "pass"}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a": ' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_not_the_json_of_docker_is_told_without_its_text(scene, content):
    path = scene.config(content)
    assert scene.problem() == f"lane-1: {path} cannot be read (it is not the JSON that docker writes)"


@pytest.mark.parametrize(("lay", "said"), FAULTS)
def test_a_configuration_that_is_no_file_is_told(scene, lay, said):
    path = scene.config()
    path.unlink()
    lay(path)
    assert scene.problem() == f"lane-1: {path} cannot be read ({said})"


def test_a_directory_that_is_a_file(scene):
    (scene.home / ".docker").write_text("")
    assert "cannot be read (Not a directory)" in scene.problem()


def test_a_link_that_leads_nowhere_is_no_file(scene):
    path = scene.config()
    path.unlink()
    path.symlink_to(scene.base / "gone")
    assert (scene.credentials().present, scene.credentials().path) == (False, f"{scene.base}/gone")


def test_runners_whose_links_lead_to_one_file_share_it(scene):
    path = scene.config(LOGGED_IN)
    other = scene.directory("lane-2", OTHER)
    (scene.directory("docker-2", OTHER) / "config.json").symlink_to(path)
    (other / ".env").write_text(f"DOCKER_CONFIG={scene.base}/docker-2\n")
    read = scene.read(other=other).by_runner
    seen = [one.docker_credentials for one in read.values()]
    assert [one and one.path for one in seen] == [str(path)] * 2


def test_the_name_service_is_not_asked_about_another_system(scene):
    scene.config(LOGGED_IN, owner=64_777)
    assert scene.credentials().owner == "64777"


# -- who may change it ---------------------------------------------------------------------------------------


@pytest.fixture
def shared(scene) -> Path:
    """A configuration of root, in directories of root, that `.env` names."""
    folder = scene.directory("docker", 0)
    (folder / "config.json").write_text(json.dumps(LOGGED_IN))
    (folder / "config.json").chmod(0o644)
    (scene.root / ".env").write_text(f"DOCKER_CONFIG={folder}\n")
    return folder / "config.json"


def test_what_root_laid_out_for_reading(scene, shared):
    seen = scene.credentials()
    assert (seen.owner, seen.mode, seen.writable, seen.stored_count) == ("root", "0644", False, 2)


@pytest.mark.parametrize(
    ("mode", "group", "writable"),
    [
        (0o660, CI, True),
        (0o660, DOCKERS, True),
        (0o660, OTHER, False),
        (0o606, OTHER, True),
        (0o606, CI, False),  # the bits of the group count, and not those of others
        (0o644, CI, False),
    ],
)
def test_the_file_itself(scene, shared, mode, group, writable):
    os.chown(shared, 0, group)
    shared.chmod(mode)
    assert scene.credentials().writable is writable


@pytest.mark.parametrize(
    ("mode", "owner", "writable"),
    [
        (0o777, 0, True),
        (0o1777, 0, False),  # as /tmp: only who owns the file may rename it
        (0o1777, CI, True),
        (0o706, 0, False),  # to write without to search changes nothing
        (0o755, CI, True),
    ],
)
def test_the_directory(scene, shared, mode, owner, writable):
    os.chown(shared.parent, owner, 0)
    shared.parent.chmod(mode)
    assert scene.credentials().writable is writable


def test_a_file_of_ones_own_in_a_directory_for_all(scene, shared):
    shared.parent.chmod(0o1777)
    os.chown(shared, CI, CI)
    assert scene.credentials().writable


def test_a_home_is_no_place_for_a_file_of_root(scene):
    scene.config(LOGGED_IN, owner=0, mode=0o644)
    assert scene.credentials().writable  # ci renames .docker and makes another


def test_a_link_in_a_directory_of_ones_own(scene, shared):
    folder = scene.directory("docker-ci", CI)
    (folder / "config.json").symlink_to(shared)
    (scene.root / ".env").write_text(f"DOCKER_CONFIG={folder}\n")
    assert scene.credentials().writable


def test_what_is_not_there_yet(scene, shared):
    shared.unlink()
    assert (scene.credentials().present, scene.credentials().writable) == (False, False)
    shared.parent.chmod(0o1777)
    assert scene.credentials().writable
    shared.parent.rmdir()
    assert scene.credentials().writable is False


def test_root_may_change_everything(scene, shared):
    (scene.units / UNIT).write_text("[Service]\n")
    assert scene.credentials().writable


def test_what_cannot_be_looked_at_is_not_called_safe(scene, shared):
    stranger = Account(name="ci", uid=CI)
    loop(shared.parent / "loop")
    assert may_change(stranger, f"{shared.parent}/loop/config.json") is None
    shared.parent.chmod(0o777)
    assert may_change(stranger, f"{shared.parent}/loop/config.json") is True


def test_the_name_service_knows_whom_the_files_do_not_name():
    asked = Accounts(ask=True)
    assert (asked.named("root").uid, asked.numbered(0).home) == (0, "/root")
    assert asked.named("9" * 5000).uid is None
    assert asked.named("nul\0in") == Account(name="nul\0in")
    assert asked.numbered(2**70) == Account(name=str(2**70), uid=2**70)


# -- somebody else than root looks ---------------------------------------------------------------------------

AS_NOBODY = """
import ctypes, os, sys
from pathlib import Path
from hygiene_core.host.probes.credentials import read_credentials
def read():
    return read_credentials({"lane-1": sys.argv[1]}, system=Path(sys.argv[2]))
read()  # loads what Python loads late, while its own files may still be read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # what changed its user may not see its own descriptors otherwise
seen = read()
one = seen.by_runner["lane-1"]
print(one.user, one.docker_config, one.docker_credentials, *seen.problems, sep="\\n")
"""


def as_nobody(scene: Scene) -> list[str]:
    command = [sys.executable, "-c", AS_NOBODY, str(scene.root), str(scene.system)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()


def test_another_users_configuration_that_may_not_be_read(scene):
    path = scene.config(LOGGED_IN)
    assert as_nobody(scene) == [
        "ci",
        str(path.parent),
        "None",
        f"lane-1: {path} cannot be read (Permission denied)",
    ]


def test_another_users_configuration_that_may_be_read(scene):
    scene.config(LOGGED_IN, mode=0o644)
    _, _, seen, *problems = as_nobody(scene)
    assert "stored_count=2" in seen
    assert problems == []


def test_a_home_that_is_closed(scene):
    path = scene.config(LOGGED_IN)
    scene.home.chmod(0o700)
    assert as_nobody(scene)[2:] == ["None", f"lane-1: {path} cannot be read (Permission denied)"]


def test_an_environment_that_may_not_be_read(scene):
    (scene.root / ".env").write_text("DOCKER_CONFIG=/srv/docker\n")
    (scene.root / ".env").chmod(0o600)
    said = "lane-1: .env cannot be read (Permission denied), so that it is not known where docker looks"
    assert as_nobody(scene) == ["ci", "None", "None", said]


def test_a_unit_and_drop_ins_that_may_not_be_read(scene):
    unit = scene.units / UNIT
    unit.write_text("[Service]\nUser=other\n")
    unit.chmod(0o600)
    assert "cannot be read (Permission denied): its user" in as_nobody(scene)[3]
    unit.chmod(0o644)
    (scene.units / f"{UNIT}.d").mkdir(mode=0o700)
    assert "cannot be read (Permission denied): its user" in as_nobody(scene)[3]


# -- joined --------------------------------------------------------------------------------------------------


def test_runners_are_joined_with_their_accounts_by_name():
    bare = {"user": None, "home": None, "docker_config": None, "docker_credentials": None}
    of = JobAccount(user="ci", home="/home/ci", docker_config="/home/ci/.docker")
    one, two = CredentialsReading(by_runner={"lane-1": of}).joined((runner(**bare), runner("lane-2", **bare)))
    assert (one.user, one.home, one.docker_config) == ("ci", "/home/ci", "/home/ci/.docker")
    assert two.user is None
