"""Writes docs/reference/refusals.md from the code: `python -m tests.unit.docs_refusals > PAGE`.

Classes, codes, words, statuses and meanings are those of `hygiene_core.errors` and `hygiene_core.model.act`;
what was done by then, and what to run next, stands here.
"""

# ruff: noqa: E501, ISC004 - lines of the page, as they are to stand there

from __future__ import annotations

from hygiene_core.errors import HygieneError
from hygiene_core.model.act import MEANINGS, Outcome

__all__ = ["COMMAND", "STOPS", "page", "subclasses"]

COMMAND = "python -m tests.unit.docs_refusals > docs/reference/refusals.md"

_NOTHING = "Nothing was removed."
_NEW_PLAN = "`hygiene plan --mode bounded`"
_ALLOW = "[Allow removals](../guides/allow-removal.md)"
_REST = "The rest of the host was looked at, reported and recorded."

# Class -> what more it means, what was done, what to do next.
_MORE: dict[str, tuple[str, str, str]] = {
    "UsageProblem": (
        "An option has a word that is not one of its words.",
        "Nothing was looked at or changed.",
        "`hygiene --help`",
    ),
    "ConfigProblem": (
        "A named file does not exist, cannot be read, or has a problem. Every problem is listed with its"
        " line. There is no fall-back to another file.",
        "Nothing was looked at.",
        "`hygiene config check`",
    ),
    "UnknownHost": (
        "Or there are several and none was named.",
        "Nothing was looked at.",
        "`hygiene config check`",
    ),
    "UnknownResource": (
        "No id begins so either. A beginning needs six characters.",
        "The host was looked at; nothing was recorded.",
        "`hygiene resources`",
    ),
    "UnknownRun": ("", "Nothing was looked at or changed.", "`hygiene history runs`"),
    "UnknownPlan": (
        "Or several begin so: a beginning needs four digits. To the executor only a whole digest is one.",
        "Nothing was looked at or changed.",
        _NEW_PLAN,
    ),
    "QueryProblem": ("", "The evidence is unchanged.", "[Tables and views](evidence-tables.md)"),
    "Refused": ("The codes below say why.", _NOTHING, _NEW_PLAN),
    "PlanBlocked": (
        "The line names the codes of the reasons.",
        "The host was looked at and recorded, the plan stored. Nothing was removed.",
        "`hygiene report`",
    ),
    "PlanChanged": (
        "Or it has a part that this kit does not know, or contradicts itself.",
        _NOTHING,
        _NEW_PLAN,
    ),
    "PlanExpired": ("", _NOTHING, _NEW_PLAN),
    "PlanSpent": ("No plan is applied twice.", _NOTHING, _NEW_PLAN),
    "StalePlan": ("", _NOTHING, _NEW_PLAN),
    "WrongHost": ("", _NOTHING, "`hygiene config host-file`"),
    "HostRulesProblem": (
        "`/etc/hygiene/host.toml` has to be root's, and is used whole or not at all.",
        _NOTHING,
        "[host.toml](host-file.md)",
    ),
    "NotAllowed": ("", _NOTHING, "[`allow`](host-file.md#the-file)"),
    "NoTouch": ("", _NOTHING, _NEW_PLAN),
    "Unbounded": ("", _NOTHING, _NEW_PLAN),
    "BudgetExceeded": ("", _NOTHING, _NEW_PLAN),
    "ClockSuspect": ("", _NOTHING, "`timedatectl`"),
    "ApprovalMissing": ("", _NOTHING, "`hygiene approve PLAN`"),
    "NotApprover": ("", "Nothing was approved.", "[`approvers`](host-file.md#the-file)"),
    "NotRoot": ("Or sudo does not let this user start the executor.", _NOTHING, _ALLOW),
    "SecondState": (
        "That is `/var/lib/hygiene/<engine id>` and `/run/hygiene`.",
        _NOTHING,
        "The command that the line names.",
    ),
    "Unsettled": ("", _NOTHING, "`hygiene settle`"),
    "DataRootUnproven": ("", _NOTHING, "[`data_root`](host-file.md#the-file)"),
    "Busy": ("", _NOTHING, "Later again."),
    "Locked": ("The line names it, if it is known.", _NOTHING, "`hygiene follow`"),
    "JobRunning": ("What cannot be told counts as at work.", _NOTHING, "Later again, or with `--wait-idle`."),
    "Unreachable": ("The codes below say which.", "What could be read was read.", "`hygiene report`"),
    "EngineUnreachable": ("Or the connection broke off.", _REST, "`systemctl status docker`"),
    "EnginePermission": ("", _REST, "`ls -l /var/run/docker.sock`"),
    "EngineTooOld": (
        "Reading needs API 1.41, removing 1.42.",
        "Nothing was read from the Engine. The rest was reported and recorded.",
        "Update the Engine to 20.10 or newer.",
    ),
    "NotDockerEngine": (
        "",
        "Nothing was read from it. The rest was reported and recorded.",
        "`hygiene config check`",
    ),
    "EngineTimeout": (
        "Its section has the return code 124.",
        "What had arrived is counted in the section; the other sections go on.",
        "Raise that key of `deadlines`.",
    ),
    "EngineProtocol": ("", "That section is incomplete; the other sections go on.", "`hygiene report`"),
    "EvidenceProblem": (
        "The codes below say which. Also: the executor ended without an answer.",
        "What the line says.",
        "`hygiene evidence verify`",
    ),
    "EvidenceUnwritable": (
        "",
        "The host was looked at; no report is printed that is not recorded. Nothing is removed"
        " before its intent is recorded.",
        "`hygiene report --unrecorded`",
    ),
    "EvidenceBroken": (
        "Or a file of it cannot be read, or its newest runs are missing.",
        "Nothing was changed, and no run was added to it.",
        "`hygiene evidence verify`",
    ),
    "EvidenceUnreadable": (
        "The ledger is not concerned.",
        "Nothing was changed.",
        "`hygiene evidence rebuild`",
    ),
    "NotSeen": (
        "The line names the sections.",
        "The host was looked at; nothing was recorded.",
        "`hygiene report`",
    ),
    "OutputUnwritable": (
        "For example because the disk behind it is full.",
        "What could not be written is lost. A run that was recorded stays recorded and is published;"
        " the line names it.",
        "`hygiene report --run RUN`",
    ),
    "Stopped": (
        "",
        "A report that was not recorded yet is not recorded; the exit record says that it was stopped."
        " A removal is asked to stop after its step, and is followed to its end.",
        "`hygiene report`",
    ),
    "Terminated": ("", "As above.", "`hygiene report`"),
}

