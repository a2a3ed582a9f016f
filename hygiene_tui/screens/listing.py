"""A screen that is one list, with all of the row under the cursor in a pane."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Container

from hygiene_tui.screens.base import HostScreen
from hygiene_tui.screens.pane import Pane
from hygiene_tui.session import Look
from hygiene_tui.widgets.columns import Column
from hygiene_tui.widgets.item_table import Cell, ItemTable

__all__ = ["ListScreen", "Told"]

Row = TypeVar("Row")
Told = list[tuple[str, str]]


class ListScreen(HostScreen, Generic[Row]):
    """What a screen of one list has in common: it says what its rows are, and what to tell of one."""

    columns: ClassVar[Sequence[Column]] = ()
    nothing: ClassVar[str] = ""
    """What an empty list says, if the host was seen."""

    def __init__(self) -> None:
        super().__init__()
        self._listed: Sequence[Row] = ()

    @abstractmethod
    def rows_of(self, look: Look) -> Sequence[Row]:
        """The rows of a look, in order."""

    @abstractmethod
    def cell(self, row: Row, key: str) -> Cell:
        """What stands in a column of a row."""

    @abstractmethod
    def told_of(self, row: Row, look: Look) -> Told:
        """All that is known of a row, as labelled lines."""

    def compose_body(self) -> ComposeResult:
        """The list and the pane."""
        with Container(id="split"):
            yield ItemTable(
                self.columns,
                lambda number, key: self.cell(self._listed[number], key),
                glyphs=self.console.glyphs,
                empty="the host was not looked at yet",
            )
            yield Pane(glyphs=self.console.glyphs, id="evidence")

    def on_mount(self) -> None:
        """The list has the keys."""
        self.query_one(ItemTable).focus()

    def show_look(self) -> None:
        """Show the look that the console holds; what was not seen is not called nothing."""
        look = self.console.look
        if look is None:
            return
        self._listed = self.rows_of(look)
        table = self.query_one(ItemTable)
        table.empty = f"the Engine could not be read: {look.unread}" if look.unread else self.nothing
        table.set_rows(range(len(self._listed)))
        table.rows_changed()
        self._tell()

    @on(ItemTable.Moved)
    def _tell(self) -> None:
        look, number = self.console.look, self.query_one(ItemTable).number
        told: Told = []
        if look is not None and number is not None:
            told = self.told_of(self._listed[number], look)
        self.query_one(Pane).show(told)

    @on(ItemTable.Opened)
    def _open(self) -> None:
        self.query_one(Pane).focus()
