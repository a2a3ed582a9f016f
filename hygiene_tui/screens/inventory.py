"""Everything on the host in one list: what it is, whether it may go, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.timer import Timer
from textual.widgets import Input, Static

from hygiene_core.report.figures import NOT_APPLICABLE, duration, size, words
from hygiene_tui.evidence import evidence, to_text
from hygiene_tui.inventory import GROUPS, SORTS, Group, Inventory, Order, Tab
from hygiene_tui.query import Query, parse
from hygiene_tui.screens.base import HostScreen
from hygiene_tui.screens.pane import Pane
from hygiene_tui.widgets.columns import Column
from hygiene_tui.widgets.item_table import Cell, ItemTable, Tone

__all__ = ["InventoryScreen"]

_SHORT_ID = 12
_SETTLE_SECONDS = 0.1
"""How long the cursor has to stay on a row before its evidence is read: holding a key sends less."""

_COLUMNS = (
    Column("verdict", "VERDICT", 11),
    Column("kind", "KIND", 9, least_width=70),
    Column("name", "NAME"),
    Column("size", "SIZE", 10, "right"),
    Column("idle", "IDLE", 6, "right"),
    Column("age", "KNOWN", 6, "right", least_width=132),
    Column("rule", "RULE", 20, least_width=92),
    Column("id", "ID", _SHORT_ID, least_width=132),
)
_TABS = tuple(Tab)
_TONES: dict[str, Tone] = {"candidate": "warn", "protected": "good", "unknown": "bad"}


class InventoryScreen(HostScreen):
    """The list with its class tabs, and the evidence of the row under the cursor beside or below it."""

    title_word = "Inventory"
    help_text = """\
Every image, container, volume, cache record, builder and runner directory, with its verdict and the \
rule that decided. The pane shows why. SIZE is what removing it alone would free.

