"""The page of refusals is what the code makes of it."""

from __future__ import annotations

import re

from hygiene_core.decide.permit import refusals
from hygiene_core.model.act import MEANINGS, Why
from tests.unit.docs_pages import REFERENCE, ROOT
from tests.unit.docs_refusals import COMMAND, STOPS, page


def test_the_page_is_the_codes():
    stored = (REFERENCE / "refusals.md").read_text(encoding="utf-8")
    assert stored == page(), f"write it again: {COMMAND}"
    assert f"After a change: {COMMAND} -->" in stored.splitlines()[0]


def test_every_reason_has_a_meaning():
    assert set(MEANINGS) == set(Why)
    assert len(set(MEANINGS.values())) == len(MEANINGS)
    assert all(meaning.endswith(".") for meaning in MEANINGS.values())


def test_every_code_that_ends_a_run_stands_in_the_page():
    source = "".join(
        (ROOT / f"hygiene_core/executor/{name}.py").read_text() for name in ("execution", "limits")
    )
    told = re.findall(r'(?:_halt\(|return )"([A-Z_]+)",', source)
    assert set(told) == set(STOPS)


def test_every_code_of_a_refused_plan_is_one_of_the_tree():
    from hygiene_core.errors import HygieneError  # noqa: PLC0415 - only here
    from tests.unit.docs_refusals import subclasses  # noqa: PLC0415 - likewise

    source = (ROOT / "hygiene_core/decide/permit.py").read_text()
    told = set(re.findall(r'(?:yield |\()"([A-Z_]+)", f"', source))
    assert told
    assert told <= {error.code for error in subclasses(HygieneError)}
    assert refusals.__doc__
