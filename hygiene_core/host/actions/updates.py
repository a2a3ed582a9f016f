"""Whether a runner replaces its own programs now: then nothing of it is touched."""

from __future__ import annotations

import os

from hygiene_core.host.actions.ground import Spot, because, ended
from hygiene_core.host.probes.walk import named
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.plan import Action
from hygiene_core.model.resource import Kind

__all__ = ["refuse_update"]

_UPDATE = "_update"


def refuse_update(action: Action, spot: Spot) -> None:
    """End an action on a directory of a runner that has `_update` in its work folder.

    Raises:
        Ended: it is there, or cannot be looked for.
    """
    if action.kind is not Kind.RUNNER_WORKDIR:
        return
    work = action.facts.get("work")
    if work is None or "runner" not in action.facts:
        raise ended(Outcome.REFUSED, Why.NO_TOUCH, f"the plan does not say which runner {spot.path} is of")
    # Beside a checkout, wherever that may be by now; and where the runner said that it works.
    _refuse(_UPDATE, spot.parent, spot)
    _refuse(f"{named(work)}/{_UPDATE}", None, spot)


def _refuse(name: str, directory: int | None, spot: Spot) -> None:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ended(
            Outcome.KEPT,
            Why.UNREADABLE,
            f"whether the runner updates itself cannot be told ({because(error)})",
        ) from None
    raise ended(Outcome.KEPT, Why.NO_TOUCH, f"the runner of {spot.path} updates itself: {_UPDATE} is there")
