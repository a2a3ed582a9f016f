"""The ledgers of acts of this machine, as the catalogue and the verification ask for them. Read only."""

from __future__ import annotations

import os
from pathlib import Path

from hygiene_core.errors import EvidenceBroken, EvidenceUnreadable
from hygiene_core.evidence.acts import ledgers, states
from hygiene_core.evidence.ingest import Stored, acts_key
from hygiene_core.evidence.ledger import Ledger

__all__ = ["act_files", "act_ledgers"]


def act_ledgers(root: Path | None) -> dict[str, Ledger]:
    """Each ledger of acts by its key.

    Raises:
        EvidenceUnreadable: this user may not look.
        EvidenceBroken: what tells of them cannot be read.
    """
    if root is None:
        return {}
    found = {}
    try:
        for state in states(root):
            for ledger in ledgers(state):
                ledger.files()
                found[acts_key(state.name, ledger.host)] = ledger
    except OSError as error:
        why = f"{error.filename}: {os.strerror(error.errno or 0)}"
        raise EvidenceUnreadable(f"what was applied here cannot be read ({why}).") from error
    return found


def act_files(root: Path | None) -> Stored:
    """The files of each ledger of acts that this user can read; without the others, as if not asked for."""
    try:
        found = {key: ledger.files() for key, ledger in act_ledgers(root).items()}
    except (EvidenceUnreadable, EvidenceBroken):
        return {}
    return {
        key: listed for key, listed in found.items() if all(os.access(one.path, os.R_OK) for one in listed)
    }
