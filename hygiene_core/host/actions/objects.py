"""Remove one object of the Engine: a container, a volume, an image. By its exact identity, never forced.

`drift_of` reads again what the plan stands on, through the read-only client; `remove` makes the call through
docker-py; `exists` tells the truth afterwards, whatever the call said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hygiene_core.errors import EngineProtocol, HygieneError
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.mask import mask_text
from hygiene_core.host.rows import moment
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action, Verb
from hygiene_core.model.resource import Kind

if TYPE_CHECKING:
    from docker import APIClient

__all__ = ["drift_of", "exists", "remove"]

_NOT_FOUND, _CONFLICT = 404, 409
_STOP_SECONDS = 30
_IDS = {
    Kind.IMAGE: re.compile(r"sha256:[0-9a-f]{64}"),
    Kind.CONTAINER: re.compile(r"[0-9a-f]{64}"),
    Kind.VOLUME: re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}"),
}
_PATHS = {Kind.IMAGE: "/images/{}/json", Kind.CONTAINER: "/containers/{}/json", Kind.VOLUME: "/volumes/{}"}


def drift_of(action: Action, hands: Hands) -> Acted | None:
    """The end of an action that may not be done any more; `None` if everything is as it was planned.

    What cannot be read keeps the object: missing evidence is never permission.
    """
    pattern = _IDS.get(action.kind)
    if pattern is None or pattern.fullmatch(action.id) is None:
        said = f"{action.id[:80]!r} is no id of {action.kind.value}"
        return Acted(outcome=Outcome.REFUSED, why=Why.CHANGED, detail=said)
    try:
        with hands.reader() as client:
            seen = _inspect(client, action)
            if seen is None:
                return Acted(outcome=Outcome.ALREADY_ABSENT, why=Why.GONE, detail="it was gone before")
            return _CHECKS[action.kind](action, seen, client)
    except HygieneError as error:
        return Acted(outcome=Outcome.KEPT, why=Why.UNREADABLE, detail=error.message)


def remove(action: Action, hands: Hands, *, approved_references: Collection[str] = ()) -> Acted:
    """Remove the object. `drift_of` has just found nothing against it.

    Args:
        action: what to remove.
        hands: the Engine.
        approved_references: references of an image of which an approval lists each: only then one that has
            several goes.
    """
    calls: dict[Verb, Callable[[APIClient], Acted]] = {
        Verb.REMOVE_CONTAINER: lambda client: _container(client, action),
        Verb.STOP_AND_REMOVE_CONTAINER: lambda client: _stop_and_remove(client, action, hands),
        Verb.REMOVE_VOLUME: lambda client: _volume(client, action),
        Verb.REMOVE_IMAGE: lambda client: _image(client, action, hands, approved_references),
    }
    if action.verb not in calls:
        return Acted(outcome=Outcome.REFUSED, why=Why.CHANGED, detail=f"{action.verb.value} is none of these")
    return _called(action, hands, calls[action.verb])


def exists(action: Action, hands: Hands) -> bool | None:
    """Whether the object is there; `None` if that cannot be told."""
    try:
        with hands.reader() as client:
            return _inspect(client, action) is not None
    except HygieneError:
        return None


def _inspect(client: EngineClient, action: Action) -> dict[str, Any] | None:
    """The object as it is now; `None` if there is none. Raises as the client does."""
    try:
        seen = client.get_json(_PATHS[action.kind].format(quote(action.id, safe=":")))
    except EngineProtocol as error:
        if error.http_status == _NOT_FOUND:
            return None
        raise
    if not isinstance(seen, dict):
        raise EngineProtocol(f"The Engine's answer about {action.name} is no object.")
    return seen


def _image_drift(action: Action, seen: dict[str, Any], client: EngineClient) -> Acted | None:
    now = _references(seen)
    if now != set(action.references):
        new = now - set(action.references)
        said = f"it got {', '.join(sorted(new))}" if new else "it lost a reference"
        return _skipped(Why.NEW_REFERENCE if new else Why.CHANGED, said)
    users = _users(client, lambda one: _uses_image(one, action))
    return _skipped(Why.IN_USE, f"container {users[0]} was made of it") if users else None


def _uses_image(container: dict[str, Any], action: Action) -> bool:
    """By id, by the manifest of the containerd store, or as a mount of the image itself."""
    manifest = container.get("ImageManifestDescriptor")
    ids = {container.get("ImageID"), manifest.get("digest") if isinstance(manifest, dict) else None}
    mounts = container.get("Mounts") or ()
    mounted = {
        name
        for mount in mounts
        if isinstance(mount, dict) and mount.get("Type") == "image"
        for name in (mount.get("Name"), mount.get("Source"))
    }
    return action.id in ids or not mounted.isdisjoint({action.id, *action.references})


def _container_drift(action: Action, seen: dict[str, Any], _client: EngineClient) -> Acted | None:
    state = seen.get("State")
    state = state if isinstance(state, dict) else {}
    now = {
        "state": str(state.get("Status", "")).lower(),
        "image_id": str(seen.get("Image", "")),
        "started_at": _moment(state.get("StartedAt")),
        "finished_at": _moment(state.get("FinishedAt")),
    }
    changed = [name for name, value in now.items() if action.facts.get(name, "") != value]
    if action.verb is Verb.REMOVE_CONTAINER and state.get("Running"):
        return _skipped(Why.IN_USE, "it runs")
    if changed:
        what = changed[0]
        return _skipped(Why.CHANGED, f"its {what} was {action.facts.get(what, '')!r} and is {now[what]!r}")
    return None


def _volume_drift(action: Action, seen: dict[str, Any], client: EngineClient) -> Acted | None:
    now = {"driver": str(seen.get("Driver", "")), "created_at": _moment(seen.get("CreatedAt"))}
    changed = [name for name, value in now.items() if action.facts.get(name, "") != value]
    if changed:
        return _skipped(Why.CHANGED, f"its {changed[0]} is not what it was")
    place = str(seen.get("Mountpoint") or "").removesuffix("/_data")
    users = _users(client, lambda one: _mounts(one, action.id, place))
    return _skipped(Why.IN_USE, f"container {users[0]} mounts it") if users else None


def _mounts(container: dict[str, Any], volume: str, place: str) -> bool:
    """By name, or by a bind of the volume's directory or of anything in it."""
    for mount in container.get("Mounts") or ():
        if not isinstance(mount, dict):
            return True  # what is not understood counts as use
        source = str(mount.get("Source") or "")
        if mount.get("Name") == volume or (place and (source == place or source.startswith(f"{place}/"))):
            return True
    return False


