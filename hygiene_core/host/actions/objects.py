"""Remove one object of the Engine: a container, a volume or an image, by its exact identity, never by force.

`drift_of` reads again, right before the act, whether what was planned still holds; `remove` acts and says how
it ended; `exists` settles an outcome that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from hygiene_core.errors import HygieneError
from hygiene_core.host.actions import containers, images, volumes
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.actions.looking import ContainerLook, ImageLook, VolumeLook, exists, look
from hygiene_core.host.mask import mask_text
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action, Verb
from hygiene_core.model.resource import Kind

__all__ = ["drift_of", "exists", "remove"]

_KINDS = {
    Verb.REMOVE_CONTAINER: Kind.CONTAINER,
    Verb.STOP_AND_REMOVE_CONTAINER: Kind.CONTAINER,
    Verb.REMOVE_VOLUME: Kind.VOLUME,
    Verb.REMOVE_IMAGE: Kind.IMAGE,
}
_IDS = {
    Kind.CONTAINER: re.compile(r"[0-9a-f]{64}"),
    Kind.VOLUME: re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}"),
    Kind.IMAGE: re.compile(r"sha256:[0-9a-f]{64}"),
}


def drift_of(action: Action, hands: Hands) -> Acted | None:
    """The end of an action whose object is not as it was planned; `None` if all of it holds.

    What cannot be read keeps the object.
    """
    if (refused := _refused(action)) is not None:
        return refused
    try:
        with hands.reader() as client:
            match seen := look(client, action):
                case ContainerLook():
                    return containers.drift(action, seen, client)
                case VolumeLook():
                    return volumes.drift(action, seen, client)
                case ImageLook():
                    return images.drift(action, seen, client)
                case None:
                    return Acted(
                        outcome=Outcome.ALREADY_ABSENT,
                        why=Why.GONE,
                        detail="it was gone before the step began",
                    )
    except HygieneError as error:
        return Acted(outcome=Outcome.KEPT, why=Why.UNREADABLE, detail=error.message)


def remove(action: Action, hands: Hands, *, approved_references: Collection[str] = ()) -> Acted:
    """Remove the object. Only to be called after `drift_of` found that everything holds.

    `approved_references` are the names of an image that an approval lists: one with several names loses them
    only if each stands there.
    """
    if (refused := _refused(action)) is not None:
        return refused
    match action.verb:
        case Verb.REMOVE_CONTAINER:
            return containers.remove(action, hands)
        case Verb.STOP_AND_REMOVE_CONTAINER:
            return containers.stop_and_remove(action, hands)
        case Verb.REMOVE_VOLUME:
            return volumes.remove(action, hands)
        case _:
            return images.remove(action, hands, approved_references)


def _refused(action: Action) -> Acted | None:
    """The end of an action that does not name one object in the Engine's own way."""
    kind = _KINDS.get(action.verb)
    if kind is None or kind is not action.kind:
        said = f"{action.verb.value} is not a step for one {action.kind.value}"
    elif _IDS[kind].fullmatch(action.id) is None:
        said = f"{mask_text(repr(action.id[:80]))} is not the id of one {kind.value}"
    else:
        return None
    return Acted(outcome=Outcome.REFUSED, detail=f"{said}. Nothing was asked of the Engine.")
