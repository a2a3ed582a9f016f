"""One run, from the gate to the last line of its journal.

Every step is told to the journal before the next begins: an intent before its act, an outcome after it. A
signal, a bound or a job that starts ends the run between two calls, never within one.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from hygiene_core import __version__
from hygiene_core.clock import utc_now
from hygiene_core.decide.naming import named
from hygiene_core.decide.probing import unprobed_records
from hygiene_core.decide.recheck import recheck_records
from hygiene_core.decide.relations import of_builder
from hygiene_core.decide.snapshot import snapshot
from hygiene_core.decide.verify import verified
from hygiene_core.errors import EXIT_INCOMPLETE, HygieneError
from hygiene_core.evidence.journal import Journal
from hygiene_core.executor import failpoint
from hygiene_core.executor.asking import Asked
from hygiene_core.executor.doing import Means
from hygiene_core.executor.ending import ended, exit_status, seen_after
from hygiene_core.executor.limits import Limits
from hygiene_core.executor.order import Order
from hygiene_core.executor.staging import mark_spent, spent_by
from hygiene_core.executor.warmth import Warmth
from hygiene_core.host import gate
from hygiene_core.host.actions import caches
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.activity.processes import process_id
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.observe import observe
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.activity import Signal, busy
from hygiene_core.model.journal import (
    Began,
    Halted,
    Intended,
    Observed,
    Sampled,
    Settled,
    Snapshot,
)
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.plan import Action, Mode, PlannedRecord, Verb

__all__ = ["GATE_INTERVAL", "GATE_SAMPLES", "Execution"]

GATE_INTERVAL = timedelta(seconds=2)
GATE_SAMPLES = 2
_GATE_LIMIT = timedelta(seconds=30)

_NEEDED = {
    Mode.BOUNDED: (SectionName.ENGINE,),
    Mode.RETIREMENT: (
        SectionName.ENGINE,
        SectionName.IMAGES,
        SectionName.CONTAINERS,
        SectionName.VOLUMES,
    ),
}
"""What has to be seen whole before anything of a phase is removed."""


class _StoppedWaiting(Exception):
    """A signal came while the run waited for the host to come to rest."""


_WELL = {Outcome.REMOVED, Outcome.ALREADY_ABSENT}


@dataclass(slots=True)
class Execution:
    """A run under the lock. `go` ends it; its journal then holds everything that came of it."""

    asked: Asked
    order: Order
    journal: Journal
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    settled: list[Settled] = field(default_factory=list)
    _hands: Hands = field(init=False)
    _means: Means = field(init=False)
    _limits: Limits = field(init=False)
    _warmth: Warmth = field(init=False)
    _stop: bool = False
    _untouchable: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        options = self.order.options
        self._hands = self.asked.hands(options.call_limit)
        self._means = Means(
            hands=self._hands, allowed=self.asked.rules.directories, excluded=self.order.excluded
        )
        self._warmth = Warmth(self.asked, self.journal, self._sample)
        self._limits = Limits.of(self.order.plan.bounds, self.asked.rules.ceilings, options.free_target_bytes)

    def begin(self) -> None:
        """Write the first lines, as the process that goes through the run. Raises EvidenceUnwritable."""
        signal.signal(signal.SIGTERM, self._be_stopped)
        signal.signal(signal.SIGINT, self._be_stopped)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        plan = self.order.plan
        self.journal.create()
        self.journal.append(
            Began(
                at=utc_now(),
                run_id=self.run_id,
                digest=self.order.digest,
                mode=plan.mode.value,
                host=self.asked.rules.name,
                machine_id=self.asked.machine_id,
                engine_id=self.asked.engine_id,
                engine_version=self.asked.version.version,
                api_version=self.asked.version.api_used,
                tool_version=__version__,
                caller=self.order.caller,
                approvals=self.order.permitted.approvals,
                process=process_id(os.getpid()),
                excluded=tuple(sorted(self.order.excluded)),
            )
        )
        self.journal.append(named(plan, self.order.permitted, utc_now()))
        failpoint.reach("after-began")

    def go(self) -> int | None:
        """Go through the run. Its exit status; `None` where an outcome is not known: it is to be settled.

        Raises EvidenceUnwritable: the journal takes no more; nothing was done without it.
        """
        if self.order.permitted.actions and (why := self._held_back()):
            return self._end(exit_status(why, (), self.settled))
        failpoint.reach("after-gate")
        before = self._look_before()
        if before is None:
            return self._end(EXIT_INCOMPLETE)
        failpoint.reach("after-observed")
        self._withhold()
        if self.order.permitted.actions:
            self._warmth.measure("before")
        why = self._through()
        if any(one.outcome is Outcome.UNKNOWN for one in self.settled):
            return None
        failpoint.reach("before-verify")
        problems = self._verify(before) if self.order.permitted.actions else ()
        return self._end(exit_status(why, problems, self.settled))

    # -- the parts -----------------------------------------------------------------------------------------

    def _be_stopped(self, _number: int, _frame: object) -> None:
        self._stop = True

    def _sample(self) -> tuple[Signal, ...]:
        return gate.sample(
            self.asked.rules.docker_socket,
            self.asked.version.api_used,
            data_root=self.asked.named_root,
            exclude=self.order.excluded,
            within=Deadline.after(_GATE_LIMIT),
        )

    def _held_back(self) -> str | None:
        """Wait for samples in a row that find no work; why the run may not begin, or `None`."""
        last: list[tuple[Signal, ...]] = []

        def take() -> tuple[Signal, ...]:
            if self._stop:
                raise _StoppedWaiting
            last[:] = [self._sample()]
            return last[0]

        wait = self.order.options.wait_idle
        try:
            at_work = gate.watch_idle(
                take,
                interval=GATE_INTERVAL,
                samples=GATE_SAMPLES,
                until=Deadline.after(wait) if wait else None,
            )
        except _StoppedWaiting:
            return self._halt("STOPPED", "it was asked to stop while it waited for the host to come to rest")
        self.journal.append(Sampled(at=utc_now(), signals=last[0]))
        return self._halt("JOB_RUNNING", _told(at_work)) if at_work else None

    def _look_before(self) -> Snapshot | None:
        """A whole look before the first removal; `None` if too little of it could be seen."""
        seen = observe(self.asked.request())
        made = snapshot(seen, self.order.plan, self.asked.rules)
        self.journal.append(Observed(at=utc_now(), when="before", snapshot=made))
        self._untouchable = frozenset(made.untouchable)
        missing = [
            f"{name.value}: {seen.sections[name].reason}"
            for name in _NEEDED[self.order.plan.mode]
            if seen.availability(name) is not Availability.COMPLETE
        ]
        if seen.engine is not None and seen.engine.id != self.asked.engine_id:
            missing.append("another Engine answers than before")
        if missing:
            self._halt("INVENTORY_INCOMPLETE", f"not everything could be seen: {missing[0]}")
            return None
        return made

    def _withhold(self) -> None:
        for number, (why, detail) in self.order.permitted.withheld.items():
            if self.order.plan.mode is Mode.BOUNDED:
                self._settle(number, 1, Acted(outcome=Outcome.REFUSED, why=why, detail=detail))

    def _through(self) -> str | None:
        """Do the steps, one after the other; the code of what ended it before the last, or `None`."""
        done: set[int] = set()
        for action in self.order.permitted.actions:
            for line in self._do(action, done):
                if line is not None:
                    return line
            if any(one.number == action.number and one.outcome in _WELL for one in self.settled):
                done.add(action.number)
        return None

    def _do(self, action: Action, done: set[int]) -> Iterator[str | None]:
        """One step, call by call; each call yields why the run has to end, or `None`."""
        if not done.issuperset(action.after):
            said = "the step before it did not remove what this one belongs to"
            self._settle(action.number, 1, Acted(outcome=Outcome.SKIPPED, why=Why.DEPENDS, detail=said))
            return
        if f"{action.kind.value} {action.id}" in self._untouchable:
            said = "the no-touch set of the host or of the plan has it"
            self._settle(action.number, 1, Acted(outcome=Outcome.REFUSED, why=Why.NO_TOUCH, detail=said))
            return
        if action.verb is Verb.PRUNE_RECORDS:
            yield from self._prune(action)
        else:
            yield from self._remove(action)

    def _remove(self, action: Action) -> Iterator[str | None]:
        if why := self._ends_here(action.number, max(1, len(action.files)), action.estimate_bytes or 0):
            yield why
            return
        self._intend(action.number, 1, (action.id,), None)
        acted = self._means.drift_of(action)
        failpoint.reach("after-recheck")
        free = self._free_bytes()
        if acted is None:
            acted = self._means.remove(action, self.order.permitted.references.get(action.number, ()))
            failpoint.reach("after-act")
        self._settle(action.number, 1, acted, freed=self._free_bytes() - free)
        self._limits.take(max(1, len(action.files)), action.estimate_bytes or 0)
        yield self._after(acted)

    def _prune(self, action: Action) -> Iterator[str | None]:
        rest = list(action.records)
        for call in count(1):
            if not rest:
                return
            part, rest = rest[: caches.CALL_RECORDS], rest[caches.CALL_RECORDS :]
            if why := self._ends_here(action.number, len(part), sum(one.size_bytes for one in part)):
                yield why
                return
            acted = self._prune_part(action, call, part)
            self._limits.take(len(part), sum(one.size_bytes for one in part))
            yield self._after(acted)

    def _prune_part(self, action: Action, call: int, part: list[PlannedRecord]) -> Acted:
        outlook = next(one for one in self.order.plan.outlooks if one.builder == action.id)
        reserve = max(outlook.budget.reserved_bytes, of_builder(self.asked.rules.reserves, action.id) or 0)
        self._intend(action.number, call, tuple(one.id for one in part), action.cap_bytes)
        try:
            records = unprobed_records(caches.read_records(action, self._hands), self._warmth.probed)
        except HygieneError as error:
            acted = Acted(outcome=Outcome.KEPT, why=Why.UNREADABLE, detail=error.message)
            self._settle(action.number, call, acted)
            return acted
        held = recheck_records(part, records, target_bytes=outlook.target_bytes, reserved_bytes=reserve)
        failpoint.reach("after-recheck")
        if not held.going:
            whys = Counter(held.dropped.values()).most_common(1)
            said = f"none of {len(part)} records may go any more"
            acted = Acted(outcome=Outcome.SKIPPED, why=whys[0][0], detail=said)
            self._settle(action.number, call, acted, kept=held.dropped, before=held.private_bytes)
            return acted
        ids = tuple(one.id for one in held.going)
        free = self._free_bytes()
        acted = caches.prune(action, ids, held.cap_bytes, self._hands)
        failpoint.reach("after-act")
        freed = self._free_bytes() - free
        acted, kept, after = seen_after(action, acted, ids, self._hands)
        self._settle(
            action.number,
            call,
            acted,
            freed=freed,
            kept={**held.dropped, **kept},
            before=held.private_bytes,
            after=after,
        )
        return acted

    # -- between the calls ---------------------------------------------------------------------------------

    def _ends_here(self, number: int, items: int, size_bytes: int) -> str | None:
        """Whether the run ends before this call; told to the journal."""
        if self._stop:
            return self._halt("STOPPED", "it was asked to stop")
        if reached := self._limits.reached(items, size_bytes, self._free_bytes()):
            return self._halt(*reached)
        signals = self._sample()
        if at_work := busy(signals):
            self.journal.append(Sampled(at=utc_now(), number=number, signals=signals))
            return self._halt("JOB_RUNNING", _told(at_work))
        return None

    def _after(self, acted: Acted) -> str | None:
        """Whether the run ends after this call."""
        if acted.foreign:
            named = ", ".join(acted.foreign[:3])
            return self._halt("FOREIGN", f"something went that nobody named: {named}")
        if acted.outcome is Outcome.UNKNOWN:
            return self._halt("UNKNOWN_OUTCOME", "what came of it is not known")
        last = self.settled[-self.order.options.equal_failures :]
        same = {(one.outcome, one.why) for one in last}
        failing = acted.outcome is Outcome.FAILED and len(last) == self.order.options.equal_failures
        if failing and len(same) == 1:
            return self._halt("EQUAL_FAILURES", f"{len(last)} steps failed alike: {acted.detail}")
        return None

    def _free_bytes(self) -> int:
        seen = os.statvfs(self.asked.data_root)
        return seen.f_bfree * seen.f_frsize

    # -- telling -------------------------------------------------------------------------------------------

    def _halt(self, why: str, detail: str) -> str:
        self.journal.append(Halted(at=utc_now(), why=why, detail=detail))
        return why

    def _intend(self, number: int, call: int, ids: tuple[str, ...], cap_bytes: int | None) -> None:
        failpoint.reach("before-intent")
        if spent_by(self.asked.places, self.order.digest) is None:
            mark_spent(self.asked.places, self.order.digest, self.run_id)
        self.journal.append(Intended(at=utc_now(), number=number, call=call, ids=ids, cap_bytes=cap_bytes))
        failpoint.reach("after-intent")

    def _settle(
        self,
        number: int,
        call: int,
        acted: Acted,
        *,
        freed: int | None = None,
        kept: dict[str, Why] | None = None,
        before: int | None = None,
        after: int | None = None,
    ) -> None:
        line = Settled(
            at=utc_now(),
            number=number,
            call=call,
            outcome=acted.outcome,
            why=acted.why,
            detail=acted.detail,
            removed=acted.removed,
            kept=kept or {},
            claimed_bytes=acted.claimed_bytes,
            freed_bytes=freed,
            private_before_bytes=before,
            private_after_bytes=after,
            foreign=acted.foreign,
        )
        self.journal.append(line)
        self.settled.append(line)
        failpoint.reach("after-outcome")

    def _verify(self, before: Snapshot) -> tuple[str, ...]:
        seen: Observation = observe(self.asked.request())
        after = snapshot(seen, self.order.plan, self.asked.rules)
        self.journal.append(Observed(at=utc_now(), when="after", snapshot=after))
        self._warmth.measure("after")
        found = verified(
            self.order.plan,
            self.settled,
            before=before,
            after=after,
            seen=seen,
            left=[one.number for one in self.order.permitted.actions if self._means.left(one)],
            probes=self._warmth.probes,
            now=utc_now(),
        )
        self.journal.append(found)
        return found.problems

    def _end(self, status: int) -> int:
        self.journal.append(ended(self.settled, self.order.plan, status, utc_now()))
        failpoint.reach("after-ended")
        return status


def _told(at_work: Collection[Signal]) -> str:
    return "; ".join(f"{one.source} {one.activity.value}: {one.detail}" for one in at_work)
