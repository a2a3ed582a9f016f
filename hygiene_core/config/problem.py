"""One thing wrong with a configuration, and the refusal that lists them all."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hygiene_core.config.toml import Location, dotted, nearest_line
from hygiene_core.errors import ConfigProblem
from hygiene_core.model.text import plain

__all__ = ["Problem", "ended", "placed", "refusal"]

_LISTED = 100
"""How many problems a person is shown; a file with more of them is none of ours."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Where in a file something is wrong, or worth a warning, and what."""

    location: Location
    message: str
    line: int | None = None

    def text(self) -> str:
        """The problem as one line."""
        place = plain(dotted(self.location))
        what = f"{place}: {self.message}" if place else self.message
        return f"line {self.line}: {what}" if self.line else what


def placed(problems: Iterable[Problem], lines: dict[Location, int]) -> list[Problem]:
    """The problems with their lines, in the order of the file."""
    found = [replace(problem, line=nearest_line(lines, problem.location)) for problem in problems]
    return sorted(found, key=lambda problem: (problem.line is None, problem.line, problem.text()))


def refusal(path: Path, problems: list[Problem]) -> ConfigProblem:
    """The error that names the file and every problem, one a line."""
    name = plain(str(path))
    next_step = f"hygiene config check --config {plain(shlex.quote(str(path)))}"
    if len(problems) == 1:
        return ConfigProblem(
            f"{name}: {ended(problems[0].text())} Nothing was looked at. Then check it again:",
            next_step=next_step,
        )
    listed = "\n".join(f"  {problem.text()}" for problem in problems[:_LISTED])
    if len(problems) > _LISTED:
        listed += f"\n  and {len(problems) - _LISTED} more"
    return ConfigProblem(
        f"{name} has {len(problems)} problems. Nothing was looked at.\n{listed}\nThen check it again:",
        next_step=next_step,
    )


def ended(text: str) -> str:
    """A problem as a whole sentence."""
    return text if text.endswith(("?", ".")) else f"{text}."
