"""Plans as files: each named by sha256 over its own bytes. Standard library only.

plans/<digest>.json      0440, never changed
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from hygiene_core.errors import EvidenceUnreadable, PlanChanged, UnknownPlan
from hygiene_core.evidence import files

__all__ = ["SHORT_DIGEST", "digest_of", "load", "save"]

SHORT_DIGEST = 12
"""The digits of a digest that a person reads and types."""

_MODE = 0o440
_DIGEST = re.compile(r"[0-9a-f]{4,64}")


def digest_of(stored: bytes) -> str:
    """The digest of a plan: of its bytes as they are stored, never of what they mean."""
    return hashlib.sha256(stored).hexdigest()


def save(directory: Path, stored: bytes) -> str:
    """Store a plan and return its digest. Raises EvidenceUnwritable."""
    digest = digest_of(stored)
    path = _path(directory, digest)
    try:
        files.make_directory(path.parent)
        if not path.exists():
            files.replace_file(path, stored, _MODE)
            files.give_to_group(path)  # who approves it has to read it
    except OSError as error:
        raise files.unwritable(error, "the plan") from error
    return digest


def load(directory: Path, wanted: str) -> tuple[str, bytes]:
    """The digest and the bytes of a plan, by its digest or the beginning of it.

    Raises:
        UnknownPlan: none, or more than one, has such a digest.
        PlanChanged: its file does not have the content that its name says.
        EvidenceUnreadable: its file cannot be read.
    """
    found = sorted((directory / "plans").glob(f"{wanted}*.json")) if _DIGEST.fullmatch(wanted) else []
    if len(found) != 1:
        verb = "no plan has" if not found else f"{len(found)} plans have"
        raise UnknownPlan(
            f"{verb} a digest that begins with {wanted!r}.", next_step="See: hygiene plan --help"
        )
    try:
        stored = found[0].read_bytes()
    except OSError as error:
        raise EvidenceUnreadable(
            f"the plan {found[0].stem[:SHORT_DIGEST]} cannot be read: {error.strerror}. Nothing was removed."
        ) from error
    digest = digest_of(stored)
    if found[0].name != f"{digest}.json":
        raise PlanChanged(
            f"the plan {found[0].stem[:SHORT_DIGEST]} was changed after it was made. Nothing was removed.",
            next_step="Make a new plan: hygiene plan --help",
        )
    return digest, stored


def _path(directory: Path, digest: str) -> Path:
    return directory / "plans" / f"{digest}.json"
