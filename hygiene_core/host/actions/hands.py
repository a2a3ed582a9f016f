"""What the actions work with: one Engine, asked anew for each call and within a deadline of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["Hands"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """One Engine. `api_version` is what was negotiated; `call_limit` the longest that one call may take."""

    socket_path: str
    api_version: str
    call_limit: timedelta = timedelta(minutes=5)

    def reader(self) -> EngineClient:
        """A client for reads, with a deadline from now. To be closed."""
        return EngineClient(self.socket_path, Deadline.after(self.call_limit), self.api_version)

    def mutator(self) -> APIClient:
        """docker-py for one removal, bound to this socket: never to a context of the environment.

        Its timeout is for each read; a removal answers in one, so that it bounds the call.
        """
        from docker import APIClient  # noqa: PLC0415 - heavy, and only a run that removes needs it

        return APIClient(
            base_url=f"unix://{self.socket_path}",
            version=self.api_version,
            timeout=max(1, int(self.call_limit.total_seconds())),
        )
