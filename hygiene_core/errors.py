"""Every way this kit says no.

    HygieneError                      code        exit
    ├── UsageProblem                              2
    │   ├── ConfigProblem             CONFIG
    │   ├── UnknownHost               UNKNOWN_HOST
    │   ├── UnknownResource           UNKNOWN_RESOURCE
    │   ├── UnknownRun                UNKNOWN_RUN
    │   ├── UnknownPlan               UNKNOWN_PLAN
    │   └── QueryProblem              QUERY
    ├── Refused                       REFUSED     3
    │   ├── PlanBlocked               PLAN_BLOCKED
    │   ├── PlanChanged               PLAN_CHANGED
    │   ├── PlanExpired               PLAN_EXPIRED
    │   ├── PlanSpent                 PLAN_SPENT
    │   ├── StalePlan                 STALE_PLAN
    │   ├── WrongHost                 WRONG_HOST
    │   ├── HostRulesProblem          HOST_RULES  (/etc/hygiene/host.toml)
    │   ├── NotAllowed                NOT_ALLOWED
    │   ├── NoTouch                   NO_TOUCH
    │   ├── Unbounded                 UNBOUNDED
    │   ├── BudgetExceeded            BUDGET_EXCEEDED
    │   ├── ClockSuspect              CLOCK_SUSPECT
    │   ├── ApprovalMissing           APPROVAL_MISSING
    │   ├── NotApprover               NOT_APPROVER
    │   ├── NotRoot                   NOT_ROOT
    │   ├── SecondState               SECOND_STATE
    │   ├── Unsettled                 UNSETTLED
    │   └── DataRootUnproven          DATA_ROOT_UNPROVEN
    ├── Busy                          BUSY        5
    │   ├── Locked                    LOCKED
    │   └── JobRunning                JOB_RUNNING
    ├── Unreachable                               6
    │   ├── EngineUnreachable         ENGINE_UNREACHABLE
    │   ├── EnginePermission          ENGINE_PERMISSION
    │   ├── EngineTooOld              API_TOO_OLD
    │   ├── NotDockerEngine           NOT_DOCKER
    │   ├── EngineTimeout             ENGINE_TIMEOUT     (return code 124)
    │   └── EngineProtocol            ENGINE_PROTOCOL    (an answer that is not the API's)
    ├── EvidenceProblem                           7
    │   ├── EvidenceUnwritable        EVIDENCE_UNWRITABLE
    │   ├── EvidenceBroken            EVIDENCE_BROKEN
    │   └── EvidenceUnreadable        EVIDENCE_UNREADABLE
    ├── NotSeen                       NOT_SEEN    4
    ├── OutputUnwritable              OUTPUT_UNWRITABLE 4
    └── Stopped                       STOPPED     130
        └── Terminated                            143

A message states the fact, then what was done or not done; `next_step` is the one command to run next.
The same code appears in the command line, the console, the ledger and `docs/reference/refusals.md`.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "EXIT_ATTENTION",
    "EXIT_INCOMPLETE",
    "EXIT_OK",
    "EXIT_UNREACHABLE",
    "ApprovalMissing",
    "BudgetExceeded",
    "Busy",
    "ClockSuspect",
    "ConfigProblem",
    "DataRootUnproven",
    "EnginePermission",
    "EngineProtocol",
    "EngineTimeout",
    "EngineTooOld",
    "EngineUnreachable",
    "EvidenceBroken",
    "EvidenceProblem",
    "EvidenceUnreadable",
    "EvidenceUnwritable",
    "HostRulesProblem",
    "HygieneError",
    "JobRunning",
    "Locked",
    "NoTouch",
    "NotAllowed",
    "NotApprover",
    "NotDockerEngine",
    "NotRoot",
    "NotSeen",
    "OutputUnwritable",
    "PlanBlocked",
    "PlanChanged",
    "PlanExpired",
    "PlanSpent",
    "QueryProblem",
    "Refused",
    "SecondState",
    "StalePlan",
    "Stopped",
    "Terminated",
    "Unbounded",
    "UnknownHost",
    "UnknownPlan",
    "UnknownResource",
    "UnknownRun",
    "Unreachable",
    "Unsettled",
    "UsageProblem",
    "WrongHost",
]

EXIT_OK = 0
EXIT_INCOMPLETE = 4
EXIT_UNREACHABLE = 6
EXIT_ATTENTION = 8


class HygieneError(Exception):
    """The base of every error a person is meant to read.

    Attributes:
        code: the stable code, documented in `docs/reference/refusals.md`.
        exit_status: the process exit status of a command that ends with it.
        next_step: one command that leads on, or `None`.
    """

    code: ClassVar[str] = "ERROR"
    exit_status: ClassVar[int] = 1
    word: ClassVar[str] = "failed"

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        """One line for a terminal: word, code, fact, next step."""
        tail = f" {self.next_step}" if self.next_step else ""
        return f"{self.word} [{self.code}]: {self.message}{tail}"


class UsageProblem(HygieneError):
    """The command line or the configuration is not usable as it stands."""

    code = "USAGE"
    exit_status = 2
    word = "refused"


class ConfigProblem(UsageProblem):
    """`hygiene.toml` cannot be used; nothing was looked at."""

    code = "CONFIG"


class UnknownHost(UsageProblem):
    """The named host is not in the configuration."""

    code = "UNKNOWN_HOST"


class UnknownResource(UsageProblem):
    """No resource of that name or id was seen."""

    code = "UNKNOWN_RESOURCE"


class UnknownRun(UsageProblem):
    """No stored run answers to that id or number."""

    code = "UNKNOWN_RUN"


class UnknownPlan(UsageProblem):
    """No stored plan has such a digest."""

    code = "UNKNOWN_PLAN"


class QueryProblem(UsageProblem):
    """A SQL statement was refused by DuckDB or by the read-only sandbox."""

    code = "QUERY"


class Refused(HygieneError):
    """What was asked for may not be done. Nothing was removed."""

    code = "REFUSED"
    exit_status = 3
    word = "refused"


class PlanBlocked(Refused):
    """The plan has a reason in it why it may not be applied."""

    code = "PLAN_BLOCKED"


class PlanChanged(Refused):
    """A plan's file has another content than its name says."""

    code = "PLAN_CHANGED"


