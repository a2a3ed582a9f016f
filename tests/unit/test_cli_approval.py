"""Approvals on the command line: what a file says, what a person types at a terminal, what is sent."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hygiene_core import cli
from hygiene_core.cli import approval as module
from hygiene_core.clock import utc_now
from hygiene_core.config import load
from hygiene_core.errors import ApprovalMissing, HygieneError, StalePlan, UnknownPlan, UsageProblem
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.approval import StagedApproval, StagedPlan, StagedRevocation
from hygiene_core.model.codec import decode, encode_plan, staged_adapter
from hygiene_core.transport import executor
from tests.unit.config_files import LAB, written
from tests.unit.plans import plan, removal

ROOT = Path(__file__).parents[2]
HOSTILE = "evil[/x]\x1b[2J:1"


class Scene:
    """A configuration, a stored plan, and an executor that only notes down what it is asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        state = folder / "state"
        self.config = written(folder, LAB + f'[evidence]\ndirectory = "{state}"\n')
        policy = load(self.config, {}).hosts["lab"].policy
        self.plan = plan(
            removal(),
            removal(name="app:2", references=("app:2", "app:next")),
            removal(name=HOSTILE),
            policy_digest=policy.digest,
        )
        self.store = EvidenceStore(state)
        self.digest = self.store.keep_plan(encode_plan(self.plan))
        self.sent: list[Any] = []
        self.status: dict[str, Any] = {"engines": []}
        monkeypatch.setattr(executor, "ask", self.ask)
        monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 5 192.0.2.1 22")

    def ask(self, verb: str, digest: str | None = None, sent: bytes = b"") -> dict[str, Any]:
        if verb == "status":
            return self.status
        assert (verb, digest) == ("stage", None)
        self.sent.append(decode(staged_adapter(), sent))
        return {"digest": self.digest, "approval": "0123456789ab", "approved_by": "alice"}

    def run(self, *words: str, typed: str = "") -> Any:
        return CliRunner().invoke(cli.app, list(words), input=typed)

    def approve(self, *words: str, typed: str = "") -> Any:
        return self.run("approve", self.digest[:12], "--config", str(self.config), *words, typed=typed)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def items(folder: Path, text: str | bytes) -> str:
    path = folder / "items"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def said(result: Any, kind: type[HygieneError] = UsageProblem) -> str:
    assert type(result.exception) is kind, result.exception
    message: str = result.exception.message
    return message


# -- a file --------------------------------------------------------------------------------------------------


