"""The host that this process runs on."""

from __future__ import annotations

from hygiene_core.model.coverage import Followed
from hygiene_core.model.event import Emit, silent
from hygiene_core.model.observation import Observation
from hygiene_core.model.request import ObserveRequest

__all__ = ["LocalTransport"]


class LocalTransport:
    """Looks at this machine through the Engine's unix socket."""

    def observe(self, request: ObserveRequest, *, emit: Emit = silent) -> Observation:
        """Look at the host once, read-only; `emit` is told of each probe as it runs."""
        from hygiene_core.host.observe import observe  # noqa: PLC0415 - brings pydantic: not for `--help`

        return observe(request, emit=emit)

    def follow(self, request: ObserveRequest) -> Followed:
        """Read the events that the Engine still has. Raises Unreachable."""
        from hygiene_core.host.follow import follow  # noqa: PLC0415 - brings pydantic: not for `--help`

        return follow(request)
