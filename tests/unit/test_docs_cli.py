"""The documented command line against the one that typer knows, and every call in the pages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from inspect import isclass
from typing import Any

import pytest
import typer

from hygiene_core import cli
from tests.unit.docs_pages import REFERENCE, every_page, section, sections, word


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
    return [word.value for word in taken] if isclass(taken) and issubclass(taken, StrEnum) else []


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
    """Every call of `hygiene` in the sh and cron blocks of a text, in words, pipes and redirections cut off.

    `nox -s SESSION -- OPTIONS` is the call that the session makes.
    """
    for block in re.findall(r"^```(?:sh|cron)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            parser = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
            parser.whitespace_split = True
            words: list[str] = []
            for token in [*parser, ";"]:
                if not set(token) <= set("|&;<>()"):
                    words.append(token)
                    continue
                if token[0] in "<>" and words and words[-1].isdigit():
                    del words[-1]  # the descriptor of a redirection
                while words and re.match(r"[A-Za-z_]+=|[\d*/,-]+$", words[0]):
                    del words[0]  # an assignment, or a field of cron's times
                program = words[0].rpartition("/")[2] if words else ""
                if program == "hygiene":
                    yield ["hygiene", *words[1:]]
                elif program == "nox" and words[1:2] == ["-s"] and words[2] in {"report", "apply", "demo"}:
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
    line = (
        "A=1 .venv/bin/hygiene query 'x | y' --format csv > out | sort && o=$(nox -s report -- --quiet 2>&1)"
    )
    assert list(_calls(f"```cron\n*/5 1,2 * * 1-5 {line}\ngroupadd hygiene\n```\n")) == [
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