_CHECKS: dict[Kind, Callable[[Action, dict[str, Any], EngineClient], Acted | None]] = {
    Kind.IMAGE: _image_drift,
    Kind.CONTAINER: _container_drift,
    Kind.VOLUME: _volume_drift,
}


def _users(client: EngineClient, uses: Callable[[dict[str, Any]], bool]) -> list[str]:
    """The names of the containers, in any state, that use something."""
    listed = client.get_json("/containers/json", {"all": "1"})
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise EngineProtocol("The Engine's list of containers is none.")
    return [
        mask_text(str((one.get("Names") or [one.get("Id")])[0]).lstrip("/")) for one in listed if uses(one)
    ]


def _references(image: dict[str, Any]) -> set[str]:
    listed = [*(image.get("RepoTags") or ()), *(image.get("RepoDigests") or ())]
    return {str(one) for one in listed if not str(one).startswith("<none>")}


def _moment(value: Any) -> str:
    """A time of the Engine as the plan's facts spell it; its year 1 is no time."""
    read = moment(value)
    return "" if read is None else read.isoformat()


def _skipped(why: Why, detail: str) -> Acted:
    return Acted(outcome=Outcome.SKIPPED, why=why, detail=detail)


def _called(action: Action, hands: Hands, call: Callable[[APIClient], Acted]) -> Acted:
    """One call and how it ended. A conflict is an answer, never a reason to force."""
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - heavy
    from requests.exceptions import RequestException, Timeout  # noqa: PLC0415 - docker-py's own

    client: APIClient | None = None
    try:
        client = hands.mutator()
        return call(client)
    except Timeout:
        said = f"the Engine did not answer within {hands.call_limit.total_seconds():g} s"
        return Acted(outcome=Outcome.UNKNOWN, why=Why.TIMEOUT, detail=said)
    except APIError as error:
        return _refused(action, hands, error.status_code, mask_text(str(error.explanation or error)))
    except HygieneError as error:  # of a look between two calls: what the calls came to is seen afterwards
        return Acted(outcome=Outcome.UNKNOWN, why=Why.ENGINE, detail=error.message)
    except (RequestException, DockerException) as error:
        said = f"the connection to the Engine broke: {mask_text(str(error))[:200]}"
        return Acted(outcome=Outcome.UNKNOWN, why=Why.ENGINE, detail=said)
    finally:
        if client is not None:
            client.close()


