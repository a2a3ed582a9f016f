"""A run that removes things, for a person: while it goes on, and in the end."""

from __future__ import annotations

import re

import pytest

from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.journal import Intended
from hygiene_core.report.run import render, tell
from hygiene_core.testing import NOW
from tests.unit.report_snapshots import RunSnapshot, RunToldSnapshot
from tests.unit.run_scenes import BOUNDED, PLAN_DIGEST, SCENES, began, ended, settled


@pytest.mark.parametrize("scene", SCENES)
def test_run(scene, snapshot):
    assert render(*SCENES[scene]) == snapshot(extension_class=RunSnapshot)


@pytest.mark.parametrize("scene", SCENES)
def test_told(scene, snapshot):
    lines, plan = SCENES[scene]
    told = [told for line in lines if (told := tell(line, plan)) is not None]
    assert "\n".join(told) + "\n" == snapshot(extension_class=RunToldSnapshot)


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("scene", SCENES)
def test_no_line_is_wider_than_the_terminal(scene, width):
    for line in render(*SCENES[scene], width=width).splitlines():
        assert len(line) <= width, line


@pytest.mark.parametrize("scene", SCENES)
def test_nothing_of_a_host_reaches_a_terminal_as_more_than_text(scene):
    lines, plan = SCENES[scene]
    told = render(lines, plan) + "\n".join(tell(line, plan) or "" for line in lines)
    assert all(character == "\n" or character.isprintable() for character in told)
    assert all("\n" not in (tell(line, plan) or "") for line in lines)


@pytest.mark.parametrize("scene", SCENES)
def test_colour_adds_no_word(scene):
    shown = render(*SCENES[scene], color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown) == render(*SCENES[scene])


@pytest.mark.parametrize(
    ("status", "word"),
    [(0, "DONE"), (4, "INCOMPLETE"), (5, "BUSY"), (143, "STOPPED"), (7, "FAILED"), (1, "FAILED")],
)
def test_the_word_for_how_it_ended(status, word):
    assert render([began(), ended(status)], None).splitlines()[0].endswith(word)


def test_what_is_not_known_is_not_zero():
    lines = [began(), settled(1, Outcome.REMOVED), ended(outcomes={"removed": 1})]
    shown = render(lines, None, width=200)
    assert "Estimated unknown, claimed unknown; what the disk gained was not measured while it ran." in shown
    assert " 0 B" not in shown


def test_what_lacks_an_approval_is_told_how_to_get_it():
    """The first run of a schedule on a full cache: whoever reads it knows what to type next."""
    line = settled(1, Outcome.REFUSED, why=Why.NOT_APPROVED, detail="it needs an approval")
    shown = render([began(), line, ended(4, outcomes={"refused": 1})], BOUNDED)
    short = PLAN_DIGEST[:12]
    assert f"Approve it: hygiene approve {short}, then hygiene apply --plan {short}" in " ".join(
        shown.split()
    )
    spent = render([began(), Intended(at=NOW, number=2, ids=("a",)), line, ended(4)], BOUNDED)
    assert "Approve the rest: hygiene plan --mode bounded, then hygiene approve PLAN" in " ".join(
        spent.split()
    )
    assert "Approve" not in render(SCENES["bounded"][0], BOUNDED)
