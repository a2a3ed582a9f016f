"""The one door of the pipeline and the front ends to a state directory.

Recording needs the ledger alone. The DuckDB files come after it: whatever is wrong with them is a
warning, and no run is lost or stopped by it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from hygiene_core.errors import EvidenceBroken, EvidenceUnreadable, UnknownRun
from hygiene_core.evidence import anchor, catalogue, files, known, latest, plans, watch, witness
from hygiene_core.evidence.act_files import act_ledgers
from hygiene_core.evidence.acts import told_heads
from hygiene_core.evidence.ingest import is_acts
from hygiene_core.evidence.latest import Latest
from hygiene_core.evidence.ledger import Head, Ledger, LedgerFile, Segment
from hygiene_core.evidence.record import FULL_EVERY, Delta, replay, state_at
from hygiene_core.evidence.verify import Verification, verify
from hygiene_core.model.codec import decode, plan_adapter
from hygiene_core.model.coverage import Followed
from hygiene_core.model.known import Key, Memory
from hygiene_core.model.plan import Plan
from hygiene_core.model.report import Report

__all__ = ["EvidenceStore", "Published", "Recorded"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run in the ledger. `chain` is the head to anchor elsewhere; `notes` are for people."""

    seq: int
    chain: str
    path: Path
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """How far the published database is behind the ledger, and why. `notes` are no reason to worry."""

    pending_segments: int
    warning: str | None = None
    notes: tuple[str, ...] = ()


