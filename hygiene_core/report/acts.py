"""The last apply and what came back after one, as rows that every format shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

from hygiene_core.model.acts import Apply, CameBack
from hygiene_core.model.report import Report
from hygiene_core.model.text import plain
from hygiene_core.report.figures import UNKNOWN, age, count, local_time, short, size, words
from hygiene_core.report.layout import Column, Ink, Painted, table, wrap

__all__ = ["BACK_LISTED", "BackRow", "acts_blocks", "apply_rows", "back_rows", "left_out", "status_word"]

BACK_LISTED = 5
"""How many of the things that came back a person reads; the JSON document lists more."""

_SHOWN = 8
_INDENT = "  "
_LABEL = 21
_NAME_LIMIT = 300
_TEXT_LIMIT = 1000
_NAMES = {"build_cache": "cache record", "unknown": "other thing"}
_WORDS = {0: "done", 4: "incomplete", 5: "the host was busy", 130: "stopped", 143: "stopped"}


@dataclass(frozen=True, slots=True)
class BackRow:
    """One thing that came back, or a builder's records that were built again; names as the host gave them."""

    kind: str
    name: str
    held: str
    removed: str
    back: str


def apply_rows(report: Report, zone: tzinfo) -> list[tuple[str, str]]:
    """What there is to say of the last apply, each with its label; empty where it was not asked for."""
    acts = report.acts
    if acts is None:
        return []
    if acts.reason is not None:
        return [("last", f"{UNKNOWN} ({acts.reason})")]
    rows = [("last", "none is recorded")] if acts.last is None else _told(acts.last, zone)
    if acts.last_bounded is not None and acts.last_bounded != acts.last:
        well = acts.last_bounded
        rows.append(
            ("last that ended well", f"{local_time(well.began_at, zone)}, freed {size(well.freed_bytes)}")
        )
    if acts.busy and acts.busy_since_at is not None:
        times = "once" if acts.busy == 1 else f"{acts.busy} times"
        rows.append(("found the host busy", f"{times}, first at {local_time(acts.busy_since_at, zone)}"))
    rows += [("goes on", run[:_SHOWN]) for run in acts.running]
    rows += [("UNSETTLED", f"run {run[:_SHOWN]} was cut off: hygiene settle") for run in acts.unsettled]
    return rows


def _told(last: Apply, zone: tzinfo) -> list[tuple[str, str]]:
    counts = ", ".join(_counted(kind, number) for kind, number in sorted(last.removed.items()))
    who = f"run {last.run_id[:_SHOWN]}, asked for by {last.caller}"
    told = f"{last.mode}, {local_time(last.began_at, zone)}: {status_word(last)} ({who})"
    rows = [("last", told), ("removed", counts or "nothing")]
    if counts:
        figures = {"freed": last.freed_bytes, "claimed": last.claimed_bytes, "estimated": last.estimate_bytes}
        rows.append(("bytes", ", ".join(f"{name} {size(figure)}" for name, figure in figures.items())))
    if last.problems:
        rows.append(("PROBLEMS", f"{count(last.problems)}: hygiene acts {last.run_id[:_SHOWN]}"))
    return rows


def _counted(kind: str, number: int) -> str:
    name = _NAMES.get(kind, words(kind))
    return f"{count(number)} {name}{'' if number == 1 else 's'}"


def status_word(run: Apply) -> str:
    """How a run ended, in a word or two."""
    if run.exit_status is None:
        return "cut off"
    told = _WORDS.get(run.exit_status, "failed")
    return f"{told}, {run.halted}" if run.halted and run.exit_status not in {0, 5} else told


def back_rows(report: Report) -> Iterator[BackRow]:
    """The biggest things that came back, then the records that were built again."""
    acts, now = report.acts, report.ended_at
    if acts is None:
        return
    for one in acts.came_back[:BACK_LISTED]:
        yield BackRow(
            words(one.kind),
            _name(one),
            size(one.size_bytes),
            age(one.removed_at, now),
            UNKNOWN if one.back_since_at is None else age(one.back_since_at, now),
        )
    for again in acts.built_again:
        told = f"{count(again.count)} of {count(again.removed_count)} records of {again.builder}"
        yield BackRow("build cache", told, size(again.size_bytes), "-", "-")


def left_out(report: Report) -> int:
    """How many things came back besides those in the rows."""
    acts = report.acts
    return 0 if acts is None else acts.came_back_count - len(acts.came_back[:BACK_LISTED])


def _name(one: CameBack) -> str:
    return short(one.id) if one.name == one.id and one.kind in {"image", "container"} else one.name


def acts_blocks(report: Report, width: int, zone: tzinfo, ink: Ink) -> list[list[str]]:
    """The two blocks of the report for a terminal; an empty one where there is nothing to say."""
    told: list[str] = []
    for label, text in apply_rows(report, zone):
        told += wrap(plain(text, _TEXT_LIMIT), width, first=f"{_INDENT}{label:<{_LABEL}}")
    rows: list[list[str | Painted]] = [
        [row.kind, plain(row.name, _NAME_LIMIT), row.held, row.removed, row.back] for row in back_rows(report)
    ]
    columns = [Column("KIND"), Column("AGAIN", flexible=True)]
    columns += [Column(title, right=True) for title in ("HOLDS", "REMOVED", "BACK")]
    back = table(columns, rows, width, ink) if rows else []
    if more := left_out(report):
        back.append(f"{_INDENT}and {more:,} more")
    return [
        [ink("Last apply", "head"), *told] if told else [],
        [ink("Came back after it was removed", "head"), *back] if back else [],
    ]
