"""The pages of the documentation, taken apart for the tests that check them against the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

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
