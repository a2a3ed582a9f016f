"""The documentation against the code: what stands there is what there is, and nothing is left out."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core import cli, errors
from hygiene_core.config import schema
from hygiene_core.decide.classify import ALL_RULES
from hygiene_core.decide.findings import CODES
from hygiene_core.errors import HygieneError
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.policy import Ages
from hygiene_core.model.report import Severity
from hygiene_core.report.chain import render
from hygiene_core.testing import NOW, image, observation
from tests.unit.decide.judging import chain, policy
from tests.unit.docs_pages import PAGES, REFERENCE, ROOT, every_page, fences, section, sections, word
from tests.unit.test_errors import subclasses

# -- the rules, the findings, the errors ---------------------------------------------------------------------


def test_every_rule_stands_in_the_reference_in_the_order_of_precedence():
    written = [
        (word(row[0]), part.heading, frozenset(row[1].split(", ")), row[2], row[3])
        for part in sections(REFERENCE / "rules.md")
        for row in part.rows
    ]
    real = [
        (rule.id, rule.verdict.value, frozenset(kind.value for kind in rule.kinds), rule.asks, rule.source)
        for rule in ALL_RULES
    ]
    assert written == real


def test_every_rule_has_a_meaning_of_its_own():
    meanings = [row[4] for part in sections(REFERENCE / "rules.md") for row in part.rows]
    assert len(meanings) == len(ALL_RULES)
    assert all(meaning.endswith(".") for meaning in meanings)


def test_the_verdicts_are_explained_in_their_order():
    explained = [
        word(row[0]) for row in section(ROOT / "docs/concepts/verdicts.md", "The five verdicts").rows
    ]
    assert explained == [verdict.value for verdict in Verdict]


def test_every_finding_stands_in_the_reference():
    rows = section(REFERENCE / "findings.md", "The findings").rows
    assert [(word(code), severity, meaning) for code, severity, meaning, *_ in rows] == [
        (code.value, made.severity.value, made.meaning) for code, made in CODES.items()
    ]
    assert all(advice for *_, advice in rows)


def test_the_keys_that_set_findings_are_keys_of_the_configuration():
    rows = section(REFERENCE / "findings.md", "The findings").rows
    named = {word(row[3]) for row in rows if row[3]}
    for key in named:
        table: Any = schema.HostTable
        for part in key.split("."):
            assert part in table.model_fields, key
            table = table.model_fields[part].annotation
    assert {f"limits.{limit}" for limit in schema.LimitsTable.model_fields} <= named


def test_every_severity_stands_in_the_reference():
    rows = section(REFERENCE / "findings.md", "Severity").rows
    assert {row[0] for row in rows} == {severity.value for severity in Severity}
    assert ("No code has it" in dict(rows)["info"]) is (
        Severity.INFO not in {made.severity for made in CODES.values()}
    )


def test_every_error_stands_in_the_reference():
    rows = section(REFERENCE / "refusals.md", "Codes").rows
    written = [(word(row[0]), word(row[1]), row[2], int(row[3])) for row in rows]
    real = [(error.__name__, error.code, error.word, error.exit_status) for error in subclasses(HygieneError)]
    assert sorted(written) == sorted(real)
    assert len(set(written)) == len(written)
    assert all(all(row) for row in rows)


def test_every_outcome_and_every_reason_to_stay_stands_in_the_reference():
    for heading, words in (("What came of a step", Outcome), ("Why a step did not go through", Why)):
        rows = section(REFERENCE / "refusals.md", heading).rows
        assert [word(row[0]) for row in rows] == [one.value for one in words]
        assert all(cell.endswith((".", "`")) for row in rows for cell in row)


def test_the_example_of_a_refusal_is_what_the_kit_says(tmp_path, monkeypatch):
    from hygiene_core.config import load_file  # noqa: PLC0415 - only this test needs it

    lines = ["[hosts.chris-testing]", 'docker = "unix:///run/x.sock"', *[""] * 5]
    lines += ["[hosts.chris-testing.limits]", "min_free = 60"]
    (tmp_path / "hygiene.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HygieneError) as refused:
        load_file(Path("hygiene.toml"))
    assert f"{refused.value}\n" in list(fences(REFERENCE / "refusals.md", "text"))


def test_the_example_of_an_explanation_is_what_the_kit_says():
    tagged = image("odoo-docker:18.0")
    names = ("odoo-docker:18.0",)
    first_seen_at = NOW + timedelta(seconds=2) - timedelta(days=20)
    known = Known(first_seen_at=first_seen_at, unused_since_at=first_seen_at, names=names)
    memory = Memory(entries={("image", tagged.id): known})
    rules = policy(ages=Ages(grace=timedelta(hours=168), tagged_image=timedelta(hours=720)))
    told = render(chain(tagged, observation(tagged), rules, memory=memory), width=100, zone=UTC)
    assert told in list(fences(ROOT / "docs/guides/explain.md", "text"))


# -- exit codes ----------------------------------------------------------------------------------------------


def _told_exit_codes() -> dict[int, str]:
    """Status and meaning as `hygiene --help` tells them."""
    text = " ".join(cli.EXIT_CODES.split()).removeprefix("Exit codes: ").removesuffix(".")
    told: dict[int, str] = {}
    for part in text.split("; "):
        numbers = re.match(r"\d+(?:, \d+)*", part)
        assert numbers, part
        for number in numbers[0].split(", "):
            told[int(number)] = part.removeprefix(numbers[0]).strip()
    return told


def test_the_exit_codes_are_those_that_help_tells():
    rows = section(REFERENCE / "exit-codes.md", "Exit codes").rows
    written = {int(status): row[1] for row in rows for status in row[0].split(", ")}
    assert written == _told_exit_codes()


def test_the_exit_codes_name_who_ends_with_them():
    who = {
        int(status): row[2]
        for row in section(REFERENCE / "exit-codes.md", "Exit codes").rows
        for status in row[0].split(", ")
    }
    for error in subclasses(HygieneError):
        family = next(base for base in error.__mro__ if base.__base__ is HygieneError)
        assert f"`{family.__name__}`" in who[error.exit_status], error
    in_use = {error.exit_status for error in subclasses(HygieneError)}
    in_use |= {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    in_use |= {130, 143}
    assert {status for status, said in who.items() if not said.startswith("Nothing yet")} == in_use


# -- every page ----------------------------------------------------------------------------------------------


def _anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@every_page
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        if anchor:
            assert anchor in {_anchor(part.heading) for part in sections(there)}, target


@every_page
def test_every_toml_block_can_be_read(page):
    for block in fences(page, "toml"):
        assert tomllib.loads(block)


@every_page
def test_no_page_names_a_path_of_the_machine_it_was_written_on(page):
    text = page.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert not re.search(r"(?<![\w.])/(work|tmp|root)/", text)


@every_page
def test_no_page_says_simply_or_please(page):
    assert not re.search(r"\b(simply|please)\b", page.read_text(encoding="utf-8"), re.IGNORECASE)


def test_the_index_leads_to_every_page():
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)\)", text)}
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - linked == {ROOT / "docs/index.md"}
