"""A plan: what is to be removed, in which order, on which facts, and within which bounds.

A plan is made by `decide.plan`, stored once, and spent by one apply. Its digest is sha256 over its stored
bytes (`evidence.plans`), so that nothing of it can change unnoticed. It carries everything that has to hold
again right before each removal. Bytes are estimates until they are measured; `None` is "not known".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from hygiene_core.model.policy import Bounds, Budget
from hygiene_core.model.resource import Kind

__all__ = [
    "PLAN_VERSION",
    "Action",
    "Blocker",
    "BlockerCode",
    "Mode",
    "Outlook",
    "Plan",
    "PlannedFile",
    "PlannedHost",
    "PlannedRecord",
    "Selection",
    "StayReason",
    "Staying",
    "Verb",
]

PLAN_VERSION = 1


class Mode(StrEnum):
    """The two phases."""

    BOUNDED = "bounded"
    RETIREMENT = "retirement"


class Verb(StrEnum):
    """What an action does. There is no verb that removes what is not named."""

    PRUNE_RECORDS = "prune_records"
    REMOVE_CONTAINER = "remove_container"
    STOP_AND_REMOVE_CONTAINER = "stop_and_remove_container"
    REMOVE_IMAGE = "remove_image"
    REMOVE_VOLUME = "remove_volume"
    REMOVE_DIRECTORY = "remove_directory"
    REMOVE_FILES = "remove_files"


class BlockerCode(StrEnum):
    """Why a plan, or a part of it, may not be applied."""

    NO_POLICY = "NO_POLICY"
    EMPTY_POLICY = "EMPTY_POLICY"
    INVENTORY_INCOMPLETE = "INVENTORY_INCOMPLETE"
    CLOCK_SUSPECT = "CLOCK_SUSPECT"
    DATA_ROOT_UNPROVEN = "DATA_ROOT_UNPROVEN"
    API_TOO_OLD = "API_TOO_OLD"
    HOST_UNKNOWN = "HOST_UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """One reason. `subject` is the builder that it is about; `None` blocks the whole plan."""

    code: BlockerCode
    message: str
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHost:
    """The one host that a plan is for."""

    name: str
    machine_id: str | None
    engine_id: str | None
    engine_version: str | None
    api_version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRecord:
    """A record of a build cache, with the facts that it was judged on."""

    id: str
    size_bytes: int
    last_used_at: datetime | None
    usage_count: int | None
    parents: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file below the path that an action names, with the identity that it has to have (stat(2)).

    `size_bytes` is its length.
    """

    name: str
    device: int
    inode: int
    ctime_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One step, numbered from 1 in the order in which it is to be done.

    `id` is the exact identity: an image's or container's full id, a volume's name, a builder's node.
    `references` are an image's tags and digests, all of which have to be as they were. `facts` are what has
    to hold again right before the step, by name and as text. `after` are steps that must have ended well.

    For `prune_records`, `records` go leaf first, least recently used first, and `cap_bytes` is the size above
    which the builder's private records may be removed at all: one byte more than what is to stay.

    For `remove_directory` and `remove_files`, `facts` hold the path, device, inode and change time of the
    directory; `files` are those of it that go.
    """

    number: int
    verb: Verb
    kind: Kind
    id: str
    name: str
    estimate_bytes: int | None
    reasons: tuple[str, ...]
    references: tuple[str, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    after: tuple[int, ...] = ()
    container_id: str | None = None
    records: tuple[PlannedRecord, ...] = ()
    files: tuple[PlannedFile, ...] = ()
    private_bytes: int | None = None
    cap_bytes: int | None = None
    budget: Budget | None = None
    needs_approval: str | None = None


class StayReason(StrEnum):
    """Why records of a builder stay although its budget is not met, or why no more of them go."""

    IN_USE = "in_use"
    PINNED = "pinned"
    SHARED = "shared"
    INTERNAL = "internal"
    TOO_YOUNG = "too_young"
    UNMEASURED = "unmeasured"
    RESERVE = "reserve"
    BUDGET_MET = "budget_met"
    BOUNDS = "bounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staying:
    """The records of one builder that stay for one reason. `size_bytes` is `None` where one has no size."""

    why: StayReason
    count: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a plan makes of one builder's cache: private bytes now, and after it."""

    builder: str
    private_bytes: int
    planned_bytes: int
    target_bytes: int
    budget: Budget
    staying: tuple[Staying, ...]

    @property
    def remaining_bytes(self) -> int:
        """What is left, if all goes as planned."""
        return self.private_bytes - self.planned_bytes

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.remaining_bytes <= self.target_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of the candidates a plan is narrowed to. An empty field narrows nothing.

    `verdicts` may name `retained` besides `candidate`; nothing else is ever planned.
    """

    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ("candidate",)
    min_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan. `left_out` counts what the bounds kept from it; `run_id` is the observation it is made of.

    `untouched` are the protected things that have to be there afterwards as well, `<kind> <id>` each, and
    `warm_builders` the builders that have to be warm.
    """

    version: int = PLAN_VERSION
    mode: Mode
    host: PlannedHost
    run_id: str
    tool_version: str
    made_at: datetime
    expires_at: datetime
    policy_digest: str
    policy_sentence: str
    inventory_digest: str
    selection: Selection
    bounds: Bounds
    preconditions: tuple[str, ...]
    stop_conditions: tuple[str, ...]
    actions: tuple[Action, ...]
    outlooks: tuple[Outlook, ...] = ()
    untouched: tuple[str, ...] = ()
    warm_builders: tuple[str, ...] = ()
    left_out: int = 0
    blockers: tuple[Blocker, ...] = ()

    @property
    def estimate_bytes(self) -> int | None:
        """What all steps together would free; `None` if one of them is not known."""
        known = [one.estimate_bytes for one in self.actions if one.estimate_bytes is not None]
        return sum(known) if len(known) == len(self.actions) else None

    @property
    def is_blocked(self) -> bool:
        """Whether nothing of it may be applied."""
        return any(one.subject is None for one in self.blockers)

    @property
    def lasts(self) -> timedelta:
        """For how long it may be applied."""
        return self.expires_at - self.made_at
