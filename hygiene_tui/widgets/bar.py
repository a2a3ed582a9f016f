"""A bar of text: how much of a whole."""

from __future__ import annotations

__all__ = ["bar"]

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL, _EMPTY = "█", "░"
_ASCII_FULL, _ASCII_EMPTY = "#", "."


def bar(value: float | None, total: float | None, width: int, *, ascii_only: bool = False) -> str:
    """A bar of exactly `width` cells.

    Something is never drawn as nothing, and less than all never as all. Where the value or the total is not
    known there is no bar but the word.
    """
    if width < 1:
        return ""
    if value is None or total is None or total <= 0:
        return ("unknown" if width >= len("unknown") else "?").center(width)
    steps = 1 if ascii_only else len(_EIGHTHS)
    most = width * steps
    if value <= 0:
        filled = 0
    elif value >= total:
        filled = most
    else:
        filled = max(1, min(round(value / total * most), most - 1))
    whole, part = divmod(filled, steps)
    full, empty = (_ASCII_FULL, _ASCII_EMPTY) if ascii_only else (_FULL, _EMPTY)
    drawn = full * whole + (_EIGHTHS[part] if part else "")
    return drawn + empty * (width - len(drawn))