def test_a_file_and_the_digest(scene, tmp_path):
    before = utc_now()
    path = items(tmp_path, "# old\n1\n\n 2 app:2 app:next  # both\n")
    result = scene.approve("--items", path, "--yes-digest", scene.digest[:12], "--reason", "old")
    assert result.exit_code == 0, result.exception
    staged, given = scene.sent
    assert isinstance(staged, StagedPlan)
    assert staged.plan.encode() == encode_plan(scene.plan)
    assert isinstance(given, StagedApproval)
    assert (given.digest, given.items, given.reason) == (scene.digest, (1, 2), "old")
    assert given.references == {2: ("app:2", "app:next")}
    assert given.said_from == "192.0.2.7"
    assert 86400 <= (given.until - before).total_seconds() < 86460
    assert result.stdout == ""
    assert (
        result.stderr.partition("\n")[2]
        == (  # behind the warning that the host has no policy
            f"alice approved 2 of 3 steps of plan {scene.digest[:12]} for 24h, as 0123456789ab."
            " Nothing was removed yet.\n"
            f"Apply it: hygiene apply --plan {scene.digest[:12]}\n"
        )
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "names no step"),
        ("# 1\n\n", "names no step"),
        ("1\n1\n", "'1' is no step, or stands twice"),
        ("1\n01\n", "'01' is no step, or stands twice"),
        ("one\n", "'one' is no step, or stands twice"),
        ("-1\n", "'-1' is no step, or stands twice"),
        ("1-3\n", "'1-3' is no step, or stands twice"),
        ("all\n", "'all' is no step, or stands twice"),
        ("\u0661\n", "'\u0661' is no step, or stands twice"),
        ("9" * 5000 + "\n", "is no step, or stands twice"),
        (b"\xff\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used(scene, tmp_path, text, why):
    result = scene.approve("--items", items(tmp_path, text), "--yes-digest", scene.digest, "--reason", "x")
    assert why in said(result)
    assert said(result).endswith("Nothing was approved.")
    assert scene.sent == []


def test_a_file_that_is_not_there(scene, tmp_path):
    result = scene.approve("--items", str(tmp_path / "x"), "--yes-digest", scene.digest)
    assert "cannot be read" in said(result)


@pytest.mark.parametrize("length", [0, 4, 11])
def test_too_little_of_the_digest(scene, tmp_path, length):
    result = scene.approve("--items", items(tmp_path, "1"), "--yes-digest", scene.digest[:length])
    assert said(result) == (
        f"--yes-digest is not that of this plan ({scene.digest[:12]}). Nothing was approved."
    )
    assert scene.sent == []


@pytest.mark.parametrize("change", [lambda d: "0" * 64, lambda d: d + "0", str.upper, lambda d: d[1:]])
def test_another_digest(scene, tmp_path, change):
    result = scene.approve("--items", items(tmp_path, "1"), "--yes-digest", change(scene.digest))
    assert "--yes-digest is not that of this plan" in said(result)
    assert scene.sent == []


@pytest.mark.parametrize("words", [["--items", "x"], ["--yes-digest", "x"]])
def test_one_without_the_other(scene, words):
    assert said(scene.approve(*words)) == "--items and --yes-digest go together. Nothing was approved."


@pytest.mark.parametrize("lasts", ["0", "24", "-1h", "1e3h", "P1D", ""])
def test_a_time_that_is_none(scene, lasts):
    assert said(scene.approve("--for", lasts)).startswith(f"--for {lasts}: ")


def test_a_policy_that_was_changed_since(scene, tmp_path):
    scene.config.write_text(scene.config.read_text() + "[hosts.lab.ages]\ntagged_image = '720h'\n")
    result = scene.approve("--items", items(tmp_path, "1"), "--yes-digest", scene.digest)
    assert said(result, StalePlan).startswith("the policy was changed after the plan")
    assert scene.sent == []


def test_a_plan_that_is_not_stored(scene):
    result = scene.run("approve", "0000", "--config", str(scene.config))
    said(result, UnknownPlan)


def test_without_a_terminal_nobody_is_asked(scene):
    result = scene.approve("--reason", "x", typed=f"all\n{scene.digest[:12]}\n")
    assert said(result) == "there is no terminal to ask at. Nothing was approved."
    assert scene.sent == []


# -- what a person types -------------------------------------------------------------------------------------

NINE = plan(*(removal(name=f"app:{number}") for number in range(9)))


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("all", list(range(1, 10))),
        (" all \n", list(range(1, 10))),
        ("1", [1]),
        ("1,3-5", [1, 3, 4, 5]),
        ("3 - 5 , 1", [1, 3, 4, 5]),
        ("5,5,4-5", [4, 5]),
        ("9", [9]),
        ("1-9", list(range(1, 10))),
    ],
)
def test_steps_that_are_typed(typed, numbers):
    assert module._numbers(typed, NINE) == numbers


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "'' is no step"),
        (",", "'' is no step"),
        ("1,", "'' is no step"),
        ("1 2", "'1 2' is no step"),
        ("5-3", "'5-3' is no step"),
        ("1,5-3", "'5-3' is no step"),
        ("1-", "'1-' is no step"),
        ("-3", "'-3' is no step"),
        ("1--3", "'1--3' is no step"),
        ("ALL", "'ALL' is no step"),
        ("y", "'y' is no step"),
        ("1;2", "'1;2' is no step"),
        ("\u0661", "'\u0661' is no step"),
        ("1.0", "'1.0' is no step"),
        ("9" * 5000, "is no step"),
        ("0", "the plan has no step 0"),
        ("10", "the plan has no step 10"),
        ("1-10", "the plan has no step 10"),
        ("1-999999999", "the plan has no step 999999999"),
    ],
)
def test_steps_that_are_none(typed, why):
    with pytest.raises(UsageProblem) as caught:
        module._numbers(typed, NINE)
    assert why in caught.value.message
    assert caught.value.message.endswith(". Nothing was approved.")


CHILD = """
import sys
from hygiene_core import cli
from hygiene_core.transport import executor

log = sys.argv.pop(1)

def ask(verb, digest=None, sent=b""):
    with open(log, "a") as stream:
        stream.write(sent.decode() + "\\n")
    return {"approved_by": "alice", "approval": "0123456789ab"}

executor.ask = ask
cli.main()
"""


class Terminal:
    """`hygiene approve` on a real terminal; its stdout goes elsewhere, where `stdout` says so."""

    def __init__(self, scene: Scene, folder: Path, *words: str, stdout: Any = None) -> None:
        self.log = folder / "sent"
        self.master, slave = pty.openpty()
        command = [sys.executable, "-c", CHILD, str(self.log), "approve", scene.digest[:12]]
        self.process = subprocess.Popen(
            [*command, "--config", str(scene.config), *words],
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            cwd=ROOT,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
            start_new_session=True,
        )
        os.close(slave)
        self.shown = ""

    def answer(self, prompt: str, typed: str) -> None:
        """Wait for a question and type."""
        self.read(prompt)
        os.write(self.master, typed.encode())

    def read(self, until: str | None) -> None:
        deadline = time.monotonic() + 60
        while until is None or until not in self.shown:
            assert time.monotonic() < deadline, self.shown
            ready, _, _ = select.select([self.master], [], [], 1)
            if not ready:
                continue
            try:
                self.shown += os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                assert until is None, self.shown
                return

    def end(self) -> tuple[int, list[Any]]:
        """The exit status, and what was sent to the executor."""
        self.read(None)
        os.close(self.master)
        status = self.process.wait(30)
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return status, [decode(staged_adapter(), line) for line in lines]


