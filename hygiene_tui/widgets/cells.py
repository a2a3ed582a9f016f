"""Text cut and padded to an exact number of terminal cells.

A terminal that reorders right-to-left letters does so by itself; the number of cells stays the same.
"""

from __future__ import annotations

from typing import Literal

from rich.cells import cell_len, split_graphemes

from hygiene_core.model.text import plain

__all__ = ["Align", "cut", "fit", "shown"]

Align = Literal["left", "right"]

_CHARACTERS_A_CELL = 4
"""How much of a text is looked at for each cell: a letter, and the marks that `plain` lets stand on it."""


def shown(text: str, *, ascii_only: bool = False) -> str:
    """Host text as one line for this terminal; what cannot be shown becomes a visible escape."""
    safe = plain(text)
    return safe.encode("ascii", "backslashreplace").decode() if ascii_only else safe


def cut(text: str, width: int, *, ascii_only: bool = False) -> str:
    """Text in at most `width` cells; a longer one ends in an ellipsis, and no character is halved."""
    if width < 1:
        return ""
    if text.isascii() and text.isprintable():  # nearly all there is
        return text if len(text) <= width else text[: width - 1] + ("~" if ascii_only else "…")
    most = width * _CHARACTERS_A_CELL
    safe = shown(text[:most], ascii_only=ascii_only)
    whole = len(text) <= most
    if whole and cell_len(safe) <= width:
        return safe
    ellipsis = "~" if ascii_only else "…"
    spans, _ = split_graphemes(safe)
    end, room = 0, width - 1
    for _, stop, cells in spans:
        if cells > room:
            break
        end, room = stop, room - cells
    return safe[:end] + ellipsis


def fit(text: str, width: int, *, align: Align = "left", ascii_only: bool = False) -> str:
    """Text in exactly `width` cells: cut, or padded with spaces."""
    short = cut(text, width, ascii_only=ascii_only)
    padding = " " * (max(width, 0) - cell_len(short))
    return padding + short if align == "right" else short + padding
