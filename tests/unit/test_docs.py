"""The documentation against the code: what stands there is what there is, and nothing is left out."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import typer

from hygiene_core import cli
from hygiene_core.config import schema
from hygiene_core.decide.classify import ALL_RULES
from hygiene_core.decide.findings import CODES
from hygiene_core.errors import HygieneError
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.report import Severity
from tests.unit.test_errors import subclasses

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs/reference"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("runbooks/**/*.md"),
    ]
)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@dataclass(frozen=True)
class Section:
    """What stands under one heading, up to the next one."""

    heading: str
    text: str
    rows: list[list[str]] = field(default_factory=list)


def sections(page: Path) -> list[Section]:
    """The sections of a page; `rows` are the cells of its table, the two head lines left out."""
    found = [Section("", "")]
    body: list[str] = []
    fenced = False
    for line in [*page.read_text(encoding="utf-8").splitlines(), "# "]:
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            found[-1] = Section(found[-1].heading, "\n".join(body), _rows(body))
            found.append(Section(line.lstrip("#").strip(), ""))
            body = []
        else:
            body.append(line)
    return found[:-1]


def section(page: Path, heading: str) -> Section:
    return next(one for one in sections(page) if one.heading == heading)


def _rows(lines: list[str]) -> list[list[str]]:
    table = [line for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[2:]]


def word(cell: str) -> str:
    """A cell that is one word of code."""
    assert re.fullmatch(r"`[^`]+`", cell), cell
    return cell.strip("`")


def fences(page: Path, *languages: str) -> Iterator[str]:
    for found in re.finditer(
        r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        if found[1] in languages:
            yield found[2]


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


def test_the_example_of_a_refusal_is_what_the_kit_says(tmp_path, monkeypatch):
    from hygiene_core.config import load_file  # noqa: PLC0415 - only this test needs it

    lines = ["[hosts.chris-testing]", 'docker = "unix:///run/x.sock"', *[""] * 5]
    lines += ["[hosts.chris-testing.limits]", "min_free = 60"]
    (tmp_path / "hygiene.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HygieneError) as refused:
        load_file(Path("hygiene.toml"))
    assert [f"{refused.value}\n"] == list(fences(REFERENCE / "refusals.md", "text"))


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
    in_use |= {
        value for name, value in vars(cli).items() if name.startswith("EXIT_") and name != "EXIT_CODES"
    }
    in_use |= {130, 143}
    assert {status for status, said in who.items() if not said.startswith("Nothing yet")} == in_use


# -- the command line ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verb:
    """A command as typer knows it. `options` maps a spelling to whether a value follows it."""

    options: dict[str, bool]
    arguments: tuple[str, ...]
    choices: dict[str, frozenset[str]]
    group: bool


def _verbs() -> dict[str, Verb]:
    found: dict[str, Verb] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        options = [p for p in command.params if p.param_type_name == "option"]
        inner = getattr(command, "commands", {})
        found[" ".join(path)] = Verb(
            options={spelling: not p.is_flag for p in options for spelling in (*p.opts, *p.secondary_opts)},
            arguments=tuple(
                p.metavar or p.name.upper() for p in command.params if p.param_type_name == "argument"
            ),
            choices={p.opts[0]: frozenset(_choices(p)) for p in options},
            group=bool(inner),
        )
        for name, child in inner.items():
            walk(child, (*path, name))

    walk(typer.main.get_command(cli.app), ("hygiene",))
    return found


def _choices(option: Any) -> list[str]:
    """The words an option takes; empty where it takes any value."""
    taken = option.type_descriptor.annotation
    return [word.value for word in taken] if issubclass(taken, StrEnum) else []


VERBS = _verbs()


def test_every_command_stands_in_the_reference_and_nothing_else():
    headings = [part.heading for part in sections(REFERENCE / "cli.md")]
    assert [heading.strip("`") for heading in headings if heading.startswith("`")] == list(VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_every_option_and_argument_of_a_command_stands_in_the_reference(name):
    part = section(REFERENCE / "cli.md", f"`{name}`")
    written = [word(row[0]).split(" ")[0] for row in part.rows]
    verb = VERBS[name]
    assert sorted(written) == sorted([*verb.arguments, *verb.options])
    for row in part.rows:
        spelling, *value = word(row[0]).split(" ")
        assert bool(value) is verb.options.get(spelling, False), row[0]
        assert row[1].endswith("."), row
        assert all(f"`{choice}`" in row[1] for choice in verb.choices.get(spelling, ())), row


@pytest.mark.parametrize("name", [name for name, verb in VERBS.items() if not verb.group])
def test_every_command_has_an_example(name):
    part = section(REFERENCE / "cli.md", f"`{name}`")
    assert any(call[: len(name.split())] == name.split() for call in _calls(part.text))


def _calls(text: str) -> Iterator[list[str]]:
    """Every call of `hygiene` in the sh blocks of a text, in words, pipes and redirections cut off.

    `nox -s SESSION -- OPTIONS` is the call that the session makes.
    """
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            parser = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
            parser.whitespace_split = True
            words: list[str] = []
            for token in [*parser, ";"]:
                if not set(token) <= set("|&;<>()"):
                    words.append(token)
                    continue
                while words and re.match(r"[A-Z_]+=", words[0]):
                    del words[0]
                program = words[0].rpartition("/")[2] if words else ""
                if program == "hygiene":
                    yield ["hygiene", *words[1:]]
                elif program == "nox" and words[1:2] == ["-s"] and words[2] in {"report", "demo"}:
                    assert words[3:4] in ([], ["--"]), line
                    yield ["hygiene", words[2], *words[4:]]
                words = []


def _problem(call: list[str]) -> str | None:
    """Why the command line would refuse a call, or `None`. Nothing is run."""
    command: Any = typer.main.get_command(cli.app)
    rest = call[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    if hasattr(command, "commands"):
        alone = {"--help", *(spelling for option in command.params for spelling in option.opts)}
        return None if len(rest) == 1 and rest[0] in alone else f"not a command: {call}"
    try:
        command.make_context(" ".join(call), rest)
    except typer.Exit:
        return None  # it asked for help
    except typer.TyperException as refused:
        return str(refused)
    return None


@every_page
def test_every_call_in_a_shell_block_parses(page):
    for call in _calls(page.read_text(encoding="utf-8")):
        assert _problem(call) is None, shlex.join(call)


@pytest.mark.parametrize(
    "call",
    [
        "hygiene repor",
        "hygiene report --loud",
        "hygiene report --host",
        "hygiene history",
        "hygiene history diff 1",
        "hygiene explain",
        "hygiene config check extra",
    ],
)
def test_a_wrong_call_in_a_page_would_be_noticed(call):
    assert _problem(shlex.split(call)) is not None


def test_calls_are_found_behind_pipes_paths_and_environments():
    line = "A=1 .venv/bin/hygiene query 'x | y' --format csv > out | sort && nox -s report -- --quiet"
    assert list(_calls(f"```sh\n{line}\ngroupadd hygiene\n```\n")) == [
        ["hygiene", "query", "x | y", "--format", "csv"],
        ["hygiene", "report", "--quiet"],
    ]


def test_every_next_command_of_the_references_parses():
    """The commands in the tables of findings and refusals are what a person runs next."""
    found = 0
    for page in ("findings.md", "refusals.md"):
        for part in sections(REFERENCE / page):
            for row in part.rows:
                for code in re.findall(r"`(hygiene [^`]+)`", " ".join(row)):
                    assert _problem(shlex.split(code)) is None, code
                    found += 1
    assert found


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
