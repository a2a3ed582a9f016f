"""What the follower of a host saw of the Engine's events. Standard library only.

    watch/<host>.json      the times followed without a gap, the latest use by image, and what was removed

It is no part of the ledger: whoever loses it loses coverage, and the verdicts say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from hygiene_core.errors import EvidenceUnwritable
from hygiene_core.evidence import files
from hygiene_core.model.coverage import Followed, Removal, Span

__all__ = ["alone", "load", "save"]

_VERSION = 1
_MODE = 0o640
_MOST_SPANS = 1000
"""Older gaps tell nothing any more: an age is days, and a span ends where the follower or the Engine does."""


_MOST_REMOVALS = 4000
"""The newest: a report takes over what is of use to it."""


def load(directory: Path, host: str) -> Followed:
    """What was followed; nothing where there is no file, or none that can be read."""
    try:
        stored = json.loads(_path(directory, host).read_bytes())
        if stored["v"] != _VERSION:
            return Followed()
        return Followed(
            spans=tuple(Span(_time(since), _time(until)) for since, until in stored["spans"]),
            uses={str(name): _time(at) for name, at in stored["uses"].items()},
            removals=tuple(_removal(*told) for told in stored.get("removals", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Followed()  # unknown use is no permission: without coverage nothing tagged is let go


def save(directory: Path, host: str, followed: Followed) -> None:
    """Store it, whole or not at all. Raises EvidenceUnwritable."""
    told = {
        "v": _VERSION,
        "host": host,
        "spans": [[_stamp(span.since_at), _stamp(span.until_at)] for span in followed.spans[-_MOST_SPANS:]],
        "uses": {name: _stamp(at) for name, at in sorted(followed.uses.items())},
        "removals": [
            [one.kind, one.id, _stamp(one.removed_at), one.claimed_bytes]
            for one in followed.removals[-_MOST_REMOVALS:]
        ],
    }
    text = json.dumps(told, indent=0).encode("utf-8", "surrogatepass")
    try:
        files.make_directory(_path(directory, host).parent)
        files.replace_file(_path(directory, host), text + b"\n", _MODE)
    except OSError as error:
        raise files.unwritable(error, f"what was followed of {host}") from error


@contextmanager
def alone(directory: Path, host: str) -> Iterator[None]:
    """Be the one follower of a host. Raises LockBusy, or EvidenceUnwritable."""
    path = _path(directory, host).with_suffix(".lock")
    try:
        files.make_directory(path.parent)
        with files.locked(path, 0):
            yield
    except files.LockBusy as busy:
        who = f" (process {busy.holder})" if busy.holder else ""
        raise EvidenceUnwritable(f"another process{who} follows {host} already.", next_step=None) from busy


def _removal(kind: str, own_id: str | None, at: str, claimed: int | None) -> Removal:
    return Removal(kind=kind, id=own_id, removed_at=_time(at), claimed_bytes=claimed)


def _path(directory: Path, host: str) -> Path:
    return directory / "watch" / f"{host}.json"


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _time(stored: str) -> datetime:
    at = datetime.fromisoformat(stored)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at
