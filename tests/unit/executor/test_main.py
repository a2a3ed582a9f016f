"""The words of `hygiene-executor`: a verb and at most one digest, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hygiene_core.errors import HygieneError, UnknownPlan, UsageProblem
from hygiene_core.executor import main as module
from hygiene_core.executor.main import MAX_STAGED_BYTES, VERBS

ROOT = Path(__file__).parents[3]
DIGEST = "0123456789abcdef" * 4
USAGE = "hygiene-executor observe | stage | apply DIGEST | status [DIGEST] | stop DIGEST | settle [DIGEST]"
WHOLE = importlib.util.find_spec("hygiene_core.host.gate") is not None

USED_WRONGLY = [
    [],
    [""],
    ["--help"],
    ["-h"],
    ["--version"],
    ["help"],
    ["observe", "stage"],
    ["apply", DIGEST, DIGEST],
    ["apply", DIGEST, "--force"],
    ["apply", "--", DIGEST],
    ["prune"],
    ["APPLY", DIGEST],
    ["apply\n", DIGEST],
    ["sh", "-c", "id"],
    ["apply"],
    ["stop"],
    ["observe", DIGEST],
    ["stage", DIGEST],
]
NO_DIGEST = [
    "",
    "../x",
    "/etc/passwd",
    DIGEST.upper(),
    DIGEST[:63],
    DIGEST[:12],
    DIGEST + "0",
    DIGEST + "\n",
    "\n" + DIGEST,
    " " + DIGEST,
    "sha256:" + DIGEST,
    "--help",
    "-f",
    "*",
    "g" * 64,
    "\u0660" * 64,
    "x" * 5000,
]


@pytest.mark.parametrize("words", USED_WRONGLY, ids=map(str, range(len(USED_WRONGLY))))
def test_words_that_are_no_call(words):
    with pytest.raises(HygieneError) as caught:
        module._words(words)
    assert isinstance(caught.value, UsageProblem)
    assert caught.value.exit_status == 2
    if not isinstance(caught.value, UnknownPlan):
        assert USAGE in caught.value.message


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("digest", NO_DIGEST, ids=map(str, range(len(NO_DIGEST))))
def test_words_that_are_no_digest(verb, digest):
    with pytest.raises(UnknownPlan) as caught:
        module._words([verb, digest])
    assert caught.value.message == (
        f"{digest[:80]!r} is no digest: 64 characters of 0-9 and a-f. Nothing was done."
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["observe"], ("observe", None)),
        (["stage"], ("stage", None)),
        (["apply", DIGEST], ("apply", DIGEST)),
        (["status"], ("status", None)),
        (["status", DIGEST], ("status", DIGEST)),
        (["stop", DIGEST], ("stop", DIGEST)),
        (["settle"], ("settle", None)),
        (["settle", DIGEST], ("settle", DIGEST)),
    ],
)
def test_calls(words, expected):
    assert module._words(words) == expected


def test_every_verb_stands_in_the_usage():
    assert [part.split()[0] for part in USAGE.removeprefix("hygiene-executor ").split(" | ")] == list(VERBS)
    assert module._USAGE == USAGE


def executor(*words: str, code: str = "", sent: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The program itself, after `code`."""
    script = f"import sys; from hygiene_core.executor.main import main; {code}\nmain()"
    return subprocess.run(
        [sys.executable, "-c", script, *words], input=sent, capture_output=True, check=False, cwd=ROOT
    )


def refusal(ended: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    """The one JSON object on stdout; stderr is the line for a person."""
    answer = json.loads(ended.stdout)
    assert list(answer) == ["refused"], answer
    assert ended.stdout.count(b"\n") == 1
    assert ended.stderr.decode().startswith(f"refused [{answer['refused']['code']}]: ")
    assert ended.stderr.count(b"\n") == 1, "whatever was asked stays in its line"
    refused: dict[str, str] = answer["refused"]
    return refused


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], "USAGE"),
        (["--help"], "USAGE"),
        (["apply", "../x"], "UNKNOWN_PLAN"),
        (["apply", "a\nb\x1b[2J"], "UNKNOWN_PLAN"),
        (["apply", DIGEST, "x"], "USAGE"),
    ],
)
def test_a_refusal_is_one_object_and_one_line(words, code):
    ended = executor(*words)
    assert ended.returncode == 2
    assert refusal(ended)["code"] == code
    assert b"\x1b" not in ended.stdout + ended.stderr


AS_NOBODY = (
    "import codecs, os, docker, pydantic; codecs.lookup('ascii');"
    "from hygiene_core.executor import asking; os.seteuid(65534)"
)
"""What is needed is loaded before: that user may not be able to read this checkout."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
@pytest.mark.parametrize("verb", [verb for verb in VERBS if WHOLE or verb == "observe"])
def test_nobody_but_root_may_ask(verb):
    words = [verb] if verb in {"observe", "stage"} else [verb, DIGEST]
    loaded = "".join(
        f"; from hygiene_core.executor import {name}"
        for name in (("applying", "telling", "settling", "staging") if WHOLE else ())
    )
    sent = b'{"k":"revocation","digest":"x","approval":"x","reason":"x"}'
    ended = executor(*words, code=AS_NOBODY.replace("; os.seteuid", f"{loaded}; os.seteuid"), sent=sent)
    assert ended.returncode == 3, ended.stderr.decode()
    assert refusal(ended)["code"] == "NOT_ROOT"


@pytest.mark.parametrize(
    "sent",
    [b"", b"{}", b"[]", b"{", b"\xff\x00", b'{"k":"plan"}', b'{"k":"other"}', b'{"k":"plan","plan":7}'],
)
def test_what_cannot_be_read_is_not_kept(sent):
    ended = executor("stage", sent=sent)
    assert ended.returncode == 2
    found = refusal(ended)
    assert found["code"] == "USAGE"
    assert found["message"].startswith("what was sent cannot be read (")
    assert found["message"].endswith("). Nothing was kept.")


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        (
            '{"k":"approval","digest":"x","items":[1],"until":"2026-05-04T03:02:01Z","reason":"x","not":[1]}',
            "not",
        ),
        ('{"k":"plan","plan":"x","options":{"call_limit":"PT3S","dry_run":true}}', "dry_run"),
        ('{"k":"revocation","digest":"x","approval":"x","reason":"x","a\\nb":1}', r"a\nb"),
    ],
)
def test_a_part_that_nobody_knows_is_not_kept(sent, part):
    """B14: it may have been meant to narrow what is done."""
    ended = executor("stage", sent=sent.encode())
    assert ended.returncode == 2
    told = refusal(ended)
    assert told["code"] == "USAGE"
    assert told["message"] == f"this kit does not know the part '{part}' of what was sent. Nothing was kept."


def test_what_is_longer_than_it_may_be_is_not_kept():
    ended = executor(
        "stage", code="import hygiene_core.executor.main as m; m.MAX_STAGED_BYTES = 99", sent=b"x" * 100
    )
    assert refusal(ended)["message"] == "what was sent is longer than 99 bytes. Nothing was kept."
    assert MAX_STAGED_BYTES == 64 * 2**20
