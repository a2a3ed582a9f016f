"""What is wrong on the host: figure against limit, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Container

from hygiene_core.report.figures import amount
from hygiene_tui.screens.base import HostScreen
from hygiene_tui.screens.pane import Pane
from hygiene_tui.widgets.columns import Column
from hygiene_tui.widgets.item_table import Cell, ItemTable, Tone

__all__ = ["FindingsScreen", "worst"]

_ORDER = ("critical", "warning", "info")
_TONES: dict[str, Tone] = {"critical": "bad", "warning": "warn"}
_COLUMNS = (
    Column("severity", "SEVERITY", 11),
    Column("code", "CODE", 26, least_width=70),
    Column("message", "WHAT"),
)


def worst(findings: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Findings, the worst first."""
    return sorted(findings, key=lambda one: _ORDER.index(one["severity"]))


class FindingsScreen(HostScreen):
    """The worst first."""

    title_word = "Findings"
    help_text = """\
What asks for attention, the worst first, with its figure and the limit of the policy, and the command to \
go on with. docs/reference/findings.md says of each code what it means and what mends it."""

    def __init__(self) -> None:
        super().__init__()
        self._found: list[Mapping[str, Any]] = []

    def compose_body(self) -> ComposeResult:
        """The list, and all of the finding under the cursor."""
        with Container(id="split"):
            yield ItemTable(_COLUMNS, self._cell, glyphs=self.console.glyphs, empty="nothing was found wrong")
            yield Pane(glyphs=self.console.glyphs, id="evidence")

    def on_mount(self) -> None:
        """The list has the keys."""
        self.query_one(ItemTable).focus()

    def show_look(self) -> None:
        """Show the look that the console holds."""
        look = self.console.look
        if look is None:
            return
        self._found = worst(look.report["findings"])
        table = self.query_one(ItemTable)
        table.set_rows(range(len(self._found)))
        table.rows_changed()
        self._read()

    def _cell(self, number: int, key: str) -> Cell:
        found = self._found[number]
        match key:
            case "severity":
                sign = str(self.console.glyphs.severity(found["severity"]))
                return (sign, _TONES[found["severity"]]) if found["severity"] in _TONES else sign
            case "code":
                return str(found["code"])
            case _:
                return str(found["message"])

    @on(ItemTable.Moved)
    def _read(self) -> None:
        number = self.query_one(ItemTable).number
        if number is None:
            self.query_one(Pane).show([])
            return
        found = self._found[number]
        told = [("what", found["message"]), ("code", found["code"])]
        if found["subject"]:
            told.append(("about", found["subject"]))
        if found["figure"] is not None:
            limit = (
                "" if found["limit"] is None else f", the limit is {amount(found['limit'], found['unit'])}"
            )
            told.append(("figure", f"{amount(found['figure'], found['unit'])}{limit}"))
        if found["next_step"]:
            told.append(("next", found["next_step"]))
        self.query_one(Pane).show(told)

    @on(ItemTable.Opened)
    def _open(self) -> None:
        self.query_one(Pane).focus()