class EvidenceStore:
    """The evidence of every host under one state directory. Making one touches nothing.

    `acts` is where this machine keeps what was removed from it; it is read, never written. `log` takes the
    line that anchors each recorded run outside of that directory.
    """

    def __init__(
        self,
        directory: Path,
        *,
        acts: Path | None = None,
        log: Callable[[str], None] = anchor.to_system_log,
    ) -> None:
        self.directory = directory
        self._acts = acts
        self._log = log
        self._indexes: dict[str, known.KnownIndex] = {}

    def recall(self, host: str) -> Memory:
        """What earlier runs know of a host, in milliseconds and without DuckDB.

        Raises:
            EvidenceBroken: the ledger cannot be read, or has lost its newest runs.
        """
        ledger = self._ledger(host)
        index = known.load(self.directory, ledger)
        self._indexes[host] = index
        return index.memory

    def keep_plan(self, stored: bytes) -> str:
        """Store a plan as it was encoded, and return its digest. Raises EvidenceUnwritable."""
        return plans.save(self.directory, stored)

    def load_plan(self, wanted: str) -> tuple[str, Plan]:
        """A plan and its digest, by its digest or the beginning of it. Raises UnknownPlan, PlanChanged."""
        digest, stored = plans.load(self.directory, wanted)
        return digest, decode(plan_adapter(), stored)

    def watched(self, host: str) -> Followed:
        """What `hygiene watch` saw of the use of a host's images; nothing where it never ran."""
        return watch.load(self.directory, host)

    def keep_watched(self, host: str, followed: Followed) -> None:
        """Store what was followed. Raises EvidenceUnwritable."""
        watch.save(self.directory, host, followed)

    def watching(self, host: str) -> AbstractContextManager[None]:
        """Be the one follower of a host. Raises EvidenceUnwritable if there is another."""
        return watch.alone(self.directory, host)

    def record(self, report: Report, memory: Memory) -> Recorded:
        """Put a report into the ledger. When this returns, the run survives a power cut.

        Args:
            report: its resources in the order (kind, id).
            memory: as this run leaves it: what the next `recall` gives for the resources of the report.

        Raises:
            EvidenceUnwritable: no room, no permission, or locked for too long; the ledger is as it was.
            EvidenceBroken: the ledger cannot be trusted; nothing was added to it.
        """
        host = report.host.name
        ledger = self._ledger(host)
        with files.no_collection(), ledger.locked() as session:
            index = self._indexes.get(host)
            if index is None or index.head != session.head:
                index = known.load(self.directory, ledger)
            full = session.head is None or session.head.seq % FULL_EVERY == 0
            before = session.head.seq if session.head else 0

            def rows_before() -> Mapping[Key, bytes]:
                return state_at(ledger, before).rows

            delta = Delta(
                report, memory, index.fingerprints, before=index.memory, kept=rows_before if full else None
            )
            segment = session.append(
                run_id=report.run_id,
                started_at=report.started_at,
                mode=report.mode,
                tool_version=report.tool_version,
                full=full,
                lines=delta,
            )
            # The run is recorded. What is made of it is saved under the lock, so that it never goes back.
            notes = list(segment.notes)
            if session.head is not None:
                index = index.moved_on(delta, session.head, report)
            self._indexes[host] = index
            notes += self._saved(report, segment, index, delta.rows)
        notes += self._logged(anchor.line_of(report.run_id, host, segment.seq, segment.chain))
        return Recorded(segment.seq, segment.chain, segment.path, tuple(dict.fromkeys(notes)))

    def latest(self, host: str) -> Latest | None:
        """The newest run that was kept for a quick look, without pydantic; `None` where there is none.

        It may be behind the ledger: see `Latest.runs_behind`. Close it when it is done with.

        Raises:
            UsageProblem: the host's name cannot be the name of a file.
            EvidenceUnreadable: it cannot be read, is damaged, or is of another format.
        """
        return latest.read(self.directory, host)

    def publish(self) -> Published:
        """Bring the published database up to the ledger; trouble with DuckDB is a warning, never an error."""
        return _published(catalogue.bring_up_to_date(self.directory, self.hosts(), acts=self._acts))

    def load(self, host: str, run: str | int | None = None) -> Report:
        """A stored report, exactly as it was recorded.

        Args:
            host: whose.
            run: a number, a run id or its unique beginning; the newest by default.

        Raises:
            UnknownRun: there is none, or more than one, that answers to it.
            EvidenceBroken: it cannot be read.
        """
        ledger = self._ledger(host)
        return replay(ledger, _find(ledger, run).seq)

    def memory_after(self, host: str, run: str | int | None = None) -> Memory:
        """What was remembered after a stored run. Arguments and errors are those of `load`."""
        ledger = self._ledger(host)
        file = _find(ledger, run)
        head = Head(file.seq, file.run_id, ledger.segment(file).chain)
        return known.at(ledger, head).memory

    def hosts(self) -> tuple[str, ...]:
        """Every host that has a ledger here."""
        try:
            with os.scandir(self.directory / "ledger") as found:
                return tuple(sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False)))
        except FileNotFoundError:
            return ()

    def size_bytes(self) -> int:
        """What the evidence takes on the disk, in blocks; a file that vanishes meanwhile is 0."""
        return _size_bytes(self.directory)

    def verify(self, host: str | None = None) -> dict[str, Verification]:
        """Check every hash of the ledgers, and that each holds what its witnesses tell of.

        Witnesses are the index of known resources and the DuckDB files; one that cannot be read is a note.
        """
        # They are asked before the ledgers are listed: a run that is recorded meanwhile does no harm.
        index, databases = known.anchors(self.directory), witness.witnesses(self.directory)
        found = {}
        told_hosts = {name for name in databases.heads if not is_acts(name)}
        for name in [host] if host else sorted({*self.hosts(), *index, *told_hosts}):
            told = (*databases.heads.get(name, ()), *([index[name]] if name in index else ()))
            found[name] = replace(verify(self._ledger(name), *told), notes=databases.notes)
        return found if host else found | self._verify_acts(databases)

    def _verify_acts(self, databases: witness.Witnesses) -> dict[str, Verification]:
        """The ledgers of acts of this machine, against `head.json` and the DuckDB files."""
        if self._acts is None:
            return {}
        try:
            known_here = act_ledgers(self._acts)
        except (EvidenceUnreadable, EvidenceBroken) as error:
            unreadable = isinstance(error, EvidenceUnreadable)
            unasked = Verification(
                ok=unreadable, segments=0, head=None, first_bad_seq=1, problem=error.message.rstrip(".")
            )
            return {"acts": unasked}
        for key in filter(is_acts, databases.heads):
            engine_id, _, name = key.partition("/")
            known_here.setdefault(key, Ledger(self._acts / engine_id, name))
        found = {}
        for key, ledger in sorted(known_here.items()):
            sealed = told_heads(self._acts / key.partition("/")[0]).get(ledger.host)
            told = (*databases.heads.get(key, ()), *((sealed,) if sealed else ()))
            found[f"acts of {key}"] = replace(verify(ledger, *told), notes=databases.notes)
        return found

    def rebuild(self) -> str:
        """Make the indexes and the DuckDB files anew from the ledger, as it is now.

        A ledger that has lost its newest runs, or all, is accepted from here on. Returns a line for a person.

        Raises:
            EvidenceBroken: a ledger cannot be read.
            EvidenceUnwritable: there is no room or no permission.
            EvidenceUnreadable: the published database could not be made.
        """
        hosts = self.hosts()
        for host in hosts:
            ledger = self._ledger(host)
            with ledger.locked():
                self._remade(host, known.rebuild(ledger))
                self._remade_latest(ledger)
        for host in {*known.anchors(self.directory), *latest.hosts(self.directory)} - set(hosts):
            self._remade(host, known.KnownIndex())
            self._remade_latest(self._ledger(host))
        made = catalogue.bring_up_to_date(self.directory, hosts, acts=self._acts, anew=True)
        if made.pending:
            raise EvidenceUnreadable(" ".join(made.warnings))
        return (
            f"{made.ingested} runs of {len(hosts)} hosts were read from the ledger; everything else is new."
        )

    def export(self, directory: Path, kind: str = "parquet") -> tuple[Path, ...]:
        """Write every table as a file of a new or empty directory: `parquet` or `jsonl`.

        Raises:
            UsageProblem: the directory is not empty, or the kind is another.
            EvidenceUnreadable: the evidence cannot be read, or the files cannot be written.
        """
        return catalogue.export(self.directory, self.hosts(), directory, kind, acts=self._acts)

    def _saved(
        self, report: Report, segment: Segment, index: known.KnownIndex, rows: Sequence[bytes]
    ) -> Iterator[str]:
        """Save what can be made anew from the ledger; a note for each that could not be."""
        host = report.host.name
        try:
            known.save(self.directory, host, index)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            yield f"The index of known resources could not be saved ({reason}); the next run remakes it."
        try:
            latest.save(self.directory, report, segment.seq, segment.chain, rows=rows)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            yield f"The index of the newest run could not be saved ({reason}); the next run makes one."

    def _remade(self, host: str, index: known.KnownIndex) -> None:
        try:
            if index.head is None:
                known.forget(self.directory, host)
            else:
                known.save(self.directory, host, index)
        except OSError as error:
            raise files.unwritable(error, f"the index of {host}") from error
        self._indexes[host] = index

    def _remade_latest(self, ledger: Ledger) -> None:
        head = ledger.head()
        try:
            # What this version cannot read is no reason to stop: the databases may be made without it.
            with suppress(EvidenceBroken):
                if head is not None:
                    latest.save(self.directory, replay(ledger, head.seq), head.seq, head.chain)
                    return
            latest.forget(self.directory, ledger.host)
        except OSError as error:
            raise files.unwritable(error, f"the newest run of {ledger.host}") from error

    def _logged(self, line: str) -> tuple[str, ...]:
        """Write the anchor of a run; a note if that failed, because the run is recorded with or without."""
        try:
            self._log(line)
        except (ImportError, OSError) as error:
            return (f"The head of this run could not be written to the system log ({error}).",)
        return ()

    def _ledger(self, host: str) -> Ledger:
        return Ledger(self.directory, host)


