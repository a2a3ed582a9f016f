"""A report for a person at a terminal: what needs attention first, then the figures, then what was not seen.

It is a pure function of the report. Colour repeats what a word already says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.observation import Availability, Filesystem
from hygiene_core.model.report import ClassSummary, Finding, Report, Severity, Status, WarmBuilder, WarmImage
from hygiene_core.model.text import plain
from hygiene_core.report.acts import acts_blocks
from hygiene_core.report.builders import budget_told, builder_rows
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
from hygiene_core.report.layout import Column, Ink, Painted, table, wrap
from hygiene_core.report.run_caches import run_cache_rows
from hygiene_core.report.runners import runner_rows, workdir_total
from hygiene_core.report.tools import tool_rows

__all__ = ["CANDIDATES", "render", "render_attention"]

CANDIDATES = 10
"""How many candidates are listed unless a caller asks for another number."""

_NARROWEST = 60
_WIDE = 100
_NAME_LIMIT = 300
_TEXT_LIMIT = 1000
_INDENT = "  "
_STATUS_INK = {Status.HEALTHY: "good", Status.ATTENTION: "warn", Status.INCOMPLETE: "bad"}
_SEVERITY_INK = {Severity.CRITICAL: "bad", Severity.WARNING: "warn", Severity.INFO: ""}


@dataclass(frozen=True, slots=True)
class _Page:
    report: Report
    width: int
    zone: tzinfo
    ink: Ink

    @property
    def wide(self) -> bool:
        return self.width >= _WIDE

    def head(self, text: str) -> str:
        return self.ink(text, "head")


def render(
    report: Report,
    *,
    width: int = 80,
    color: bool = False,
    resources: int | None = CANDIDATES,
    zone: tzinfo,
) -> str:
    """The whole report as text that ends in a newline.

    Args:
        report: the stored run.
        width: terminal cells in a line; under 60 counts as 60.
        color: whether to add SGR colour.
        resources: how many of the biggest candidates to list, `None` for all.
        zone: the reader's time zone.
    """
    page = _Page(report, max(width, _NARROWEST), zone, Ink(color))
    blocks = [
        _top(page),
        _findings(page, listed_findings(report)),
        _unseen(page),
        *acts_blocks(report, page.width, zone, page.ink),
        _disk(page),
        _classes(page),
        _space(page),
        _warm(page),
        _builders(page),
        _runners(page),
        _run_caches(page),
        _toolchain(page),
        _resources(page, resources),
        _foot(page),
    ]
    return _joined(blocks)


def render_attention(report: Report, *, width: int = 80, color: bool = False, zone: tzinfo) -> str:
    """Only what needs attention; the empty string for a healthy host, so that cron has nothing to mail."""
    serious = [found for found in listed_findings(report) if found.severity is not Severity.INFO]
    if report.status is Status.HEALTHY and not serious:
        return ""
    page = _Page(report, max(width, _NARROWEST), zone, Ink(color))
    return _joined([_top(page), _findings(page, serious), _unseen(page), [f"Evidence: run {_run(page)}"]])


def _joined(blocks: list[list[str]]) -> str:
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _run(page: _Page) -> str:
    return plain(page.report.run_id)


def _top(page: _Page) -> list[str]:
    report = page.report
    name = plain(report.host.name, _NAME_LIMIT)
    hostname = plain(report.host.hostname or "", _NAME_LIMIT)
    engine = report.host.engine
    parts = [
        name if hostname in {"", name} else f"{name} ({hostname})",
        report.status.upper(),
        local_time(report.ended_at, page.zone),
        "Docker not seen" if engine is None else f"Docker {plain(engine.version, 60)}",
    ]
    lines = wrap(_INDENT.join(parts), page.width, rest=_INDENT)
    status = report.status.upper()
    lines = [line.replace(status, page.ink(status, _STATUS_INK[report.status]), 1) for line in lines]
    return [*lines, *wrap(attention_sentence(report), page.width)]


def _findings(page: _Page, findings: list[Finding]) -> list[str]:
    if not findings:
        return []
    lines = [page.head("Findings")]
    for found in findings:
        lines += _finding(page, found)
    return lines


def _finding(page: _Page, found: Finding) -> list[str]:
    word = found.severity.upper() if found.severity is Severity.CRITICAL else found.severity.value
    lead = f"{_INDENT}{word:<8}  "
    rest = " " * len(lead)
    message = plain(found.message, _TEXT_LIMIT)
    subject = plain(found.subject or "", _NAME_LIMIT)
    named = "" if subject in message else f"{subject}: "
    lines = wrap(f"{named}{message} [{plain(found.code, _TEXT_LIMIT)}]", page.width, first=lead)
    lines[0] = lines[0].replace(word, page.ink(word, _SEVERITY_INK[found.severity]), 1)
    figure, limit = compared(found)
    if figure:
        lines += wrap(f"{figure} against a limit of {limit}" if limit else figure, page.width, first=rest)
    if found.next_step:
        lines += wrap(plain(found.next_step, _TEXT_LIMIT), page.width, first=f"{rest}Next: ")
    return lines


def _unseen(page: _Page) -> list[str]:
    lines = []
    for names, availability, reason in unseen(page.report):
        told = f"{', '.join(words(name) for name in names)}: {availability}: {plain(reason, _TEXT_LIMIT)}"
        lines += wrap(told, page.width, first=_INDENT, rest=_INDENT * 2)
    return [page.head("Not seen, or not in full [SECTION_INCOMPLETE]"), *lines] if lines else []


def _inodes(page: _Page, one: Filesystem) -> str:
    if one.free_inodes is None or one.total_inodes is None:
        return "not counted"
    free = f"{share(one.free_inodes, one.total_inodes)} free"
    return f"{one.free_inodes:,} of {one.total_inodes:,}, {free}" if page.wide else free


def _disk(page: _Page) -> list[str]:
    report = page.report
    rows = [
        [
            words(one.role),
            f"{size(one.free_bytes)} ({share(one.free_bytes, one.total_bytes)})",
            size(one.total_bytes),
            _inodes(page, one),
            plain(one.path, _NAME_LIMIT),
        ]
        for one in report.filesystems
    ]
    titles = [Column("ROLE", flexible=True), Column("FREE", right=True), Column("TOTAL", right=True)]
    columns = [*titles, Column("INODES", right=True), Column("PATH", flexible=True)]
    lines = [page.head("Disk")]
    if rows:
        lines += table(columns, rows, page.width, page.ink)
    if report.summary.free_disk_bytes is None:
        engine = report.host.engine
        why = plain(engine.data_root_reason or "", _TEXT_LIMIT) if engine else ""
        told = f"Free disk of Docker's data root: {UNKNOWN}{f' ({why})' if why else ''}."
        lines += wrap(told, page.width, first=_INDENT)
    return lines


def _engine_columns(page: _Page) -> bool:
    """Whether there is room for the Engine's own figures, and any to show."""
    return page.wide and any(one.engine for one in page.report.summary.classes.values())


