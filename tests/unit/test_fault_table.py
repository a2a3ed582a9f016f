"""The tables of faults name every fault and bad input, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "tests/faults/README.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
ROW = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)
FAULTS = [f"F{number}" for number in (*range(1, 30), *range(37, 42))]
BAD_INPUTS = [f"B{number}" for number in range(5, 21)]


def numbered(title: str) -> set[str]:
    """The numbers of the rows of one section: `F1 to F6` is six."""
    parts = re.split(r"^#+ ", PAGE, flags=re.MULTILINE)
    (section,) = [part for part in parts if part.startswith(f"{title}\n")]
    found = set()
    for row in ROW.findall(section):
        named = row.partition(":")[0]
        for first, last in re.findall(r"([FB]\d+)(?: to [FB](\d+))?", named):
            found |= {f"{first[0]}{number}" for number in range(int(first[1:]), int(last or first[1:]) + 1)}
    return found


def test_every_test_of_the_table_exists():
    named = NAMED.findall(PAGE)
    assert len(named) > 20
    for file, test in named:
        assert not test or f"\ndef {test}(" in (ROOT / file).read_text(encoding="utf-8"), (file, test)


def test_every_row_names_a_test():
    for line in PAGE.splitlines():
        if re.match(r"\| [FB]\d", line):
            assert NAMED.search(line), line


@pytest.mark.parametrize(
    ("title", "numbers"), [("Faults, and what reproduces them", FAULTS), ("Bad inputs", BAD_INPUTS)]
)
def test_every_number_has_a_row(title: str, numbers: list[str]):
    assert set(numbers) <= numbered(title)
