"""How a front end asks for a removal: it starts `hygiene-executor` and reads one JSON object from it.

A front end that is root starts it directly; another asks sudo, which has to allow that one program. The
executor goes on by itself once it has answered: nothing that happens to the front end can cut a removal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hygiene_core.errors import EvidenceProblem, NotRoot, error_of
from hygiene_core.host.lock import LOCKS, holder_of

__all__ = ["ask", "await_record", "command", "goes_on"]

_PROGRAM = "hygiene-executor"
_SECONDS = 900.0
"""Longer than any wait for the lock; a verb that goes on longer is lost, not slow."""

_RECORD_SECONDS, _POLL_SECONDS = 30.0, 0.05


def command(verb: str, digest: str | None = None) -> list[str]:
    """The command line of a verb: the executor of this very installation, by its full path."""
    words = [verb] if digest is None else [verb, digest]
    if os.geteuid() == 0:
        # -P and -I: neither the working directory nor the environment may lend it a module.
        return [sys.executable, "-I", "-m", "hygiene_core.executor.main", *words]
    program = Path(sys.executable).with_name(_PROGRAM)
    return ["sudo", "-n", str(program), *words]


def ask(verb: str, digest: str | None = None, sent: bytes = b"") -> dict[str, Any]:
    """The answer of a verb.

    Raises:
        HygieneError: the executor refused; the class is that of its code.
        NotRoot: sudo does not allow it.
        EvidenceProblem: it ended without an answer.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own program by its full path
            command(verb, digest), input=sent, capture_output=True, check=False, timeout=_SECONDS
        )
    except FileNotFoundError as error:
        raise NotRoot(
            f"{error.filename} is not there, and only root removes anything. Nothing was removed.",
            next_step="How to allow it: docs/guides/allow-removal.md",
        ) from None
    except subprocess.TimeoutExpired:
        raise EvidenceProblem(
            f"{_PROGRAM} {verb} did not answer in {_SECONDS:g} s.",
            next_step="See what is true: hygiene follow, else hygiene settle",
        ) from None
    try:
        answer: Any = json.loads(done.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _unanswered(verb, done)
    refused = answer.get("refused")
    if isinstance(refused, dict):
        raise error_of(str(refused.get("code")))(
            str(refused.get("message")), next_step=refused.get("next_step")
        )
    return answer


def _unanswered(verb: str, done: subprocess.CompletedProcess[bytes]) -> NotRoot | EvidenceProblem:
    said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:300]
    if os.geteuid() != 0 and said.startswith("sudo:"):
        return NotRoot(
            f"sudo does not let this user run {_PROGRAM}: {said}. Nothing was removed.",
            next_step="How to allow it: docs/guides/allow-removal.md",
        )
    return EvidenceProblem(
        f"{_PROGRAM} {verb} ended with status {done.returncode} and no answer: {said or 'no word'}",
        next_step="See what is true: hygiene settle",
    )


def goes_on(journal: Path) -> bool:
    """Whether the process that writes a journal is still there, by the lock that it holds."""
    holder = holder_of(LOCKS / f"{journal.parents[1].name}.lock")
    return holder is not None and holder.run_id == journal.stem


def await_record(journal: Path, seconds: float = _RECORD_SECONDS) -> None:
    """Wait until a run that told its last line is in the ledger of acts, but not for ever.

    Whoever asks next would find it half recorded. What is not done by then, the next run makes up for.
    """
    give_up_at = time.monotonic() + seconds
    while goes_on(journal) and time.monotonic() < give_up_at:
        time.sleep(_POLL_SECONDS)
