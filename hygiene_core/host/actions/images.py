"""Remove one image by its id: what else may go with it, and how several names of it come off.

Measured on 20.10, 26.1 and 28.5 with overlay2, and on 28.5 with the containerd store:

- By id and without force the Engine removes an image that has one name. A tag with digests of its own
  repository is one name, and so are digests of one repository without a tag. Otherwise it answers 409.
- `Untagged` lists names as an inspect spells them. `Deleted` lists the image's id and, on overlay2, the chain
  ids of the layers that went with it. These follow from the image's own layers, so that everything else in
  the answer is something that nobody named.
- Without `noprune` untagged parents go too. Nobody named them: they stay, and are candidates of their own.
- Nothing keeps an image that a container mounts (`type=image`), not even while the container runs.
- By a tag the Engine removes whatever the tag leads to, so each is resolved right before.
- In the containerd store every name also stands as `repository@<image id>`. The list of images, which plans
  are made from, has one of these, an inspect has all. They say nothing more than the name beside them does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from hygiene_core.errors import EngineProtocol, HygieneError
from hygiene_core.host.actions.calling import call
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.actions.looking import HolderRow, ImageLook, holders, look, resolved
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.mask import mask_text
from hygiene_core.host.wire import parse_images
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action

__all__ = ["chain_ids", "drift", "is_one_name", "remove", "telling"]

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]*(?:[:@])[A-Za-z0-9_.:-]+")
_LIST_ALL = {"all": "1"}


def is_one_name(references: Collection[str]) -> bool:
    """Whether the Engine takes these for one name, and so removes the image by its id."""
    tags = {one for one in references if "@" not in one}
    repositories = {_repository(one) for one in references if "@" in one}
    return len(tags) <= 1 and len(repositories | {_repository(one) for one in tags}) <= 1


def telling(references: Iterable[str], image_id: str) -> frozenset[str]:
    """The names without those of the containerd store that only repeat a tag's repository with the id."""
    named = frozenset(references)
    tagged = {_repository(one) for one in named if "@" not in one}
    return named - {f"{repository}@{image_id}" for repository in tagged}


def chain_ids(layers: Iterable[str]) -> frozenset[str]:
    """The chain ids of an image's layers, by which overlay2 lists them (OCI image specification)."""
    chained: list[str] = []
    for layer in layers:
        above = f"sha256:{sha256(f'{chained[-1]} {layer}'.encode()).hexdigest()}" if chained else layer
        chained.append(above)
    return frozenset(chained)


def drift(action: Action, seen: ImageLook, client: EngineClient) -> Acted | None:
    """The end of the action if its names are not those that were planned, or a container holds it."""
    planned, now = telling(action.references, action.id), telling(seen.references, action.id)
    if new := sorted(now - planned):
        return _skipped(Why.NEW_REFERENCE, f"it is called {', '.join(new)} since the plan was made")
    if lost := sorted(planned - now):
        return _skipped(Why.CHANGED, f"it is not called {', '.join(lost)} any more")
    return _held(action, seen, client)


def _held(action: Action, seen: ImageLook, client: EngineClient) -> Acted | None:
    """The end of the action if a container of any state was made of it, or mounts it."""
    everybody = holders(client)
    ids = {seen.id, *(one.id for one in seen.manifests or ())}
    for container in everybody:
        if container.image_id in ids or (container.manifest and container.manifest.digest in ids):
            return _skipped(Why.IN_USE, f"container {container.name} was made of it")
    return _mounted(action, everybody, client)


def _mounted(action: Action, everybody: Iterable[HolderRow], client: EngineClient) -> Acted | None:
    """Whether a container mounts it. The Engine tells the name that was mounted, not the image."""
    for container, name in _image_mounts(everybody):
        leads_to = resolved(client, name)
        if leads_to == action.id:
            return _skipped(Why.IN_USE, f"container {container} mounts it")
        if leads_to is None or not action.references:
            said = f"container {container} mounts an image by a name that may have been this one's"
            return Acted(outcome=Outcome.KEPT, why=Why.UNREADABLE, detail=said)
    return None


def _image_mounts(everybody: Iterable[HolderRow]) -> Iterator[tuple[str, str]]:
    for container in everybody:
        for mount in container.mounts or ():
            if mount.type == "image":
                yield container.name, mount.name or mount.source or ""


@dataclass(slots=True)
class _Went:
    """What the Engine's answers listed so far. `names` were untagged; `foreign` nobody named."""

    names: list[str] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)

    def take(self, answer: Any, action: Action, layers: frozenset[str]) -> bool:
        """Compare an answer with what was named; false if it is not one."""
        if not isinstance(answer, list) or not all(isinstance(line, dict) for line in answer):
            return False
        names = [str(line["Untagged"]) for line in answer if "Untagged" in line]
        deleted = {str(line["Deleted"]) for line in answer if "Deleted" in line}
        self.names += names
        self.deleted |= deleted
        self.foreign |= (set(names) - _named(action)) | (deleted - {action.id} - layers)
        return True

    def end(self, acted: Acted) -> Acted:
        """An end of the action, with what had gone before it."""
        foreign = tuple(sorted(self.foreign))
        if acted.outcome is Outcome.REMOVED or not self.names:
            return replace(acted, foreign=foreign)
        outcome = Outcome.KEPT if acted.outcome is Outcome.SKIPPED else acted.outcome
        names = tuple(self.names)
        detail = f"{acted.detail}; before that it lost {', '.join(names)}"
        return replace(acted, outcome=outcome, detail=detail, removed=acted.removed + names, foreign=foreign)


