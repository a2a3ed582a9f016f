"""`apply`, `follow`, `stop`, `settle` on the command line: their words, and what they make of a journal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hygiene_core import cli
from hygiene_core.cli import remove
from hygiene_core.errors import (
    EvidenceProblem,
    HygieneError,
    Locked,
    NotRoot,
    StalePlan,
    Stopped,
    Terminated,
    UnknownPlan,
    UsageProblem,
)
from hygiene_core.evidence.journal import Journal
from hygiene_core.model.approval import Options, StagedPlan
from hygiene_core.model.codec import decode, encode_plan, line_adapter
from hygiene_core.model.journal import Ended, Line
from hygiene_core.report.run import render
from hygiene_core.testing import GIB
from hygiene_core.transport import executor
from tests.unit.run_scenes import PLAN_DIGEST, RUN, SCENES
from tests.unit.test_cli_approval import Scene

DONE, _ = SCENES["retirement"]


class Executor(Scene):
    """It stages and applies, and its journal holds the lines of a scene."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, monkeypatch)
        self.calls: list[tuple[str, str | None]] = []
        self.lines: list[Line] = list(DONE)
        self.journal = folder / "engine/runs" / f"{RUN}.jsonl"
        monkeypatch.setattr(executor, "goes_on", lambda _journal: False)

    def ask(self, verb: str, digest: str | None = None, sent: bytes = b"") -> dict[str, Any]:
        self.calls.append((verb, digest))
        if verb == "apply":
            self.write()
            return {"run_id": RUN, "digest": digest, "pid": 1, "journal": str(self.journal)}
        if verb == "stop":
            return {"stopping": {}}
        if verb == "settle":
            return {"settled": [], "exit_status": 0}
        return super().ask(verb, None, sent)

    def write(self) -> None:
        journal = Journal(self.journal, self.journal.parent / ".ballast")
        journal.create()
        for line in self.lines:
            journal.append(line)
        journal.close()

    def apply(self, *words: str) -> Any:
        return CliRunner().invoke(cli.app, ["apply", "--config", str(self.config), *words])


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Executor:
    return Executor(tmp_path, monkeypatch)


def said(result: Any, kind: type[HygieneError] = UsageProblem) -> str:
    assert type(result.exception) is kind, (result.exception, result.output)
    message: str = result.exception.message
    return message


# -- words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [[], ["--mode", "bounded", "--plan", "abcd"]])
def test_one_of_two(scene, words):
    assert said(scene.apply(*words)) == "one of --mode and --plan, and not both. Nothing was removed."
    assert scene.calls == []


def test_a_retirement_is_never_made_and_applied_at_once(scene):
    result = scene.apply("--mode", "retirement")
    assert said(result) == (
        "a retirement is planned, approved, and applied by its digest. Nothing was removed."
    )
    assert result.exception.next_step == "Begin: hygiene plan --mode retirement"


def test_a_plan_that_was_made_is_not_narrowed(scene):
    result = scene.apply("--plan", scene.digest, "--select", "name:x")
    assert said(result) == "--select narrows a plan that is made, not one that was. Nothing was removed."
    assert scene.calls == []


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("free<20", "has no unit"),
        ("free<0GiB", "0 is refused"),
        ("free<-1GiB", "is negative"),
        ("free<20gib", 'did you mean "GiB"?'),
        ("free<", "is empty"),
        ("free< 20GiB", "is not a number with a unit"),
        ("free>20GiB", "is not like free<20GiB"),
        ("20GiB", "is not like free<20GiB"),
        ("used<20GiB", "is not like free<20GiB"),
        ("FREE<20GiB", "is not like free<20GiB"),
        ("", "is not like free<20GiB"),
    ],
)
def test_a_when_that_is_none(scene, when, why):
    told = said(scene.apply("--plan", scene.digest, "--when", when))
    assert told.startswith("--when ")
    assert why in told
    assert told.endswith(". Nothing was removed.")
    assert scene.calls == []


@pytest.mark.parametrize("wait", ["0", "5", "-5m", "5M", "1e3s", "P1D", "", "soon"])
def test_a_wait_that_is_none(scene, wait):
    told = said(scene.apply("--plan", scene.digest, "--wait-idle", wait))
    assert told.startswith(f"--wait-idle {wait}: ")
    assert told.endswith(". Nothing was removed.")
    assert scene.calls == []


def test_words_that_are_read():
    assert remove._free("--when", None, "<") is None
    assert remove._free("--when", "free<20GiB", "<") == 20 * GIB
    assert remove._free("--when", "free<20 GiB", "<") == 20 * GIB
    assert remove._options(None, None) == Options()
    assert remove._options("5m", "free>9GiB") == Options(
        wait_idle=timedelta(minutes=5), free_target_bytes=9 * GIB
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--until", "free<20GiB"), "--until 'free<20GiB' is not like free>20GiB."),
        (("--until", "20GiB"), "--until '20GiB' is not like free>20GiB."),
        (("--until", "free>20"), "--until free>20: "),
    ],
)
def test_a_target_that_cannot_be_read(scene, words, said):
    error = scene.apply("--plan", scene.digest[:12], *words).exception
    assert isinstance(error, UsageProblem)
    assert error.message.startswith(said)
    assert error.message.endswith("Nothing was removed.")
    assert scene.calls == []


