"""Help over a screen: what it shows, and every key that does something there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from hygiene_tui.screens.base import HostScreen
from hygiene_tui.screens.pane import Pane

__all__ = ["HelpScreen", "key_lines"]

_NAMES = {"question_mark": "?", "slash": "/", "pagedown": "page down", "pageup": "page up"}


class HelpScreen(ModalScreen[None]):
    """Closed by any of the keys that lead back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "Close", id="help.close"),
    ]

    def __init__(self, below: HostScreen) -> None:
        super().__init__()
        self._below = below

    def compose(self) -> ComposeResult:
        """A pane with the text, and the keys."""
        pane = Pane(glyphs=self._below.console.glyphs, id="help")
        pane.title = f"Help: {self._below.title_word}"
        pane.border_subtitle = "q closes"
        yield pane

    def on_mount(self) -> None:
        """Show the keys of the screen below."""
        self.set_class(self._below.console.glyphs.ascii_only, "-ascii")
        pane = self.query_one(Pane)
        paragraphs = [(None, paragraph) for paragraph in self._below.help_text.split("\n")]
        pane.show([*paragraphs, (None, ""), *key_lines(self._below)])
        pane.focus()


def key_lines(screen: HostScreen) -> list[tuple[str, str]]:
    """Every binding of a screen and of what has its focus: the keys, and what they do."""
    told: dict[str, list[str]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.description:
            told.setdefault(binding.description, []).append(_NAMES.get(binding.key, binding.key))
    return [(", ".join(_unique(keys)), what) for what, keys in told.items()]


def _unique(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))