_OUTCOMES = {
    Outcome.REMOVED: "It is gone, by this run.",
    Outcome.ALREADY_ABSENT: "It was not there when its turn came. Nothing is claimed for it.",
    Outcome.KEPT: "The call was made or prepared, and it is still there.",
    Outcome.SKIPPED: "It was not tried: what the plan stood on holds no more.",
    Outcome.REFUSED: "It was not tried: it may not be done.",
    Outcome.FAILED: "It was tried, and the answer was an error.",
    Outcome.UNKNOWN: "Nobody knows. The run stops, and `hygiene settle` finds out by looking.",
}

STOPS = {
    "BOUNDS": "A bound of the plan or a ceiling of the host is reached: objects, bytes or time.",
    "EQUAL_FAILURES": "Several steps in a row failed alike.",
    "FOREIGN": "Something went that nobody named. The run has failed.",
    "FREE_TARGET": "The disk has as much free as was asked for. The run ends well.",
    "INVENTORY_INCOMPLETE": "A section that the phase needs could not be read whole.",
    "JOB_RUNNING": "A build, a pull or a job is under way, or nobody can tell that none is.",
    "STOPPED": "Somebody asked it to stop.",
    "UNKNOWN_OUTCOME": "Nobody knows how a call ended.",
}
"""Why a run ends before its last step, by the code in its journal."""

_HEAD = f"""\
<!-- Written from the code. After a change: {COMMAND} -->

# Refusals and failures

What the kit says when it does not do what was asked. Every such line has the same form and goes to stderr:

```text
refused [CONFIG]: hygiene.toml: line 9: hosts.chris-testing.limits.min_free: 60 has no unit; write for \
example "20GiB". Nothing was looked at. Then check it again: hygiene config check --config hygiene.toml
```

A word, a code in brackets, the fact, what was done or not done, and where there is one, the next command.
The codes are stable. The statuses are explained in [Exit codes](exit-codes.md).

- **refused**: the request cannot be carried out as it stands. Nothing was begun.
- **failed**: it was begun and did not come to its end.
- **stopped**: somebody ended it.

## Codes

*Error* is the class in `hygiene_core.errors`.

| Error | Code | Word | Exit status | What it means | What was done | Next |
| --- | --- | --- | --- | --- | --- | --- |
"""

_ENGINE = """
## When the Engine cannot be read

`hygiene report` does not stop then. The sentence becomes the reason of the section `engine` and of what depends on \
it, and the code is `host.engine_error` of the report.
The figures of those sections are `null`, the status is `incomplete`, the run is recorded, and the report of the rest \
is printed. Then one line goes to stderr, and the command ends with 6:

```text
failed [ENGINE_UNREACHABLE]: There is no Engine socket at /var/run/docker.sock. The rest of the host was reported.
```

If a single call fails or passes its deadline later, only its section is incomplete, and the command ends with 4. \
All other codes end the command.

## Other errors

A mistake in the command line itself, such as an option that does not exist, is told by the command line's parser \
with the usage, and ends with 2.
Anything that is not in the table is a defect of the kit. Python's trace is shown then, and the command ends with 1.
"""


def subclasses(of: type[HygieneError]) -> list[type[HygieneError]]:
    """Every error below a class, in the order of the tree."""
    found = []
    for child in of.__subclasses__():
        if child.__module__.startswith("hygiene_core"):
            found += [child, *subclasses(child)]
    return found


def page() -> str:
    """The whole page."""
    steps = "\n## What came of a step\n\nA run of `hygiene apply` tells one of these words of each step.\n"
    whys = (
        "\n## Why a step did not go through\n\nThe code behind the word, in the report of a run and in the"
        " ledger of acts.\n"
    )
    stops = "\n## Why a run ended early\n\nNo step is begun after it; what was done stays done.\n"
    return "".join(
        [
            _HEAD,
            *(_row(error) for error in subclasses(HygieneError)),
            steps,
            _table("Outcome", {outcome.value: _OUTCOMES[outcome] for outcome in Outcome}),
            whys,
            _table("Code", {why.value: meaning for why, meaning in MEANINGS.items()}),
            stops,
            _table("Code", STOPS),
            _ENGINE,
        ]
    )


def _row(error: type[HygieneError]) -> str:
    more, done, after = _MORE[error.__name__]
    meaning = " ".join(filter(None, [(error.__doc__ or "").partition("\n")[0], more]))
    cells = (
        f"`{error.__name__}`",
        f"`{error.code}`",
        error.word,
        str(error.exit_status),
        meaning,
        done,
        after,
    )
    return f"| {' | '.join(cells)} |\n"


def _table(title: str, rows: dict[str, str]) -> str:
    lines = [f"| `{code}` | {meaning} |\n" for code, meaning in rows.items()]
    return "".join([f"\n| {title} | What it means |\n| --- | --- |\n", *lines])


if __name__ == "__main__":
    print(page(), end="")
