"""What a person narrows a plan to: words such as `kind:image`, `name:odoo*`, `size>1GiB`."""

from __future__ import annotations

from collections.abc import Iterable

from hygiene_core.config import rules, units
from hygiene_core.config.units import UnitProblem
from hygiene_core.errors import UsageProblem
from hygiene_core.model.judgement import Verdict
from hygiene_core.model.plan import Mode, Selection
from hygiene_core.model.resource import Kind

__all__ = ["parse_selection"]

_RETIRED = (Kind.IMAGE, Kind.CONTAINER, Kind.VOLUME, Kind.BUILDER, Kind.RUNNER_WORKDIR, Kind.RUN_CACHE)
_KINDS = [one.value for one in _RETIRED]
_VERDICTS = [one.value for one in (Verdict.CANDIDATE, Verdict.RETAINED)]
_FORMS = "write for example kind:image, name:odoo*, size>1GiB or verdict:retained"
_BOUNDED = "only names narrow a bounded plan, which is about whole caches; write for example name:embedded"


def parse_selection(words: Iterable[str], mode: Mode = Mode.RETIREMENT) -> Selection:
    """The selection that words mean together: one of the kinds, one of the names, and so on.

    Raises UsageProblem for a word that cannot be read, or that does not narrow a plan of this mode: an empty
    or misread filter must not let more through.
    """
    read: dict[str, list[str]] = {"kind": [], "name": [], "verdict": []}
    sizes: list[int] = []
    for word in words:
        try:
            key, value = _read(word, mode)
        except UnitProblem as problem:
            said = str(problem) if str(problem).endswith("?") else f"{problem}."
            raise UsageProblem(
                f"--select {units.shown(word)}: {said} Nothing was planned.",
                next_step="See: hygiene plan --help",
            ) from None
        if isinstance(value, int):
            sizes.append(value)
        elif value not in read[key]:
            read[key].append(value)
    return Selection(
        kinds=tuple(read["kind"]),
        names=tuple(read["name"]),
        verdicts=tuple(read["verdict"]) or (Verdict.CANDIDATE.value,),
        min_bytes=max(sizes, default=0),
    )


def _read(word: str, mode: Mode) -> tuple[str, str | int]:
    """What one word is about, and what it asks for. Raises UnitProblem."""
    key, separator, value = word.partition(">" if word.startswith("size>") else ":")
    read: str | int
    match key, separator:
        case "name", ":":
            read = rules.parse_glob(value)
        case ("size", ">") | ("kind" | "verdict", ":") if mode is Mode.BOUNDED:
            raise UnitProblem(_BOUNDED)
        case "size", ">":
            read = units.parse_size(value)
        case "kind", ":":
            read = _one_of(value, _KINDS, "a kind that is planned")
        case "verdict", ":":
            read = _one_of(value, _VERDICTS, "a verdict that is planned")
        case _:
            raise UnitProblem(f"it narrows nothing; {_FORMS}")
    return key, read


def _one_of(value: str, known: list[str], what: str) -> str:
    if value not in known:
        raise UnitProblem(f"{units.shown(value)} is not {what}; {rules.nearest(value, known)}")
    return value