Type / and words to narrow the list. All of them have to be in the name, the id or the rule. Also:
kind:image   verdict:candidate   size>1GiB   size<10MiB   idle>30d   -word (without it)"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", id="list.filter", key_display="/"),
        Binding("S", "sort", "Sort", id="list.sort"),
        Binding("R", "reverse", "Reverse", id="list.reverse", show=False),
        Binding("t", "group", "Group", id="list.group"),
        *(
            Binding(str(number), f"tab({number})", tab.value.capitalize(), id=f"tab.{number}", show=False)
            for number, tab in enumerate(_TABS)
        ),
        Binding("y", "copy_id", "Copy id", id="copy.id", show=False),
        Binding("Y", "copy_evidence", "Copy the evidence", id="copy.evidence", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="inventory")
        self._tab = Tab.ALL
        self._order = Order()
        self._query = Query()
        self._grouped = GROUPS[0]
        self._groups: list[Group] = []
        self._opened: str | None = None
        self._pending: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """Tabs, filter, list and evidence."""
        yield Static("", id="tabs", markup=False)
        filter_line = Input(placeholder="words, kind:, verdict:, size>, idle>", id="filter", compact=True)
        filter_line.display = False
        yield filter_line
        with Container(id="split"):
            yield ItemTable(_COLUMNS, self._cell, glyphs=self.console.glyphs, id="items")
            yield Pane(glyphs=self.console.glyphs, id="evidence")

    def on_mount(self) -> None:
        """Show the last look at once."""
        self._table.focus()
        self.show_look()

    @property
    def _table(self) -> ItemTable:
        return self.query_one(ItemTable)

    @property
    def _seen(self) -> Inventory | None:
        return self.console.look.inventory if self.console.look else None

    # -- what is shown -------------------------------------------------------------------------------------

    def show_look(self) -> None:
        """Show the look that the console holds, with the filter and the order that were chosen."""
        seen = self._seen
        if seen is None:
            self._table.empty = "looking at the host for the first time"
            return
        rows = seen.select(self._tab, self._query, self._order, self.console.now())
        self._groups = []
        if self._grouped != GROUPS[0] and self._opened is None:
            self._groups = seen.groups(rows, self._grouped)
            shown: list[int] = list(range(len(self._groups)))
        elif self._opened is not None:
            shown = next(
                (list(g.rows) for g in seen.groups(rows, self._grouped) if g.name == self._opened), []
            )
        else:
            shown = rows
        self._table.empty = self._nothing(seen)
        self._table.sorted_by = (self._order.by, self._is_down())
        self._table.set_rows(shown)
        self._table.rows_changed()
        self._show_tabs(seen, len(rows))
        self._read_soon()

    def _nothing(self, seen: Inventory) -> str:
        """What an empty list says: nothing that was not seen is called nothing."""
        if len(seen):
            return "nothing is like that"
        unread = self.console.look.unread if self.console.look else None
        return f"the Engine could not be read: {unread}" if unread else "there is nothing on this host"

    def _is_down(self) -> bool:
        return (self._order.by in {"size", "idle", "age"}) is not self._order.reverse

    def _show_tabs(self, seen: Inventory, shown: int) -> None:
        counts = seen.counts()
        told = [
            f"[{number}:{tab.value} {counts[tab.value]}]"
            if tab is self._tab
            else f"{number}:{tab.value} {counts[tab.value]}"
            for number, tab in enumerate(_TABS)
            if counts[tab.value] or tab is self._tab
        ]
        if not self._query.is_empty:
            told.append(f"({shown:,} match)")
        if self._grouped != GROUPS[0]:
            of = f": {self._opened or 'none'}" if self._opened is not None else ""
            told.append(f"by {self._grouped}{of}")
        self.query_one("#tabs", Static).update(" ".join(told))

    def _cell(self, number: int, key: str) -> Cell:
        seen = self._seen
        if seen is None:
            return ""
        return (
            self._group_cell(self._groups[number], key) if self._groups else self._row_cell(seen, number, key)
        )

    def _row_cell(self, seen: Inventory, number: int, key: str) -> Cell:
        now = self.console.now()
        match key:
            case "verdict":
                verdict = str(seen.columns["verdict"][number])
                sign = str(self.console.glyphs.verdict(verdict))
                return (sign, _TONES[verdict]) if verdict in _TONES else sign
            case "kind":
                kind = str(seen.columns["kind"][number])
                cell = _KIND_WORDS.get(kind, words(kind))
            case "size":
                cell = size(seen.size_bytes(number))
            case "idle":
                cell = _days(seen.idle(number, now))
            case "age":
                cell = _days(seen.age(number, now))
            case "id":
                cell = str(seen.columns["id"][number]).removeprefix("sha256:")[:_SHORT_ID]
            case _:
                cell = str(seen.columns[key][number])
        return cell

    def _group_cell(self, group: Group, key: str) -> Cell:
        match key:
            case "name":
                return group.name or "(none)"
            case "size":
                return size(group.size_bytes)
            case "rule":
                return f"{group.unknown} of unknown size" if group.unknown else ""
            case "kind":
                return f"{len(group.rows):,}"
            case _:
                return ""

    # -- the evidence --------------------------------------------------------------------------------------

    @on(ItemTable.Moved)
    def _moved(self) -> None:
        self._read_soon()

    def _read_soon(self) -> None:
        if self._pending is not None:
            self._pending.stop()
        self._pending = self.set_timer(_SETTLE_SECONDS, self._read_evidence)

    def _read_evidence(self) -> None:
        self.query_one(Pane).show(self._evidence())

    def _evidence(self) -> list[tuple[str, str]]:
        seen, number = self._seen, self._table.number
        if seen is None or number is None:
            return []
        if self._groups:
            group = self._groups[number]
            return [
                ("group", group.name or "(none)"),
                ("rows", f"{len(group.rows):,}"),
                ("", "Enter opens it."),
            ]
        lines = evidence(seen.detail(number), self.console.now(), self.console.zone)
        return [(line.label, line.text) for line in lines]

    # -- keys ----------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Type what the list is narrowed to."""
        line = self.query_one("#filter", Input)
        line.display = True
        line.focus()

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        self._query = parse(event.value)
        if self._query.problem:
            self.say(self._query.problem, "warning")
        self.show_look()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.leave_filter()

    def leave_filter(self, *, clear: bool = False) -> None:
        """Back to the list; what was typed stays, unless it is cleared."""
        line = self.query_one("#filter", Input)
        if clear:
            line.value = ""
        line.display = bool(line.value)
        self._table.focus()

    def back(self) -> bool:
        """Leave the filter, then the group; whether there was anything to leave."""
        line = self.query_one("#filter", Input)
        if line.has_focus or line.value:
            self.leave_filter(clear=True)
        elif self._opened is not None:
            self._opened = None
            self.show_look()
        elif self._grouped != GROUPS[0]:
            self._grouped = GROUPS[0]
            self.show_look()
        else:
            return False
        return True

    @on(ItemTable.Opened)
    def _open(self, event: ItemTable.Opened) -> None:
        if self._groups:
            self._opened = self._groups[event.number].name
            self.show_look()
        else:
            self.query_one(Pane).focus()

    @on(ItemTable.HeaderClicked)
    def _sort_clicked(self, event: ItemTable.HeaderClicked) -> None:
        if event.key in SORTS:
            same = event.key == self._order.by
            self._order = Order(event.key, reverse=not self._order.reverse if same else False)
            self.show_look()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._order = Order(SORTS[(SORTS.index(self._order.by) + 1) % len(SORTS)])
        self.show_look()
        self.say(f"sorted by {self._order.by}")

    def action_reverse(self) -> None:
        """Turn the order."""
        self._order = Order(self._order.by, reverse=not self._order.reverse)
        self.show_look()

    def action_group(self) -> None:
        """Gather the rows by the next thing: builder, repository, compose project."""
        self._grouped = GROUPS[(GROUPS.index(self._grouped) + 1) % len(GROUPS)]
        self._opened = None
        self.show_look()

    def action_tab(self, number: int) -> None:
        """Show one class."""
        self._tab = _TABS[number]
        self.show_look()

    def action_copy_id(self) -> None:
        """Copy the id of the row, by way of the terminal (OSC 52)."""
        seen, number = self._seen, self._table.number
        if seen is not None and number is not None and not self._groups:
            self.app.copy_to_clipboard(str(seen.columns["id"][number]))
            self.say("the id was sent to the terminal's clipboard")

    def action_copy_evidence(self) -> None:
        """Copy what the pane shows."""
        seen, number = self._seen, self._table.number
        if seen is not None and number is not None and not self._groups:
            self.app.copy_to_clipboard(
                to_text(evidence(seen.detail(number), self.console.now(), self.console.zone))
            )
            self.say("the evidence was sent to the terminal's clipboard")


_KIND_WORDS = {"build_cache": "cache", "runner_workdir": "workdir"}


def _days(span: timedelta | None) -> str:
    if span is None:
        return NOT_APPLICABLE
    return duration(span) if span >= timedelta(minutes=1) else "now"
