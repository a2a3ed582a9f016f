"""`hygiene.toml`: every way to get it wrong is a file under `tests/data/config`, named after the fault."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hygiene_core.config import (
    builtin,
    check_lines,
    init_text,
    json_schema,
    load,
    load_file,
    resolve_host,
)
from hygiene_core.config.digest import policy_digest
from hygiene_core.config.loader import default_state_directory, usual_places
from hygiene_core.errors import ConfigProblem, UnknownHost
from hygiene_core.model.host import Configuration, Host
from hygiene_core.model.policy import Ages, Budget, Limits, Policy, Protect, RunnerRoot
from hygiene_core.model.request import Deadlines
from hygiene_core.testing import GIB

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "tests/data/config"
EXAMPLE = ROOT / "docs/examples/chris-testing.toml"
REFERENCE = ROOT / "docs/reference/config.md"
SCHEMA = ROOT / "docs/reference/config.schema.json"
REFUSALS = tomllib.loads((FAULTS / "expected/refusals.toml").read_text())

WEEK = timedelta(hours=168)
LAB = '[hosts.lab]\ndocker = "unix:///run/lab.sock"\n'
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


def written(folder: Path, text: str) -> Path:
    path = folder / "hygiene.toml"
    path.write_text(text)
    return path


def refused(path: Path | None, environ: dict[str, str] | None = None, **search: Any) -> ConfigProblem:
    with pytest.raises(ConfigProblem) as caught:
        load(path, environ or {}, **search)
    assert caught.value.exit_status == 2
    assert caught.value.code == "CONFIG"
    return caught.value


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


# What a good file comes to.

WHOLE = """
[evidence]
directory = "/srv/evidence/"

[hosts.one]
docker = "unix:///run/one.sock"
transport = "local"
data_root = "/mnt//docker/"

[hosts.one.protect]
builders = ["warm", "*-warm"]
images = ["a:1", "sha256:*"]
volumes = ["data-[0-9]"]
containers = ["web?"]
labels = ["keep", "owner=[!x]*"]

[hosts.one.limits]
min_free = "50GiB"
min_free_inodes_percent = 12.5
max_reclaimable = "100GB"
max_state = "1 GiB"

[hosts.one.ages]
grace = "2d"
dangling_image = "72h"
tagged_image = "720h"
stopped_container = "4d"
anonymous_volume = "5d"
orphan_builder = "6d"

[hosts.one.budgets.embedded]
max = "20GiB"
reserved = "16GiB"
min_age = "90m"

[hosts.one.budgets.warm]
max = "512MiB"
allow_small_budget = true

[[hosts.one.runner_roots]]
name = "lane-1"
path = "/srv/lane-1"

[hosts.one.deadlines]
engine = "1s"
images = "2s"
containers = "3s"
volumes = "4s"
build_cache = "5s"

