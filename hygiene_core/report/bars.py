"""The bars of the HTML report: shares of a width, each with the words that say the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from hygiene_core.model.observation import Filesystem
from hygiene_core.model.report import ClassSummary, Report
from hygiene_core.report.figures import CLASS_ORDER, size, verdict_counts, words

__all__ = ["Bar", "class_bars", "classes_in_order", "disk_bars", "keys", "verdict_parts"]

_DATA_ROOT = "data_root"
_LOW = "FREE_BYTES_LOW"
"""The code of the finding that the data root's filesystem has less free than asked; `decide` gives it."""
_WORDS = {
    "used": "used",
    "rest": "kept for the system",
    "empty": "free",
    "mark": "limit: the least that the policy wants free",
    "held": "in use",
    "reclaimable": "reclaimable: nothing uses it",
    "candidate": "candidate: a rule would let it go",
    "unsplit": "size known, not what of it is reclaimable",
}
_DISK_KEYS = frozenset({"used", "rest", "empty"})
_CLASS_KEYS = frozenset({"held", "reclaimable", "candidate"})


@dataclass(frozen=True, slots=True)
class Bar:
    """One horizontal bar.

    `parts` are (name of its pattern, share of the width in percent), `None` where nothing is known: an empty
    bar would say zero. `mark` is where the limit stands, in
    percent from the left, `None` where there is none.
    """

    name: str
    told: str
    parts: tuple[tuple[str, float], ...] | None
    mark: float | None = None


def keys(bars: Iterable[Bar], sort: Literal["disk", "class"]) -> list[tuple[str, str]]:
    """Patterns with their words: all the usual ones of `disk` or `class` bars, and what else is drawn."""
    drawn: set[str] = set()
    for bar in bars:
        if bar.parts is None:
            continue
        drawn |= _DISK_KEYS if sort == "disk" else _CLASS_KEYS
        drawn |= {part for part, _ in bar.parts}
        drawn |= {"mark"} if bar.mark is not None else set()
    return [(name, told) for name, told in _WORDS.items() if name in drawn]


def disk_bars(report: Report) -> Iterator[Bar]:
    """Each disk once, whatever lies on it, with the limit on the one that holds the data root."""
    seen: set[int] = set()
    for disk in report.filesystems:
        if disk.device in seen or not disk.total_bytes:
            continue
        seen.add(disk.device)
        on_it = [one for one in report.filesystems if one.device == disk.device]
        root = next((one for one in on_it if one.role == _DATA_ROOT), None)
        shown = root or disk
        used = _percent(shown.used_bytes, shown.total_bytes)
        rest = max(0.0, 100 - used - _percent(shown.free_bytes, shown.total_bytes))
        told = f"{size(shown.free_bytes)} of {size(shown.total_bytes)} free"
        limit, limit_told = _limit(report, root) if root else (None, "")
        yield Bar(
            ", ".join(words(one.role) for one in on_it),
            told + limit_told,
            tuple((part, width) for part, width in (("used", used), ("rest", rest)) if width),
            # What is free lies at the right end.
            mark=None if limit is None else 100 - _percent(limit, shown.total_bytes),
        )


def _limit(report: Report, root: Filesystem) -> tuple[int | None, str]:
    """The least free space that the policy asks, and the words for it."""
    limits = report.policy.limits
    if limits is not None:
        asked = limits.min_free_bytes
    else:  # stored before limits were kept: only a limit that was undercut is known
        broken = (one.limit for one in report.findings if one.code == _LOW and one.subject == root.path)
        asked = next((int(one) for one in broken if one is not None), None)
        if asked is None:
            return None, "; limit unknown"
    if asked is None:
        return None, "; no limit is set"
    kept = "below" if root.free_bytes < asked else "above"
    return asked, f", {kept} the limit of {size(asked)}"


def classes_in_order(report: Report) -> list[tuple[str, ClassSummary]]:
    """The classes, those that every report has first."""
    classes = report.summary.classes
    order = (*CLASS_ORDER, *sorted(classes.keys() - set(CLASS_ORDER)))
    return [(name, classes[name]) for name in order if name in classes]


def class_bars(report: Report) -> Iterator[Bar]:
    """Each class beside the biggest: what is in use, what could be had back, and what a rule would let go."""
    classes = classes_in_order(report)
    biggest = max((one.size_bytes or 0 for _, one in classes), default=0)
    for name, one in classes:
        told = (
            f"{size(one.size_bytes)}, reclaimable {size(one.reclaimable_bytes)}, "
            f"candidates {size(one.candidate_bytes)}"
        )
        parts = tuple((part, _percent(held, biggest)) for part, held in _split(one) if held)
        yield Bar(words(name), told, None if one.size_bytes is None else parts)


def _split(one: ClassSummary) -> tuple[tuple[str, int], ...]:
    whole = max(0, one.size_bytes or 0)
    if one.reclaimable_bytes is None:
        return (("unsplit", whole),)
    loose = min(max(0, one.reclaimable_bytes), whole)
    going = min(max(0, one.candidate_bytes or 0), loose)
    return (("held", whole - loose), ("reclaimable", loose - going), ("candidate", going))


def verdict_parts(report: Report) -> tuple[tuple[str, float], ...]:
    """How the resources divide by verdict, strongest first."""
    counts = verdict_counts(report)
    total = sum(counts.values())
    return tuple((verdict.value, _percent(number, total)) for verdict, number in counts.items() if number)


def _percent(part: float, whole: float) -> float:
    return min(100.0, max(0.0, 100 * part / whole)) if whole else 0.0
