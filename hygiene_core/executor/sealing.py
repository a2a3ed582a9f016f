"""The end of a run: its journal becomes a segment of the ledger of acts, and a document for others."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from hygiene_core import __version__
from hygiene_core.errors import EvidenceBroken
from hygiene_core.evidence import acts, anchor, files
from hygiene_core.evidence.journal import read_journal
from hygiene_core.evidence.ledger import Head
from hygiene_core.executor import failpoint
from hygiene_core.executor.asking import Asked
from hygiene_core.executor.places import Places
from hygiene_core.model.codec import adapter, encode
from hygiene_core.model.journal import Began, Ended, Halted, Line, Observed, Settled, Verified, WarmthProbed
from hygiene_core.model.plan import Mode

__all__ = ["OUTBOX_VERSION", "finish", "require_whole", "seal"]

OUTBOX_VERSION = 1
MODE = "apply"
_SEGMENT_MODE = 0o440


def seal(asked: Asked, journal: Path) -> None:
    """Record a run that has ended. When this returns, the journal is gone and the ledger has it.

    Raises:
        EvidenceUnwritable: there is no room or no permission; the journal stays.
        EvidenceBroken: the ledger or the journal cannot be trusted.
    """
    read = read_journal(journal)
    began = next(line for line in read.lines if isinstance(line, Began))
    ledger = asked.places.ledger(asked.rules.name)
    require_whole(asked)
    segment = ledger.append(
        run_id=began.run_id,
        started_at=began.at,
        mode=MODE,
        tool_version=__version__,
        full=True,
        lines=journal.read_bytes()[: read.whole_bytes].splitlines(),
    )
    failpoint.reach("after-sealed")
    with suppress(ImportError, OSError):  # the segment itself is the evidence
        anchor.to_system_log(anchor.line_of(began.run_id, asked.rules.name, segment.seq, segment.chain))
    _after_sealed(asked, journal, read.lines)


def _after_sealed(asked: Asked, journal: Path, lines: tuple[Line, ...]) -> None:
    """What follows from a segment, and can be made again from its journal until that goes."""
    _remember_sealed(asked)
    _remember_pruned(asked.places, lines)
    _to_outbox(asked.places, lines)
    journal.unlink()
    files.sync_directory(journal.parent)


def finish(asked: Asked, run_id: str) -> bool:
    """Record a run that came to its last line and was cut off after it; whether it is such a one.

    Raises as `seal` does.
    """
    journal = asked.places.runs / f"{run_id}.jsonl"
    read = read_journal(journal)
    if any(one.run_id == run_id for one in asked.places.ledger(asked.rules.name).files()):
        require_whole(asked, ahead=run_id)
        _after_sealed(asked, journal, read.lines)
        return True
    if read.ended:
        seal(asked, journal)
    return read.ended


def require_whole(asked: Asked, *, ahead: str | None = None) -> None:
    """Refuse where the ledger of acts is not what was sealed last.

    Args:
        asked: this host.
        ahead: a run that was recorded right before a crash, and may stand after the last sealed one.

    Raises:
        EvidenceBroken: it is shorter, or its newest run is another one. Nothing was removed.
    """
    problem = acts.head_problem(asked.places.state, asked.places.ledger(asked.rules.name), ahead=ahead)
    if problem is not None:
        raise EvidenceBroken(
            f"{problem.message.rstrip('.')}. Nothing was removed.", next_step=problem.next_step
        )


def _remember_sealed(asked: Asked) -> None:
    """Let the group read the newest segment, and remember that it has to be there before the next run."""
    ledger = asked.places.ledger(asked.rules.name)
    listed = ledger.files()
    segment = ledger.segment(listed[-1])
    try:
        segment.path.chmod(_SEGMENT_MODE)
        files.give_to_group(segment.path)
    except OSError as error:
        raise files.unwritable(error, "the ledger of acts") from error
    acts.keep_head(asked.places.state, ledger.host, Head(segment.seq, segment.run_id, segment.chain))


def _remember_pruned(places: Places, lines: tuple[Line, ...]) -> None:
    removed = [one for line in lines if isinstance(line, Settled) for one in line.removed]
    began = next(line for line in lines if isinstance(line, Began))
    if began.mode != Mode.BOUNDED.value or not removed:
        return
    builders = {one.partition("/")[0] if "/" in one else "embedded" for one in removed}
    try:
        files.make_directory(places.state / "pruned")
        for name in builders:
            files.replace_file(places.state / "pruned" / name, began.run_id.encode(), 0o440)
    except OSError as error:
        raise files.unwritable(error, "which builders were pruned") from error


def _to_outbox(places: Places, lines: tuple[Line, ...]) -> None:
    """The sanitised document: figures, codes and builders; no name of an image, a person or a path."""
    began = next(line for line in lines if isinstance(line, Began))
    snapshots = {line.when: line.snapshot for line in lines if isinstance(line, Observed)}
    ended = [line for line in lines if isinstance(line, Ended)]
    made: dict[str, Any] = {
        "version": OUTBOX_VERSION,
        "run_id": began.run_id,
        "host": began.host,
        "mode": began.mode,
        "digest": began.digest,
        "engine_version": began.engine_version,
        "tool_version": began.tool_version,
        "began_at": began.at,
        "ended": ended[-1] if ended else None,
        "halted": [line.why for line in lines if isinstance(line, Halted)],
        "problems": sum(len(line.problems) for line in lines if isinstance(line, Verified)),
        "warmth": [
            {
                "builder": line.builder,
                "when": line.when,
                "steps": line.steps,
                "cached_steps": line.cached_steps,
                "seconds": line.seconds,
            }
            for line in lines
            if isinstance(line, WarmthProbed)
        ],
        "filesystem": {
            when: {"used_bytes": one.used_bytes, "free_bytes": one.free_bytes}
            for when, one in snapshots.items()
        },
        "classes": {when: one.classes for when, one in snapshots.items()},
        "builders": {when: one.builders for when, one in snapshots.items()},
    }
    path = places.outbox / f"{began.run_id}.json"
    try:
        files.replace_file(path, encode(adapter(dict[str, Any]), made), 0o440)
        files.give_to_group(path)  # whoever fetches it is no root
    except OSError as error:
        raise files.unwritable(error, "the document for others") from error
