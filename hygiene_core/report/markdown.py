"""A report as Markdown that reads well as a GitHub job summary. A pure function of the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import tzinfo

from hygiene_core.model.judgement import Verdict
from hygiene_core.model.report import Report
from hygiene_core.model.text import plain
from hygiene_core.report.acts import apply_rows, back_rows, left_out
from hygiene_core.report.builders import budget_told, builder_rows
from hygiene_core.report.figures import (
    CLASS_ORDER,
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
from hygiene_core.report.tools import NONE_KNOWN, tool_rows

__all__ = ["CANDIDATES", "markdown_cell", "markdown_text", "render"]

CANDIDATES = 50
"""How many candidates are listed unless asked otherwise: GitHub cuts a summary off at 1 MiB."""

_NAME_LIMIT = 200
_TEXT_LIMIT = 2000
_MARKUP = re.compile(r"([\\`*_\[\]<>|~$!])|^([#+-])|&")
# GitHub makes links of these after Markdown is done, so that a backslash does not help: mentions, addresses,
# bare links, issue numbers, emoji names. A zero-width space inside breaks them and is not seen.
_LINKED = re.compile(r"@(?=\w)|:(?=//)|(?<=\bwww)(?=\.)|#(?=\d)|:(?=[\w+-]+:)|\bGH-(?=\d)", re.IGNORECASE)
_BREAK = "&#8203;"
_NOT_NAMES = {UNKNOWN, NOT_APPLICABLE, NONE_KNOWN}
"""Our own words in a column of names, which are no code."""


def markdown_cell(text: str, limit: int = _NAME_LIMIT) -> str:
    r"""A host's text as a code span that holds inside a table: nothing in it is markup, a link or a mention.

    A pipe after a backslash is read differently by different parsers, so it is shown as `\x7c`.
    """
    shown = plain(text, limit).replace(r"\|", r"\\x7c").replace("|", r"\|")
    if not shown:
        return "(empty)"
    runs = [len(run) for run in re.findall("`+", shown)]
    fence = "`" * (max(runs, default=0) + 1)
    # CommonMark takes one space away at both ends if both have one: give it those to take.
    air = " " if not shown.isspace() and (shown[0] in "` " or shown[-1] in "` ") else ""
    return f"{fence}{air}{shown}{air}{fence}"


def markdown_text(text: str, limit: int | None = _TEXT_LIMIT) -> str:
    """A sentence that may quote a host, as running text in which nothing is markup, a link or a mention."""
    escaped = _MARKUP.sub(_escape, plain(text, limit).strip())
    return _LINKED.sub(lambda found: found.group() + _BREAK, escaped)


def _escape(found: re.Match[str]) -> str:
    return "&amp;" if found.group() == "&" else f"\\{found.group()}"


def _table(titles: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """Titles stand between spaces; `>` before one aligns its column right, `_` is a space in it."""
    names = titles.split()
    rule = ["---:" if name.startswith(">") else "---" for name in names]
    lines = [[name.removeprefix(">").replace("_", " ") for name in names], rule, *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def render(report: Report, *, resources: int | None = CANDIDATES, zone: tzinfo) -> str:
    """The whole report as GitHub-flavoured Markdown that ends in a newline.

    Args:
        report: the stored run.
        resources: how many of the biggest candidates to list, `None` for all.
        zone: the reader's time zone.
    """
    blocks = [
        _top(report, zone),
        _findings(report),
        _unseen(report),
        _applied(report, zone),
        _back(report),
        _disk(report),
        _classes(report),
        _space(report),
        _warm(report),
        _builders(report),
        _runners(report),
        _run_caches(report),
        _toolchain(report),
        _candidates(report, resources),
        _foot(report),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _top(report: Report, zone: tzinfo) -> list[str]:
    engine = report.host.engine
    seen = "Docker not seen" if engine is None else f"Docker {markdown_cell(engine.version)}"
    facts = [
        markdown_text(local_time(report.ended_at, zone)),
        seen,
        f"hygiene {markdown_cell(report.tool_version)}",
        f"run {markdown_cell(report.run_id)}",
    ]
    return [
        f"## {markdown_cell(report.host.name)}: {report.status.upper()}",
        "",
        f"**{attention_sentence(report)}**",
        "",
        ", ".join(facts),
    ]


def _findings(report: Report) -> list[str]:
    rows = []
    for found in listed_findings(report):
        named = found.subject and found.subject not in found.message
        subject = f"{markdown_cell(found.subject or '')} " if named else ""
        figure, limit = compared(found)
        severity = found.severity.value if found.severity == "info" else f"**{found.severity.value}**"
        told = f"{subject}{markdown_text(found.message)} ({markdown_cell(found.code)})"
        step = markdown_cell(found.next_step) if found.next_step else ""
        rows.append([severity, told, figure, limit, step])
    return ["### Findings", "", *_table("Severity Finding >Figure >Limit Next_step", rows)] if rows else []


def _unseen(report: Report) -> list[str]:
    rows = [
        [markdown_text(", ".join(words(name) for name in names)), availability.value, markdown_text(reason)]
        for names, availability, reason in unseen(report)
    ]
    return (
        ["### Not seen, or not in full (`SECTION_INCOMPLETE`)", "", *_table("Section Seen Why", rows)]
        if rows
        else []
    )


def _applied(report: Report, zone: tzinfo) -> list[str]:
    rows = [f"- {label}: {markdown_text(told)}" for label, told in apply_rows(report, zone)]
    return ["### Last apply", "", *rows] if rows else []


def _back(report: Report) -> list[str]:
    rows = [[row.kind, markdown_cell(row.name), row.held, row.removed, row.back] for row in back_rows(report)]
    if not rows:
        return []
    title = "### Came back after it was removed"
    lines = [title, "", *_table("Kind Again >Holds >Removed >Back", rows)]
    more = left_out(report)
    return [*lines, "", f"And {more:,} more."] if more else lines


def _disk(report: Report) -> list[str]:
    rows = [
        [
            markdown_text(words(one.role)),
            size(one.free_bytes),
            size(one.total_bytes),
            share(one.free_bytes, one.total_bytes),
            "not counted" if one.total_inodes is None else share(one.free_inodes, one.total_inodes),
            markdown_cell(one.path),
        ]
        for one in report.filesystems
    ]
    free = report.summary.free_disk_bytes
    lines = ["### Disk", ""]
    if free is None:
        lines += [f"Free disk of Docker's data root: {UNKNOWN}.", ""]
    return [*lines, *_table("Role >Free >Total >Free_% >Inodes_free Path", rows)] if rows else lines[:-1]


def _classes(report: Report) -> list[str]:
    summary = report.summary
    order = [*CLASS_ORDER, *sorted(summary.classes.keys() - set(CLASS_ORDER))]
    rows = [
        [
            markdown_text(words(name)),
            count(one.count),
            count(one.active_count),
            size(one.size_bytes),
            size(one.reclaimable_bytes),
            markdown_text(one.availability),
        ]
        for name in order
        if (one := summary.classes.get(name)) is not None
    ]
    return [
        "### Docker",
        "",
        *_table("Class >Count >Active >Size >Reclaimable Seen", rows),
        "",
        f"- Reclaimable in all: {reclaimable_in_all(report)}",
        f"- Orphan BuildKit containers: {count(summary.orphan_buildkit_containers)}",
        f"- Orphan BuildKit state volumes: {count(summary.orphan_buildkit_volumes)}",
        f"- Runner work directories: {workdir_total(report)}",
    ]


def _space(report: Report) -> list[str]:
    rows = [[markdown_text(name), held] for name, held in space_terms(report)]
    title = "### Where the data root's disk went"
    return [title, "", *_table("What_takes_the_space >Holds", rows)] if rows else []


def _warm(report: Report) -> list[str]:
    builders, images, more = warm(report, WARM_LISTED)
    rows = []
    for one in builders:
        state = markdown_text(one.state)
        shown = state if state == "running" else f"**{state}**"
        rows.append(["builder", markdown_cell(one.name), shown, budget_told(one)])
    for kept in images:
        state = {True: "present", False: "**missing**", None: f"**{UNKNOWN}**"}[kept.present]
        identity = markdown_cell(short(kept.id)) if kept.id else ""
        rows.append(["image", markdown_cell(kept.name), state, identity])
    if not rows:
        return []
    lines = ["### Kept warm", "", *_table("What Name State Details", rows)]
    return [*lines, "", f"And {more:,} more, all as they should be."] if more else lines


def _builders(report: Report) -> list[str]:
    rows = [
        [
            markdown_cell(row.name),
            f"**{row.sort}**" if row.sort == "orphan" else row.sort,
            markdown_cell(row.state),
            markdown_cell(row.version),
            row.records,
            row.cache,
            row.builds,
        ]
        for row in builder_rows(report)
    ]
    titles = "Builder Sort State Version >Records >Cache >Builds"
    return ["### Builders", "", *_table(titles, rows)] if rows else []


def _runners(report: Report) -> list[str]:
    rows = [
        [
            markdown_cell(row.name),
            markdown_cell(row.agent),
            markdown_cell(row.user),
            row.credentials,
            row.state,
            row.held,
            row.changed,
        ]
        for row in runner_rows(report)
    ]
    titles = "Runner Agent User Credentials State >Holds >Changed"
    return ["### Runners", "", *_table(titles, rows)] if rows else []


def _run_caches(report: Report) -> list[str]:
    found = list(run_cache_rows(report))
    if not found:
        return []
    rows = [[markdown_cell(row.name), row.runs, row.held, row.oldest, *row.ages] for row in found]
    ages = " ".join(f">{title.capitalize().replace(' ', '_')}" for title in found[0].titles)
    return ["### Run caches", "", *_table(f"Cache >Runs >Holds >Oldest {ages}", rows)]


def _toolchain(report: Report) -> list[str]:
    rows = [
        [
            markdown_cell(one.name),
            *(
                cell if cell in _NOT_NAMES else markdown_cell(cell)
                for cell in (one.version, one.path, one.package)
            ),
        ]
        for one in tool_rows(report)
    ]
    return ["### Toolchain", "", *_table("Tool Version Path Package", rows)] if rows else []


def _candidates(report: Report, most: int | None) -> list[str]:
    counts = verdict_counts(report)
    lines = ["### Resources", ""]
    if not report.resources and unseen(report):
        return [*lines, "None was seen. What could not be read is said above."]
    told = ", ".join(f"{words(verdict)} {number:,}" for verdict, number in counts.items())
    lines += [f"{len(report.resources):,} seen: {told}."]
    shown = biggest_candidates(report, most)
    if not shown:
        return lines
    total = counts[Verdict.CANDIDATE]
    listed = f"the biggest {len(shown):,} of {total:,}" if total > len(shown) else f"{total:,}"
    rows = [
        [
            size(row.unique_bytes),
            words(row.kind),
            markdown_cell(known_as(row)),
            age(row.idle_since_at or row.unused_since_at, report.ended_at),
            markdown_text("; ".join(reason.detail for reason in row.reasons)),
        ]
        for row in shown
    ]
    freed = size(report.summary.candidate_bytes)
    return [
        *lines,
        "",
        f"<details><summary>Candidates: {listed}; all together would free {freed}</summary>",
        "",
        *_table(">Frees Kind Name >Idle Why", rows),
        "",
        "</details>",
    ]


def _foot(report: Report) -> list[str]:
    policy = report.policy
    source = markdown_cell(policy.source) if policy.source else "built-in defaults"
    return [f"Policy {source}: {markdown_text(policy.sentence, None)}"]
