"""What is kept once for each host, by root alone, whoever asks and whatever their configuration says.

/var/lib/hygiene/<engine id>/
    host.json            the machine and the Engine that all of it is about
    plans/               staged plans, by digest, and how each is to be applied
    approvals/<digest>/  who said yes, and who took it back
    spent/               one file for each plan that a run began to act on
    runs/                the journal of the run that goes on, or of one that was cut off
    ledger/<name>/       the ledger of acts: a segment for each run that ended
    head.json            the last segment of each ledger of acts: what has to be there still
    outbox/              one sanitised document a run, for others to fetch
/run/hygiene/<engine id>.lock
"""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from hygiene_core.errors import SecondState
from hygiene_core.evidence import files
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.host.lock import LOCKS

__all__ = ["STATE", "Places", "all_places", "open_places"]

STATE = Path("/var/lib/hygiene")

_ENGINE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_-]{7,127}")


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one Engine."""

    state: Path
    lock: Path

    @property
    def plans(self) -> Path:
        """Where staged plans lie."""
        return self.state / "plans"

    def approvals(self, digest: str) -> Path:
        """Where the approvals of a plan lie."""
        return self.state / "approvals" / digest

    @property
    def runs(self) -> Path:
        """Where journals lie until their runs have ended."""
        return self.state / "runs"

    @property
    def spent(self) -> Path:
        """Where spent plans are marked."""
        return self.state / "spent"

    @property
    def outbox(self) -> Path:
        """Where others fetch what a run came to."""
        return self.state / "outbox"

    @property
    def ballast(self) -> Path:
        """What is given up when the disk is full."""
        return self.state / ".ballast"

    def ledger(self, name: str) -> Ledger:
        """The ledger of acts."""
        return Ledger(self.state, name)


def open_places(engine_id: str, machine_id: str, state: Path = STATE, run: Path = LOCKS) -> Places:
    """The places of an Engine, made if they are not there.

    Raises:
        SecondState: they are not root's alone, are a link, or are those of another machine.
        EvidenceUnwritable: they cannot be made.
    """
    if _ENGINE_ID.fullmatch(engine_id) is None:
        raise SecondState(f"the Engine's id {engine_id[:64]!r} cannot name a folder. Nothing was removed.")
    mine = Places(state / engine_id, run / f"{engine_id}.lock")
    try:
        for folder in (state, mine.state, run):
            files.make_directory(folder)
            _check(folder)
        for folder in (mine.plans, mine.runs, mine.spent, mine.outbox, mine.state / "approvals"):
            files.make_directory(folder)
            _check(folder)
        _check_owner(mine.state / "host.json", {"machine_id": machine_id, "engine_id": engine_id})
    except OSError as error:
        raise files.unwritable(error, "what is kept of this host") from error
    return mine


def all_places(state: Path = STATE, run: Path = LOCKS) -> tuple[Places, ...]:
    """The places of every Engine that this host ever had. Raises OSError if they may not be read."""
    try:
        found = sorted(one for one in state.iterdir() if (one / "host.json").is_file())
    except FileNotFoundError:
        return ()
    return tuple(Places(one, run / f"{one.name}.lock") for one in found)


def _check(folder: Path) -> None:
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode):
        raise SecondState(f"{folder} is a link or no folder. Nothing was removed.")
    if seen.st_uid != 0 or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SecondState(
            f"{folder} may be changed by others than root. Nothing was removed.",
            next_step=f"Give it back to root: chown root {folder}; chmod go-w {folder}",
        )


def _check_owner(path: Path, owner: dict[str, str]) -> None:
    """What is kept here must be of this machine: a copy of another's would hide what was done here."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        files.replace_file(path, json.dumps(owner).encode() + b"\n", 0o440)
        return
    except ValueError:
        found = None
    if found != owner:
        raise SecondState(
            f"{path.parent} was kept by another machine or Engine: {str(found)[:200]}. Nothing was removed.",
            next_step=f"If it was copied here, move it away: mv {path.parent} {path.parent}.old",
        )