def _published(made: catalogue.Publication) -> Published:
    if not made.warnings and not made.pending:
        return Published(0, None, made.notes)
    pending = f"{made.pending} runs are not in the published database yet." if made.pending else ""
    return Published(made.pending, " ".join(filter(None, (*made.warnings, pending))), made.notes)


def _find(ledger: Ledger, run: str | int | None) -> LedgerFile:
    stored = ledger.files()
    if not stored:
        raise UnknownRun(f"no run of {ledger.host} is recorded.", next_step="hygiene report")
    if run is None:
        return stored[-1]
    text = str(run)
    found = [file for file in stored if file.run_id == text]
    if not found and text.isdecimal():
        found = [file for file in stored if file.seq == int(text)]
    if not found and text:
        found = [file for file in stored if file.run_id.startswith(text)]
    if len(found) == 1:
        return found[0]
    how_many = "no run" if not found else f"{len(found)} runs"
    verb = "answers" if len(found) < 2 else "answer"  # noqa: PLR2004 - English
    raise UnknownRun(f"{how_many} of {ledger.host} {verb} to {text!r}.", next_step="hygiene history runs")


def _size_bytes(directory: Path) -> int:
    total = 0
    try:
        with os.scandir(directory) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    total += _size_bytes(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return total
    return total
