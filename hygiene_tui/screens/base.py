"""What every screen has: the line about the host, a line for messages, the line of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from hygiene_tui.head import head
from hygiene_tui.widgets.cells import fit
from hygiene_tui.widgets.key_bar import KeyBar
from hygiene_tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from hygiene_tui.app import Console

__all__ = ["Head", "HostScreen"]


class Head(Widget):
    """The line about the host."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Head { height: 1; dock: top; background: $primary-background; color: $text; text-style: bold; }
    Head:ansi, Head:nocolor { background: ansi_default; color: ansi_default; text-style: bold reverse; }
    """

    text: reactive[str] = reactive("")
    """What the line says."""

    def on_mount(self) -> None:
        """Say it."""
        self.bring_up_to_date()

    def on_resize(self) -> None:
        """There may be room for more."""
        self.bring_up_to_date()

    def bring_up_to_date(self) -> None:
        """Say it anew, for ages grow; where nothing is different nothing is sent to the terminal."""
        console = cast("Console", self.app)
        self.text = head(
            console.session.host_name,
            console.look,
            console.now(),
            console.fresh,
            self.size.width,
            demo=console.session.options.demo,
            ascii_only=console.glyphs.ascii_only,
        )

    def render_line(self, y: int) -> Strip:
        """The line."""
        ascii_only = cast("Console", self.app).glyphs.ascii_only
        line = fit(f" {self.text}" if y == 0 else "", self.size.width, ascii_only=ascii_only)
        return Strip([Segment(line, self.rich_style)])


class HostScreen(Screen[None]):
    """A screen about the host. `compose_body` gives what is its own; `show_look` is called for each look."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "app.go('inventory')", "Inventory", id="go.inventory"),
        Binding("b", "app.go('builders')", "Builders", id="go.builders"),
        Binding("f", "app.go('findings')", "Findings", id="go.findings"),
        Binding("r,f5", "app.refresh_look", "Look again", id="look.again"),
        Binding("question_mark", "app.help", "Help", id="help", key_display="?"),
        Binding("q", "app.back", "Quit", id="back"),
        Binding("escape", "app.back", "Back", id="back.escape", show=False),
    ]
    title_word: ClassVar[str] = ""
    help_text: ClassVar[str] = ""

    @property
    def console(self) -> Console:
        """The application."""
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        """The frame around what a screen shows."""
        self.set_class(self.console.glyphs.ascii_only, "-ascii")
        yield Head()
        yield from self.compose_body()
        yield StatusLine(glyphs=self.console.glyphs)
        yield KeyBar(glyphs=self.console.glyphs)

    def compose_body(self) -> ComposeResult:
        """What is the screen's own."""
        yield from ()

    def on_screen_resume(self) -> None:
        """Show what is known now: another screen may have looked meanwhile."""
        self.show_look()

    def show_look(self) -> None:
        """Show the look that the console holds."""

    def say(self, text: str, severity: str = "info") -> None:
        """One line for a person, until the next key."""
        self.query_one(StatusLine).say(text, severity)
