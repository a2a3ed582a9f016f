"""What the actions on single objects read right before and after an act, through the read-only client.

Everything here raises `HygieneError` where something could not be read. Missing evidence is never permission:
the callers keep the object then.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

from pydantic import Field, TypeAdapter

from hygiene_core.errors import EngineProtocol, HygieneError
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.mask import mask_text
from hygiene_core.host.rows import ContainerId, ContainerTimes, ImageId, Moment, MountRow, Name, RootFS, Row
from hygiene_core.host.wire import read_one, read_rows
from hygiene_core.model.plan import Action
from hygiene_core.model.resource import Kind

__all__ = [
    "ContainerLook",
    "HolderRow",
    "ImageLook",
    "Look",
    "VolumeLook",
    "exists",
    "holders",
    "look",
    "resolved",
    "spelled",
]

NOT_FOUND: Final = 404
_ALL = {"all": "1"}
R = TypeVar("R", bound=Row)


class ManifestRow(Row):
    """One of `Manifests` of an image inspect: a platform of the image, or an attestation."""

    id: str = Field("", alias="ID")


class ImageLook(Row):
    """GET /images/{id}/json: the names, the layers, and in the containerd store the manifests."""

    id: ImageId = Field(alias="Id")
    tags: list[str] | None = Field(None, alias="RepoTags")
    digests: list[str] | None = Field(None, alias="RepoDigests")
    root_fs: RootFS | None = Field(None, alias="RootFS")
    manifests: list[ManifestRow] | None = Field(None, alias="Manifests")

    @property
    def references(self) -> frozenset[str]:
        """Every tag and digest. The containerd store lists what was pulled by digest as both."""
        named = (*(self.tags or ()), *(self.digests or ()))
        return frozenset(one for one in named if not one.startswith("<none>"))

    @property
    def layers(self) -> tuple[str, ...]:
        """The diff ids, base first."""
        return () if self.root_fs is None else tuple(self.root_fs.layers or ())


class StateRow(ContainerTimes):
    """`State` of a container inspect."""

    status: Name = Field(alias="Status")


class HostConfigRow(Row):
    """`HostConfig` of a container inspect."""

    auto_remove: bool = Field(default=False, alias="AutoRemove")


class ContainerLook(Row):
    """GET /containers/{id}/json. `execs` are programs that were started in it and have not ended."""

    id: ContainerId = Field(alias="Id")
    image_id: Name = Field(alias="Image")
    created_at: Moment = Field(None, alias="Created")
    state: StateRow = Field(alias="State")
    host_config: HostConfigRow = Field(HostConfigRow.model_validate({}), alias="HostConfig")
    execs: list[str] | None = Field(None, alias="ExecIDs")

    @property
    def facts(self) -> dict[str, str]:
        """As a plan has them. The list of containers, which plans are made from, has whole seconds."""
        created_at = None if self.created_at is None else self.created_at.replace(microsecond=0)
        return {
            "state": self.state.status,
            "image_id": self.image_id,
            "created_at": spelled(created_at),
            "started_at": spelled(self.state.started_at),
            "finished_at": spelled(self.state.finished_at),
        }


class VolumeLook(Row):
    """GET /volumes/{name}."""

    id: Name = Field(alias="Name")
    driver: str = Field("", alias="Driver")
    mountpoint: str | None = Field(None, alias="Mountpoint")
    created_at: Moment = Field(None, alias="CreatedAt")

    @property
    def facts(self) -> dict[str, str]:
        """As a plan has them."""
        return {"driver": self.driver, "created_at": spelled(self.created_at)}


class DescriptorRow(Row):
    """`ImageManifestDescriptor` of a container."""

    digest: str = Field("", alias="digest")


class HolderRow(Row):
    """One row of GET /containers/json, as far as a container can hold an image or a volume."""

    id: ContainerId = Field(alias="Id")
    names: list[str] | None = Field(None, alias="Names")
    image_id: Name = Field(alias="ImageID")
    manifest: DescriptorRow | None = Field(None, alias="ImageManifestDescriptor")
    mounts: list[MountRow] | None = Field(None, alias="Mounts")

    @property
    def name(self) -> str:
        """The first name without its slash, else the id."""
        return mask_text(next(iter(self.names or ()), self.id).removeprefix("/"))


Look: TypeAlias = ImageLook | ContainerLook | VolumeLook

_HOLDERS = TypeAdapter(list[HolderRow])
_LISTS = {Kind.IMAGE: "/images/json", Kind.CONTAINER: "/containers/json", Kind.VOLUME: "/volumes"}


def look(client: EngineClient, action: Action) -> Look | None:
    """The object as it is now; `None` if it is neither found nor listed any more."""
    seen: Look | None
    match action.kind:
        case Kind.IMAGE:
            seen = _image(client, action.id)
        case Kind.CONTAINER:
            seen = _one(client, ContainerLook, f"/containers/{action.id}/json")
        case Kind.VOLUME:
            seen = _one(client, VolumeLook, f"/volumes/{quote(action.id, safe='')}")
        case _:
            raise EngineProtocol(f"The Engine has no {action.kind.value} of that kind.")
    if seen is None and action.id in _listed(client, action.kind):
        raise EngineProtocol(f"The Engine lists {action.kind.value} {action.id} and does not find it.")
    if seen is not None and seen.id != action.id:
        raise EngineProtocol(f"The Engine answers about {mask_text(seen.id)}, asked about {action.id}.")
    return seen


def exists(action: Action, hands: Hands) -> bool | None:
    """Whether the object is there, to settle an unknown outcome; `None` if that could not be told.

    An image's and a container's id never come back with another object. A volume's identity is its name.
    """
    try:
        with hands.reader() as client:
            return look(client, action) is not None
    except HygieneError:
        return None


def resolved(client: EngineClient, reference: str) -> str | None:
    """The id that a name of an image leads to now; `None` if it leads nowhere."""
    seen = _image(client, reference)
    return None if seen is None else seen.id


def holders(client: EngineClient) -> tuple[HolderRow, ...]:
    """Every container in any state. One that cannot be read may hold anything, so that raises."""
    parsed = read_rows(
        "containers", _HOLDERS, HolderRow, client.get_json(_LISTS[Kind.CONTAINER], _ALL), _same
    )
    if parsed.problem is not None:
        raise EngineProtocol(f"Not every container could be read: {parsed.problem}.")
    return parsed.rows


def spelled(at: datetime | None) -> str:
    """A time as the facts of a plan have it."""
    return "" if at is None else at.isoformat()


def _same(row: HolderRow) -> HolderRow:
    return row


def _image(client: EngineClient, name: str) -> ImageLook | None:
    # An Engine before API 1.48 does not know the parameter and does not mind it.
    return _one(client, ImageLook, f"/images/{quote(name, safe='/:')}/json", {"manifests": "1"})


def _one(client: EngineClient, row: type[R], path: str, params: dict[str, str] | None = None) -> R | None:
    try:
        return read_one(f"GET {path}", row, client.get_json(path, params))
    except EngineProtocol as error:
        if error.http_status != NOT_FOUND:
            raise
        return None


def _listed(client: EngineClient, kind: Kind) -> set[str]:
    """The ids of a list: an inspect that finds nothing is not believed alone."""
    answer: Any = client.get_json(_LISTS[kind], None if kind is Kind.VOLUME else _ALL)
    if kind is Kind.VOLUME:
        if not isinstance(answer, dict) or answer.get("Warnings"):
            raise EngineProtocol("The Engine's list of volumes is not whole.")
        answer = answer.get("Volumes") or []
    if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
        raise EngineProtocol(f"The Engine's list of {kind.value}s is not one.")
    return {str(one.get("Name" if kind is Kind.VOLUME else "Id")) for one in answer}
