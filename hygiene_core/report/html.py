"""A report as one HTML file: no script, nothing from elsewhere, readable on a phone and on paper.

Text from a host is escaped by the template engine, which does so for every value that it is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from functools import cache
from importlib import resources as packaged
from typing import TYPE_CHECKING

from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.observation import Filesystem
from hygiene_core.model.report import Report
from hygiene_core.model.text import plain
from hygiene_core.report.builders import builder_rows
from hygiene_core.report.figures import (
    CLASS_ORDER,
    UNKNOWN,
    WARM_LISTED,
    age,
    attention_sentence,
    biggest_candidates,
    compared,
    count,
    known_as,
    listed_findings,
    local_time,
    reclaimable_in_all,
    share,
    short,
    size,
    space_terms,
    unseen,
    verdict_counts,
    warm,
    words,
)
from hygiene_core.report.runners import runner_rows, workdir_total

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["CANDIDATES", "Bar", "render"]

CANDIDATES = 200
"""How many candidates are listed unless asked otherwise: a phone has to scroll through them."""

_TEXT_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Bar:
    """One horizontal bar. `parts` are (name of its colour, share of the width in percent)."""

    name: str
    told: str
    parts: tuple[tuple[str, float], ...]


def render(report: Report, *, resources: int | None = CANDIDATES, zone: tzinfo) -> str:
    """The whole report as an HTML document that ends in a newline.

    Args:
        report: the stored run.
        resources: how many of the biggest candidates to list, `None` for all.
        zone: the reader's time zone.
    """
    builders, images, more_warm = warm(report, WARM_LISTED)
    page = _template().render(
        report=report,
        ended=local_time(report.ended_at, zone),
        attention=attention_sentence(report),
        findings=[(found, *compared(found)) for found in listed_findings(report)],
        unseen=[([words(name) for name in names], how.value, why) for names, how, why in unseen(report)],
        disks=list(_disk_bars(report)),
        disk_rows=report.filesystems,
        free_disk=size(report.summary.free_disk_bytes),
        class_bars=list(_class_bars(report)),
        classes=[(name, report.summary.classes[name]) for name in _classes(report)],
        totals={
            "Reclaimable in all": reclaimable_in_all(report),
            "Orphan BuildKit containers": count(report.summary.orphan_buildkit_containers),
            "Orphan BuildKit state volumes": count(report.summary.orphan_buildkit_volumes),
            "Runner work directories": workdir_total(report),
            "All candidates together": size(report.summary.candidate_bytes),
        },
        verdicts=_verdict_bar(report),
        counts=verdict_counts(report),
        space=space_terms(report),
        warm_builders=builders,
        warm_images=images,
        more_warm=more_warm,
        builders=list(builder_rows(report)),
        runners=list(runner_rows(report)),
        candidates=[_candidate(row, report) for row in biggest_candidates(report, resources)],
        candidate_count=verdict_counts(report)[Verdict.CANDIDATE],
    )
    return page if page.endswith("\n") else f"{page}\n"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - not for the other formats

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {
        "text": lambda text: plain(str(text), _TEXT_LIMIT),
        "size": size,
        "count": count,
        "words": words,
        "short": short,
        "share": share,
    }
    source = packaged.files("hygiene_core.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    return made.from_string(source)


def _disk_bars(report: Report) -> Iterator[Bar]:
    seen: set[int] = set()
    for disk in report.filesystems:
        if disk.device in seen or not disk.total_bytes:
            continue
        seen.add(disk.device)
        used = 100 * disk.used_bytes / disk.total_bytes
        free = 100 * disk.free_bytes / disk.total_bytes
        told = f"{size(disk.free_bytes)} of {size(disk.total_bytes)} free"
        parts = (("used", used), ("rest", max(0.0, 100 - used - free)))
        yield Bar(_roles(report, disk), told, parts)


def _roles(report: Report, disk: Filesystem) -> str:
    return ", ".join(words(one.role) for one in report.filesystems if one.device == disk.device)


def _classes(report: Report) -> list[str]:
    classes = report.summary.classes
    return [name for name in (*CLASS_ORDER, *sorted(classes.keys() - set(CLASS_ORDER))) if name in classes]


def _class_bars(report: Report) -> Iterator[Bar]:
    """Each class beside the biggest: what is held by something, and what could be had back."""
    classes = report.summary.classes
    biggest = max((one.size_bytes or 0 for one in classes.values()), default=0)
    for name in _classes(report):
        one = classes[name]
        if one.size_bytes is None or one.reclaimable_bytes is None or not biggest:
            told = UNKNOWN if one.size_bytes is None else size(one.size_bytes)
            yield Bar(words(name), told, ())
            continue
        free = min(one.reclaimable_bytes, one.size_bytes)
        told = f"{size(one.size_bytes)}, {size(one.reclaimable_bytes)} reclaimable"
        parts = (("used", 100 * (one.size_bytes - free) / biggest), ("free", 100 * free / biggest))
        yield Bar(words(name), told, parts)


def _verdict_bar(report: Report) -> tuple[tuple[str, float], ...]:
    counts = verdict_counts(report)
    total = sum(counts.values())
    return tuple((verdict.value, 100 * number / total) for verdict, number in counts.items() if number)


def _candidate(row: Judged, report: Report) -> tuple[str, str, str, str, str]:
    """Kind, name, what removing it alone frees, how long it has been idle, and why it may go."""
    since = row.idle_since_at or row.unused_since_at
    return (
        words(row.kind.value),
        known_as(row),
        size(row.unique_bytes),
        age(since, report.ended_at),
        row.reasons[0].detail,
    )
