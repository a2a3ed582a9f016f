"""What warmth probes left behind on a host, as the executor keeps it beside its ledger of acts."""

from __future__ import annotations

from pathlib import Path

from hygiene_core.evidence import files
from hygiene_core.evidence.acts import ENGINE_ID
from hygiene_core.model.codec import adapter, decode, encode
from hygiene_core.model.warmth import Probed

__all__ = ["keep_probed", "probed_of", "read_probed"]

_NAME = "probed.json"
_MODE = 0o440


def read_probed(state: Path) -> Probed:
    """What probes left; nothing where it cannot be read: then their uses count as anybody's.

    Args:
        state: the folder of the Engine.
    """
    try:
        found: Probed = decode(adapter(Probed), (state / _NAME).read_bytes())
    except (OSError, ValueError):
        return Probed()
    return found


def probed_of(root: Path | None, engine_id: str | None) -> Probed:
    """The same of an Engine by its id, `None` where it told none."""
    if root is None or engine_id is None or ENGINE_ID.fullmatch(engine_id) is None:
        return Probed()
    return read_probed(root / engine_id)


def keep_probed(state: Path, probed: Probed) -> None:
    """Remember it. Raises OSError."""
    path = state / _NAME
    files.replace_file(path, encode(adapter(Probed), probed), _MODE)
    files.give_to_group(path)
