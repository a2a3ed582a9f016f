"""Figures as a person reads them: IEC units, local time with its zone, and `unknown` where there is none."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, tzinfo

from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.observation import Availability
from hygiene_core.model.report import Finding, Report, Severity, Status, WarmBuilder, WarmImage
from hygiene_core.model.resource import Kind
from hygiene_core.model.sizes import iec_size
from hygiene_core.model.text import plain

__all__ = [
    "CLASS_ORDER",
    "NOT_APPLICABLE",
    "SECTION_INCOMPLETE",
    "SEVERITY_ORDER",
    "UNKNOWN",
    "WARM_LISTED",
    "age",
    "amount",
    "attention_sentence",
    "biggest_candidates",
    "compared",
    "count",
    "duration",
    "known_as",
    "listed_findings",
    "local_time",
    "reclaimable_in_all",
    "share",
    "short",
    "size",
    "space_terms",
    "unseen",
    "verdict_counts",
    "warm",
    "words",
]

UNKNOWN = "unknown"
"""What every format says of a figure that could not be had."""
NOT_APPLICABLE = "-"
"""What every format says where there is nothing to know."""
WARM_LISTED = 12
"""How many warm builders and images in good order are listed by name."""

CLASS_ORDER = ("images", "containers", "volumes", "build_cache")
SECTION_INCOMPLETE = "SECTION_INCOMPLETE"
"""The code of the finding that a section was not seen in full; `decide.findings` gives it."""
SEVERITY_ORDER = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)

_NAME_LIMIT = 300
_WORTH_NAMING_BYTES = 1024**2
"""A deleted file that holds less is no answer to a full disk."""
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def size(figure_bytes: float | None) -> str:
    """Bytes in IEC units: `8.0 GiB`, `0 B`, `unknown`."""
    return UNKNOWN if figure_bytes is None else iec_size(figure_bytes)


def count(figure: int | None) -> str:
    """A whole number with its thousands set apart, or `unknown`."""
    return UNKNOWN if figure is None else f"{figure:,}"


def amount(figure: float | None, unit: str | None) -> str:
    """A finding's figure in its unit: `bytes`, `percent`, or a plain number."""
    if figure is None:
        return UNKNOWN
    if unit == "bytes":
        return size(figure)
    if unit == "percent":
        return f"{figure:.1f} %"
    return f"{figure:,}"


def compared(found: Finding) -> tuple[str, str]:
    """A finding's figure and limit; to the last byte where rounding would make two figures look like one."""
    if found.figure is None and found.limit is None:
        return "", ""
    figure = amount(found.figure, found.unit)
    limit = "" if found.limit is None else amount(found.limit, found.unit)
    if figure == limit and found.figure != found.limit:
        return f"{found.figure:,} {found.unit}", f"{found.limit:,} {found.unit}"
    return figure, limit


def share(part: int | None, whole: int | None) -> str:
    """`66 %`, rounded down, or `unknown`."""
    if part is None or whole is None or whole <= 0:
        return UNKNOWN
    return f"{100 * part // whole} %"


def duration(span: timedelta) -> str:
    """A span in its largest whole unit, rounded down: `14 d`, `5 h`, `3 min`, `under 1 min`."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if span >= unit:
            return f"{span // unit:,} {name}"
    return "under 1 min"


def age(since_at: datetime | None, now_at: datetime) -> str:
    """How long ago that was, or a dash where nothing says."""
    return "-" if since_at is None else duration(now_at - since_at)


def local_time(at: datetime, zone: tzinfo) -> str:
    """A moment to the minute in the reader's zone, which is named."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def words(name: str) -> str:
    """A code-like name (`build_cache`, `in_use`) as a person writes it."""
    return plain(name, _NAME_LIMIT).replace("_", " ")


def short(identity: str) -> str:
    """An image's or container's id as Docker's own lists show it."""
    return plain(identity.removeprefix("sha256:")[:12])


def known_as(row: Judged) -> str:
    """What a person calls a resource; images and containers without a name go by their short id."""
    if row.name == row.id and row.kind in {Kind.IMAGE, Kind.CONTAINER}:
        return f"{short(row.id)} (untagged)" if row.kind is Kind.IMAGE else short(row.id)
    return row.name


