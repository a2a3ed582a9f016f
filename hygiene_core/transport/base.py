"""What every transport can do."""

from __future__ import annotations

from typing import Protocol

from hygiene_core.model.coverage import Followed
from hygiene_core.model.event import Emit, silent
from hygiene_core.model.observation import Observation
from hygiene_core.model.request import ObserveRequest

__all__ = ["Transport"]


class Transport(Protocol):
    """A way to a host."""

    def observe(self, request: ObserveRequest, *, emit: Emit = silent) -> Observation:
        """Look at the host once, read-only. A probe that fails is a section of the result, not an error."""
        ...

    def follow(self, request: ObserveRequest) -> Followed:
        """Read which images were used of late, and since when no event is lost.

        Raises Unreachable.
        """
        ...
