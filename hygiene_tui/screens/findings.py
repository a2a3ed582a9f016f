"""What is wrong on the host: figure against limit, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hygiene_core.report.figures import amount
from hygiene_tui.screens.listing import ListScreen, Told
from hygiene_tui.session import Look
from hygiene_tui.widgets.columns import Column
from hygiene_tui.widgets.item_table import Cell, Tone

__all__ = ["FindingsScreen", "worst"]

_ORDER = ("critical", "warning", "info")
_TONES: dict[str, Tone] = {"critical": "bad", "warning": "warn"}
_COLUMNS = (
    Column("severity", "SEVERITY", 11),
    Column("code", "CODE", 26, least_width=70),
    Column("message", "WHAT"),
)


def worst(findings: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Findings, the worst first."""
    return sorted(findings, key=lambda one: _ORDER.index(one["severity"]))


class FindingsScreen(ListScreen[Mapping[str, Any]]):
    """The worst first."""

    title_word = "Findings"
    columns = _COLUMNS
    nothing = "nothing was found wrong"
    help_text = """\
What asks for attention, the worst first, with its figure and the limit of the policy, and the command to \
go on with. docs/reference/findings.md says of each code what it means and what mends it."""

    def rows_of(self, look: Look) -> Sequence[Mapping[str, Any]]:
        """The findings."""
        return worst(look.report["findings"])

    def cell(self, row: Mapping[str, Any], key: str) -> Cell:
        """What stands in a column of a finding."""
        if key != "severity":
            return str(row[key])
        sign = str(self.console.glyphs.severity(row["severity"]))
        return (sign, _TONES[row["severity"]]) if row["severity"] in _TONES else sign

    def told_of(self, row: Mapping[str, Any], look: Look) -> Told:
        """The whole finding."""
        del look
        told = [("what", row["message"]), ("code", row["code"])]
        if row["subject"]:
            told.append(("about", row["subject"]))
        if row["figure"] is not None:
            limit = "" if row["limit"] is None else f", the limit is {amount(row['limit'], row['unit'])}"
            told.append(("figure", f"{amount(row['figure'], row['unit'])}{limit}"))
        if row["next_step"]:
            told.append(("next", row["next_step"]))
        return told
