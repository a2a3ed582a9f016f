"""The programs that a host builds with, as rows that every format shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hygiene_core.model.observation import Availability, SectionName
from hygiene_core.model.report import Report
from hygiene_core.model.toolchain import Tool
from hygiene_core.report.figures import NOT_APPLICABLE, UNKNOWN

__all__ = ["NONE_KNOWN", "ToolRow", "tool_rows"]

NONE_KNOWN = "none known"
"""Of a file that no package list claims; a list that could not be read claims nothing either."""


@dataclass(frozen=True, slots=True)
class ToolRow:
    """One program, as the host told it; what was not had is `unknown`, what there cannot be is a dash."""

    name: str
    version: str
    path: str
    package: str


def tool_rows(report: Report) -> Iterator[ToolRow]:
    """Every program. One without a path told of itself: no file of it was looked at, nor its package."""
    section = report.sections.get(SectionName.TOOLCHAIN.value)
    whole = section is not None and section.availability is Availability.COMPLETE
    for tool in report.tools:
        yield ToolRow(
            name=tool.name,
            version=tool.version or UNKNOWN,
            path=tool.path or NOT_APPLICABLE,
            package=_package(tool, whole=whole),
        )


def _package(tool: Tool, *, whole: bool) -> str:
    if tool.path is None:
        return NOT_APPLICABLE
    return tool.package or (NONE_KNOWN if whole else UNKNOWN)