def _engine_says(figure_bytes: int | None) -> str:
    return "not given" if figure_bytes is None else size(figure_bytes)


def _class_row(page: _Page, name: str, one: ClassSummary) -> list[str | Painted]:
    seen = plain(one.availability)
    row: list[str | Painted] = [
        words(name),
        count(one.count),
        count(one.active_count),
        size(one.size_bytes),
        size(one.reclaimable_bytes),
    ]
    if _engine_columns(page):
        said = one.engine
        row += [_engine_says(said.size_bytes if said else None)]
        row += [_engine_says(said.reclaimable_bytes if said else None)]
    return [*row, (seen, "" if seen == Availability.COMPLETE else "bad")]


def _classes(page: _Page) -> list[str]:
    summary = page.report.summary
    order = [*CLASS_ORDER, *sorted(summary.classes.keys() - set(CLASS_ORDER))]
    rows = [_class_row(page, name, summary.classes[name]) for name in order if name in summary.classes]
    titles = ["COUNT", "ACTIVE", "SIZE", "RECLAIMABLE"]
    if _engine_columns(page):
        titles += ["ENGINE SIZE", "ENGINE RECLAIMABLE"]
    figures = [Column(title, right=True) for title in titles]
    columns = [Column("CLASS", flexible=True), *figures, Column("SEEN", flexible=True)]
    lines = [page.head("Docker"), *table(columns, rows, page.width, page.ink)]
    told = {
        "reclaimable in all": reclaimable_in_all(page.report),
        "orphan BuildKit containers": count(summary.orphan_buildkit_containers),
        "orphan BuildKit state volumes": count(summary.orphan_buildkit_volumes),
        "runner work directories": workdir_total(page.report),
    }
    for name, figure in told.items():
        lines += wrap(figure, page.width, first=f"{_INDENT}{name:<31}")
    return lines