def _named(action: Action) -> frozenset[str]:
    """Every name that may come off: those of the plan, and in the containerd store what repeats them."""
    return frozenset(action.references) | {f"{_repository(one)}@{action.id}" for one in action.references}


def remove(action: Action, hands: Hands, approved_references: Collection[str]) -> Acted:
    """Take off every name but the last, one by one, then remove it by its id.

    Several names come off only if an approval lists every one of them.
    """
    names = telling(action.references, action.id)
    if unclear := sorted(one for one in action.references if _REFERENCE.fullmatch(one) is None):
        said = f"{mask_text(repr(unclear[0]))} is not a name of an image"
        return Acted(outcome=Outcome.REFUSED, detail=said)
    if not is_one_name(names) and not names <= frozenset(approved_references):
        return _skipped(Why.MULTI_TAG, f"it has {len(names)} names, and no approval lists each of them")
    went = _Went()
    for _ in range(2 * len(names) + 1):  # in the containerd store a digest may stand behind a tag
        try:
            with hands.reader() as client:
                step = _next(action, client, went)
        except HygieneError as error:
            return went.end(Acted(outcome=Outcome.KEPT, why=Why.UNREADABLE, detail=error.message))
        if isinstance(step, Acted):
            return went.end(step)
        if (ended := _take(step, action, hands, went)) is not None:
            return went.end(ended)
    said = "the Engine still has it after every name was taken off"
    return went.end(Acted(outcome=Outcome.KEPT, why=Why.CONFLICT, detail=said))


@dataclass(frozen=True, slots=True)
class _Step:
    """One call: `target` is the image's id, or a name that leads to it."""

    target: str
    layers: frozenset[str]


def _take(step: _Step, action: Action, hands: Hands, went: _Went) -> Acted | None:
    """One call; `None` if there is more to be done."""
    answer = call(action, hands, lambda client: client.remove_image(step.target, force=False, noprune=True))
    if isinstance(answer, Acted):
        return answer
    if not went.take(answer, action, step.layers):
        said = "the Engine's answer does not tell what it removed"
        return Acted(outcome=Outcome.UNKNOWN, why=Why.ENGINE, detail=said)
    if action.id in went.deleted:
        return Acted(outcome=Outcome.REMOVED, removed=(action.id,))
    if went.foreign:
        return Acted(outcome=Outcome.KEPT, why=Why.CHANGED, detail="something else went")
    return None


def _next(action: Action, client: EngineClient, went: _Went) -> _Step | Acted:
    """What to remove next, by what is true now."""
    seen = look(client, action)
    if not isinstance(seen, ImageLook):
        return Acted(outcome=Outcome.ALREADY_ABSENT, why=Why.GONE, detail="somebody else removed it")
    now, planned = telling(seen.references, action.id), telling(action.references, action.id)
    if new := sorted(now - _named(action)):
        return _skipped(Why.NEW_REFERENCE, f"it is called {', '.join(new)} since the plan was made")
    if now != planned and not went.names:
        return _skipped(Why.CHANGED, "it is not called what it was any more")
    layers = chain_ids(seen.layers)
    if is_one_name(now):
        return _Step(action.id, layers)
    name = _surplus(now)
    return _not_off(name, action, seen, client) or _Step(name, layers)


def _not_off(name: str, action: Action, seen: ImageLook, client: EngineClient) -> Acted | None:
    """Why a name may not be taken off.

    The Engine takes a name off an image that a container or another image needs, as long as others are left.
    """
    if (held := _held(action, seen, client)) is not None:
        return held
    if child := _child(action, client):
        return _skipped(Why.IN_USE, f"image {child} is built on it")
    if (leads_to := resolved(client, name)) != action.id:
        return _skipped(Why.CHANGED, f"{name} leads to {leads_to or 'nothing'} by now")
    return None


def _surplus(names: Collection[str]) -> str:
    """A name to take off, of several: tags first, and in the end one name of one repository is left."""
    tags = sorted(one for one in names if "@" not in one)
    digests = sorted(one for one in names if "@" in one)
    if len(tags) > 1:
        return tags[-1]
    stays = _repository((tags or digests)[0])
    return next(one for one in reversed(digests) if _repository(one) != stays)


def _child(action: Action, client: EngineClient) -> str | None:
    """An image whose parent this is, as the Engine's old builder makes them."""
    listed = parse_images(client.get_json("/images/json", _LIST_ALL))
    if listed.problem is not None:
        raise EngineProtocol(f"Not every image could be read: {listed.problem}.")
    return next((one.id for one in listed.rows if one.parent_id == action.id), None)


def _repository(reference: str) -> str:
    """A reference without its tag or digest; the host before it may have a port."""
    named = reference.partition("@")[0]
    folder, slash, last = named.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}"


def _skipped(why: Why, detail: str) -> Acted:
    return Acted(outcome=Outcome.SKIPPED, why=why, detail=detail)
