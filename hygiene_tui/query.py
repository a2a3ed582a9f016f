"""What an operator types to narrow a list: words, `kind:image`, `verdict:candidate`, `size>1GiB`, `idle>30d`.

All terms have to hold. A term that cannot be read narrows nothing and is said, because it is usually half
typed: `size>1` becomes `size>1GiB` a moment later.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from hygiene_core.config import units
from hygiene_core.config.units import UnitProblem
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.resource import Kind

__all__ = ["Query", "parse"]

_KINDS = tuple(kind.value for kind in Kind)
_VERDICTS = tuple(verdict.value for verdict in Verdict)
_FIELDS = {"kind": _KINDS, "verdict": _VERDICTS}
_COMPARED = ("size", "idle")


@dataclass(frozen=True, slots=True)
class Query:
    """What was typed, taken apart.

    `words` and `without` are lower case; `kinds` and `verdicts` are alternatives, empty for any. Sizes and
    idle times are the least and the most that is shown, each `None` where nothing was said. `problem` says
    which term could not be read.
    """

    words: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    verdicts: frozenset[str] = frozenset()
    over_bytes: int | None = None
    under_bytes: int | None = None
    idle_over: timedelta | None = None
    idle_under: timedelta | None = None
    problem: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything is shown."""
        return self == Query(problem=self.problem)


def parse(text: str) -> Query:
    """Take apart what was typed; never raises."""
    words: list[str] = []
    without: list[str] = []
    chosen: dict[str, set[str]] = {field: set() for field in _FIELDS}
    bounds: dict[str, int | timedelta] = {}
    problem: str | None = None
    for term in _terms(text):
        field, colon, value = term.partition(":")
        compared = next((name for name in _COMPARED if term.startswith((f"{name}>", f"{name}<"))), None)
        if colon and field in _FIELDS:
            found = _meant(value, _FIELDS[field])
            chosen[field].update(found)
            if not found:
                problem = f"no {field} is called {units.shown(value)}: {', '.join(_FIELDS[field])}"
        elif compared is not None:
            sign, figure = term[len(compared)], term[len(compared) + 1 :]
            try:
                bounds[compared + sign] = (
                    units.parse_size(figure) if compared == "size" else units.parse_duration(figure)
                )
            except UnitProblem as error:
                problem = f"{term}: {error}"
        elif term.startswith("-") and len(term) > 1:
            without.append(term[1:].lower())
        else:
            words.append(term.lower())
    return Query(
        words=tuple(words),
        without=tuple(without),
        kinds=frozenset(chosen["kind"]),
        verdicts=frozenset(chosen["verdict"]),
        over_bytes=_size(bounds.get("size>")),
        under_bytes=_size(bounds.get("size<")),
        idle_over=_span(bounds.get("idle>")),
        idle_under=_span(bounds.get("idle<")),
        problem=problem,
    )


def _terms(text: str) -> list[str]:
    """Terms apart by spaces; quotes keep a term whole, and one that is not closed yet does no harm."""
    try:
        return shlex.split(text, posix=True)
    except ValueError:
        return text.replace('"', " ").replace("'", " ").split()


def _meant(value: str, names: Iterable[str]) -> list[str]:
    """The names that begin like the word, written with `_`, `-` or a space."""
    wanted = value.lower().replace("-", "_").replace(" ", "_")
    return [name for name in names if wanted and name.startswith(wanted)]


def _size(bound: int | timedelta | None) -> int | None:
    return bound if isinstance(bound, int) else None


def _span(bound: int | timedelta | None) -> timedelta | None:
    return bound if isinstance(bound, timedelta) else None
