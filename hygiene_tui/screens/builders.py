"""Every builder: what it is, what it holds against its budget, when it was last used."""

from __future__ import annotations

from datetime import datetime, tzinfo

from textual import on
from textual.app import ComposeResult
from textual.containers import Container

from hygiene_core.report.figures import NOT_APPLICABLE, UNKNOWN, age, count, local_time, size
from hygiene_tui.builders import BuilderLine, builder_lines
from hygiene_tui.evidence import evidence
from hygiene_tui.screens.base import HostScreen
from hygiene_tui.screens.pane import Pane
from hygiene_tui.widgets.bar import bar
from hygiene_tui.widgets.columns import Column
from hygiene_tui.widgets.item_table import Cell, ItemTable

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


class BuildersScreen(HostScreen):
    """Warm builders first."""

    title_word = "Builders"
    help_text = """\
Every builder: warm ones that the policy keeps, the one in the Engine, plain ones, and orphans that nobody \
owns. CACHE is what its own, unshared records hold; the bar compares it with the budget, if it has one."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[BuilderLine] = []

    def compose_body(self) -> ComposeResult:
        """The list, and the evidence of the builder under the cursor."""
        with Container(id="split"):
            yield ItemTable(_COLUMNS, self._cell, glyphs=self.console.glyphs, empty="there is no builder")
            yield Pane(glyphs=self.console.glyphs, id="evidence")

    def on_mount(self) -> None:
        """The list has the keys."""
        self.query_one(ItemTable).focus()

    def show_look(self) -> None:
        """Show the look that the console holds."""
        look = self.console.look
        if look is None:
            return
        self._lines = builder_lines(look)
        table = self.query_one(ItemTable)
        table.set_rows(range(len(self._lines)))
        table.rows_changed()
        self._read()

    def _cell(self, number: int, key: str) -> Cell:
        line = self._lines[number]
        if key == "sort" and line.sort == "orphan":
            return line.sort, "warn"
        cells = {
            "name": line.name,
            "sort": line.sort,
            "state": line.state,
            "cache": size(line.cache_bytes),
            "budget": self._bar(line),
            "used": _ago(line.last_build_at, self.console.now()),
            "records": count(line.records),
            "version": line.version or UNKNOWN,
        }
        return cells[key]

    def _bar(self, line: BuilderLine) -> str:
        if line.max_bytes is None:
            return "no budget"
        return bar(line.cache_bytes, line.max_bytes, _BAR, ascii_only=self.console.glyphs.ascii_only)

    @on(ItemTable.Moved)
    def _read(self) -> None:
        look, number = self.console.look, self.query_one(ItemTable).number
        if look is None or number is None:
            self.query_one(Pane).show([])
            return
        line = self._lines[number]
        told = [
            ("builder", f"{line.name}, {line.sort}, {line.state}"),
            ("cache", f"{size(line.cache_bytes)} of its own in {count(line.records)} records"),
            ("budget", _budget(line)),
            ("last build", _moment(line.last_build_at, self.console.now(), self.console.zone)),
            ("builds", f"{count(line.running_builds)} run now"),
        ]
        more = evidence(look.inventory.detail(line.row), self.console.now(), self.console.zone)
        self.query_one(Pane).show([*told, *((one.label, one.text) for one in more)])

    @on(ItemTable.Opened)
    def _open(self) -> None:
        self.query_one(Pane).focus()


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