def listed_findings(report: Report) -> list[Finding]:
    """Findings worst first, otherwise in the order they were found.

    What a format says of the sections that were not seen is left out: one dead engine would fill the list
    with the same sentence.
    """
    told = {name for names, _, _ in unseen(report) for name in names}
    rows = [one for one in report.findings if one.code != SECTION_INCOMPLETE or one.subject not in told]
    return sorted(rows, key=lambda found: SEVERITY_ORDER.index(found.severity))


def unseen(report: Report) -> list[tuple[list[str], Availability, str]]:
    """Sections that are not complete: (names, availability, reason); one entry for each distinct cause."""
    groups: dict[tuple[Availability, str], list[str]] = {}
    for name, section in report.sections.items():
        if section.availability is not Availability.COMPLETE:
            cause = (section.availability, section.reason or "no reason was recorded")
            groups.setdefault(cause, []).append(name)
    return [(names, availability, reason) for (availability, reason), names in groups.items()]


def verdict_counts(report: Report) -> dict[Verdict, int]:
    """How many resources have each verdict, strongest verdict first, zeros included."""
    counted = Counter(row.verdict for row in report.resources)
    return {verdict: counted[verdict] for verdict in Verdict}


def biggest_candidates(report: Report, most: int | None) -> list[Judged]:
    """Candidates by what each alone would free, unknown figures last; at most `most`."""
    rows = [row for row in report.resources if row.verdict is Verdict.CANDIDATE]
    rows.sort(
        key=lambda row: (row.unique_bytes is None, -(row.unique_bytes or 0), row.kind, row.name, row.id)
    )
    return rows[:most]


def warm(report: Report, most_good: int) -> tuple[list[WarmBuilder], list[WarmImage], int]:
    """What is kept warm: all that is not as it should be, `most_good` of the rest, and how many are left out.

    A glob in the policy may keep hundreds of images; none of those that are there needs a line.
    """
    summary = report.summary
    good = {id(one) for one in summary.warm_builders if one.state == "running"}
    good |= {id(one) for one in summary.warm_images if one.present}
    listed = [one for one in (*summary.warm_builders, *summary.warm_images) if id(one) in good][:most_good]
    kept = {id(one) for one in listed}

    def wanted(one: WarmBuilder | WarmImage) -> bool:
        return id(one) in kept or id(one) not in good

    builders = [one for one in summary.warm_builders if wanted(one)]
    images = [one for one in summary.warm_images if wanted(one)]
    return builders, images, len(good) - len(listed)


def attention_sentence(report: Report) -> str:
    """What the status means, in one or two sentences."""
    counted = Counter(found.severity for found in listed_findings(report))
    serious = {one: counted[one] for one in SEVERITY_ORDER[:2] if counted[one]}
    total = sum(serious.values())
    told = []
    if missing := sum(len(names) for names, _, _ in unseen(report)):
        told.append(f"{missing} of {len(report.sections)} sections could not be read in full.")
    if total:
        each = ", ".join(f"{number} {one}" for one, number in serious.items())
        told.append(f"{total} {'finding needs' if total == 1 else 'findings need'} attention: {each}.")
    if not told:
        told.append(
            "Nothing needs attention." if report.status is Status.HEALTHY else "No cause was recorded."
        )
    return " ".join(told)


def space_terms(report: Report) -> list[tuple[str, str]]:
    """What takes the space of the data root's filesystem, biggest first, and what nothing accounts for."""
    summary = report.summary
    if not summary.accounted:
        return []
    order = sorted(summary.accounted.items(), key=lambda term: (term[1] is None, -(term[1] or 0), term[0]))
    rows = [(words(name), size(held)) for name, held in order if held != 0]
    use = report.data_root_use
    rows += [
        (f"deleted, but open in {plain(one.process, 40)} ({one.pid})", size(one.size_bytes))
        for one in (use.deleted if use else ())
        if one.size_bytes >= _WORTH_NAMING_BYTES
    ]
    return [*rows, ("not accounted for", size(summary.unaccounted_bytes))]


def reclaimable_in_all(report: Report) -> str:
    """The total; where a class is not known, the sum of the others as the least it can be."""
    summary = report.summary
    if summary.docker_reclaimable_bytes is not None:
        return size(summary.docker_reclaimable_bytes)
    known = [one.reclaimable_bytes for one in summary.classes.values() if one.reclaimable_bytes is not None]
    missing = [words(name) for name, one in summary.classes.items() if one.reclaimable_bytes is None]
    if not known or not missing:
        return UNKNOWN
    return f"{UNKNOWN}, at least {size(sum(known))} without {' and '.join(missing)}"
