"""The command line as its users meet it: real processes, exact lines, exact exit statuses.

The Engines in here are the fake one, for what a real Engine will not do; `tests/engine` uses the real ones.
"""

from __future__ import annotations

import grp
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hygiene_core import terminal
from hygiene_core.errors import ConfigProblem, EngineProtocol, QueryProblem
from tests.faults import fake_engine
from tests.faults.fake_engine import VERSION, FakeEngine, reply

KIT = (sys.executable, "-m", "hygiene_core")

POLICY = """
[evidence]
directory = "{state}"

[hosts.fake]
docker = "unix://{socket}"

[hosts.fake.deadlines]
engine = "1s"
images = "1s"
containers = "1s"
volumes = "1s"
build_cache = "1s"

[hosts.fake.ages]
grace = "168h"
"""


@pytest.fixture
def kit(tmp_path):
    """Run `hygiene` in an environment of its own: `kit("report", socket=...)`."""

    def run(*words: str, socket: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [*KIT, *words]
        if socket is not None:
            config = tmp_path / "hygiene.toml"
            config.write_text(POLICY.format(state=tmp_path / "state", socket=socket))
            command += ["--config", str(config)]
        clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8", "COLUMNS": "100"}
        return subprocess.run(
            command,
            env=clean | environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    return run


def exit_record(tmp_path: Path) -> dict[str, object]:
    return json.loads((tmp_path / "state/exits/fake/report.json").read_text())


def test_an_empty_host_is_healthy_and_its_run_is_kept(kit, tmp_path):
    with FakeEngine() as engine:
        ended = kit("report", "--format", "json", socket=engine.path)
    assert ended.returncode == 4, ended.stderr  # the fake data root cannot be proven
    shown = json.loads(ended.stdout)
    assert shown["summary"]["free_disk_bytes"] is None
    assert shown["sections"]["filesystems"]["availability"] == "partial"
    again = kit("report", "--run", shown["run_id"], "--format", "json", socket=engine.path)
    assert again.stdout == ended.stdout
    assert again.returncode == 4
    assert exit_record(tmp_path)["exit_status"] == 4
    assert exit_record(tmp_path)["run_id"] == shown["run_id"]


FOUR_WAYS = [
    ("nobody listens", None, 6, "ENGINE_UNREACHABLE"),
    (
        "Podman answers",
        {"/version": reply(VERSION | {"Components": [{"Name": "Podman Engine"}]})},
        6,
        "NOT_DOCKER",
    ),
    (
        "too old",
        {"/version": reply(VERSION | {"ApiVersion": "1.40", "MinAPIVersion": "1.12"})},
        6,
        "API_TOO_OLD",
    ),
    ("frozen", {"/version": fake_engine.freeze}, 6, "ENGINE_TIMEOUT"),
]


@pytest.mark.parametrize(
    ("routes", "status", "code"), [w[1:] for w in FOUR_WAYS], ids=[w[0] for w in FOUR_WAYS]
)
def test_an_engine_that_gives_no_answer(kit, tmp_path, routes, status, code):
    """A report of the rest is printed and kept; the exit status and the reason say what was not seen."""
    if routes is None:
        ended = kit("report", "--format", "json", socket=str(tmp_path / "nothing.sock"))
    else:
        with FakeEngine(routes) as engine:
            ended = kit("report", "--format", "json", socket=engine.path)
    assert ended.returncode == status, ended.stderr
    shown = json.loads(ended.stdout)
    assert shown["status"] == "incomplete"
    assert shown["sections"]["host"]["availability"] == "complete"
    for name in ("engine", "images", "containers", "volumes", "build_cache", "builders"):
        assert shown["sections"][name]["availability"] == "unavailable"
        assert shown["sections"][name]["reason"]
    assert shown["summary"]["classes"]["images"]["count"] is None
    assert shown["host"]["engine_error"] == code
    reason = shown["sections"]["engine"]["reason"]
    assert f"failed [{code}]: {reason} The rest of the host was reported." in ended.stderr
    kept = kit("report", "--run", shown["run_id"], "--format", "json", socket="/nowhere.sock")
    assert kept.stdout == ended.stdout


HOSTILE = "no\x1b[2J\nrefused [FORGED]: all is well\u202e \x9b31m"


def test_what_an_engine_says_is_shown_and_not_obeyed(kit):
    """An error's text comes from the host: it clears no screen and makes no line of its own."""
    with FakeEngine({"/version": reply({"message": HOSTILE}, status=500)}) as engine:
        ended = kit("report", "--unrecorded", socket=engine.path)
    assert ended.returncode == 6
    first, failed = ended.stderr.splitlines()
    assert first == "This look is not recorded."
    assert failed.startswith("failed [ENGINE_PROTOCOL]: ")
    assert r"no\x1b[2J\nrefused [FORGED]: all is well\u202e \x9b31m" in failed


@pytest.mark.parametrize(
    ("error", "lines"),
    [
        (EngineProtocol(HOSTILE), 1),
        (QueryProblem(HOSTILE, next_step=HOSTILE), 1),
        (ConfigProblem(f"two problems\n  one\x1b\n  {HOSTILE}"), 4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_cleaned_and_only_a_configuration_has_lines(capsys, error, lines):
    terminal.problem(error)
    heard = capsys.readouterr().err
    assert heard.count("\n") == len(heard.splitlines()) == lines
    assert heard.replace("\n", "").isprintable()


def test_a_note_is_one_line(capsys):
    terminal.message(HOSTILE)
    assert capsys.readouterr().err == (r"no\x1b[2J\nrefused [FORGED]: all is well\u202e \x9b31m" + "\n")


def test_four_failures_four_messages(kit, tmp_path):
    reasons = set()
    for name, routes, _, _ in FOUR_WAYS:
        if routes is None:
            ended = kit("report", "--format", "json", "--unrecorded", socket=str(tmp_path / "nothing.sock"))
        else:
            with FakeEngine(routes) as engine:
                ended = kit("report", "--format", "json", "--unrecorded", socket=engine.path)
        reasons.add((name, json.loads(ended.stdout)["sections"]["engine"]["reason"]))
    assert len({reason for _, reason in reasons}) == len(FOUR_WAYS)


@pytest.mark.parametrize("route", ["/images/json", "/volumes", "/system/df"])
def test_a_frozen_class_leaves_the_rest(kit, route):
    with FakeEngine({route: fake_engine.freeze}) as engine:
        ended = kit("report", "--format", "json", socket=engine.path)
    sections = json.loads(ended.stdout)["sections"]
    assert ended.returncode == 4
    assert sections["containers"]["availability"] != "unavailable" or route == "/containers/json"
    assert 124 in {section["return_code"] for section in sections.values()}


def test_evidence_that_cannot_be_written_stops_the_report(kit, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "ledger").write_text("a file in the place of a directory")
    with FakeEngine() as engine:
        ended = kit("report", socket=engine.path)
        assert ended.returncode == 7
        assert ended.stdout == ""
        assert ended.stderr.startswith("failed [EVIDENCE_")
        assert ended.stderr.count("\n") == 1
        assert exit_record(tmp_path)["exit_status"] == 7
        looked = kit("report", "--unrecorded", socket=engine.path)
    assert looked.stdout.startswith("fake ")
    assert looked.stderr.startswith("This look is not recorded.\n")
    assert (state / "ledger").read_text() == "a file in the place of a directory"


BAD_CALLS = [
    (["report", "--config", "/nowhere/hygiene.toml"], 2, "/nowhere/hygiene.toml"),
    (["report", "--format", "yaml"], 2, "'yaml' is not one of"),
    (["report", "extra"], 2, "unexpected extra argument"),
    (["frobnicate"], 2, "No such command 'frobnicate'"),
    (["report", "--run"], 2, "requires an argument"),
    (["history", "runs", "--limit", "0"], 2, "Invalid value for '--limit'"),
]


@pytest.mark.parametrize(
    ("words", "status", "line"), BAD_CALLS, ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_bad_calls(kit, words, status, line):
    ended = kit(*words)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert line in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ["other", "-oProxyCommand=x", "a\nb", "::1", ""])
def test_a_host_that_is_not_in_the_configuration(kit, name):
    ended = kit("report", f"--host={name}", socket="/nowhere.sock")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("refused [UNKNOWN_HOST]: ")
    assert ended.stderr.count("\n") == 1


def test_a_run_and_a_resource_that_nobody_knows(kit):
    with FakeEngine() as engine:
        kit("report", socket=engine.path)
        run = kit("report", "--run", "nobody", socket=engine.path)
        resource = kit("explain", "nobody", socket=engine.path)
        kind = kit("resources", "--kind", "ghost", socket=engine.path)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("refused [UNKNOWN_RUN]: ")
    assert (resource.returncode, resource.stdout) == (2, "")
    assert resource.stderr == (
        "refused [UNKNOWN_RESOURCE]: no resource of this host is called 'nobody', nor does an id begin so. "
        "The names: hygiene resources\n"
    )
    assert kind.stderr.startswith("refused [USAGE]: 'ghost' is not a kind; the words are image, ")


def test_explain_prints_the_whole_chain(kit):
    with FakeEngine() as engine:
        ended = kit("explain", "embedded", socket=engine.path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("builder embedded: protected\n")
    assert "=> protect.embedded_builder: Is it the Engine's own? it is a part of the Engine" in ended.stdout
    assert "   protect.policy: Does the policy protect its name? no" in ended.stdout


@pytest.mark.parametrize(
    ("routes", "status", "code"), [w[1:] for w in FOUR_WAYS], ids=[w[0] for w in FOUR_WAYS]
)
def test_explain_without_an_engine_says_so(kit, tmp_path, routes, status, code):
    if routes is None:
        ended = kit("explain", "web", socket=str(tmp_path / "nothing.sock"))
    else:
        with FakeEngine(routes) as engine:
            ended = kit("explain", "web", socket=engine.path)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert ended.stderr.startswith(f"failed [{code}]: ")
    assert " Nothing can be explained." in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_explain_does_not_call_unknown_what_it_could_not_see(kit):
    with FakeEngine({"/volumes": reply({"message": "the disk is gone"}, status=500)}) as engine:
        ended = kit("explain", "data", socket=engine.path)
    assert (ended.returncode, ended.stdout) == (4, "")
    told = "no resource of this host is called 'data', nor does an id begin so"
    assert ended.stderr.startswith(
        f"failed [NOT_SEEN]: {told}; it may be among what could not be read (volumes, builders: unavailable: "
    )
    assert "the disk is gone" in ended.stderr
    assert ended.stderr.count("the disk is gone") == 1
    assert "filesystems" not in ended.stderr


def test_verify_knows_what_was_never_recorded(kit, tmp_path):
    nothing = kit("evidence", "verify", socket="/nowhere.sock")
    assert (nothing.returncode, nothing.stdout) == (7, "")
    assert nothing.stderr == (
        f"failed [EVIDENCE]: nothing is recorded in {tmp_path / 'state'}. hygiene report\n"
    )
    assert kit("evidence", "verify", "--host", "fake", socket="/nowhere.sock").returncode == 7
    kit("report", socket="/nowhere.sock")
    typo = kit("evidence", "verify", "--host", "fkae", socket="/nowhere.sock")
    assert (typo.returncode, typo.stdout) == (2, "")
    assert typo.stderr.startswith(
        "refused [UNKNOWN_HOST]: nothing is recorded of 'fkae'; there are runs of fake. "
    )
    for words in ([], ["--host", "fake"]):
        sound = kit("evidence", "verify", *words, socket="/nowhere.sock")
        assert (sound.returncode, sound.stderr) == (0, "")
        assert sound.stdout.startswith("fake: sound, 1 runs, head 1 ")


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
        {"TERM": "dumb", "NO_COLOR": "1"},
        {"TZ": "Etc/GMT+12"},
        {"COLUMNS": "10"},
        {"COLUMNS": "wide"},
    ],
    ids=" ".join,
)
def test_odd_surroundings(kit, environment):
    with FakeEngine() as engine:
        ended = kit("report", socket=engine.path, **environment)
    assert ended.returncode == 4, ended.stderr
    assert "\x1b" not in ended.stdout
    assert "Evidence" in ended.stdout
    if "TZ" in environment:
        assert " -12" in ended.stdout


def test_without_a_terminal_nothing_but_the_report_is_said(kit):
    with FakeEngine() as engine:
        kit("report", socket=engine.path)  # the first run says whom it made the directory for
        ended = kit("report", socket=engine.path)
    assert ended.stderr == ""


def test_a_reader_that_goes_away_is_no_error(kit, tmp_path):
    with FakeEngine() as engine:
        kit("report", socket=engine.path)
        command = f"{' '.join(KIT)} report --config {tmp_path}/hygiene.toml | true"
        ended = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
        )
    assert ended.stderr == ""
    assert ended.returncode == 4


@pytest.mark.parametrize("words", ["report", "report --format json"])
def test_a_full_disk_behind_stdout_loses_no_run(kit, tmp_path, words):
    with FakeEngine() as engine:
        kit("report", socket=engine.path)
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                [*KIT, *words.split(), "--config", str(tmp_path / "hygiene.toml")],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
    record = exit_record(tmp_path)
    told = f"stdout could not be written: No space left on device. The run is recorded as {record['run_id']}."
    assert (ended.returncode, ended.stderr) == (
        4,
        f"failed [OUTPUT_UNWRITABLE]: {told} Print it again: hygiene report --at {record['run_id']}\n",
    )
    assert (record["exit_status"], record["error"]) == (4, ended.stderr.rstrip("\n"))
    published = kit("query", "SELECT count(*) AS runs FROM runs", "--format", "csv", socket="/nowhere.sock")
    assert published.stdout == "runs\n2\n"


def test_a_full_disk_behind_stderr_changes_nothing_else(kit, tmp_path):
    with Path("/dev/full").open("w") as full:
        config = tmp_path / "hygiene.toml"
        config.write_text(POLICY.format(state=tmp_path / "state", socket="/nowhere.sock"))
        ended = subprocess.run(
            [*KIT, "report", "--config", str(config)], stdout=subprocess.PIPE, stderr=full, check=False
        )
    assert ended.returncode == exit_record(tmp_path)["exit_status"] == 6
    assert ended.stdout.startswith(b"fake ")
    assert kit("query", "SELECT 1 FROM runs", socket="/nowhere.sock").returncode == 0


@pytest.mark.parametrize("words", ["config init", "demo", "--version"])
def test_a_full_disk_behind_stdout_is_told_by_every_verb(tmp_path, words):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*KIT, *words.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 4
    assert ended.stderr.endswith(
        "failed [OUTPUT_UNWRITABLE]: stdout could not be written: No space left on device.\n"
    )


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGINT, 130, "stopped [STOPPED]: by Ctrl-C, before it was done.\n"),
        (signal.SIGTERM, 143, "stopped [STOPPED]: by SIGTERM, before it was done.\n"),
    ],
)
def test_a_signal_ends_a_report_and_is_recorded(tmp_path, number, status, said):
    with FakeEngine({"/images/json": fake_engine.freeze}) as engine:
        config = tmp_path / "hygiene.toml"
        text = POLICY.format(state=tmp_path / "state", socket=engine.path)
        config.write_text(text.replace('images = "1s"', 'images = "60s"'))
        process = subprocess.Popen(
            [*KIT, "report", "--config", str(config)], stderr=subprocess.PIPE, text=True
        )
        while not any("/images/json" in target for target in engine.asked):
            assert process.poll() is None, process.communicate()
        process.send_signal(number)
        _, heard = process.communicate(timeout=30)
    assert (process.returncode, heard) == (status, said)
    assert exit_record(tmp_path)["exit_status"] == status


