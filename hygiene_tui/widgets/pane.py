"""A pane of text that can be scrolled: what is known of the row under the cursor."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

__all__ = ["Pane"]

_LABEL = 13


class Pane(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Labelled lines, wrapped at the width of the pane. Nothing in them is interpreted."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("pagedown,ctrl+d", "page_down", "Page down", show=False),
        Binding("pageup,ctrl+u", "page_up", "Page up", show=False),
        Binding("home,g", "scroll_home", "First", show=False),
        Binding("end,G", "scroll_end", "Last", show=False),
    ]
    DEFAULT_CSS = """
    Pane { scrollbar-size-vertical: 1; padding: 0 1; }
    Pane > Static { width: 1fr; height: auto; }
    """

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static("", markup=False)

    def show(self, lines: list[tuple[str, str]]) -> None:
        """Show labelled lines; a line without a label goes on from the one above."""
        text = Text(no_wrap=False, overflow="fold")
        for number, (label, said) in enumerate(lines):
            text.append(("\n" if number else "") + f"{label:<{_LABEL}}", style="bold" if label else "")
            text.append(said)
        self.query_one(Static).update(text)
        self.scroll_home(animate=False)
