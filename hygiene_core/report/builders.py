"""The builders of a host, warm, plain or orphan, as rows that every format shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.observation import Availability, SectionName
from hygiene_core.model.report import Report, WarmBuilder
from hygiene_core.model.resource import BuildCacheRecord, Builder
from hygiene_core.report.figures import UNKNOWN, count, size

__all__ = ["BuilderRow", "budget_told", "builder_rows", "sort_of"]


@dataclass(frozen=True, slots=True)
class BuilderRow:
    """One builder: its name and version as the host gave them, the rest already in words.

    `sort` is `embedded`, `warm`, `plain` or `orphan`; `cache` is what its private records hold, `builds` how
    many builds run.
    """

    name: str
    sort: str
    state: str
    version: str
    records: str
    cache: str
    builds: str


def builder_rows(report: Report) -> Iterator[BuilderRow]:
    """Every builder, by name."""
    records: defaultdict[str, list[BuildCacheRecord]] = defaultdict(list)
    for row in report.resources:
        if isinstance(row.facts, BuildCacheRecord):
            records[row.facts.builder].append(row.facts)
    for row in report.resources:
        if isinstance(row.facts, Builder):
            yield _row(row, row.facts, records[row.id] if _was_read(row.facts, report) else None)


def budget_told(kept: WarmBuilder) -> str:
    """A warm builder's budget: `keep 8.0 GiB, cap 20.0 GiB`, either alone, or nothing if there is none."""
    bounds = (("keep", kept.reserved_bytes), ("cap", kept.max_bytes))
    return ", ".join(f"{word} {size(figure)}" for word, figure in bounds if figure is not None)


def _row(judged: Judged, builder: Builder, records: list[BuildCacheRecord] | None) -> BuilderRow:
    sizes = None if records is None else [one.size_bytes for one in records if not one.shared]
    known = sizes is not None and None not in sizes
    return BuilderRow(
        name=builder.id,
        sort=sort_of(judged, builder),
        state=builder.container_state or ("-" if builder.driver == "embedded" else "no container"),
        version=builder.version or UNKNOWN,
        records=count(None if records is None else len(records)),
        cache=size(sum(one or 0 for one in sizes)) if sizes is not None and known else UNKNOWN,
        builds=count(builder.running_builds),
    )


def sort_of(judged: Judged, builder: Builder) -> str:
    """Warm is what the policy or a label keeps; orphan what nobody has a container or an instance file of."""
    if builder.driver == "embedded":
        return "embedded"
    if judged.verdict is Verdict.PROTECTED:
        return "warm"
    left = builder.container_id is None and not builder.instances
    return "orphan" if left or builder.abandoned else "plain"


def _was_read(builder: Builder, report: Report) -> bool:
    if builder.driver != "embedded":
        return builder.records_read
    section = report.sections.get(SectionName.BUILD_CACHE.value)
    return section is not None and section.availability is Availability.COMPLETE
