"""What a look leaves in the Engine's event stream: `buildctl` in the containers of builders, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def not_our_own(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events that a look may not cause."""
    return [event for event in events if not _is_look(event)]


def _is_look(event: dict[str, Any]) -> bool:
    attributes = event["Actor"]["Attributes"]
    action, _, command = event["Action"].partition(": ")
    return (
        event["Type"] == "container"
        and attributes["name"].startswith("buildx_buildkit_")
        and action in {"exec_create", "exec_start", "exec_die", "exec_detach"}
        and (not command or command.startswith(("buildctl du --format", "buildctl debug ")))
    )
