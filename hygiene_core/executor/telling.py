"""What is known of plans and runs on this host, without asking the Engine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from hygiene_core.evidence.acts import pruned_before
from hygiene_core.executor.applying import open_runs
from hygiene_core.executor.asking import require_root
from hygiene_core.executor.places import Places, all_places
from hygiene_core.executor.staging import approvals_of, spent_by
from hygiene_core.host.lock import Holder, holder_of
from hygiene_core.model.codec import approval_adapter, revocation_adapter

__all__ = ["running", "status"]


def running(digest: str) -> Holder | None:
    """The run of a plan that goes on now."""
    for places in all_places():
        holder = holder_of(places.lock)
        if holder is not None and holder.digest == digest:
            return holder
    return None


def status(digest: str | None) -> dict[str, Any]:
    """Per Engine: who holds the lock, which runs are unsettled, what was pruned, plans and approvals.

    Raises NotRoot.
    """
    require_root()
    return {"engines": [_of(places, digest) for places in all_places()]}


def _of(places: Places, digest: str | None) -> dict[str, Any]:
    holder = holder_of(places.lock)
    runs = [run for run in open_runs(places) if holder is None or run != holder.run_id]
    listed = sorted(path.stem for path in places.plans.glob("*.json"))
    wanted = [one for one in listed if digest is None or one == digest]
    return {
        "engine_id": places.state.name,
        "state": str(places.state),
        "holder": None if holder is None else asdict(holder),
        "unsettled": runs,
        "pruned": sorted(pruned_before(places.state)),
        "plans": [
            {"digest": one, "spent_by": spent_by(places, one), "approvals": _approvals(places, one)}
            for one in wanted
        ],
    }


def _approvals(places: Places, digest: str) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "approval": approval_adapter().dump_python(one, mode="json"),
            "revoked": None if taken is None else revocation_adapter().dump_python(taken, mode="json"),
        }
        for name, one, taken in approvals_of(places, digest)
    ]