def _refused(action: Action, hands: Hands, status: int | None, said: str) -> Acted:
    """The Engine answered with an error; that an object is gone all the same does not mean that bytes are."""
    if status == _NOT_FOUND:
        return Acted(outcome=Outcome.ALREADY_ABSENT, why=Why.GONE, detail=said)
    if status == _CONFLICT:
        return Acted(outcome=Outcome.KEPT, why=Why.CONFLICT, detail=said)
    there = exists(action, hands)
    if there is None:
        return Acted(outcome=Outcome.UNKNOWN, why=Why.ENGINE, detail=said)
    if there:
        return Acted(outcome=Outcome.FAILED, why=Why.ENGINE, detail=said)
    return Acted(
        outcome=Outcome.FAILED,
        why=Why.NOTHING_FREED,
        detail=f"{said} It is absent, its bytes may not be freed.",
    )


def _removed(action: Action) -> Acted:
    return Acted(outcome=Outcome.REMOVED, removed=(action.id,))


def _container(client: APIClient, action: Action) -> Acted:
    client.remove_container(action.id, v=False, link=False, force=False)
    return _removed(action)


def _stop_and_remove(client: APIClient, action: Action, hands: Hands) -> Acted:
    client.stop(action.id, timeout=_STOP_SECONDS)
    with hands.reader() as reader:
        seen = _inspect(reader, action)
    if seen is not None and (seen.get("State") or {}).get("Running"):
        return Acted(outcome=Outcome.KEPT, why=Why.IN_USE, detail="it runs again after it was stopped")
    return _container(client, action)


def _volume(client: APIClient, action: Action) -> Acted:
    client.remove_volume(action.id, force=False)
    return _removed(action)


def _image(client: APIClient, action: Action, hands: Hands, approved: Collection[str]) -> Acted:
    """By its id; one with several references loses them one by one, each resolved right before.

    Untagged parents are not removed with it (`noprune`): nobody named them.
    """
    tags = [one for one in action.references if "@" not in one]
    several = len({_repository(one) for one in action.references}) > 1 or len(tags) > 1
    if several and not set(action.references) <= set(approved):
        said = f"it has {len(action.references)} references, and no approval lists each"
        return _skipped(Why.MULTI_TAG, said)
    there = _image_ids(hands)
    deleted: set[str] = set()
    for number, tag in enumerate(tags if several else ()):
        other = _resolved(tag, hands)
        if other != action.id:
            gone = f"; untagged before: {', '.join(tags[:number])}" if number else ""
            said = f"{tag} leads to {other or 'nothing'} by now{gone}"
            return Acted(outcome=Outcome.KEPT, why=Why.CHANGED, detail=said)
        if number < len(tags) - 1:
            deleted |= _deleted(client.remove_image(tag, force=False, noprune=True))
    deleted |= _deleted(client.remove_image(action.id, force=False, noprune=True))
    # The Engine lists layers beside images: foreign is what was an image before and is not the one named.
    foreign = tuple(sorted((deleted & there) - {action.id}))
    if action.id not in deleted:
        said = "the Engine untagged it and kept it"
        return Acted(outcome=Outcome.KEPT, why=Why.CONFLICT, detail=said, foreign=foreign)
    return Acted(outcome=Outcome.REMOVED, removed=(action.id,), foreign=foreign)


def _deleted(answer: Any) -> set[str]:
    """The ids that the Engine says it deleted."""
    return {str(line["Deleted"]) for line in answer or () if isinstance(line, dict) and "Deleted" in line}


def _image_ids(hands: Hands) -> set[str]:
    with hands.reader() as client:
        listed = client.get_json("/images/json", {"all": "1"})
    return (
        {str(one.get("Id")) for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
    )


def _repository(reference: str) -> str:
    """What stands before the tag or digest of a reference."""
    bare = reference.partition("@")[0]
    head, slash, tail = bare.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"


def _resolved(reference: str, hands: Hands) -> str | None:
    with hands.reader() as client:
        try:
            seen = client.get_json(f"/images/{quote(reference, safe=':/')}/json")
        except EngineProtocol as error:
            if error.http_status == _NOT_FOUND:
                return None
            raise
    return str(seen.get("Id")) if isinstance(seen, dict) else None
