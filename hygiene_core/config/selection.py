"""What a person narrows a plan to: words such as `kind:image`, `name:odoo*`, `size>1GiB`."""

from __future__ import annotations

from collections.abc import Iterable

from hygiene_core.config import rules, units
from hygiene_core.config.units import UnitProblem
from hygiene_core.errors import UsageProblem
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.plan import Selection
from hygiene_core.model.resource import Kind

__all__ = ["parse_selection"]

_KINDS = (Kind.IMAGE, Kind.CONTAINER, Kind.VOLUME, Kind.BUILDER, Kind.RUNNER_WORKDIR, Kind.RUN_CACHE)
_VERDICTS = (Verdict.CANDIDATE, Verdict.RETAINED)
_FORMS = "kind:image, name:odoo*, size>1GiB or verdict:retained"


def parse_selection(words: Iterable[str]) -> Selection:
    """The selection that words mean together: one of the kinds, one of the names, and so on.

    Raises UsageProblem for a word that cannot be read: an empty or misread filter must not let more through.
    """
    kinds: list[str] = []
    names: list[str] = []
    verdicts: list[str] = []
    least = 0
    for word in words:
        key, separator, value = word.partition(">" if word.startswith("size>") else ":")
        try:
            match key, separator:
                case "size", ">":
                    least = max(least, units.parse_size(value))
                case "name", ":":
                    names.append(rules.parse_glob(value))
                case "kind", ":":
                    kinds.append(_one_of(value, [one.value for one in _KINDS]))
                case "verdict", ":":
                    verdicts.append(_one_of(value, [one.value for one in _VERDICTS]))
                case _:
                    _one_of(word, [_FORMS])
        except UnitProblem as problem:
            raise UsageProblem(
                f"--select {units.shown(word)}: {problem}. Nothing was planned.",
                next_step="See: hygiene plan --help",
            ) from None
    return Selection(
        kinds=tuple(dict.fromkeys(kinds)),
        names=tuple(dict.fromkeys(names)),
        verdicts=tuple(dict.fromkeys(verdicts)) or (Verdict.CANDIDATE.value,),
        min_bytes=least,
    )


def _one_of(value: str, known: list[str]) -> str:
    if value not in known:
        raise UnitProblem(f"{units.shown(value)} is not one; {rules.nearest(value, known)}")
    return value
