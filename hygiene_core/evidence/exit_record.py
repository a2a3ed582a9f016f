"""How the last run of each verb ended, for whoever cannot see its exit status: nox turns any failure into 1.

    exits/<host>/<verb>.json      {"verb", "host", "run_id", "exit_status", "error", "started_at", "ended_at"}

The file says how the newest run ended; the history of runs is in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from hygiene_core.clock import utc_now
from hygiene_core.errors import HygieneError
from hygiene_core.evidence import files

__all__ = ["ExitRecord", "exit_record"]

_CRASHED = 1


@dataclass(slots=True, kw_only=True)
class ExitRecord:
    """The record while its run goes on: the run fills in what it knows.

    `problem` says why the record itself could not be written, once the run has ended; it is not stored.
    """

    verb: str
    host: str
    run_id: str | None = None
    exit_status: int = 0
    error: str | None = None
    started_at: str
    ended_at: str | None = None
    problem: str | None = None


@contextmanager
def exit_record(directory: Path, host: str, verb: str) -> Iterator[ExitRecord]:
    """Write the record when the block ends, however it ends.

    A disk that has no room for it does not change how the run ended: `problem` then says so.
    """
    record = ExitRecord(verb=verb, host=host, started_at=utc_now().isoformat())
    try:
        yield record
    except HygieneError as error:
        record.exit_status, record.error = error.exit_status, str(error)
        raise
    except BaseException as error:
        record.exit_status, record.error = _CRASHED, f"{type(error).__name__}: {error}"
        raise
    finally:
        record.ended_at = utc_now().isoformat()
        try:
            _write(directory / "exits" / host / f"{verb}.json", record)
        except OSError as error:
            record.problem = f"The exit record of this run could not be written: {error}"


def _write(path: Path, record: ExitRecord) -> None:
    stored = {name: value for name, value in asdict(record).items() if name != "problem"}
    files.make_directory(path.parent)
    files.replace_file(path, json.dumps(stored).encode() + b"\n", mode=0o640)
