"""The guides of removal: the line for sudo, the files that they show, the tests that prove what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from hygiene_core.cli.approval import _read
from hygiene_core.config.host_file import load_host_rules
from hygiene_core.errors import HygieneError
from hygiene_core.executor.main import VERBS
from hygiene_core.model.plan import Verb
from tests.conftest import lab_is_required
from tests.unit.docs_pages import ROOT, fences, section, sections, word
from tests.unit.host_files import host_file
from tests.unit.test_errors import subclasses

ALLOW = ROOT / "docs/guides/allow-removal.md"
SAFETY = ROOT / "docs/concepts/safety.md"
DIGEST = "0123456789abcdef" * 4


def sudoers() -> str:
    (block,) = fences(ALLOW, "sudoers")
    return block


def test_sudo_can_read_the_line(tmp_path):
    program = shutil.which("visudo", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        if lab_is_required():
            pytest.fail("visudo is not installed (Debian: sudo)")
        pytest.skip("visudo is not installed (Debian: sudo)")
    path = tmp_path / "sudoers"
    path.write_text(sudoers())
    path.chmod(0o440)
    done = subprocess.run([program, "-c", "-s", "-f", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_line_is_one_with_a_full_path_and_no_environment():
    line = sudoers()
    assert line.count("\n") == 1
    who, what = line.split(" = ")
    assert who == "%hygiene-operators ALL"
    assert what.startswith("(root) NOPASSWD: NOSETENV: /opt/hygiene/.venv/bin/hygiene-executor ^")
    assert ", " not in what, "one program"


def allowed(*words: str) -> bool:
    """Whether sudo would let these words through: it joins them with blanks."""
    pattern = sudoers().strip().partition("hygiene-executor ")[2]
    assert pattern.startswith("^")
    assert pattern.endswith("$")
    return re.fullmatch(pattern[1:-1], " ".join(words)) is not None


def test_every_verb_is_let_through_and_nothing_else():
    for verb in VERBS:
        bare, one = allowed(verb), allowed(verb, DIGEST)
        assert bare == (verb not in {"apply", "stop"})
        assert one == (verb not in {"observe", "stage"})
    for words in (
        [],
        ["apply", DIGEST[:12]],
        ["apply", DIGEST.upper()],
        ["apply", DIGEST, DIGEST],
        ["apply", "../x"],
        ["apply", DIGEST + "\n"],
        ["observe", "stage"],
        ["--help"],
        ["stop"],
        ["sh"],
    ):
        assert not allowed(*words), words


@pytest.mark.skipif(os.geteuid() != 0, reason="the file has to belong to root")
def test_the_host_file_of_the_guide(tmp_path):
    (block,) = fences(ALLOW, "toml")
    assert load_host_rules(host_file(tmp_path, block)).allow == {Verb.PRUNE_RECORDS}


def test_the_codes_of_the_guides_exist():
    codes = {error.code for error in subclasses(HygieneError)}
    tables = [
        section(ALLOW, "When it is refused"),
        section(ROOT / "docs/guides/recover-after-a-crash.md", "When it cannot be settled"),
    ]
    for table in tables:
        assert table.rows
        assert {word(row[0]) for row in table.rows} <= codes


def test_the_steps_of_the_guide_to_approving_can_be_read(tmp_path):
    (block,) = fences(ROOT / "docs/guides/approve-a-retirement.md", "text")
    path = tmp_path / "steps.txt"
    path.write_text(block)
    assert _read(path) == {1: (), 3: (), 4: ("odoo-docker:18.0", "odoo-docker:latest")}


def test_the_steps_that_the_guide_names_are_those_that_need_an_approval():
    text = section(ALLOW, "4. Try it").text
    named = set(re.findall(r"`((?:stop_and_)?remove_\w+)`", text))
    assert named <= {verb.value for verb in Verb}
    assert "prune_records" not in named


# -- what may never happen -----------------------------------------------------------------------------------

PROOF = re.compile(r"^- \[(tests/[\w/]+\.py)::(test_\w+)\]\(\.\./\.\./([\w/]+\.py)\)$", re.MULTILINE)
LINES = [part for part in sections(SAFETY) if re.match(r"\d+\. ", part.heading)]


def test_there_are_eleven_lines():
    assert [int(part.heading.partition(".")[0]) for part in LINES] == list(range(1, 12))


@pytest.mark.parametrize("line", LINES, ids=lambda part: part.heading)
def test_every_line_is_proved_by_tests_that_exist(line):
    found = PROOF.findall(line.text)
    assert len(found) == line.text.count("\n- ") > 0, "every item is a test"
    for path, name, target in found:
        assert path == target
        source = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), f"{path}::{name}"


def test_no_test_is_linked_twice():
    found = PROOF.findall(SAFETY.read_text(encoding="utf-8"))
    assert len(set(found)) == len(found)
