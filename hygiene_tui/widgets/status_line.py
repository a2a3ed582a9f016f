"""One line that says what just happened. It covers nothing, and is gone with the next key."""

from __future__ import annotations

from typing import Any

from rich.segment import Segment
from textual.app import App
from textual.events import Event, Key
from textual.reactive import reactive
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from hygiene_tui.widgets.cells import fit
from hygiene_tui.widgets.glyphs import Glyphs

__all__ = ["StatusLine", "note_key"]


class StatusLine(Widget):
    """A message of one line with the glyph and the word of its severity.

    It has the class `-empty` while it says nothing, so that a screen may hide it.

    Args:
        glyphs: the signs that the terminal can show.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    StatusLine {
        height: 1;
        &.-critical { color: $text-error; text-style: bold; }
        &.-warning { color: $text-warning; text-style: bold; }
    }
    """

    text: reactive[str] = reactive("")
    """What the line shows, its sign included."""

    def __init__(
        self,
        *,
        glyphs: Glyphs | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._sl_glyphs = glyphs or Glyphs()
        self._sl_timer: Timer | None = None
        self.add_class("-empty")

    def say(self, text: str, severity: str = "info", seconds: float | None = None) -> None:
        """Show a message until the next key, or for so many seconds if that is sooner.

        Args:
            text: anything; what a host wrote stays text.
            severity: `info`, `warning` or `critical`.
            seconds: how long at most; `None` for until the next key.
        """
        self.clear()
        sign = self._sl_glyphs.severity(severity)
        self.text = f"{sign}: {text}"
        self._sl_dress(severity)
        if seconds is not None:
            self._sl_timer = self.set_timer(seconds, self.clear)

    def clear(self) -> None:
        """Say nothing."""
        if self._sl_timer is not None:
            self._sl_timer.stop()
            self._sl_timer = None
        if self.text:
            self.text = ""
            self._sl_dress(None)

    def _sl_dress(self, severity: str | None) -> None:
        self.set_class(severity is None, "-empty")
        for name in ("warning", "critical"):
            self.set_class(severity == name, f"-{name}")

    def render_line(self, y: int) -> Strip:
        """The line."""
        text = self.text if y == 0 else ""
        line = fit(text, self.size.width, ascii_only=self._sl_glyphs.ascii_only)
        return Strip([Segment(line, self.rich_style)])


def note_key(app: App[Any], event: Event) -> None:
    """Clear the status lines of the screen where the event is a key that was just pressed.

    An application calls this at the start of its `on_event`: no widget sees each key, and what a key does may
    say something of its own.
    """
    if isinstance(event, Key) and not event.is_forwarded:
        for line in app.screen.query(StatusLine):
            line.clear()
