"""Every builder: what it is, what it holds against its budget, when it was last used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from hygiene_core.report.figures import NOT_APPLICABLE, UNKNOWN, age, count, local_time, size
from hygiene_tui.builders import BuilderLine, builder_lines
from hygiene_tui.evidence import evidence
from hygiene_tui.screens.listing import ListScreen, Told
from hygiene_tui.session import Look
from hygiene_tui.widgets.bar import bar
from hygiene_tui.widgets.columns import Column
from hygiene_tui.widgets.item_table import Cell

__all__ = ["BuildersScreen"]

_BAR = 10
_COLUMNS = (
    Column("name", "BUILDER"),
    Column("sort", "SORT", 8),
    Column("state", "STATE", 13, least_width=70),
    Column("cache", "CACHE", 10, "right"),
    Column("budget", "OF BUDGET", _BAR),
    Column("used", "LAST BUILD", 10, "right"),
    Column("records", "RECORDS", 8, "right", least_width=100),
    Column("version", "VERSION", 12, least_width=100),
)


class BuildersScreen(ListScreen[BuilderLine]):
    """Warm builders first."""

    title_word = "Builders"
    columns = _COLUMNS
    nothing = "there is no builder"
    help_text = """\
Every builder: warm ones that the policy keeps, the one in the Engine, plain ones, and orphans that nobody \
owns. CACHE is what its own, unshared records hold; the bar compares it with the budget, if it has one."""

    def rows_of(self, look: Look) -> Sequence[BuilderLine]:
        """The builders."""
        return builder_lines(look)

    def cell(self, row: BuilderLine, key: str) -> Cell:
        """What stands in a column of a builder."""
        if key == "sort" and row.sort == "orphan":
            return row.sort, "warn"
        cells = {
            "name": row.name,
            "sort": row.sort,
            "state": row.state,
            "cache": size(row.cache_bytes),
            "budget": self._bar(row),
            "used": _ago(row.last_build_at, self.console.now()),
            "records": count(row.records),
            "version": row.version or UNKNOWN,
        }
        return cells[key]

    def _bar(self, line: BuilderLine) -> str:
        if line.max_bytes is None:
            return "no budget"
        return bar(line.cache_bytes, line.max_bytes, _BAR, ascii_only=self.console.glyphs.ascii_only)

    def told_of(self, row: BuilderLine, look: Look) -> Told:
        """What it holds and does, then why it is kept."""
        now, zone = self.console.now(), self.console.zone
        told = [
            ("builder", f"{row.name}, {row.sort}, {row.state}"),
            ("cache", f"{size(row.cache_bytes)} of its own in {count(row.records)} records"),
            ("budget", _budget(row)),
            ("last build", _moment(row.last_build_at, now, zone)),
            ("builds", f"{count(row.running_builds)} run now"),
        ]
        more = evidence(look.inventory.detail(row.row), now, zone)
        return [*told, *((one.label, one.text) for one in more)]


def _budget(line: BuilderLine) -> str:
    if line.max_bytes is None:
        return "none that the last look tells of"
    kept = "" if line.reserved_bytes is None else f", never under {size(line.reserved_bytes)}"
    return f"at most {size(line.max_bytes)}{kept}"


def _ago(told: str | None, now: datetime) -> str:
    return NOT_APPLICABLE if told is None else age(datetime.fromisoformat(told), now)


def _moment(told: str | None, now: datetime, zone: tzinfo) -> str:
    if told is None:
        return UNKNOWN
    return f"{local_time(datetime.fromisoformat(told), zone)}, {_ago(told, now)} ago"
