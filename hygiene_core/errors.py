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
    │   └── PlanChanged               PLAN_CHANGED
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
    "ConfigProblem",
    "EnginePermission",
    "EngineProtocol",
    "EngineTimeout",
    "EngineTooOld",
    "EngineUnreachable",
    "EvidenceBroken",
    "EvidenceProblem",
    "EvidenceUnreadable",
    "EvidenceUnwritable",
    "HygieneError",
    "NotDockerEngine",
    "NotSeen",
    "OutputUnwritable",
    "PlanBlocked",
    "PlanChanged",
    "QueryProblem",
    "Refused",
    "Stopped",
    "Terminated",
    "UnknownHost",
    "UnknownPlan",
    "UnknownResource",
    "UnknownRun",
    "Unreachable",
    "UsageProblem",
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
