"""Signs of the console: each is one cell wide and never stands for a meaning without its word.

None of them has an emoji form, which some terminals would draw two cells wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["APPROVED", "REJECTED", "UNMARKED", "Glyphs", "Sign"]

UNMARKED = " "
APPROVED = "+"
REJECTED = "-"
"""Marks of a row; the same in both sets."""


class Sign(NamedTuple):
    """A glyph and the word beside it."""

    glyph: str
    word: str

    def __str__(self) -> str:
        return f"{self.glyph} {self.word}"


# name: (glyph, ASCII glyph, word)
_VERDICTS = {
    "protected": ("■", "#", "protected"),
    "in_use": ("►", ">", "in use"),
    "unknown": ("?", "?", "unknown"),
    "retained": ("●", "*", "retained"),
    "candidate": ("◆", "=", "candidate"),
}
_SEVERITIES = {
    "critical": ("✗", "X", "critical"),
    "warning": ("!", "!", "warning"),
    "info": ("·", "-", "info"),
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs.

    Args:
        ascii_only: whether the terminal can show ASCII alone.
    """

    ascii_only: bool = False

    def verdict(self, name: str) -> Sign:
        """The sign of a verdict (`in_use`); one that is not known keeps its name and gets a `?`."""
        return self._sign(_VERDICTS, name)

    def severity(self, name: str) -> Sign:
        """The sign of a severity (`warning`); one that is not known keeps its name and gets a `?`."""
        return self._sign(_SEVERITIES, name)

    @property
    def cursor(self) -> str:
        """Stands before the row under the cursor."""
        return ">"

    @property
    def cut(self) -> str:
        """Ends a text that was cut."""
        return "~" if self.ascii_only else "…"

    @property
    def ascending(self) -> str:
        """Smallest first."""
        return "^" if self.ascii_only else "▲"

    @property
    def descending(self) -> str:
        """Biggest first."""
        return "v" if self.ascii_only else "▼"

    @property
    def line(self) -> str:
        """One cell of a line from left to right."""
        return "-" if self.ascii_only else "─"

    @property
    def upright(self) -> str:
        """One cell of a line from top to bottom."""
        return "|" if self.ascii_only else "│"

    @property
    def thumb(self) -> str:
        """One cell of the part of a scrollbar that is in view."""
        return "#" if self.ascii_only else "█"

    @property
    def border(self) -> str:
        """Textual's name of the border."""
        return "ascii" if self.ascii_only else "round"

    def _sign(self, signs: dict[str, tuple[str, str, str]], name: str) -> Sign:
        glyph, ascii_glyph, word = signs.get(name, ("?", "?", name))
        return Sign(ascii_glyph if self.ascii_only else glyph, word)
