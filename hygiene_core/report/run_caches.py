"""The run caches of a host by age, as rows that every format shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hygiene_core.model.report import AgeBucket, Report, RunCacheSummary
from hygiene_core.report.figures import age, count, duration, size

__all__ = ["RunCacheRow", "run_cache_rows"]


@dataclass(frozen=True, slots=True)
class RunCacheRow:
    """One place: its name as configured, and figures already in words.

    `ages` is what the runs of each age hold, youngest first, a dash where there are none; `titles` are the
    ages. `oldest` is how long ago anything last changed in the run that has been left alone longest.
    """

    name: str
    runs: str
    held: str
    oldest: str
    titles: tuple[str, ...]
    ages: tuple[str, ...]


def run_cache_rows(report: Report, *, wide: bool = True) -> Iterator[RunCacheRow]:
    """Every configured place; where it is not `wide`, ages of a day and of over a week are told together."""
    for one in report.summary.run_caches:
        ages = one.ages if wide else _fewer(one)
        held = size(one.size_bytes)
        yield RunCacheRow(
            name=one.name,
            runs=count(one.count),
            held=held if one.whole else f"at least {held}",
            oldest=age(one.oldest_at, report.ended_at),
            titles=tuple(_age_words(bucket) for bucket in ages),
            ages=tuple(size(bucket.size_bytes) if bucket.count else "-" for bucket in ages),
        )


def _age_words(bucket: AgeBucket) -> str:
    """`under 1 h`, `1 d to 7 d`, `over 30 d`."""
    if bucket.under is None:
        return f"over {duration(bucket.over)}"
    upper = duration(bucket.under)
    return f"{duration(bucket.over)} to {upper}" if bucket.over else f"under {upper}"


def _fewer(one: RunCacheSummary) -> tuple[AgeBucket, ...]:
    hour, day, week, month, older = one.ages
    return _joined(hour, day), week, _joined(month, older)


def _joined(younger: AgeBucket, older: AgeBucket) -> AgeBucket:
    return AgeBucket(
        over=younger.over,
        under=older.under,
        count=younger.count + older.count,
        size_bytes=younger.size_bytes + older.size_bytes,
    )
