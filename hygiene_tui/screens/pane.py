"""A pane of text that can be scrolled: what is known of the row under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.markup import escape
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from hygiene_core.report.layout import wrap
from hygiene_tui.widgets.cells import shown
from hygiene_tui.widgets.glyphs import Glyphs

__all__ = ["Pane"]

_LABEL = 15
_LEAST = 20


class Pane(VerticalScroll, can_focus=True, inherit_bindings=False):
    """Labelled lines, wrapped at the width of the pane. Nothing in them is interpreted.

    Where there are more lines than fit, its title tells which are in view.

    Args:
        glyphs: the signs that the terminal can show.
    """

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
    Pane { scrollbar-size: 0 0; padding: 0 1; }
    Pane > Static { width: 1fr; height: auto; }
    """

    def __init__(
        self,
        *,
        glyphs: Glyphs | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own name
    ) -> None:
        super().__init__(id=id)
        self._pn_glyphs = glyphs or Glyphs()
        self._pn_height = 0
        self.title = ""
        self._pn_lines: tuple[tuple[str | None, str], ...] = ()

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static("", markup=False)

    title: str
    """What stands in the border, if it has one."""

    def show(self, lines: Sequence[tuple[str | None, str]]) -> None:
        """Show lines from the top.

        Args:
            lines: each with what it is about: an empty label goes on from the line above, `None` is for text
                that takes the whole width.
        """
        if tuple(lines) != self._pn_lines:
            self._pn_lines = tuple(lines)
            self._pn_lay_out()
        self.scroll_home(animate=False)

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._pn_lay_out()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell which lines are in view."""
        super().watch_scroll_y(old_value, new_value)
        self._pn_entitle()

    def _pn_entitle(self) -> None:
        room = self.scrollable_content_region.height
        top = int(self.scroll_y)
        more = f"lines {top + 1}-{min(top + room, self._pn_height)} of {self._pn_height}"
        parts = [self.title] if self.title else []
        if self._pn_height > room:
            parts.append(more)
        self.border_title = escape(", ".join(parts))

    def _pn_lay_out(self) -> None:
        width = max(_LEAST, self.scrollable_content_region.width)
        text = Text(no_wrap=True)
        for label, told in self._pn_lines:
            said = shown(told, ascii_only=self._pn_glyphs.ascii_only)
            first = "" if label is None else f"{label:<{_LABEL}}"
            rows = wrap(said, width, first, " " * len(first)) if said or first.strip() else [""]
            for number, row in enumerate(rows):
                text.append("\n" if text else "")
                head = 0 if number or not label else len(first)
                text.append(row[:head], style="bold")
                text.append(row[head:])
        self._pn_height = text.plain.count("\n") + 1
        self.query_one(Static).update(text)
        self._pn_entitle()
