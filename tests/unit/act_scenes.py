"""Runs that removed things, as their ledger of acts has them: built by hand, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hygiene_core.evidence import acts
from hygiene_core.evidence.ledger import Head, Ledger
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.activity import Activity, ProcessId, Signal
from hygiene_core.model.codec import encode, line_adapter
from hygiene_core.model.journal import (
    Began,
    BuilderState,
    Caller,
    ClassTotal,
    Ended,
    Halted,
    Intended,
    Line,
    Named,
    NamedRecord,
    NamedThing,
    Observed,
    Sampled,
    Settled,
    Snapshot,
    Verified,
    WarmthProbed,
)
from hygiene_core.testing import GIB, NOW, image

ENGINE = "7F3K:AAAA:BBBB:CCCC"
HOST = "chris-testing"
IMAGE = image("app:1").id
BUILDER = "odoo-docker-chris-testing0"
LONG_AGO = NOW - timedelta(days=10)


def began(at: datetime = LONG_AGO, **fields: Any) -> Began:
    made: dict[str, Any] = {
        "at": at,
        "run_id": "run-1",
        "digest": "ab" * 32,
        "mode": "bounded",
        "host": HOST,
        "machine_id": "0" * 32,
        "engine_id": ENGINE,
        "engine_version": "26.1.5",
        "api_version": "1.45",
        "tool_version": "0.1.0",
        "caller": Caller(uid=0, sudo_uid=1000, name="chris"),
        "process": ProcessId(4242, 99),
        "excluded": (ProcessId(1, 1),),
    }
    return Began(**made | fields)


def prune(number: int = 1, *ids: str, builder: str = BUILDER, **fields: Any) -> NamedThing:
    records = tuple(
        NamedRecord(id=one, description=f"RUN step {one.rpartition('/')[2]}", size_bytes=GIB)
        for one in ids or (f"{builder}/a", f"{builder}/b")
    )
    made: dict[str, Any] = {
        "number": number,
        "verb": "prune_records",
        "kind": "builder",
        "id": builder,
        "name": builder,
        "estimate_bytes": len(records) * GIB,
        "records": records,
    }
    return NamedThing(**made | fields)


def thing(number: int = 1, kind: str = "image", name: str = "app:1", **fields: Any) -> NamedThing:
    made: dict[str, Any] = {
        "number": number,
        "verb": f"remove_{kind}",
        "kind": kind,
        "id": IMAGE if kind == "image" else name,
        "name": name,
        "references": (name,) if kind == "image" else (),
        "estimate_bytes": GIB,
    }
    return NamedThing(**made | fields)


def settled(thing: NamedThing, at: datetime = LONG_AGO, **fields: Any) -> Settled:
    ids = tuple(one.id for one in thing.records) or (thing.id,)
    made: dict[str, Any] = {
        "at": at,
        "number": thing.number,
        "outcome": Outcome.REMOVED,
        "removed": ids if fields.get("outcome", Outcome.REMOVED) is Outcome.REMOVED else (),
        "claimed_bytes": len(ids) * GIB,
        "freed_bytes": len(ids) * GIB - 4096,
    }
    return Settled(**made | fields)


def looked(at: datetime, when: Any, private_bytes: int, free_bytes: int) -> Observed:
    state = BuilderState(
        id=BUILDER,
        container_id="c" * 64,
        container_state="running",
        private_bytes=private_bytes,
        max_bytes=8 * GIB,
        reserved_bytes=4 * GIB,
    )
    return Observed(
        at=at,
        when=when,
        snapshot=Snapshot(
            used_bytes=50 * GIB,
            free_bytes=free_bytes,
            used_inodes=1000,
            classes=(ClassTotal(kind="image", count=3, size_bytes=9 * GIB),),
            builders=(state,),
            untouchable=(),
            untouchable_sha256="0" * 64,
        ),
    )


def probe(at: datetime = LONG_AGO, **fields: Any) -> WarmthProbed:
    """A build after the last removal, all of it from the cache."""
    made: dict[str, Any] = {
        "when": "after",
        "builder": BUILDER,
        "steps": 5,
        "cached_steps": 5,
        "seconds": 1.25,
    }
    return WarmthProbed(at=at, **made | fields)


def run(
    run_id: str = "run-1",
    at: datetime = LONG_AGO,
    *things: NamedThing,
    status: int = 0,
    problems: tuple[str, ...] = (),
    middle: Iterable[Line] | None = None,
    probes: Iterable[Line] = (),
    **fields: Any,
) -> tuple[Line, ...]:
    """A whole run: looked before, every thing removed, looked after, verified, ended."""
    things = things or (prune(),)
    done = tuple(settled(one, at + timedelta(seconds=10)) for one in things) if middle is None else ()
    lines = tuple(middle) if middle is not None else done
    outcomes: dict[str, int] = {}
    for line in lines:
        if isinstance(line, Settled):
            outcomes[line.outcome.value] = outcomes.get(line.outcome.value, 0) + 1
    claimed = [one.claimed_bytes for one in lines if isinstance(one, Settled) and one.claimed_bytes]
    freed = [one.freed_bytes for one in lines if isinstance(one, Settled) and one.freed_bytes]
    return (
        began(at, run_id=run_id, **fields),
        Named(at=at, things=things),
        Sampled(at=at, signals=(Signal(source="processes", activity=Activity.IDLE, read_at=at),)),
        looked(at, "before", 10 * GIB, 30 * GIB),
        *(Intended(at=at, number=one.number, ids=(one.id,)) for one in things),
        *lines,
        looked(at + timedelta(seconds=20), "after", 8 * GIB, 32 * GIB),
        *probes,
        Verified(at=at + timedelta(seconds=20), problems=problems, notes=("all as it should be",)),
        Ended(
            at=at + timedelta(seconds=30),
            exit_status=status,
            outcomes=outcomes,
            estimate_bytes=sum(one.estimate_bytes or 0 for one in things),
            claimed_bytes=sum(claimed) if claimed else None,
            freed_bytes=sum(freed) if freed else None,
        ),
    )


def busy(run_id: str, at: datetime, **fields: Any) -> tuple[Line, ...]:
    """A bounded run that found the host at work."""
    return (
        began(at, run_id=run_id, **fields),
        Halted(at=at, why="JOB_RUNNING", detail="builds active: 1 build"),
        Ended(at=at, exit_status=5, outcomes={}),
    )


def stored(lines: Iterable[Line]) -> list[bytes]:
    return [encode(line_adapter(), line) for line in lines]


def seal(root: Path, lines: Iterable[Line], *, engine: str = ENGINE, host: str = HOST) -> Ledger:
    """Put a run into the ledger of acts as the executor does, and remember its head."""
    lines = tuple(lines)
    first = next(line for line in lines if isinstance(line, Began))
    state = root / engine
    ledger = Ledger(state, host, reserve_bytes=0)
    segment = ledger.append(
        run_id=first.run_id,
        started_at=first.at,
        mode="apply",
        tool_version="0.1.0",
        full=True,
        lines=stored(lines),
    )
    acts.keep_head(state, host, Head(segment.seq, segment.run_id, segment.chain))
    return ledger


def rewrite(path: Path, change: Any) -> None:
    """Change the lines of a segment as somebody would who does not know of the chain."""
    import gzip  # noqa: PLC0415 - only here

    lines = gzip.decompress(path.read_bytes()).splitlines()
    path.chmod(0o600)
    path.write_bytes(gzip.compress(b"\n".join(change(lines)) + b"\n"))


def failed(one: NamedThing, at: datetime = LONG_AGO) -> Settled:
    made = settled(one, at, outcome=Outcome.FAILED, why=Why.ENGINE, detail="the Engine answered 500")
    return replace(made, claimed_bytes=None, freed_bytes=None)
