"""The resources of a stored run as a table, biggest first."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hygiene_core.errors import UsageProblem
from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.report import Report
from hygiene_core.model.resource import Kind
from hygiene_core.model.table import Table
from hygiene_core.model.text import plain
from hygiene_core.report.figures import known_as, short, size, words
from hygiene_core.report.layout import Column, Ink, table, wrap

__all__ = ["listing", "listing_text"]

_UNBOUNDED = 10**9
_COLUMNS = ("verdict", "kind", "name", "id", "unique_bytes", "size_bytes", "why")


def listing(
    report: Report, *, kind: str | None = None, verdict: str | None = None, name: str | None = None
) -> Table:
    """List resources by kind, verdict, and a glob on any of their names or on the id, for programs.

    Raises:
        UsageProblem: the kind or the verdict is not one of the words.
    """
    return Table(_COLUMNS, tuple(_cells(row) for row in _chosen(report, kind, verdict, name)))


def listing_text(
    report: Report,
    *,
    kind: str | None = None,
    verdict: str | None = None,
    name: str | None = None,
    width: int | None,
) -> str:
    """The same for a person: a line for each resource, and its reasons under it.

    Raises:
        UsageProblem: the kind or the verdict is not one of the words.
    """
    rows = _chosen(report, kind, verdict, name)
    room = _UNBOUNDED if width is None else width
    columns = [
        Column("VERDICT"),
        Column("KIND"),
        Column("SIZE", right=True),
        Column("FREES", right=True),
        Column("NAME", flexible=True),
    ]
    cells = [
        [words(row.verdict), words(row.kind), size(row.size_bytes), size(row.unique_bytes), _name(row)]
        for row in rows
    ]
    titles, *told = table(columns, cells, room, Ink(color=False), indent="")
    lines = [titles]
    for line, row in zip(told, rows, strict=True):
        lines += [line, *wrap(plain(_why(row)), room, "    ")]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _chosen(report: Report, kind: str | None, verdict: str | None, name: str | None) -> list[Judged]:
    wanted_kind = None if kind is None else _word(Kind, kind)
    wanted_verdict = None if verdict is None else _word(Verdict, verdict)
    rows = [
        row
        for row in report.resources
        if wanted_kind in {None, row.kind}
        and wanted_verdict in {None, row.verdict}
        and (name is None or any(fnmatchcase(own, name) for own in (row.id, row.name, *row.names)))
    ]
    rows.sort(key=lambda row: (-(row.unique_bytes or 0), row.kind.value, row.id))
    return rows


def _name(row: Judged) -> str:
    """The name; a build step has no name that would tell it from its like, and so its id stands behind."""
    name = plain(known_as(row))
    return f"{name} ({short(row.id)})" if row.kind is Kind.BUILD_CACHE and row.name != row.id else name


def _why(row: Judged) -> str:
    return "; ".join(reason.detail for reason in row.reasons)


def _word(words: type[Kind | Verdict], given: str) -> Kind | Verdict:
    try:
        return words(given)
    except ValueError:
        known = ", ".join(word.value for word in words)
        raise UsageProblem(f"{given!r} is not a {words.__name__.lower()}; the words are {known}.") from None


def _cells(row: Judged) -> tuple[str | int | None, ...]:
    return (
        row.verdict.value,
        row.kind.value,
        row.name,
        row.id,
        row.unique_bytes,
        row.size_bytes,
        _why(row),
    )
