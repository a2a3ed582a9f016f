"""The table of faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_every_test_of_the_table_exists():
    named = NAMED.findall((ROOT / "tests/faults/README.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    for file, test in named:
        assert not test or f"\ndef {test}(" in (ROOT / file).read_text(encoding="utf-8"), (file, test)