def _space(page: _Page) -> list[str]:
    terms = space_terms(page.report)
    if not terms:
        return []
    rows: list[list[str | Painted]] = [[name, held] for name, held in terms]
    columns = [Column("WHAT TAKES THE SPACE", flexible=True), Column("HOLDS", right=True)]
    return [page.head("Where the data root's disk went"), *table(columns, rows, page.width, page.ink)]


def _builder_row(one: WarmBuilder) -> list[str | Painted]:
    state = plain(one.state, 40)
    ink = {"running": "good", UNKNOWN: "warn"}.get(state, "bad")
    shown: Painted = (state.upper() if ink == "bad" else state, ink)
    return ["builder", plain(one.name, _NAME_LIMIT), shown, budget_told(one)]


def _image_row(one: WarmImage) -> list[str | Painted]:
    state = {True: ("present", "good"), False: ("MISSING", "bad"), None: (UNKNOWN, "warn")}[one.present]
    return ["image", plain(one.name, _NAME_LIMIT), state, short(one.id or "")]


def _warm(page: _Page) -> list[str]:
    builders, images, more = warm(page.report, WARM_LISTED)
    rows = [_builder_row(one) for one in builders] + [_image_row(one) for one in images]
    if not rows:
        return []
    columns = (Column(""), *[Column("", flexible=True)] * 3)
    lines = [page.head("Kept warm"), *table(columns, rows, page.width, page.ink)]
    return [*lines, f"{_INDENT}and {more:,} more, all as they should be"] if more else lines


def _builders(page: _Page) -> list[str]:
    rows: list[list[str | Painted]] = [
        [
            plain(row.name, _NAME_LIMIT),
            (row.sort, "warn" if row.sort == "orphan" else ""),
            plain(row.state, 40),
            *((plain(row.version, 40),) if page.wide else ()),
            row.records,
            row.cache,
            row.builds,
        ]
        for row in builder_rows(page.report)
    ]
    columns = [Column("BUILDER", flexible=True), Column("SORT"), Column("STATE")]
    columns += [Column("VERSION")] if page.wide else []
    columns += [Column(title, right=True) for title in ("RECORDS", "CACHE", "BUILDS")]
    return [page.head("Builders"), *table(columns, rows, page.width, page.ink)] if rows else []


def _runners(page: _Page) -> list[str]:
    rows: list[list[str | Painted]] = [
        [
            plain(row.name, _NAME_LIMIT),
            plain(row.agent, _NAME_LIMIT),
            *((plain(row.user, 40), row.credentials) if page.wide else ()),
            row.state,
            row.held,
            row.changed,
        ]
        for row in runner_rows(page.report)
    ]
    columns = [Column("RUNNER", flexible=True), Column("AGENT", flexible=True)]
    columns += [Column("USER"), Column("CREDENTIALS")] if page.wide else []
    columns += [Column("STATE"), Column("HOLDS", right=True), Column("CHANGED", right=True)]
    return [page.head("Runners"), *table(columns, rows, page.width, page.ink)] if rows else []


