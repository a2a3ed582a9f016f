"""A report as one HTML file: no script, nothing from elsewhere, readable on a phone and on paper.

Text from a host is escaped by the template engine, which does so for every value that it is given.
"""

from __future__ import annotations

from datetime import tzinfo
from functools import cache
from importlib import resources as packaged
from typing import TYPE_CHECKING, Any

from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.report import Report, WarmImage
from hygiene_core.model.text import plain
from hygiene_core.report.acts import apply_rows, back_rows, left_out
from hygiene_core.report.bars import class_bars, classes_in_order, disk_bars, keys, verdict_parts
from hygiene_core.report.builders import budget_told, builder_rows
from hygiene_core.report.figures import (
    NOT_APPLICABLE,
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
from hygiene_core.report.run_caches import run_cache_rows
from hygiene_core.report.runners import runner_rows, workdir_total
from hygiene_core.report.tools import tool_rows

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["CANDIDATES", "render"]

CANDIDATES = 200
"""How many candidates are listed unless asked otherwise: a phone has to scroll through them."""

_NAME_LIMIT = 300
_TEXT_LIMIT = 2000


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
        applied=apply_rows(report, zone),
        back=list(back_rows(report)),
        more_back=left_out(report),
        **_bars(report),
        totals={
            "Reclaimable in all": reclaimable_in_all(report),
            "Orphan BuildKit containers": count(report.summary.orphan_buildkit_containers),
            "Orphan BuildKit state volumes": count(report.summary.orphan_buildkit_volumes),
            "Runner work directories": workdir_total(report),
            "All candidates together": size(report.summary.candidate_bytes),
        },
        verdicts=verdict_parts(report),
        counts=verdict_counts(report),
        space=space_terms(report),
        warm_builders=[(one, budget_told(one) or NOT_APPLICABLE) for one in builders],
        warm_images=[(one, *_presence(one)) for one in images],
        more_warm=more_warm,
        builders=list(builder_rows(report)),
        runners=list(runner_rows(report)),
        run_caches=list(run_cache_rows(report)),
        tools=list(tool_rows(report)),
        candidates=[_candidate(row, report) for row in biggest_candidates(report, resources)],
        candidate_count=verdict_counts(report)[Verdict.CANDIDATE],
    )
    return page if page.endswith("\n") else f"{page}\n"


def _bars(report: Report) -> dict[str, Any]:
    """The disks and the classes, each with the key to its bars and the rows beside them."""
    disks, classes = list(disk_bars(report)), list(class_bars(report))
    free = report.summary.free_disk_bytes
    return {
        "disks": disks,
        "disk_keys": keys(disks, "disk"),
        "disk_rows": report.filesystems,
        "free_disk": size(free) if free is None or not disks else None,
        "class_bars": classes,
        "class_keys": keys(classes, "class"),
        "classes": classes_in_order(report),
    }


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - not for the other formats

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {
        "text": lambda text: plain(str(text), _TEXT_LIMIT),
        "name": lambda text: plain(str(text), _NAME_LIMIT),
        "size": size,
        "count": count,
        "words": words,
        "share": share,
    }
    source = packaged.files("hygiene_core.report").joinpath("report.html.j2").read_text(encoding="utf-8")
    return made.from_string(source)


def _presence(kept: WarmImage) -> tuple[str, str]:
    """A warm image's state and its short id."""
    if kept.present is None:
        return UNKNOWN, UNKNOWN
    if not kept.present:
        return "missing", NOT_APPLICABLE
    return "present", short(kept.id) if kept.id else UNKNOWN


def _candidate(row: Judged, report: Report) -> tuple[str, str, str, str, list[str]]:
    """Kind, name, what removing it alone frees, how long it has been idle, and all that says it may go."""
    since = row.idle_since_at or row.unused_since_at
    return (
        words(row.kind.value),
        known_as(row),
        size(row.unique_bytes),
        age(since, report.ended_at),
        [reason.detail for reason in row.reasons],
    )