class PlanExpired(Refused):
    """The time in which a plan could be applied is over."""

    code = "PLAN_EXPIRED"


class PlanSpent(Refused):
    """The plan was applied already, whatever came of it."""

    code = "PLAN_SPENT"


class StalePlan(Refused):
    """The policy, or what the plan stands on, is not what it was."""

    code = "STALE_PLAN"


class WrongHost(Refused):
    """The plan, or the host's own rules, are of another machine or another Engine."""

    code = "WRONG_HOST"


class HostRulesProblem(Refused):
    """The host's own rules are not there, are not safe, or cannot be read."""

    code = "HOST_RULES"


class NotAllowed(Refused):
    """The host's own rules do not allow such a step."""

    code = "NOT_ALLOWED"


class NoTouch(Refused):
    """The plan names something that the host's own rules never let be touched."""

    code = "NO_TOUCH"


class Unbounded(Refused):
    """A prune has no ids, no budget or no cap."""

    code = "UNBOUNDED"


class BudgetExceeded(Refused):
    """The plan takes more than its bounds or the host's ceilings allow."""

    code = "BUDGET_EXCEEDED"


class ClockSuspect(Refused):
    """The clock cannot be right."""

    code = "CLOCK_SUSPECT"


class ApprovalMissing(Refused):
    """Nobody approved any of the steps, or not any more."""

    code = "APPROVAL_MISSING"


