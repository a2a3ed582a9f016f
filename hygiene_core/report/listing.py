"""The resources of a stored run as a table, biggest first."""

from __future__ import annotations

from fnmatch import fnmatchcase

from hygiene_core.errors import UsageProblem
from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.report import Report
from hygiene_core.model.resource import Kind
from hygiene_core.model.table import Table
from hygiene_core.report.figures import short

__all__ = ["listing"]

_COLUMNS = ("verdict", "kind", "name", "id", "unique_bytes", "size_bytes", "why")


def listing(
    report: Report, *, kind: str | None = None, verdict: str | None = None, name: str | None = None
) -> Table:
    """List resources by kind, verdict, and a glob on any of their names or on the id.

    Raises:
        UsageProblem: the kind or the verdict is not one of the words.
    """
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
    return Table(_COLUMNS, tuple(_cells(row) for row in rows))


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
        short(row.id),
        row.unique_bytes,
        row.size_bytes,
        "; ".join(reason.detail for reason in row.reasons),
    )
