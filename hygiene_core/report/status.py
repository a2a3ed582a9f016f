"""One screen about a host, from its newest stored run: for somebody who has just logged in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo

from hygiene_core.model.judgement import Verdict
from hygiene_core.model.report import Report, Severity, Status
from hygiene_core.model.text import plain
from hygiene_core.report.acts import status_word
from hygiene_core.report.builders import builder_rows
from hygiene_core.report.figures import (
    attention_sentence,
    compared,
    count,
    duration,
    listed_findings,
    local_time,
    reclaimable_in_all,
    share,
    short,
    size,
    unseen,
    verdict_counts,
    warm,
    words,
)
from hygiene_core.report.layout import Ink, wrap
from hygiene_core.report.runners import runner_rows

__all__ = ["OLD", "is_old", "render"]

OLD = timedelta(days=2)
"""A report that is older tells little of the host as it is."""

_FINDINGS = 5
"""How many findings are told; with their wrapped lines they fit a terminal of 24 lines."""

_LINES_EACH = 2
_NAME_LIMIT = 300
_LABEL = 14
_INKS = {Status.HEALTHY: "good", Status.ATTENTION: "warn", Status.INCOMPLETE: "bad"}


def is_old(report: Report, now: datetime) -> bool:
    """Whether the newest run is too old to be relied on."""
    return now - report.ended_at >= OLD


def render(report: Report, *, now: datetime, width: int = 80, color: bool = False, zone: tzinfo) -> str:
    """At most 24 lines in 80 columns, ended by a newline.

    Args:
        report: the newest stored run of the host.
        now: the present, aware.
        width: terminal cells in a line.
        color: whether to add SGR colour.
        zone: the reader's time zone.
    """
    ink = Ink(color)
    ago = f"{duration(max(timedelta(0), now - report.ended_at))} ago"
    top = f"{plain(report.host.name, _NAME_LIMIT)}  {report.status.upper()}"
    lines = [
        ink(top, _INKS[report.status]),
        f"Looked at {ago}, {local_time(report.ended_at, zone)}.",
        *wrap(attention_sentence(report), width),
    ]
    if is_old(report, now):
        lines.append(ink(f"This is older than {OLD.days} days: look anew.", "warn"))
    lines += ["", *_findings(report, width, ink)]
    facts = {
        "Free disk": _disk(report),
        "Reclaimable": reclaimable_in_all(report),
        "Candidates": _candidates(report),
        "Kept warm": _warm(report),
        "Builders": _counted(row.sort for row in builder_rows(report)),
        "Runners": _counted(row.state for row in runner_rows(report)),
        "Last apply": _last_apply(report, now),
        "Evidence": f"run {short(report.run_id)}",
        "Next": f"hygiene report{'' if is_old(report, now) else f' --at {short(report.run_id)}'}",
    }
    for name, told in facts.items():
        if told:
            lines += wrap(told, width, first=f"{name:<{_LABEL}}")
    return "\n".join(lines) + "\n"


def _findings(report: Report, width: int, ink: Ink) -> list[str]:
    found = [one for one in listed_findings(report) if one.severity is not Severity.INFO]
    told: list[tuple[str, str]] = [
        (one.severity.value, f"{plain(one.message, _NAME_LIMIT)}{_figures(*compared(one))}") for one in found
    ]
    told += [
        ("not seen", f"{', '.join(words(name) for name in names)}: {plain(why, _NAME_LIMIT)}")
        for names, _, why in unseen(report)
    ]
    lines: list[str] = []
    for label, text in told[:_FINDINGS]:
        wrapped = wrap(text, width, first=f"  {label:<10}")
        if len(wrapped) > _LINES_EACH:
            wrapped = [*wrapped[: _LINES_EACH - 1], wrapped[_LINES_EACH - 1][: width - 2] + " …"]
        inked = "bad" if label == Severity.CRITICAL.value else "warn"
        lines += [wrapped[0].replace(label, ink(label, inked), 1), *wrapped[1:]]
    if len(told) > _FINDINGS:
        lines.append(f"  and {len(told) - _FINDINGS} more")
    return [*lines, ""] if lines else []


def _figures(figure: str, limit: str) -> str:
    if not figure:
        return ""
    return f": {figure}, limit {limit}" if limit else f": {figure}"


def _disk(report: Report) -> str:
    root = next((one for one in report.filesystems if one.role == "data_root"), None)
    if root is None:
        return size(report.summary.free_disk_bytes)
    inodes = "" if root.total_inodes is None else f", {share(root.free_inodes, root.total_inodes)} of inodes"
    free = share(root.free_bytes, root.total_bytes)
    return f"{size(root.free_bytes)} of {size(root.total_bytes)} ({free}){inodes}"


def _candidates(report: Report) -> str:
    number = verdict_counts(report)[Verdict.CANDIDATE]
    return f"{count(number)}, together {size(report.summary.candidate_bytes)}"


def _warm(report: Report) -> str:
    """What is kept warm and is not as it should be; else how many are."""
    builders, images, left_out = warm(report, 0)
    wrong = [f"builder {plain(one.name, _NAME_LIMIT)} {plain(one.state, 40)}" for one in builders]
    wrong += [
        f"image {plain(one.name, _NAME_LIMIT)} {'unknown' if one.present is None else 'missing'}"
        for one in images
    ]
    good = f"{count(left_out)} as they should be" if left_out else ""
    return "; ".join([*wrong, *([good] if good else [])])


def _last_apply(report: Report, now: datetime) -> str:
    """When the last apply was, how it ended and what it freed; nothing where none is known."""
    last = report.acts.last if report.acts else None
    if last is None:
        return ""
    ago = duration(max(timedelta(0), now - last.began_at))
    return f"{ago} ago, {plain(status_word(last), 60)}, freed {size(last.freed_bytes)}"


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(Counter(names).items()))
