"""`hygiene.toml`: every way to get it wrong is a file under `tests/data/config`, named after the fault."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hygiene_core.config import builtin, load, resolve_host
from hygiene_core.config.digest import policy_digest
from hygiene_core.config.loader import default_state_directory, usual_places
from hygiene_core.errors import UnknownHost
from hygiene_core.model.host import Configuration
from hygiene_core.model.policy import Ages, Policy
from tests.unit.config_files import FAULTS, LAB, NAME_RULE, REFUSALS, WEEK, refused, written

NOBODY = 65534


@pytest.fixture(autouse=True)
def _no_usual_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine that runs the tests may have a configuration of its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may read everything, so that a test of permissions gives that up for its while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# Faults of the file.


@pytest.mark.parametrize("path", sorted(FAULTS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_faulty_file_is_refused_with_its_own_words(path: Path):
    assert refused(path).message == REFUSALS[path.stem].replace("FILE", str(path))


def test_every_fault_has_its_file_and_its_words():
    assert set(REFUSALS) == {path.stem for path in FAULTS.glob("*.toml")}


def test_a_refusal_leads_to_the_check_of_that_file():
    path = FAULTS / "max_zero.toml"
    error = refused(path)
    assert error.next_step == f"hygiene config check --config {path}"
    assert str(error) == f"refused [CONFIG]: {error.message} {error.next_step}"


def test_a_path_is_quoted_for_the_shell_and_shown_as_text(tmp_path: Path):
    path = tmp_path / "a b\x1b[2J.toml"
    path.write_text("")
    error = refused(path)
    assert "\x1b" not in str(error)
    assert error.next_step == f"hygiene config check --config '{tmp_path}/a b\\x1b[2J.toml'"


def test_a_file_that_is_not_there_is_never_a_fall_back(tmp_path: Path):
    absent, present = tmp_path / "absent.toml", written(tmp_path, LAB)
    for error in (
        refused(absent, search=[present]),
        refused(None, {"HYGIENE_CONFIG": str(absent)}, search=[present]),
        refused(absent, {"HYGIENE_CONFIG": str(present)}),
    ):
        assert error.message == (
            f"{absent}: there is no such file. Nothing was looked at. Then check it again:"
        )


def test_an_empty_variable_names_no_file(tmp_path: Path):
    error = refused(None, {"HYGIENE_CONFIG": " "}, search=[written(tmp_path, LAB)])
    assert error.message == (
        "HYGIENE_CONFIG is set and empty; unset it, or name a file. Nothing was looked at."
    )


def test_a_directory_is_no_file(tmp_path: Path):
    assert "it is a directory; name the file in it" in refused(tmp_path).message


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert "it is not a regular file" in refused(tmp_path / "pipe").message


def test_a_file_in_a_file(tmp_path: Path):
    assert "it cannot be read: Not a directory" in refused(written(tmp_path, LAB) / "x").message


def test_a_file_of_ten_megabytes(tmp_path: Path):
    path = tmp_path / "hygiene.toml"
    with path.open("wb") as opened:
        opened.truncate(10_000_000)
    assert "it has 10000000 bytes; a configuration has at most 1048576 (1 MiB)" in refused(path).message


def test_a_file_of_exactly_one_mebibyte(tmp_path: Path):
    path = written(tmp_path, LAB + "#" * (2**20 - len(LAB)))
    assert path.stat().st_size == 2**20
    assert set(load(path, {}).hosts) == {"lab"}


@pytest.mark.usefixtures("unprivileged")
def test_a_file_that_may_not_be_read():
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"hygiene-closed-{os.getpid()}"
    folder.mkdir()
    try:
        path = written(folder, LAB)
        folder.chmod(0)
        for error in (refused(path), refused(None, search=[path])):
            assert "this user may not read it" in error.message
    finally:
        folder.chmod(0o700)
        (folder / "hygiene.toml").unlink()
        folder.rmdir()


def test_what_holds_the_parser_up_is_not_parsed(tmp_path: Path):
    """Each of these takes minutes to parse, or would."""
    many = "a." * 400_000
    for text in (
        f"{many}a = 1\n",
        f"[{many}a]\n",
        f"x = {{ {many}a = 1 }}\n",
        '"a"\t.' * 200_000 + "a = 1\n",
    ):
        error = refused(written(tmp_path, text))
        assert "line 1: a key has more than 64 parts" in error.message


def test_names_full_of_dots_are_no_key_of_many_parts(tmp_path: Path):
    names = ", ".join(f'"registry.example.com/team.a/image.b:{number}.0.1"' for number in range(500))
    made = load(written(tmp_path, f"{LAB}[hosts.lab.protect]\nimages = [{names}]\n"), {})
    assert len(made.hosts["lab"].policy.protect.images) == 500


def test_the_first_hundred_problems_are_listed(tmp_path: Path):
    path = written(tmp_path, LAB + "".join(f"key{number} = 1\n" for number in range(20_000)))
    lines = refused(path).message.splitlines()
    assert lines[0] == f"{path} has 20000 problems. Nothing was looked at."
    assert lines[1].startswith("  line 3: hosts.lab.key0: unknown key; ")
    assert lines[100].startswith("  line 102: hosts.lab.key99: unknown key; ")
    assert lines[101:] == ["  and 19900 more", "Then check it again:"]


def test_the_command_line_ends_with_status_2():
    path = FAULTS / "unknown_protect_key.toml"
    ended = subprocess.run(
        [sys.executable, "-m", "hygiene_core", "config", "check", "--config", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f'refused [CONFIG]: {path}: line 5: hosts.lab.protect.image: unknown key; did you mean "images"? '
        f"Nothing was looked at. Then check it again: hygiene config check --config {path}\n"
    )


# Which file, which directory, which host.


def test_the_order_of_the_places(tmp_path: Path):
    paths = {}
    for name in ("option", "variable", "first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        paths[name] = written(folder, LAB.replace("lab", name))
    environ = {"HYGIENE_CONFIG": str(paths["variable"])}
    search = [tmp_path / "nowhere", paths["first"], paths["second"]]
    assert set(load(paths["option"], environ, search=search).hosts) == {"option"}
    assert set(load(None, environ, search=search).hosts) == {"variable"}
    assert set(load(None, {}, search=search).hosts) == {"first"}


def test_a_found_file_with_a_fault_is_never_passed_over(tmp_path: Path):
    faulty = FAULTS / "max_zero.toml"
    assert str(faulty) in refused(None, search=[faulty, written(tmp_path, LAB)]).message


def test_a_link_that_leads_nowhere_is_never_passed_over(tmp_path: Path):
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "gone")
    assert "there is no such file" in refused(None, search=[link, written(tmp_path, LAB)]).message


def test_the_usual_places(tmp_path: Path):
    assert usual_places() == (
        tmp_path / "config-home/hygiene/hygiene.toml",
        Path("/etc/hygiene/hygiene.toml"),
    )


def test_no_file_at_all_gives_protective_defaults():
    made = load(None, {}, search=[])
    assert made == builtin()
    (host,) = made.hosts.values()
    assert (host.name, host.docker_socket, host.data_root) == ("local", "/var/run/docker.sock", None)
    assert host.policy == Policy(source=None, digest=policy_digest(host.policy), ages=Ages(grace=WEEK))
    assert made.source is None


def test_the_order_of_the_state_directories(tmp_path: Path):
    path = written(tmp_path, LAB + '[evidence]\ndirectory = "/srv/evidence"\n')
    assert load(path, {"HYGIENE_STATE_DIR": "/srv/other/"}).state_directory == "/srv/other"
    assert load(path, {}).state_directory == "/srv/evidence"
    assert load(written(tmp_path, LAB), {}).state_directory == default_state_directory()


def test_the_default_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_state_directory() == "/var/lib/hygiene"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_state_directory() == str(tmp_path / "state-home/hygiene")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "HYGIENE_STATE_DIR: is empty."),
        ("state", 'HYGIENE_STATE_DIR: "state" is not an absolute path.'),
        (
            "/var/lib/docker/x",
            (
                'HYGIENE_STATE_DIR: "/var/lib/docker/x" lies in the data root of hosts.lab '
                '("/var/lib/docker"), which this kit cleans.'
            ),
        ),
        ("/dev/null", 'HYGIENE_STATE_DIR: "/dev/null" is not a directory.'),
        ("/dev/null/x", 'HYGIENE_STATE_DIR: "/dev/null/x" cannot be used: Not a directory.'),
    ],
)
def test_a_state_directory_that_cannot_be(tmp_path: Path, value: str, said: str):
    error = refused(written(tmp_path, LAB), {"HYGIENE_STATE_DIR": value})
    assert error.message == f"{said} Nothing was looked at."


def test_a_link_into_what_is_cleaned_is_followed(tmp_path: Path):
    inside, link = tmp_path / "lane-1/evidence", tmp_path / "evidence"
    inside.mkdir(parents=True)
    link.symlink_to(inside)
    root = f'[[hosts.lab.runner_roots]]\nname = "lane-1"\npath = "{tmp_path}/lane-1"\n'
    error = refused(written(tmp_path, LAB + root), {"HYGIENE_STATE_DIR": str(link)})
    assert "lies in the runner root lane-1 of hosts.lab" in error.message


def test_one_host_needs_no_name(tmp_path: Path):
    made = load(written(tmp_path, LAB), {})
    assert resolve_host(made, None) is made.hosts["lab"]
    assert resolve_host(made, "lab") is made.hosts["lab"]


def several(tmp_path: Path) -> Configuration:
    return load(written(tmp_path, LAB + LAB.replace("lab", "chris-testing")), {})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "the configuration has 2 hosts and none was named: lab, chris-testing."),
        ("chris-testin", 'no host is called "chris-testin"; did you mean "chris-testing"?'),
        ("other", 'no host is called "other"; known here: lab, chris-testing.'),
        ("-oProxyCommand=x", f'"-oProxyCommand=x" is not a name; {NAME_RULE}.'),
        ("a\nb", f'"a\\nb" is not a name; {NAME_RULE}.'),
        ("fe80::1", f'"fe80::1" is not a name; {NAME_RULE}.'),
        ("", f'"" is not a name; {NAME_RULE}.'),
        ("lab\n", f'"lab\\n" is not a name; {NAME_RULE}.'),
    ],
)
def test_a_host_that_is_not_configured(tmp_path: Path, name: str | None, said: str):
    with pytest.raises(UnknownHost) as caught:
        resolve_host(several(tmp_path), name)
    assert caught.value.message.startswith(f"{said} Nothing was looked at.")
    assert (caught.value.exit_status, caught.value.code) == (2, "UNKNOWN_HOST")
    checked = f"hygiene config check --config {tmp_path}/hygiene.toml"
    assert caught.value.next_step == ("--host lab" if name is None else checked)


def test_a_host_that_the_defaults_do_not_have():
    with pytest.raises(UnknownHost) as caught:
        resolve_host(builtin(), "chris-testing")
    assert str(caught.value) == (
        'refused [UNKNOWN_HOST]: no host is called "chris-testing"; known here: local. '
        "Nothing was looked at. The hosts and their policies: hygiene config check"
    )
