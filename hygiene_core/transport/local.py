"""The host that this process runs on."""

from __future__ import annotations

from hygiene_core.model.event import Emit
from hygiene_core.model.observation import Observation
from hygiene_core.model.request import ObserveRequest

__all__ = ["LocalTransport"]


class LocalTransport:
    """Looks at this machine through the Engine's unix socket. `emit` is told of each probe as it runs."""

    def __init__(self, emit: Emit | None = None) -> None:
        self._emit = emit

    def observe(self, request: ObserveRequest) -> Observation:
        """Look at the host once, read-only. A probe that fails is a section of the result, not an error."""
        from hygiene_core.host.observe import observe  # noqa: PLC0415 - brings pydantic: not for `--help`

        return observe(request, emit=self._emit)