def _run_caches(page: _Page) -> list[str]:
    found = list(run_cache_rows(page.report, wide=page.wide))
    if not found:
        return []
    rows: list[list[str | Painted]] = [
        [plain(row.name, _NAME_LIMIT), row.runs, row.held, row.oldest, *row.ages] for row in found
    ]
    titles = [
        "RUNS",
        "HOLDS",
        "OLDEST",
        *(title.upper().replace(" TO ", " TO\n") for title in found[0].titles),
    ]
    columns = [Column("CACHE", flexible=True), *(Column(title, right=True) for title in titles)]
    return [page.head("Run caches"), *table(columns, rows, page.width, page.ink)]


def _toolchain(page: _Page) -> list[str]:
    rows: list[list[str | Painted]] = [
        [plain(row.name, _NAME_LIMIT), plain(row.version, 40), plain(row.path, _NAME_LIMIT)]
        for row in tool_rows(page.report)
    ]
    columns = [Column("TOOL", flexible=True), Column("VERSION"), Column("PATH", flexible=True)]
    return [page.head("Toolchain"), *table(columns, rows, page.width, page.ink)] if rows else []


def _resources(page: _Page, most: int | None) -> list[str]:
    report = page.report
    counts = verdict_counts(report)
    lines = [page.head("Resources")]
    if not report.resources and unseen(report):
        return [*lines, f"{_INDENT}None was seen. What could not be read is said above."]
    told = ", ".join(f"{words(verdict)} {number:,}" for verdict, number in counts.items())
    lines += wrap(f"{len(report.resources):,} seen: {told}.", page.width, first=_INDENT)
    total = counts[Verdict.CANDIDATE]
    if not total:
        return lines
    shown = biggest_candidates(report, most)
    told = f"{total:,} {'candidate' if total == 1 else 'candidates together'}"
    lines += wrap(f"{told} would free {size(report.summary.candidate_bytes)}.", page.width, first=_INDENT)
    if shown:
        lines += ["", *_candidates(page, shown)]
    if total > len(shown):
        lines += [f"{_INDENT}and {total - len(shown):,} more"]
    return [*lines, f"{_INDENT}Why one of them: hygiene explain NAME"]


def _candidates(page: _Page, shown: list[Judged]) -> list[str]:
    columns = [Column("FREES", right=True), Column("KIND"), Column("CANDIDATE", flexible=True)]
    columns += [Column("IDLE", right=True), *([Column("WHY", flexible=True)] if page.wide else [])]
    rows = []
    for row in shown:
        cells = [size(row.unique_bytes), words(row.kind), plain(known_as(row), _NAME_LIMIT)]
        cells += [age(row.idle_since_at or row.unused_since_at, page.report.ended_at)]
        if page.wide:
            cells += ["; ".join(plain(reason.detail, _NAME_LIMIT) for reason in row.reasons)]
        rows.append(cells)
    return table(columns, rows, page.width, page.ink)


def _foot(page: _Page) -> list[str]:
    report = page.report
    policy = report.policy
    took = (report.ended_at - report.started_at).total_seconds()
    rows = [
        ("Policy", f"{plain(policy.source or 'built-in defaults')}: {plain(policy.sentence)}"),
        ("Evidence", f"run {_run(page)}, hygiene {plain(report.tool_version)}, took {took:.1f} s"),
    ]
    engine = report.host.engine
    if engine is not None:
        store = "/".join(plain(one, 60) for one in (engine.storage_driver, engine.image_store) if one)
        root = plain(engine.data_root or UNKNOWN, _NAME_LIMIT)
        proven = (
            "proven"
            if engine.proven_data_root
            else f"not proven ({plain(engine.data_root_reason or UNKNOWN, _TEXT_LIMIT)})"
        )
        told = f"API {plain(engine.api_used, 20)}, {store or UNKNOWN}, data root {root} {proven}"
        rows.insert(0, ("Engine", told))
    return [line for name, told in rows for line in wrap(told, page.width, first=f"{name:<10}")]
