from __future__ import annotations

import unicodedata

import pytest
from rich.cells import cell_len

from hygiene_core.model.judgement import Verdict
from hygiene_core.model.report import Severity
from hygiene_tui.widgets.glyphs import APPROVED, REJECTED, UNMARKED, Glyphs

SINGLE = ["cursor", "cut", "ascending", "descending", "line", "upright", "thumb"]

DRAWN_AS_EMOJI = set("▪▫▶◀◻◼◽◾☑⚠✔✖‼⏸⏹⏺⚪⚫⬛⬜✅❌❗❓")
"""Signs that come to mind and that some terminals draw two cells wide."""


def all_signs(glyphs: Glyphs) -> list[str]:
    signs = [glyphs.verdict(one).glyph for one in Verdict] + [glyphs.severity(one).glyph for one in Severity]
    return signs + [getattr(glyphs, name) for name in SINGLE] + [APPROVED, REJECTED, UNMARKED]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_each_sign_is_one_cell(ascii_only: bool):
    for sign in all_signs(Glyphs(ascii_only)):
        assert len(sign) == cell_len(sign) == 1
        assert unicodedata.east_asian_width(sign) in {"N", "Na", "A"}, sign
        assert sign not in DRAWN_AS_EMOJI
        assert ascii_only <= sign.isascii()


@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_two_of_a_kind_share_a_sign(ascii_only: bool):
    glyphs = Glyphs(ascii_only)
    assert len({glyphs.verdict(one).glyph for one in Verdict}) == len(Verdict)
    assert len({glyphs.severity(one).glyph for one in Severity}) == len(Severity)


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict_has_its_word(verdict: Verdict):
    assert Glyphs().verdict(verdict).word == verdict.value.replace("_", " ")


def test_what_is_not_known_keeps_its_name():
    assert str(Glyphs().verdict("newer")) == "? newer"
    assert str(Glyphs(ascii_only=True).severity("fatal")) == "? fatal"
