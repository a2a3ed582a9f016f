"""The questions that people ask of years of evidence: statement only, first and warm, one host and the fleet.

`python -m tests.bench.history DIRECTORY QUESTION` is one sample: it opens the published file, asks one
question several times and prints the seconds of each as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from hygiene_core.evidence.reader import Reader, open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.report import Report
from tests.bench import fleet
from tests.bench.measure import Timing, program, run, seconds_of
from tests.bench.table import Row, mebibytes, render, time_row

__all__ = ["measure"]

_ROOT = Path(__file__).parents[2]
PROCESSES, REPEATS = 5, 7
ONE_HOST_SECONDS, FLEET_SECONDS, FIRST_RATIO = 0.1, 0.3, 3.0
_HOST = fleet.host_name(3)


@dataclass(frozen=True, slots=True)
class _Question:
    """`ask` gives the number of rows of the answer; `limit` is the goal of a warm statement in seconds."""

    ask: Callable[[Reader], int]
    limit: float


def _sql(statement: str, *parameters: str) -> Callable[[Reader], int]:
    return lambda reader: len(reader.query(statement, parameters).rows)


def _newest(reader: Reader, host: str) -> int:
    return int(reader.query("SELECT max(seq) FROM run WHERE host = ?", [host]).rows[0][0])


def _diff(reader: Reader, back: int) -> int:
    newest = _newest(reader, _HOST)
    return len(reader.diff(_HOST, max(1, newest - back), newest).rows)


def _life(reader: Reader) -> int:
    return len(reader.resource(_HOST, f"registry.example/{_HOST}-7:1").rows)


QUESTIONS: dict[str, _Question] = {
    "history runs": _Question(lambda reader: len(reader.runs(_HOST, 20).rows), ONE_HOST_SECONDS),
    "history trend": _Question(lambda reader: len(reader.trend(_HOST).rows), ONE_HOST_SECONDS),
    "history diff, one day apart": _Question(lambda reader: _diff(reader, fleet.PER_DAY), ONE_HOST_SECONDS),
    "history diff, first and newest run": _Question(lambda reader: _diff(reader, 10**9), ONE_HOST_SECONDS),
    "history resource": _Question(_life, ONE_HOST_SECONDS),
    "view free_disk, one host": _Question(
        _sql(
            "SELECT started_at, free_bytes FROM free_disk WHERE host = ? AND role = 'data_root' ORDER BY 1",
            _HOST,
        ),
        ONE_HOST_SECONDS,
    ),
    "view reclaimable, one host": _Question(
        _sql(
            "SELECT started_at, class, reclaimable_bytes FROM reclaimable WHERE host = ? ORDER BY 1, 2", _HOST
        ),
        ONE_HOST_SECONDS,
    ),
    "view resource_seen, one host, summed": _Question(
        _sql(
            "SELECT kind, present, count(*), min(first_seen_at) FROM resource_seen WHERE host = ?"
            " GROUP BY ALL",
            _HOST,
        ),
        ONE_HOST_SECONDS,
    ),
    "view candidates_now, one host": _Question(
        _sql("SELECT * FROM candidates_now WHERE host = ? LIMIT 20", _HOST), ONE_HOST_SECONDS
    ),
    "view resource_history, one host, summed": _Question(
        _sql("SELECT event, count(*) FROM resource_history WHERE host = ? GROUP BY ALL", _HOST),
        ONE_HOST_SECONDS,
    ),
    "macro state_as_of, middle of the history": _Question(
        lambda reader: len(
            reader.query("SELECT * FROM state_as_of(?, ?)", [_HOST, max(1, _newest(reader, _HOST) // 2)]).rows
        ),
        ONE_HOST_SECONDS,
    ),
    "newest runs of the fleet": _Question(lambda reader: len(reader.runs(None, 20).rows), FLEET_SECONDS),
    "view free_disk, fleet, by month": _Question(
        _sql(
            "SELECT host, date_trunc('month', started_at) AS month, min(free_bytes) FROM free_disk"
            " WHERE role = 'data_root' GROUP BY ALL ORDER BY ALL"
        ),
        FLEET_SECONDS,
    ),
    "view reclaimable, fleet, by day": _Question(
        _sql(
            "SELECT host, started_at::DATE AS day, class, arg_max(reclaimable_bytes, started_at)"
            " FROM reclaimable GROUP BY ALL ORDER BY ALL"
        ),
        FLEET_SECONDS,
    ),
    "view resource_seen, fleet, summed": _Question(
        _sql("SELECT host, kind, present, count(*), min(first_seen_at) FROM resource_seen GROUP BY ALL"),
        FLEET_SECONDS,
    ),
    "view candidates_now, fleet": _Question(_sql("SELECT * FROM candidates_now LIMIT 20"), FLEET_SECONDS),
    "view resource_history, fleet, summed": _Question(
        _sql("SELECT host, event, count(*) FROM resource_history GROUP BY ALL"), FLEET_SECONDS
    ),
}


def measure(work: Path, full: bool) -> str:
    """Build the history, ask every question, and measure what it takes on the disk."""
    days = 3 * 365 if full else 91
    runs = days * fleet.PER_DAY
    equal = fleet.verify_shortcut(work / "check")
    state = work / "state"
    built = seconds_of(lambda: fleet.build(state, runs))
    store = EvidenceStore(state)
    told: list[str] = []
    rebuilt = seconds_of(lambda: told.append(store.rebuild()))
    title = (
        f"history: {fleet.HOSTS} hosts, {days} days of {fleet.PER_DAY} runs, {fleet.RESOURCES:,} resources"
        f" a run, {100 * (fleet.REPLACED + fleet.CHANGED) // fleet.RESOURCES} % of them changing"
        f"{'' if full else ' (three years with --full)'}"
    )
    rows = _question_rows(state)
    rows += [_whole_process(work, state), Row("hygiene evidence rebuild", f"{rebuilt:.1f} s")]
    rows += _one_more_rows(state)
    rows += _size_rows(state, runs)
    notes = [
        f"The ledger was written by the store's own append() from rows kept as bytes ({built:.0f} s);",
        f"the first {equal} runs were also recorded by EvidenceStore.record(): all files are equal.",
        "first: a new process and a new connection, the file in the page cache.",
        f"{PROCESSES} processes a question, {REPEATS} warm repetitions in each. Timed are the statement and",
        "the fetch of its rows, not the opening of the file. The goal of a first answer is three times the",
        "limit of a warm one; its ratio to the warm median stands beside it.",
        *told,
    ]
    return render(title, rows, notes)


def _question_rows(state: Path) -> list[Row]:
    samples: dict[str, list[list[float]]] = {name: [] for name in QUESTIONS}
    counts: dict[str, int] = {}
    for number in range(PROCESSES + 1):
        for name, taken in samples.items():
            out = state.parent / "answer.json"
            run([sys.executable, "-m", "tests.bench.history", str(state), name], out=out, cwd=_ROOT)
            answer = json.loads(out.read_bytes())
            counts[name] = answer["rows"]
            if number:  # the first round warmed the page cache
                taken.append(answer["seconds"])
    rows = []
    for name, taken in samples.items():
        first = Timing(tuple(one[0] for one in taken))
        warm = Timing(tuple(seconds for one in taken for seconds in one[1:]))
        ratio = first.median / warm.median
        rows.append(time_row(f"{name} ({counts[name]:,} rows)", warm, goal_seconds=QUESTIONS[name].limit))
        limit = FIRST_RATIO * QUESTIONS[name].limit
        rows.append(time_row("  first", first, ratio=f"{ratio:.1f} x warm", goal_seconds=limit))
    return rows


def _whole_process(work: Path, state: Path) -> Row:
    config = work / "hygiene.toml"
    config.write_text(f'[hosts.{_HOST}]\ndocker = "unix:///none"\n', encoding="utf-8")
    argv = [program("hygiene"), "history", "runs", "--config", str(config), "--host", _HOST]
    env = {**os.environ, "HYGIENE_STATE_DIR": str(state)}
    taken = [run(argv, out=work / "runs", env=env).seconds for _ in range(PROCESSES + 1)][1:]
    return time_row("hygiene history runs, whole process", Timing(tuple(taken)))


def _one_more_rows(state: Path) -> list[Row]:
    """What a run at the end of that history takes of the evidence: it must not grow with the years."""
    samples = [_one_more(state, number) for number in range(PROCESSES + 1)][1:]  # the first warmed the cache
    return [
        time_row(f"one more run: {name}", Timing(tuple(sample[name] for sample in samples)))
        for name in samples[0]
    ]


def _one_more(state: Path, number: int) -> dict[str, float]:
    store = EvidenceStore(state)
    report = _next(store.load(_HOST), number)
    began = time.perf_counter()
    memory = store.recall(_HOST)
    recalled = time.perf_counter()
    store.record(report, memory)
    recorded = time.perf_counter()
    said = store.publish()
    ended = time.perf_counter()
    if said.warning:
        raise RuntimeError(said.warning)
    return {"recall": recalled - began, "record": recorded - recalled, "publish": ended - recorded}


def _next(report: Report, number: int) -> Report:
    """The report of six hours later, as much of it changed as in any other run."""
    every = fleet.RESOURCES // fleet.CHANGED
    rows = tuple(
        replace(row, size_bytes=(row.size_bytes or 0) + 1) if index % every == number % every else row
        for index, row in enumerate(report.resources)
    )
    later = timedelta(days=1) / fleet.PER_DAY
    return replace(
        report,
        run_id=str(uuid.uuid4()),
        started_at=report.started_at + later,
        ended_at=report.ended_at + later,
        resources=rows,
    )


def _size_rows(state: Path, runs: int) -> list[Row]:
    ledger = _blocks(state / "ledger") - fleet.HOSTS * _blocks(next(state.glob("ledger/*/.reserve")))
    private, published = (_blocks(state / name) for name in ("catalogue.duckdb", "evidence.duckdb"))
    segments = runs * fleet.HOSTS
    return [
        Row(
            "ledger on the disk (without the held back room)",
            mebibytes(ledger),
            f"{ledger / segments / 1024:.1f} KiB a run",
        ),
        Row("catalogue.duckdb", mebibytes(private), f"{private / segments / 1024:.1f} KiB a run"),
        Row("evidence.duckdb", mebibytes(published), f"{published / segments / 1024:.1f} KiB a run"),
        Row("known/", mebibytes(_blocks(state / "known"))),
        Row("latest/", mebibytes(_blocks(state / "latest"))),
    ]


def _blocks(path: Path) -> int:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_blocks * 512 for one in files)


def _ask(directory: Path, name: str) -> dict[str, object]:
    taken = []
    with open_published(directory) as reader:
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            rows = QUESTIONS[name].ask(reader)
            taken.append(time.perf_counter() - began)
    return {"seconds": taken, "rows": rows}


if __name__ == "__main__":
    json.dump(_ask(Path(sys.argv[1]), sys.argv[2]), sys.stdout)