def test_a_terminal_sees_progress_and_a_report(kit, tmp_path):
    with FakeEngine({"/images/json": fake_engine.freeze}) as engine:
        kit("report", socket=engine.path)
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*KIT, "report", "--config", str(tmp_path / "hygiene.toml")],
            stderr=theirs,
            stdout=subprocess.PIPE,
            env=os.environ | {"TERM": "xterm"},
        )
        os.close(theirs)
        seen = b""
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            seen += chunk
        report, _ = process.communicate()
    os.close(ours)
    assert process.returncode == 4
    assert report.startswith(b"fake ")
    assert b"reading" in seen or b"observe" in seen


def test_quiet_says_only_what_needs_attention(kit):
    with FakeEngine() as engine:
        ended = kit("report", "--quiet", socket=engine.path)
    assert ended.returncode == 4
    assert "Docker" in ended.stdout
    assert "Disk" not in ended.stdout


def test_quiet_keeps_notes_back_from_the_first_run_on(kit, tmp_path):
    """Where there is no group `hygiene`, a first run says so: cron would mail it."""
    with FakeEngine() as engine:
        assert kit("report", "--quiet", socket=engine.path).stderr == ""
        shutil.rmtree(tmp_path / "state")
        loud = kit("report", socket=engine.path)
    groups = {group.gr_name for group in grp.getgrall()}
    assert loud.stderr.startswith("There is no group 'hygiene'") is ("hygiene" not in groups)


def test_version_and_help(kit):
    assert kit("--version").stdout == "hygiene 0.1.0\n"
    told = kit("--help").stdout
    for word in (
        "0 done",
        "2 usage",
        "3 refused",
        "4 incomplete",
        "5 busy",
        "6 host",
        "7 evidence",
        "8 attention",
    ):
        assert word in " ".join(told.split())
    bare = kit()
    assert bare.returncode == 2
    assert "Usage:" in bare.stderr + bare.stdout


def test_completion_is_offered(kit):
    ended = kit("--show-completion", "bash")
    assert ended.returncode == 0
    assert "complete" in ended.stdout
