"""Text that came from a host, made safe to show: what nobody would see becomes visible."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["CUT", "ELLIPSIS", "MASKED", "plain"]

ELLIPSIS = "…"

MASKED = "(masked)"
"""Stands where a secret-shaped value was read."""

CUT = "… (cut)"
"""Ends a text that was too long to keep."""

_MARKS_IN_A_ROW = 2
"""Combining marks that one character may carry; real scripts need two, a smeared screen needs many."""

# Printable to Python, yet drawn as nothing or changing how wide their neighbour is drawn: the joiner, the
# Hangul fillers, the Braille blank and the variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def plain(text: str, limit: int | None = None) -> str:
    r"""Host text as one line that can be shown anywhere.

    Control characters, terminal escapes, line ends, bidirectional overrides, invisible characters, lone
    surrogates and piled-up combining marks become visible escapes (`\x1b`, `\n`, `\u202e`). The rest,
    wide and right-to-left letters included, stays as it is. A backslash is not doubled: the result is for
    reading and not for parsing.

    Args:
        text: anything at all.
        limit: the most characters of the result; a longer one ends in an ellipsis.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; it has to be at least 1")
    # Every character gives at least one, so that what lies beyond the limit need not be looked at.
    head = text if limit is None else text[: limit + 1]
    if head.isascii() and head.isprintable():
        pieces = [head] if limit is None else list(head)
    else:
        pieces = _pieces(head)
    if limit is None:
        return "".join(pieces)
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    kept, room = [], limit - len(ELLIPSIS)
    for piece in pieces:
        if len(piece) > room:
            break
        kept.append(piece)
        room -= len(piece)
    return "".join(kept) + ELLIPSIS


def _pieces(text: str) -> list[str]:
    pieces = []
    marks = _MARKS_IN_A_ROW  # a mark at the very start would sit on whatever is printed before it
    for character in text:
        if unicodedata.category(character) in {"Mn", "Me"}:
            marks += 1
            hidden = marks > _MARKS_IN_A_ROW or _INVISIBLE.match(character) is not None
        else:
            marks = 0
            hidden = not character.isprintable() or _INVISIBLE.match(character) is not None
        if hidden:
            marks = _MARKS_IN_A_ROW
        pieces.append(character.encode("unicode_escape").decode() if hidden else character)
    return pieces
