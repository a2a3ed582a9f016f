"""Two ways the lab says no: it cannot run here, or it is broken."""

from __future__ import annotations

__all__ = ["LabFailure", "LabUnavailable"]


class LabUnavailable(RuntimeError):
    """This machine cannot run the lab (no root, a missing tool, no mirror). The message is the reason."""


class LabFailure(RuntimeError):
    """The lab should work here and does not. The message carries what the failing program said."""