def test_a_person_at_a_terminal(scene, tmp_path):
    at = Terminal(scene, tmp_path)
    at.answer("Steps to approve", "1-2\n")
    at.answer("Type 2 to approve that: ", "2\n")
    at.answer("Why, in one line: ", "no longer built\n")
    at.answer(f"Type {scene.digest[:12]} to approve them: ", f"{scene.digest[:12]}\n")
    status, sent = at.end()
    assert status == 0, at.shown
    staged, given = sent
    assert isinstance(staged, StagedPlan)
    assert isinstance(given, StagedApproval)
    assert (given.items, given.reason) == ((1, 2), "no longer built")
    assert given.references == {2: ("app:2", "app:next")}
    assert "2 steps, 200.0 MiB by estimate." in at.shown
    assert "app:next" in at.shown
    assert "\x1b[2J" not in at.shown, "text of a host is shown, not obeyed"


def test_the_questions_are_not_data(scene, tmp_path):
    with (tmp_path / "stdout").open("wb") as stdout:
        at = Terminal(scene, tmp_path, "--reason", "x", stdout=stdout)
        at.answer("Steps to approve", "1\n")
        at.answer("to approve them: ", f"{scene.digest[:12]}\n")
        status, sent = at.end()
    assert (status, len(sent)) == (0, 2)
    told = (tmp_path / "stdout").read_text()
    assert told.startswith(f"Plan {scene.digest[:12]}")
    assert "Steps to approve" not in told


REFUSED: list[tuple[list[tuple[str, str]], str]] = [
    ([("Steps to approve", "y\n")], "'y' is no step"),
    ([("Steps to approve", "4\n")], "the plan has no step 4"),
    ([("Steps to approve", "\x04")], "nothing was typed"),
    ([("Steps to approve", "2\n"), ("to approve that: ", "y\n")], "that is not their number"),
    ([("Steps to approve", "1\n"), ("to approve them: ", "y\n")], "that is not the digest"),
    ([("Steps to approve", "1\n"), ("to approve them: ", "\n")], "that is not the digest"),
    ([("Steps to approve", "1\n"), ("to approve them: ", "\x04")], "nothing was typed"),
]


@pytest.mark.parametrize(("dialogue", "why"), REFUSED, ids=[why for _, why in REFUSED[:-1]] + ["no digest"])
def test_a_person_who_does_not_say_yes(scene, tmp_path, dialogue, why):
    at = Terminal(scene, tmp_path, "--reason", "x")
    for prompt, typed in dialogue:
        at.answer(prompt, typed)
    status, sent = at.end()
    assert (status, sent) == (2, [])
    assert f"{why}. Nothing was approved." in " ".join(at.shown.split())


def test_a_person_who_goes_away(scene, tmp_path):
    at = Terminal(scene, tmp_path)
    at.answer("Steps to approve", "")
    at.process.send_signal(2)
    status, sent = at.end()
    assert (status, sent) == (130, [])


# -- what there is, and taking it back -----------------------------------------------------------------------


def known(**fields: Any) -> dict[str, Any]:
    caller = {"uid": 0, "login_uid": 1000, "sudo_uid": 1000, "name": "alice", "said_from": "192.0.2.7"}
    given = {
        "approved_by": caller,
        "approved_at": "2026-05-04T03:02:01Z",
        "until": "2026-05-05T03:02:01Z",
        "items": [1, 2],
        "reason": "old \x1b[2J",
    }
    one = {"id": "0123456789ab", "approval": given, "revoked": None}
    return {"digest": "d" * 64, "spent_by": None, "approvals": [one]} | fields


def test_the_list_of_approvals(scene):
    taken = known()
    taken["approvals"][0]["revoked"] = {"revoked_by": {"name": "bob"}}
    spent = known(spent_by="5f03e317-fba0")
    scene.status = {"engines": [{"plans": [known(), taken]}, {"plans": [spent, known(approvals=[])]}]}
    result = scene.run("approvals", "--format", "json")
    rows = json.loads(result.stdout)
    assert [row["state"] for row in rows] == ["in force", "withdrawn by bob", "applied by 5f03e317"]
    assert rows[0] | {"state": ""} == {
        "plan": "d" * 12,
        "approval": "0123456789ab",
        "by": "alice",
        "from": "192.0.2.7",
        "at": "2026-05-04T03:02:01Z",
        "until": "2026-05-05T03:02:01Z",
        "steps": 2,
        "reason": "old \x1b[2J",
        "state": "",
    }
    assert "\x1b" not in scene.run("approvals").stdout


def test_an_approval_is_taken_back(scene):
    scene.status = {"engines": [{"plans": [known(digest="e" * 64, approvals=[]), known()]}]}
    result = scene.run("revoke", "0123456789ab", "--reason", "wrong plan")
    assert result.exit_code == 0
    (taken,) = scene.sent
    assert taken == StagedRevocation(digest="d" * 64, approval="0123456789ab", reason="wrong plan")
    assert result.stderr == f"The approval 0123456789ab of plan {'d' * 12} does not hold any more.\n"


def test_an_approval_that_is_not_there(scene):
    assert said(scene.run("revoke", "x"), ApprovalMissing) == "there is no approval 'x'."
    assert scene.sent == []
