"""The command `hygiene-executor`: a verb, at most one digest, for `stage` typed JSON on stdin. No options.

It answers with one JSON object on stdout; a refusal is `{"refused": {...}}` and an exit status.
"""

# ruff: noqa: PLC0415 - each verb loads what it needs

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, NoReturn

from hygiene_core.clock import utc_now
from hygiene_core.errors import HygieneError, NotRoot, UnknownPlan, UsageProblem
from hygiene_core.executor import failpoint
from hygiene_core.host.caller import caller, scrub
from hygiene_core.model.journal import Caller
from hygiene_core.model.text import plain

__all__ = ["MAX_STAGED_BYTES", "VERBS", "main"]

MAX_STAGED_BYTES = 64 * 2**20
"""The longest JSON that `stage` reads: a plan of 5,000 records has some 2 MiB."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_USAGE = "hygiene-executor observe | stage | apply DIGEST | status [DIGEST] | stop DIGEST | settle [DIGEST]"


def main() -> NoReturn:
    """Do one verb and exit with the status that the error tree gives."""
    asked = caller(os.environ)
    failpoint.arm(os.environ)
    scrub()
    os.umask(0o027)
    status = 0
    try:
        verb, digest = _words(sys.argv[1:])
        answer = VERBS[verb](digest, asked)
    except HygieneError as error:
        status = error.exit_status
        answer = {"refused": {"code": error.code, "message": error.message, "next_step": error.next_step}}
        sys.stderr.write(f"{plain(str(error))}\n")
    sys.stdout.write(json.dumps(answer, default=str) + "\n")
    sys.stdout.flush()
    sys.exit(status)


def _words(arguments: list[str]) -> tuple[str, str | None]:
    if not arguments or arguments[0] not in VERBS or len(arguments) > 2:  # noqa: PLR2004 - a verb and a digest
        raise UsageProblem(f"a verb and at most one digest: {_USAGE}. Nothing was done.")
    verb, digest = arguments[0], arguments[1] if len(arguments) > 1 else None
    if digest is not None and _DIGEST.fullmatch(digest) is None:
        raise UnknownPlan(f"{digest[:80]!r} is no digest: 64 characters of 0-9 and a-f. Nothing was done.")
    if (digest is None) != (verb in _WITHOUT) and verb not in _EITHER:
        raise UsageProblem(f"{verb} takes {'no' if verb in _WITHOUT else 'one'} digest: {_USAGE}.")
    return verb, digest


def _observe(_digest: str | None, _asked: Caller) -> dict[str, Any]:
    from hygiene_core.executor.asking import ask_host
    from hygiene_core.host.observe import observe
    from hygiene_core.model.codec import adapter
    from hygiene_core.model.observation import Observation

    seen = observe(ask_host().request())
    made: dict[str, Any] = adapter(Observation).dump_python(seen, mode="json")
    return made


def _unknown(sent: dict[str, Any], kept: dict[str, Any]) -> str | None:
    """The first key of what was sent that is not kept, at whatever depth."""
    for key, value in sent.items():
        if key not in kept:
            return key
        if isinstance(value, dict) and (inner := _unknown(value, kept[key])) is not None:
            return inner
    return None


def _stage(_digest: str | None, asked: Caller) -> dict[str, Any]:
    from dataclasses import replace

    from hygiene_core.executor import staging
    from hygiene_core.executor.asking import ask_host
    from hygiene_core.model.approval import StagedApproval, StagedPlan
    from hygiene_core.model.codec import decode, encode, staged_adapter

    sent = sys.stdin.buffer.read(MAX_STAGED_BYTES + 1)
    if len(sent) > MAX_STAGED_BYTES:
        raise UsageProblem(f"what was sent is longer than {MAX_STAGED_BYTES} bytes. Nothing was kept.")
    try:
        staged = decode(staged_adapter(), sent)
    except ValueError as error:
        said = str(error).partition("\n")[0]
        raise UsageProblem(f"what was sent cannot be read ({said}). Nothing was kept.") from None
    if (part := _unknown(json.loads(sent), json.loads(encode(staged_adapter(), staged)))) is not None:
        # It may have been meant to narrow what is done.
        raise UsageProblem(f"this kit does not know the part {part!r} of what was sent. Nothing was kept.")
    host = ask_host()
    match staged:
        case StagedPlan():
            return {"digest": staging.stage_plan(host.places, staged)}
        case StagedApproval():
            plan, _ = staging.load_plan(host.places, staged.digest)
            by = replace(asked, said_from=staged.said_from)
            name = staging.stage_approval(
                host.places, staged, plan, rules=host.rules, asked=by, now=utc_now()
            )
            return {"digest": staged.digest, "approval": name, "approved_by": by.name}
        case _:
            staging.revoke(host.places, staged, asked, utc_now())
            return {"digest": staged.digest, "revoked": staged.approval}


def _apply(digest: str | None, asked: Caller) -> dict[str, Any]:
    from hygiene_core.executor.applying import apply

    return apply(digest or "", asked)


def _status(digest: str | None, _asked: Caller) -> dict[str, Any]:
    from hygiene_core.executor.telling import status

    return status(digest)


def _settle(digest: str | None, _asked: Caller) -> dict[str, Any]:
    from hygiene_core.executor.settling import settle

    return settle(digest)


def _stop(digest: str | None, _asked: Caller) -> dict[str, Any]:
    from hygiene_core.executor.telling import running
    from hygiene_core.host.activity.processes import process_id

    if os.geteuid() != 0:
        raise NotRoot("only root may stop a run.")
    holder = running(digest or "")
    if holder is None:
        raise UnknownPlan(
            f"no run of the plan {(digest or '')[:12]} goes on.", next_step="See: hygiene status"
        )
    # Its number may be another's by now; one that has ended needs no stopping.
    with suppress(FileNotFoundError, ProcessLookupError):
        if process_id(holder.pid).started == holder.started:
            os.kill(holder.pid, signal.SIGTERM)
    return {"stopping": asdict(holder)}


VERBS: dict[str, Callable[[str | None, Caller], dict[str, Any]]] = {
    "observe": _observe,
    "stage": _stage,
    "apply": _apply,
    "status": _status,
    "stop": _stop,
    "settle": _settle,
}
_WITHOUT = frozenset({"observe", "stage"})
_EITHER = frozenset({"status", "settle"})


if __name__ == "__main__":
    main()