[hosts."two.example"]
docker = "unix:///run/two.sock"
protect.images = ["b:1"]
"""


def test_a_whole_file(tmp_path: Path):
    path = written(tmp_path, WHOLE)
    policy = Policy(
        source=str(path),
        digest="",
        protect=Protect(
            builders=("warm", "*-warm"),
            images=("a:1", "sha256:*"),
            volumes=("data-[0-9]",),
            containers=("web?",),
            labels=("keep", "owner=[!x]*"),
        ),
        limits=Limits(
            min_free_bytes=50 * GIB,
            min_free_inodes_percent=12.5,
            max_reclaimable_bytes=100 * 10**9,
            max_state_bytes=GIB,
        ),
        ages=Ages(
            grace=timedelta(days=2),
            dangling_image=timedelta(days=3),
            tagged_image=timedelta(days=30),
            stopped_container=timedelta(days=4),
            anonymous_volume=timedelta(days=5),
            orphan_builder=timedelta(days=6),
        ),
        budgets={
            "embedded": Budget(max_bytes=20 * GIB, reserved_bytes=16 * GIB, min_age=timedelta(minutes=90)),
            "warm": Budget(max_bytes=GIB // 2, reserved_bytes=GIB // 4, min_age=WEEK),
        },
        runner_roots=(RunnerRoot(name="lane-1", path="/srv/lane-1"),),
    )
    one = Host(
        name="one",
        docker_socket="/run/one.sock",
        data_root="/mnt/docker",
        deadlines=Deadlines(
            engine=timedelta(seconds=1),
            images=timedelta(seconds=2),
            containers=timedelta(seconds=3),
            volumes=timedelta(seconds=4),
            build_cache=timedelta(seconds=5),
        ),
        policy=replace(policy, digest=policy_digest(policy)),
    )
    made = load(path, {})
    assert made.hosts["one"] == one
    assert made.hosts["two.example"].policy.protect == Protect(images=("b:1",))
    assert made.hosts["two.example"].policy.ages == Ages(grace=WEEK)
    assert made.hosts["two.example"].deadlines == Deadlines()
    assert (made.source, made.state_directory, made.warnings) == (str(path), "/srv/evidence", ())


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path):
    path = tmp_path / "hygiene.toml"
    path.write_bytes(b"\xef\xbb\xbf" + LAB.replace("\n", "\r\n").encode())
    assert set(load(path, {}).hosts) == {"lab"}


def test_the_line_of_a_fault_is_found_past_windows_line_ends(tmp_path: Path):
    path = tmp_path / "hygiene.toml"
    path.write_bytes((LAB + "[hosts.lab.ages]\ngrace = 24\n").replace("\n", "\r\n").encode())
    assert ": line 4: hosts.lab.ages.grace: 24 has no unit" in refused(path).message


def test_the_example_of_the_first_host():
    made = load(EXAMPLE, {})
    host = made.hosts["chris-testing"]
    assert host.docker_socket == "/var/run/docker.sock"
    assert host.policy.protect == Protect(
        builders=("odoo-docker-chris-testing", "odoo-enterprise-chris-testing"),
        images=("odoo-docker:verify-devtools", "odoo-docker:verify-runtime"),
    )
    assert set(host.policy.budgets) == {"embedded", *host.policy.protect.builders}
    assert all(budget.reserved_bytes >= 8 * GIB for budget in host.policy.budgets.values())
    ages = host.policy.ages
    assert {ages.grace, ages.dangling_image, ages.stopped_container, ages.anonymous_volume} == {WEEK}
    assert (host.policy.runner_roots, made.warnings) == ((), ())


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


NAME_RULE = "a name is 1 to 63 of A-Z a-z 0-9 . _ - and begins with a letter or a digit"


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


# Warnings.


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("", "line 1: hosts.lab: no policy: nothing is protected by name, limited or let go"),
        (
            '[hosts.lab.protect]\nimages = ["a", "**"]',
            'line 4: hosts.lab.protect.images[1]: "**" protects all images',
        ),
        (
            '[hosts.lab.protect]\nlabels = ["*=*"]',
            'line 4: hosts.lab.protect.labels[0]: "*=*" protects whatever has a label',
        ),
        (
            '[hosts.lab.ages]\ngrace = "2h"',
            "line 4: hosts.lab.ages.grace: 2h is less than a day",
        ),
        (
            '[hosts.lab.ages]\ndangling_image = "48h"',
            (
                "line 4: hosts.lab.ages.dangling_image: 48h is shorter than the grace of 168h, "
                "which holds for everything"
            ),
        ),
        (
            '[hosts.lab.protect]\nbuilders = ["warm-builder"]\n[hosts.lab.budgets.warm-bilder]\nmax = "8GiB"',
            (
                "line 5: hosts.lab.budgets.warm-bilder: a budget for a builder that protect.builders does "
                'not name; did you mean "warm-builder"?'
            ),
        ),
        (
            '[hosts.lab.limits]\n[hosts.copy]\ndocker = "unix:///run/lab.sock"\n[hosts.copy.limits]',
            "line 5: hosts.copy.docker: hosts.lab has the same socket: one Engine, remembered twice",
        ),
    ],
)
def test_what_is_perhaps_not_meant_is_a_warning(tmp_path: Path, text: str, warning: str):
    path = written(tmp_path, f"{LAB}{text}\n")
    assert load(path, {}).warnings == (warning,)
    assert f"warning: {warning}" in check_lines(path, {})


def test_a_file_that_everybody_may_change_is_a_warning(tmp_path: Path):
    path = written(tmp_path, f"{LAB}[hosts.lab.limits]\n")
    path.chmod(0o646)
    assert load(path, {}).warnings == ("every user of this machine may change this file",)


# The digest.


def test_the_digest_is_pinned():
    """Plans are bound to it: a change of how it is made refuses every plan that is under way."""
    assert load(EXAMPLE, {}).hosts["chris-testing"].policy.digest == (
        "a959c8be9e9885d8f8b2115510960f8b6e2495e9c1bf7fb72cc3aef50fcb43f6"
    )


def test_the_digest_does_not_depend_on_where_the_file_lies(tmp_path: Path):
    moved = load(written(tmp_path, EXAMPLE.read_text()), {}).hosts["chris-testing"].policy
    there = load(EXAMPLE, {}).hosts["chris-testing"].policy
    assert moved.source != there.source
    assert moved.digest == there.digest


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        ('"*-warm"', '"*-cold"'),
        ('"50GiB"', '"51GiB"'),
        ("12.5", "12.6"),
        ('"72h"', '"73h"'),
        ('reserved = "16GiB"', 'reserved = "15GiB"'),
        ('"90m"', '"91m"'),
        ('"/srv/lane-1"', '"/srv/lane-2"'),
    ],
)
def test_the_digest_follows_the_policy(tmp_path: Path, was: str, is_now: str):
    before = load(written(tmp_path, WHOLE), {}).hosts["one"].policy.digest
    assert was in WHOLE
    after = load(written(tmp_path, WHOLE.replace(was, is_now)), {}).hosts["one"].policy.digest
    assert before != after


# Starter, check, schema, reference.


@pytest.mark.parametrize("name", ["local", "chris-testing", "a.b"])
def test_the_starter_file_can_be_used(tmp_path: Path, name: str):
    made = load(written(tmp_path, init_text(name, "unix:///run/my docker.sock")), {})
    assert made.hosts[name].docker_socket == "/run/my docker.sock"
    assert made.warnings == ()


def test_every_line_of_the_starter_file_can_be_used(tmp_path: Path):
    """What is commented out and looks like TOML is TOML, too."""
    text = re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", init_text("lab", "unix:///run/lab.sock"))
    made = load(written(tmp_path, text), {})
    policy = made.hosts["lab"].policy
    assert policy.budgets["embedded"].max_bytes == 20 * GIB
    assert None not in (*vars_of(policy.limits), *vars_of(policy.ages))
    assert (len(policy.runner_roots), made.state_directory) == (1, "/var/lib/hygiene")


def vars_of(made: Any) -> list[Any]:
    return [getattr(made, name) for name in made.__slots__]


@pytest.mark.parametrize(
    ("name", "docker", "said"),
    [
        ("-x", "unix:///a", f'--host: "-x" is not a name; {NAME_RULE}. Nothing was written.'),
        (
            "lab",
            "/a",
            '--docker: "/a" is not an address; write for example "unix:///a". Nothing was written.',
        ),
    ],
)
def test_a_starter_file_that_could_not_be_used_is_not_written(name: str, docker: str, said: str):
    with pytest.raises(ConfigProblem) as caught:
        init_text(name, docker)
    assert caught.value.message == said


def test_the_lines_of_a_check(tmp_path: Path):
    path = written(tmp_path, LAB + '[hosts.lab.protect]\nvolumes = ["*"]\n')
    digest = load(path, {}).hosts["lab"].policy.digest
    assert check_lines(path, {"HYGIENE_STATE_DIR": "/srv/state"}) == [
        f"{path} can be used.",
        "Evidence is kept in /srv/state.",
        "host lab: unix:///run/lab.sock",
        (
            "  Keep everything seen idle for less than 168 h; keep the volumes of 1 pattern; "
            "let go of nothing by age; leave every build cache alone; no limits are set."
        ),
        f"  policy digest {digest}",
        'warning: line 4: hosts.lab.protect.volumes[0]: "*" protects all volumes',
    ]


def test_the_check_of_no_file_says_so(tmp_path: Path):
    first, *_ = check_lines(None, {}, search=[tmp_path / "a", tmp_path / "b"])
    assert first == (
        f"No configuration was found at {tmp_path}/a or {tmp_path}/b: built-in protective defaults."
    )


def test_the_published_schema_is_the_codes():
    assert SCHEMA.read_text() == json.dumps(json_schema(), indent=2) + "\n", (
        "write it again: hygiene config schema > docs/reference/config.schema.json"
    )


def test_the_schema_accepts_what_the_parser_accepts():
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    for text in (WHOLE, LAB, EXAMPLE.read_text(), init_text("a.b", "unix:///run/lab.sock")):
        validator.validate(tomllib.loads(text))


BEYOND_A_SCHEMA = {
    # Two values against each other, or what an editor's schema cannot compare.
    *("reserved_above_max", "reserved_above_most", "max_small", "root_name_twice"),
    *("evidence_in_data_root", "evidence_in_runner_root", "data_root_goes_up", "data_root_is_root"),
    *("max_too_large", "duration_too_long", "deadline_too_long"),
    # JSON has no such number.
    "percent_nan",
    # The inside of a pattern or an address.
    *("pattern_backwards", "pattern_surrounding_space", "pattern_too_long", "pattern_unclosed"),
    *("pattern_unclosed_not", "label_class_over_equals", "pattern_newline", "docker_escape"),
}


def readable_faults() -> Iterator[Any]:
    for path in sorted(FAULTS.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_bytes().decode())
        except (ValueError, RecursionError):
            continue  # not TOML at all: no schema is asked
        yield pytest.param(path.stem, tables, id=path.stem)


@pytest.mark.parametrize(("fault", "tables"), list(readable_faults()))
def test_the_schema_refuses_what_an_editor_can_see(fault: str, tables: dict[str, Any]):
    accepted = jsonschema.Draft202012Validator(json_schema()).is_valid(tables)
    assert accepted == (fault in BEYOND_A_SCHEMA)


def documented() -> dict[str, dict[str, list[str]]]:
    """Table -> key -> cells, as the reference page has them."""
    tables: dict[str, dict[str, list[str]]] = {}
    for line in REFERENCE.read_text().splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ").strip("`")
        elif found := re.fullmatch(r"\| `(\w+)` \| (.*) \|", line):
            tables.setdefault(title, {})[found[1]] = found[2].split(" | ")
    return tables


def coded() -> dict[str, dict[str, dict[str, Any]]]:
    """Table -> key -> schema, as the code has them; tables inside tables are tables of their own."""
    schema = json_schema()
    tables: dict[str, dict[str, dict[str, Any]]] = {}

    def walk(title: str, table: dict[str, Any], brackets: str = "[{}]") -> None:
        keys = tables.setdefault(brackets.format(title), {})
        for key, value in table["properties"].items():
            deeper = f"{title}.{key}".lstrip(".")
            if reference := value.get("$ref"):
                walk(deeper, schema["$defs"][reference.rpartition("/")[2]])
            elif reference := value.get("items", {}).get("$ref"):
                walk(deeper, schema["$defs"][reference.rpartition("/")[2]], "[[{}]]")
            elif reference := value.get("additionalProperties", {}).get("$ref"):
                name = {"hosts": "NAME", "budgets": "BUILDER"}[key]
                walk(f"{deeper}.{name}", schema["$defs"][reference.rpartition("/")[2]])
            else:
                required = key in table.get("required", [])
                keys[key] = value | {"required": required}

    walk("", schema)
    return {title: keys for title, keys in tables.items() if keys}


def test_the_reference_has_every_key_and_no_other():
    assert {title: set(keys) for title, keys in documented().items()} == {
        title: set(keys) for title, keys in coded().items()
    }


def test_the_reference_has_the_codes_meanings_and_defaults():
    for title, keys in coded().items():
        for key, schema in keys.items():
            _, default, meaning, _ = documented()[title][key]
            unset = "required" if schema["required"] else "not set"
            expected = f"`{json.dumps(schema['default'])}`" if "default" in schema else unset
            assert (title, key, default) == (title, key, expected)
            assert (title, key, meaning) == (title, key, schema["description"])


TYPES = {
    "size": '"8GiB"',
    "duration": '"30m"',
    "percent": "10",
    "list of patterns": '["a*"]',
    "list of labels": '["a=b"]',
    "text": '"local"',
    "path": '"/srv/x"',
    "name": '"lane-9"',
    "socket": '"unix:///run/x.sock"',
    "true or false": "true",
}
"""A value of each type that the reference names."""

NEEDED = {
    "[hosts.NAME]": {"docker": '"unix:///run/lab.sock"'},
    "[hosts.NAME.budgets.BUILDER]": {"max": '"20GiB"'},
    "[[hosts.NAME.runner_roots]]": {"name": '"lane-1"', "path": '"/srv/lane-1"'},
}


@pytest.mark.parametrize("title", documented())
def test_types_and_examples_of_the_reference_can_be_written(tmp_path: Path, title: str):
    header = title.replace("NAME", "lab").replace("BUILDER", "embedded")
    base = "" if title == "[hosts.NAME]" else LAB
    for key, (kind, _, _, example) in documented()[title].items():
        for value in (TYPES[kind], example.strip("`")):
            body = NEEDED.get(title, {}) | {key: value}
            lines = [base, header, *(f"{name} = {text}" for name, text in body.items())]
            load_file(written(tmp_path, "\n".join(lines)))


def test_the_blocks_of_the_reference(tmp_path: Path):
    page = REFERENCE.read_text()
    for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        assert load_file(written(tmp_path, block)).hosts
    (refusal,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    error = refused(FAULTS / "documented.toml")
    assert str(error).replace(str(FAULTS / "documented.toml"), "hygiene.toml") + "\n" == refusal


def test_help_and_a_run_without_a_file_do_not_load_pydantic():
    code = (
        "import sys; from hygiene_core.config import load\n"
        "load(None, {}, search=[])\n"
        "assert 'pydantic' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
