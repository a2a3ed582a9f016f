"""The explanation of one resource: every rule that was asked, what it saw, what it said."""

from __future__ import annotations

from datetime import tzinfo

from hygiene_core.model.judgement import Chain, Verdict
from hygiene_core.model.text import plain
from hygiene_core.report.figures import local_time, size, words
from hygiene_core.report.layout import wrap

__all__ = ["render"]

_MARK = "=>"
_QUIET = "  "


def render(chain: Chain, *, width: int = 80, zone: tzinfo) -> str:
    """The chain as text that ends in a newline.

    A line that begins with `=>` decided; one that begins with `->` holds too, but a stronger verdict decided.
    """
    row = chain.judged
    known = f"first seen {local_time(row.first_seen_at, zone)}" if row.first_seen_at else "never seen before"
    if row.idle_since_at:
        known += f", idle since {local_time(row.idle_since_at, zone)}"
    elif row.unused_since_at:
        known += f", unused since {local_time(row.unused_since_at, zone)}"
    lines = [
        f"{words(row.kind.value)} {plain(row.name)}: {words(row.verdict.value)}",
        f"  id {plain(row.id)}",
        f"  size {size(row.size_bytes)}, removing it alone would free {size(row.unique_bytes)}",
        f"  {known}",
    ]
    if row.used_by:
        lines += wrap("used by " + ", ".join(plain(name) for name in row.used_by), width, "  ")
    lines.append("")
    group: Verdict | None = None
    for weighed in chain.rules:
        if weighed.would_give is not group:
            group = weighed.would_give
            lines.append(f"is it {words(group.value)}?")
        decided = weighed.verdict is row.verdict
        mark = _MARK if decided else "->" if weighed.verdict else _QUIET
        said = f"{weighed.rule}: {weighed.asks} {plain(weighed.detail)}"
        lines += wrap(said, width, f"{mark} ", "     ")
    return "\n".join(lines) + "\n"