# -- a plan that was approved --------------------------------------------------------------------------------


def test_a_plan_is_staged_applied_and_followed(scene):
    result = scene.apply("--plan", scene.digest[:12], "--wait-idle", "5m")
    assert scene.calls == [("stage", None), ("apply", scene.digest)]
    (staged,) = scene.sent
    assert isinstance(staged, StagedPlan)
    assert staged.plan.encode() == encode_plan(scene.plan)
    assert staged.options == Options(wait_idle=timedelta(minutes=5))
    assert result.exit_code == 4, "the status of the run, out of its journal"
    assert result.stdout == render(DONE, scene.plan, width=80)
    assert f"Run {RUN} of plan" in result.stderr


def test_the_record_of_the_command(scene, tmp_path):
    scene.apply("--plan", scene.digest)
    record = json.loads((tmp_path / "state/exits/lab/apply.json").read_text())
    assert (record["run_id"], record["exit_status"]) == (RUN, 4)


def test_every_line_as_json(scene):
    result = scene.apply("--plan", scene.digest, "--format", "json")
    assert [decode(line_adapter(), line) for line in result.stdout.splitlines()] == DONE


def test_a_dry_run_asks_nobody(scene):
    result = scene.apply("--plan", scene.digest, "--dry-run")
    assert result.exit_code == 0
    assert scene.calls == []
    assert result.stdout.startswith(f"Plan {scene.digest[:12]}  retirement  lab  READY")
    assert "Would remove what is listed. This was a dry run: it holds no lock." in result.stderr
    shown = scene.apply("--plan", scene.digest, "--dry-run", "--format", "json")
    assert shown.stdout.encode() == encode_plan(scene.plan)


def test_a_policy_that_was_changed_since(scene):
    scene.config.write_text(scene.config.read_text() + "[hosts.lab.ages]\ntagged_image = '720h'\n")
    result = scene.apply("--plan", scene.digest)
    assert said(result, StalePlan) == (
        f"the policy was changed after the plan {scene.digest[:12]} was made. Nothing was removed."
    )
    assert scene.calls == []


@pytest.mark.parametrize("wanted", ["0000", "../x", "*", "", "abc"])
def test_a_plan_that_is_not_stored(scene, wanted):
    said(scene.apply("--plan", wanted), UnknownPlan)
    assert scene.calls == []


def test_a_run_that_was_cut_off(scene):
    scene.lines = DONE[:5]
    result = scene.apply("--plan", scene.digest)
    assert result.exit_code == 4
    assert "Look what is true: hygiene settle" in " ".join(result.stdout.split())


# -- signals -------------------------------------------------------------------------------------------------


def interrupted(monkeypatch: pytest.MonkeyPatch, *signals: type[Stopped]) -> list[int]:
    """A journal whose reader is interrupted after its third line, once for each signal."""
    left = list(signals)
    skips: list[int] = []

    def lines(_journal: Path, *, skip: int = 0) -> Iterator[Line]:
        skips.append(skip)
        for number, line in enumerate(DONE):
            if number == 3 and left:
                raise left.pop(0)("by a signal")
            if number >= skip:
                yield line

    monkeypatch.setattr(remove, "_lines", lines)
    return skips


@pytest.mark.parametrize("signal", [Stopped, Terminated])
def test_the_first_signal_asks_the_run_to_stop_and_follows_it(scene, monkeypatch, signal):
    skips = interrupted(monkeypatch, signal)
    result = scene.apply("--plan", scene.digest)
    assert scene.calls[-1] == ("stop", scene.digest)
    assert skips == [0, 3]
    assert result.exit_code == 4, "that of the run"
    assert result.stdout == render(DONE, scene.plan, width=80), "no line is lost or told twice"
    assert "It was asked to stop after the step that it is at." in result.stderr


def test_the_second_signal_leaves_it_alone(scene, monkeypatch):
    interrupted(monkeypatch, Terminated, Terminated)
    result = scene.apply("--plan", scene.digest)
    assert isinstance(result.exception, Terminated)
    assert [verb for verb, _ in scene.calls].count("stop") == 1


def test_a_run_that_had_ended_need_not_stop(scene, monkeypatch):
    interrupted(monkeypatch, Stopped)
    real = scene.ask

    def ask(verb: str, digest: str | None = None, sent: bytes = b"") -> dict[str, Any]:
        if verb == "stop":
            raise UnknownPlan("no run goes on")
        return real(verb, digest, sent)

    monkeypatch.setattr(executor, "ask", ask)
    result = scene.apply("--plan", scene.digest)
    assert result.exit_code == 4
    assert "It had ended." in result.stderr


# -- the others ----------------------------------------------------------------------------------------------


def holder(scene: Executor) -> dict[str, Any]:
    return {
        "state": str(scene.journal.parents[1]),
        "holder": {"run_id": RUN, "digest": PLAN_DIGEST, "pid": 1, "started": 2, "since": "x"},
    }


