"""Steps for objects of a lab host, planned as `hygiene plan` plans them, and what else may not change."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any

from hygiene_core.decide.plan import retirement
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.actions.objects import drift_of, remove
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient, negotiate
from hygiene_core.model.act import Acted
from hygiene_core.model.plan import Action, Verb
from hygiene_core.model.request import ObserveRequest
from hygiene_core.model.resource import Container, Image, Volume
from hygiene_core.testing import judged
from hygiene_core.transport.local import LocalTransport
from tests.lab import images
from tests.lab.host import LabHost

_numbers = count(1)


def hands_of(host: LabHost, limit: timedelta = timedelta(seconds=60)) -> Hands:
    with EngineClient(str(host.socket), Deadline.after(timedelta(seconds=30))) as client:
        used = negotiate(client).api_used
    return Hands(socket_path=str(host.socket), api_version=used, call_limit=limit)


def plan(host: LabHost, identity: str, *, stop: bool = False) -> Action:
    """The step that removes an object, from a look of its own."""
    seen = LocalTransport().observe(
        ObserveRequest(docker_socket=str(host.socket), data_root=str(host.data_root))
    )
    rows: tuple[Image | Container | Volume, ...] = (*seen.images, *seen.containers, *seen.volumes)
    found = next(one for one in rows if one.id == identity)
    row = judged(found)
    match found:
        case Image():
            return retirement._image(row, found, None)
        case Volume():
            return retirement._volume(row, found)
        case _:
            made = retirement._container(row, found)
            return replace(made, verb=Verb.STOP_AND_REMOVE_CONTAINER) if stop else made


def act(host: LabHost, action: Action, **options: Any) -> Acted:
    """As the executor goes about it: look again, and act only if all of it holds."""
    hands = hands_of(host)
    return drift_of(action, hands) or remove(action, hands, **options)


def load(host: LabHost, *tags: str) -> str:
    """An image of two layers that no other has; returns its id."""
    number = next(_numbers)
    layers = tuple(images.layer({f"{part}-{number}": bytes(1000)}) for part in ("lower", "upper"))
    before = set(everything(host)["images"])
    images.load(host, [images.ImageSpec(tags, layers, {"lab.number": str(number)})])
    (made,) = set(everything(host)["images"]) - before
    return made


def build(host: LabHost, tag: str, **options: Any) -> str:
    """An image that containers can be made of, with a layer that no other has."""
    images.import_base(host)
    made = f"FROM {images.BASE}\nRUN echo {tag} {next(_numbers)} > /mark\n"
    return images.build(host, made, tag=tag, **options)


def container(host: LabHost, image: str, *, state: images.State = "running", **options: Any) -> str:
    """A container in a state that the Engine's list tells too: for a moment after its end it does not."""
    made = images.container(host.api(), image, state=state, **options)
    await_state(host, made, state)
    return made


def await_state(host: LabHost, identity: str, state: str) -> None:
    """Return when the list has that state of a container."""
    end = time.monotonic() + 10
    while everything(host)["containers"].get(identity) != state:
        assert time.monotonic() < end, everything(host)
        time.sleep(0.01)


def everything(host: LabHost) -> dict[str, dict[str, Any]]:
    """Every object with what can be told of it: images with their names, containers with their state."""
    api = host.api()
    listed = api.get("/images/json", all="1")
    return {
        "images": {one["Id"]: names(one) for one in listed},
        "containers": {one["Id"]: one["State"] for one in api.get("/containers/json", all="1")},
        "volumes": {one["Name"]: one["CreatedAt"] for one in api.get("/volumes")["Volumes"] or ()},
    }


def names(image: Any) -> list[str]:
    found = {*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())}
    return sorted(one for one in found if not one.startswith("<none>"))


@dataclass
class Seen:
    """What `only` found, once it is over."""

    events: list[tuple[str, str, str]]


@contextmanager
def only(host: LabHost, kind: str, *gone: str) -> Iterator[Seen]:
    """Within, these objects of one kind go, and of no other object anything changes."""
    before, since = everything(host), f"{time.time():.9f}"
    told = Seen([])
    yield told
    for identity in gone:
        del before[kind][identity]
    after = everything(host)
    assert after == before, (before, after)
    answer = host.api().call("GET", "/events", query={"since": since, "until": f"{time.time():.9f}"})
    told.events = [
        (event["Type"], event["Action"], event["Actor"]["ID"])
        for event in map(json.loads, answer.body.splitlines())
    ]
