"""The lines of a run that removes things: its journal, its stream of events, and its record in one.

Each line is one of these, told apart by `k`. A line is on the disk before the next step begins, so that
whoever reads the journal of a run that was killed knows what had begun. Front ends tail it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.activity import ProcessId, Signal

__all__ = [
    "Began",
    "BuilderState",
    "Caller",
    "ClassTotal",
    "Ended",
    "Halted",
    "Intended",
    "Line",
    "Named",
    "NamedRecord",
    "NamedThing",
    "Observed",
    "Sampled",
    "Settled",
    "Snapshot",
    "Verified",
    "WarmthProbed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asked, by the word of the operating system.

    `uid` is the real user, `login_uid` the one of the login session (proc(5), survives sudo), `sudo_uid` the
    one that sudo names. `name` is the account of the first of login, sudo, real that is known. `said_from` is
    what the front end says of where the person sits; nothing proves it.
    """

    uid: int
    login_uid: int | None = None
    sudo_uid: int | None = None
    name: str
    said_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A run has the lock. `process` is the executor, `excluded` its ancestors, as they were at the start."""

    k: Literal["began"] = "began"
    at: datetime
    run_id: str
    digest: str
    mode: str
    host: str
    machine_id: str
    engine_id: str
    engine_version: str
    api_version: str
    tool_version: str
    caller: Caller
    approvals: tuple[str, ...] = ()
    process: ProcessId
    excluded: tuple[ProcessId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecord:
    """A record of a cache: what it was a step of, and its size when it was planned."""

    id: str
    description: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedThing:
    """What a step is about. `id` and `name` are those of the plan; for a prune, those of the builder."""

    number: int
    verb: str
    kind: str
    id: str
    name: str
    references: tuple[str, ...] = ()
    estimate_bytes: int | None = None
    records: tuple[NamedRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a run is about, by name: outcomes tell numbers and ids, and a plan is not kept for ever."""

    k: Literal["named"] = "named"
    at: datetime
    things: tuple[NamedThing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """The activity gate let the run go on, or did not: `signals` are all sources."""

    k: Literal["sampled"] = "sampled"
    at: datetime
    number: int | None = None
    signals: tuple[Signal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuilderState:
    """A builder as it stood. `private_bytes` is its unshared cache, `None` if it was not read.

    `warm` says that the plan or the host keeps it warm.
    """

    id: str
    container_id: str | None = None
    container_state: str | None = None
    volume: str | None = None
    version: str | None = None
    private_bytes: int | None = None
    largest_record_bytes: int | None = None
    max_bytes: int | None = None
    reserved_bytes: int | None = None
    warm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTotal:
    """How many there are of a kind, and their bytes; `None` is not known."""

    kind: str
    count: int | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A host at one moment. `untouchable` are the no-touch things that were there: `<kind> <id>`.

    `incomplete` says for each section that is not complete why.
    """

    used_bytes: int | None
    free_bytes: int | None
    used_inodes: int | None
    classes: tuple[ClassTotal, ...]
    builders: tuple[BuilderState, ...]
    untouchable: tuple[str, ...]
    untouchable_sha256: str
    incomplete: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A whole look, before the first removal or after the last."""

    k: Literal["observed"] = "observed"
    at: datetime
    when: Literal["before", "after"]
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """What is about to be removed. Where no `Settled` follows, nobody knows whether it was."""

    k: Literal["intended"] = "intended"
    at: datetime
    number: int
    call: int = 1
    ids: tuple[str, ...]
    cap_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How an action, or one call of it, ended.

    `freed_bytes` is the net change of the data root's filesystem while the call ran, whoever caused it.
    `kept` says of each record of a cache that was to go and stayed why. `by_looking` marks an outcome that
    was found afterwards, by observing: a crash or a deadline had cut the action.
    """

    k: Literal["settled"] = "settled"
    at: datetime
    number: int
    call: int = 1
    outcome: Outcome
    why: Why | None = None
    detail: str = ""
    removed: tuple[str, ...] = ()
    kept: dict[str, Why] = field(default_factory=dict)
    claimed_bytes: int | None = None
    freed_bytes: int | None = None
    private_before_bytes: int | None = None
    private_after_bytes: int | None = None
    foreign: tuple[str, ...] = ()
    by_looking: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """The run does not go on to its next action. `why` is a refusal code or a stop condition."""

    k: Literal["halted"] = "halted"
    at: datetime
    why: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmthProbed:
    """A small build of a warm builder: how many of its steps came from the cache.

    `used` are the records that it used or made; empty where nothing proves that they were its alone.
    """

    k: Literal["warmth"] = "warmth"
    at: datetime
    when: Literal["before", "after"]
    builder: str
    cached_steps: int | None
    steps: int | None
    seconds: float | None
    used: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the look afterwards proves. `problems` make the run a failed one; `notes` do not.

    `unmeasured` are warm builders of which no probe told how warm they still are.
    """

    k: Literal["verified"] = "verified"
    at: datetime
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last line. `outcomes` counts items by outcome; bytes are sums, `freed_bytes` of the filesystem."""

    k: Literal["ended"] = "ended"
    at: datetime
    exit_status: int
    outcomes: dict[str, int]
    estimate_bytes: int | None = None
    claimed_bytes: int | None = None
    freed_bytes: int | None = None


Line: TypeAlias = (
    Began | Named | Sampled | Observed | Intended | Settled | Halted | WarmthProbed | Verified | Ended
)
