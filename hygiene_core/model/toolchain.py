"""The programs that a host builds with."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One program. `package` is the Debian package that its file is of, `None` where none claims it.

    `version` is `None` where the program did not tell one.
    """

    name: str
    version: str | None = None
    path: str | None = None
    package: str | None = None
