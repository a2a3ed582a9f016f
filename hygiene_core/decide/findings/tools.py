"""Programs that are older than the policy asks."""

from __future__ import annotations

from hygiene_core.decide.context import Context
from hygiene_core.decide.findings.codes import FindingCode, finding
from hygiene_core.decide.toolchain import is_older, tools_of
from hygiene_core.model.observation import Observation
from hygiene_core.model.report import Finding

__all__ = ["tools"]


def tools(observation: Observation, context: Context) -> list[Finding]:
    """Programs below the policy's minimum, or without a version."""
    findings = []
    for key, tool in tools_of(observation):
        least = context.policy.minimums.get(key)
        if least is None:
            continue
        named = f"{tool.name} at {tool.path}" if tool.path else tool.name
        older = None if tool.version is None else is_older(tool.version, least)
        if older is None:
            message = f"{named} did not tell a version; the policy asks for {least}"
            findings.append(finding(FindingCode.TOOL_UNKNOWN, message, subject=tool.name))
        elif older:
            message = f"{named} is {tool.version}; the policy asks for {least} at least"
            findings.append(finding(FindingCode.TOOL_OLD, message, subject=tool.name))
    return findings
