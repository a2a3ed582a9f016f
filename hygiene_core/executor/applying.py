"""Start a run: every refusal first, then the lock, then a process that no terminal can end."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from hygiene_core.clock import utc_now
from hygiene_core.decide.permit import Permitted, Refusal, permitted, refusals
from hygiene_core.errors import (
    ApprovalMissing,
    EvidenceProblem,
    HygieneError,
    Unsettled,
    error_of,
)
from hygiene_core.evidence.acts import pruned_before
from hygiene_core.evidence.journal import Journal
from hygiene_core.executor import sealing
from hygiene_core.executor.asking import Asked, ask_host
from hygiene_core.executor.execution import Execution
from hygiene_core.executor.order import Order
from hygiene_core.executor.places import Places
from hygiene_core.executor.staging import approvals_of, load_plan, spent, spent_by
from hygiene_core.host.activity.processes import ancestry, process_id
from hygiene_core.host.lock import Holder, LockFile, hold
from hygiene_core.model.journal import Caller, Halted
from hygiene_core.model.plan import Mode, Plan

__all__ = ["apply", "open_runs"]


def apply(digest: str, caller: Caller) -> dict[str, Any]:
    """Start a run of a staged plan and return as soon as it goes on by itself.

    The answer has `run_id`, `digest`, `pid` and `journal`, the path to follow.

    Raises:
        HygieneError: a refusal; nothing was removed.
    """
    asked = ask_host()
    plan, options = load_plan(asked.places, digest)
    excluded = ancestry()  # while this is still a child of whoever started it
    with hold(asked.places.lock, asked.data_root, options.lock_wait.total_seconds()) as lock:
        allowed = _allowed(asked, digest, plan)
        order = Order(
            digest=digest,
            plan=plan,
            permitted=allowed,
            options=options,
            caller=caller,
            excluded=excluded,
        )
        return _detached(asked, order, lock)


def open_runs(places: Places) -> tuple[str, ...]:
    """The runs that have not ended in the ledger of acts: one that goes on, or those that were cut off."""
    return tuple(sorted(path.stem for path in places.runs.glob("*.jsonl")))


def _allowed(asked: Asked, digest: str, plan: Plan) -> Permitted:
    """What of the plan may be done. Raises the first refusal, with all the others in its message."""
    for run in open_runs(asked.places):
        if sealing.finish(asked, run):
            continue
        raise Unsettled(
            f"the run {run} was cut off, and what came of it is not known. Nothing was removed.",
            next_step="Look what is true: hygiene settle",
        )
    sealing.require_whole(asked)
    if run_id := spent_by(asked.places, digest):
        raise spent(digest, run_id)
    now = utc_now()
    _refuse(refusals(plan, asked.rules, machine_id=asked.machine_id, engine_id=asked.engine_id, now=now))
    given = list(approvals_of(asked.places, digest))
    allowed = permitted(
        plan,
        asked.rules,
        [(name, one) for name, one, withdrawn in given if withdrawn is None],
        pruned_before=pruned_before(asked.places.state),
        now=now,
    )
    if plan.mode is Mode.RETIREMENT and not allowed.actions:
        raise ApprovalMissing(
            f"{_why_no_approval(len(given))} Nothing was removed.",
            next_step=f"Approve it: hygiene approve {digest[:12]}",
        )
    return allowed


def _why_no_approval(given: int) -> str:
    if not given:
        return "nobody approved anything of this plan."
    return f"none of the {given} approvals of this plan holds: they are over, withdrawn or not an approver's."


def _refuse(found: Sequence[Refusal]) -> None:
    if not found:
        return
    told = "; ".join(one.message for one in found)
    raise error_of(found[0].code)(
        f"{told}. Nothing was removed.", next_step="Make a new plan: hygiene plan --help"
    )


def _detached(asked: Asked, order: Order, lock: LockFile) -> dict[str, Any]:
    """Go on in a process of its own: the lock goes over to it, its streams lead nowhere."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.close(read_end)
        _run(asked, order, lock, write_end)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as stream:
        said = json.loads(stream.read() or b"{}")
    if "code" in said:
        raise error_of(said["code"])(said["message"], next_step=said["next_step"])
    if not said:
        raise EvidenceProblem(
            "the run was cut off as it began. Nothing was removed.",
            next_step="Look what is true: hygiene settle",
        )
    answer: dict[str, Any] = said
    return answer


def _run(asked: Asked, order: Order, lock: LockFile, ready: int) -> NoReturn:
    """The whole life of the detached process. Its status is in the journal; nobody waits for its own."""
    status = 1
    try:
        os.setsid()
        run = Execution(asked, order, Journal(asked.places.runs / "unnamed", asked.places.ballast))
        run.journal.path = asked.places.runs / f"{run.run_id}.jsonl"
        try:
            run.begin()
        except HygieneError as error:
            with suppress(OSError):  # it did not begin: there is nothing to settle
                run.journal.path.unlink(missing_ok=True)
            said = f"{error.message} Nothing was removed."
            _send(ready, {"code": error.code, "message": said, "next_step": error.next_step})
            raise
        me = process_id(os.getpid())
        lock.tell(
            Holder(
                pid=me.pid,
                started=me.started,
                run_id=run.run_id,
                digest=order.digest,
                since=f"{utc_now():%FT%TZ}",
            )
        )
        _send(
            ready,
            {
                "run_id": run.run_id,
                "digest": order.digest,
                "pid": me.pid,
                "journal": str(run.journal.path),
            },
        )
        _lead_nowhere()
        ended = run.go()
        if ended is not None:
            sealing.seal(asked, run.journal.path)
            status = ended
    except HygieneError:
        pass  # told before, or the journal takes no more: the run is then unsettled, and says so
    except Exception as error:  # noqa: BLE001 - a defect of this kit: nobody reads its streams any more
        with suppress(HygieneError):
            run.journal.append(Halted(at=utc_now(), why="CRASHED", detail=f"{type(error).__name__}: {error}"))
    finally:
        with suppress(OSError):
            os.close(ready)
        os._exit(status)


def _send(ready: int, value: dict[str, Any]) -> None:
    os.write(ready, json.dumps(value).encode())
    os.close(ready)


def _lead_nowhere() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