class NotApprover(Refused):
    """The host's own rules do not list the caller among the approvers."""

    code = "NOT_APPROVER"


class NotRoot(Refused):
    """Only root may remove anything, and nothing asked for it."""

    code = "NOT_ROOT"


class SecondState(Refused):
    """What is kept once for each host would be kept in a second place, or is not root's alone."""

    code = "SECOND_STATE"


class Unsettled(Refused):
    """An earlier run was cut off, and nobody has looked at what came of it yet."""

    code = "UNSETTLED"


class DataRootUnproven(Refused):
    """The Engine's data root is not proven to be the folder that would be measured."""

    code = "DATA_ROOT_UNPROVEN"


class Busy(HygieneError):
    """Not now. Nothing was removed."""

    code = "BUSY"
    exit_status = 5
    word = "refused"


class Locked(Busy):
    """Another run has the host."""

    code = "LOCKED"


class JobRunning(Busy):
    """A build, a pull or a job is under way, or nobody can tell that none is."""

    code = "JOB_RUNNING"


class Unreachable(HygieneError):
    """The host or its Engine gave no usable answer."""

    code = "UNREACHABLE"
    exit_status = 6


class EngineUnreachable(Unreachable):
    """Nothing answers at the Engine's socket."""

    code = "ENGINE_UNREACHABLE"


class EnginePermission(Unreachable):
    """The socket is there and this user may not open it."""

    code = "ENGINE_PERMISSION"


class EngineTooOld(Unreachable):
    """The Engine's newest API is older than this kit can read."""

    code = "API_TOO_OLD"


class NotDockerEngine(Unreachable):
    """Something else (Podman) answers on the socket."""

    code = "NOT_DOCKER"


class EngineTimeout(Unreachable):
    """A call passed its deadline; its socket was shut down.

    Attributes:
        captured_bytes: how much of the answer had arrived by then.
    """

    code = "ENGINE_TIMEOUT"

    def __init__(self, message: str, *, captured_bytes: int = 0, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.captured_bytes = captured_bytes


class EngineProtocol(Unreachable):
    """The answer was an HTTP error or not what the Engine's API promises.

    Attributes:
        http_status: the status of the answer, or `None` if it was not HTTP.
    """

    code = "ENGINE_PROTOCOL"

    def __init__(self, message: str, *, http_status: int | None = None, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.http_status = http_status


class EvidenceProblem(HygieneError):
    """Evidence could not be kept or cannot be trusted."""

    code = "EVIDENCE"
    exit_status = 7


class EvidenceUnwritable(EvidenceProblem):
    """The ledger could not take this run; the report was not printed as recorded."""

    code = "EVIDENCE_UNWRITABLE"


class EvidenceBroken(EvidenceProblem):
    """The ledger's chain does not verify."""

    code = "EVIDENCE_BROKEN"


class EvidenceUnreadable(EvidenceProblem):
    """The published database cannot be opened for reading."""

    code = "EVIDENCE_UNREADABLE"


class NotSeen(HygieneError):
    """It was not found, and a part of the host where it may be could not be read."""

    code = "NOT_SEEN"
    exit_status = EXIT_INCOMPLETE


class OutputUnwritable(HygieneError):
    """What was to be printed could not be written to stdout."""

    code = "OUTPUT_UNWRITABLE"
    exit_status = EXIT_INCOMPLETE


class Stopped(HygieneError):
    """Ctrl-C (SIGINT) ended the command."""

    code = "STOPPED"
    exit_status = 130
    word = "stopped"


class Terminated(Stopped):
    """SIGTERM ended the command."""

    exit_status = 143


def error_of(code: str) -> type[HygieneError]:
    """The class of a code that another process told; the base where this kit does not know it."""
    waiting: list[type[HygieneError]] = [HygieneError]
    while waiting:
        one = waiting.pop()
        if one.code == code:
            return one
        waiting += one.__subclasses__()
    return HygieneError
