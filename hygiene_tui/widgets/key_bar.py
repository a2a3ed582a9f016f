"""One line with the keys that do something now, made from the live bindings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from hygiene_tui.widgets.cells import shown
from hygiene_tui.widgets.glyphs import Glyphs

__all__ = ["Hint", "KeyBar", "hints", "hints_that_fit"]

_LAST = ("question_mark", "q")
"""Keys that end the bar: whoever is lost finds help, and the way out."""


@dataclass(frozen=True, slots=True)
class Hint:
    """A key and what it does."""

    key: str
    shown_as: str
    label: str
    enabled: bool = True

    @property
    def cells(self) -> int:
        """How wide it is."""
        return cell_len(self.shown_as) + 1 + cell_len(self.label)


def hints(screen: Screen[object], *, ascii_only: bool = False) -> list[Hint]:
    """The keys that do something now, those of the focused widget first; help and the way out last.

    A key that the focused widget takes for itself (a letter, in an input) does nothing else and is not told.
    An action that has several keys is told once.
    """
    found: list[Hint] = []
    last: dict[str, Hint] = {}
    told: set[tuple[object, str]] = set()
    for key, active in screen.active_bindings.items():
        binding = active.binding
        action = (active.node, binding.action)
        if not binding.show or action in told:
            continue
        told.add(action)
        hint = Hint(
            key,
            shown(screen.app.get_key_display(binding), ascii_only=ascii_only),
            shown(binding.description, ascii_only=ascii_only),
            active.enabled,
        )
        if key in _LAST:
            last[key] = hint
        else:
            found.append(hint)
    return [*found, *(last[key] for key in _LAST if key in last)]


def hints_that_fit(found: list[Hint], width: int) -> list[Hint]:
    """As many as fit beside each other, left out from the end; help and the way out stay."""
    last = [one for one in found if one.key in _LAST]
    room = width - sum(one.cells for one in last) - max(len(last) - 1, 0)
    kept = []
    for one in found:
        if one in last:
            continue
        room -= one.cells + 1
        if room < 0:
            break
        kept.append(one)
    return [*kept, *last]


class KeyBar(Widget):
    """The bar. A click on a pair presses its key.

    Args:
        glyphs: the signs that the terminal can show.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-bar--key"}
    DEFAULT_CSS = """
    KeyBar {
        height: 1;
        dock: bottom;
        color: $footer-description-foreground;
        background: $footer-background;
        .key-bar--key { color: $footer-key-foreground; text-style: bold; }
        &:ansi {
            color: ansi_default;
            background: ansi_default;
            .key-bar--key { color: ansi_default; text-style: bold; }
        }
    }
    """

    def __init__(
        self,
        *,
        glyphs: Glyphs | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._kb_ascii = (glyphs or Glyphs()).ascii_only
        self._kb_hints: list[Hint] = []

    def on_mount(self) -> None:
        """Follow the bindings of the screen."""
        self.screen.bindings_updated_signal.subscribe(self, self._kb_follow)
        self._kb_follow()

    def on_unmount(self) -> None:
        """Leave the screen's signal."""
        self.screen.bindings_updated_signal.unsubscribe(self)

    def _kb_follow(self, _screen: Screen[object] | None = None) -> None:
        # The signal comes with each change of focus; most change nothing that is told here.
        if self.is_attached and (found := hints(self.screen, ascii_only=self._kb_ascii)) != self._kb_hints:
            self._kb_hints = found
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The line."""
        width = self.size.width
        base = self.rich_style
        if y:
            return Strip.blank(width, base)
        key_style = self.get_component_rich_style("key-bar--key")
        off = base + Style(dim=True)
        segments: list[Segment] = []
        for one in hints_that_fit(self._kb_hints, width):
            if segments:
                segments.append(Segment(" ", base))
            segments.append(Segment(one.shown_as, key_style if one.enabled else off))
            segments.append(Segment(f" {one.label}", base if one.enabled else off))
        return Strip(segments).adjust_cell_length(width, base)

    def on_click(self, event: Click) -> None:
        """Press the key whose pair was clicked."""
        left = 0
        for one in hints_that_fit(self._kb_hints, self.size.width):
            if left <= event.x < left + one.cells:
                if one.enabled:
                    self.app.simulate_key(one.key)
                return
            left += one.cells + 1