def test_a_run_is_followed(scene):
    scene.write()
    scene.status = {"engines": [{"state": "/nowhere", "holder": None}, holder(scene)]}
    for words in ([], [PLAN_DIGEST], [PLAN_DIGEST[:6]]):
        result = scene.run("follow", *words)
        assert (result.exit_code, result.stdout) == (4, render(DONE, None, width=80))


@pytest.mark.parametrize("words", [[], ["0123"]])
def test_nothing_to_follow(scene, words):
    scene.status = {"engines": [holder(scene) if words else {"state": "x", "holder": None}]}
    assert said(scene.run("follow", *words), UnknownPlan) == "no such run goes on."


def test_a_run_is_stopped_by_the_beginning_of_its_digest(scene):
    scene.status = {"engines": [holder(scene)]}
    result = scene.run("stop", PLAN_DIGEST[:6])
    assert result.exit_code == 0
    assert scene.calls == [("status", None), ("stop", PLAN_DIGEST)]
    assert result.stderr == f"Run {RUN} was asked to stop after the step that it is at.\n"


def test_nothing_to_stop(scene):
    assert said(scene.run("stop", "0123"), UnknownPlan) == (
        "no run of the plan '0123' goes on. Nothing was stopped."
    )


def test_settling(scene, monkeypatch):
    assert scene.run("settle").stdout == "Nothing is unsettled.\n"
    answer = {"settled": [{"run_id": RUN, "digest": PLAN_DIGEST, "exit_status": 4}], "exit_status": 4}
    monkeypatch.setattr(executor, "ask", lambda verb: answer)
    assert scene.run("settle").stdout == f"Run {RUN} of plan {PLAN_DIGEST[:12]} is settled.\n"
    assert json.loads(scene.run("settle", "--format", "json").stdout) == answer


# -- how the executor is asked -------------------------------------------------------------------------------


def answered(
    monkeypatch: pytest.MonkeyPatch, stdout: bytes, stderr: bytes = b"", *, root: bool = True
) -> Any:
    monkeypatch.setattr(executor.os, "geteuid", lambda: 0 if root else 1000)
    calls: list[Any] = []

    def run(words: list[str], **more: Any) -> Any:
        calls.append((words, more))
        return subprocess.CompletedProcess(words, 3, stdout, stderr)

    monkeypatch.setattr(executor.subprocess, "run", run)
    return calls


def test_a_front_end_that_is_not_root_asks_sudo_for_one_program(monkeypatch):
    calls = answered(monkeypatch, b"{}", root=False)
    assert executor.ask("apply", "d" * 64, b"x") == {}
    ((words, more),) = calls
    assert words[:2] == ["sudo", "-n"], "sudo never asks for a password behind a cron job"
    assert Path(words[2]).is_absolute()
    assert words[2].endswith("/hygiene-executor")
    assert words[3:] == ["apply", "d" * 64]
    assert more["input"] == b"x"


def test_root_starts_it_by_itself(monkeypatch):
    calls = answered(monkeypatch, b"{}")
    executor.ask("status")
    assert calls[0][0][1:] == ["-I", "-m", "hygiene_core.executor.main", "status"]


def test_a_refusal_keeps_its_class_code_and_next_step(monkeypatch):
    refused = {"code": "LOCKED", "message": "another run", "next_step": "wait"}
    answered(monkeypatch, json.dumps({"refused": refused}).encode())
    with pytest.raises(Locked) as caught:
        executor.ask("apply", "d" * 64)
    assert (caught.value.message, caught.value.next_step) == ("another run", "wait")


@pytest.mark.parametrize("stdout", [b"", b"Traceback", b"[]", b"7", b"\xff"])
def test_no_answer(monkeypatch, stdout):
    answered(monkeypatch, stdout, b"Traceback\nBoom: x\n")
    with pytest.raises(EvidenceProblem) as caught:
        executor.ask("apply", "d" * 64)
    assert caught.value.message == "hygiene-executor apply ended with status 3 and no answer: Boom: x"


def test_sudo_says_no(monkeypatch):
    answered(monkeypatch, b"", b"sudo: a password is required\n", root=False)
    with pytest.raises(NotRoot) as caught:
        executor.ask("status")
    assert "sudo: a password is required" in caught.value.message
    assert caught.value.next_step == "How to allow it: docs/guides/allow-removal.md"


def test_there_is_no_sudo(monkeypatch):
    monkeypatch.setattr(executor, "command", lambda *_words: ["/nowhere/sudo"])
    with pytest.raises(NotRoot, match="/nowhere/sudo is not there"):
        executor.ask("status")


def test_an_executor_that_hangs(monkeypatch):
    monkeypatch.setattr(executor, "command", lambda *_words: ["/bin/sleep", "60"])
    monkeypatch.setattr(executor, "_SECONDS", 0.1)
    with pytest.raises(EvidenceProblem, match=r"hygiene-executor status did not answer in 0\.1 s"):
        executor.ask("status")


def test_the_end_of_a_run_is_its_status():
    assert isinstance(DONE[-1], Ended)
    assert DONE[-1].exit_status == 4
