"""The Engine's JSON, validated row by row into the model.

One bad row costs that row and makes its section partial, with a reason that names the field; the other rows
stay. Only the fields named here are captured: never an environment, a command or an argument.

The traps, each met on a real Engine: the key `" Parents"` has a leading space; an untagged image is
`["<none>:<none>"]` up to API 1.42 and `[]` later; labels, tags, volumes and the lists of a df are `null`;
`SizeRw` is absent when it is zero; -1 is "not computed"; year 1 is "never"; times carry nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from hygiene_core.errors import EngineProtocol
from hygiene_core.host.mask import mask_labels, mask_text
from hygiene_core.host.rows import (
    ContainerInspect,
    ContainerRow,
    ContainerTimes,
    HistoryRow,
    ImageInspect,
    ImageRow,
    InfoRow,
    MountRow,
    Row,
    VersionRow,
    VolumeRow,
)
from hygiene_core.model.resource import Container, Image, Mount, Volume

__all__ = [
    "Info",
    "Parsed",
    "VersionAnswer",
    "known",
    "none_is_empty",
    "parse_container_times",
    "parse_containers",
    "parse_images",
    "parse_info",
    "parse_layer_sizes",
    "parse_layers",
    "parse_version",
    "parse_volumes",
    "read_one",
    "read_rows",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GO_ZERO_BEFORE = -2208988800  # 1900-01-01: an earlier time is Go's zero time
_ANONYMOUS_LABEL = "com.docker.volume.anonymous"
_ANONYMOUS_NAME = re.compile(r"[0-9a-f]{64}\Z")

T = TypeVar("T")
R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """The rows that could be read, and a sentence for those that could not."""

    rows: tuple[T, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionAnswer:
    """GET /version, as far as this kit uses it."""

    version: str
    api_version: str
    api_minimum: str
    operating_system: str | None
    kernel: str | None
    components: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """GET /info, as far as this kit uses it. `image_store` is `graphdriver` or `containerd`."""

    id: str | None
    storage_driver: str | None
    image_store: str
    data_root: str | None
    operating_system: str | None
    kernel: str | None
    os_type: str | None
    log_driver: str | None = None


def _sentence(error: ValidationError) -> str:
    """The first thing wrong with a row, by field; the value itself is not repeated."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]).strip() or "the row"
    return f"{field}: {first['msg']}"


def read_rows(
    what: str, adapter: TypeAdapter[list[R]], row: type[R], value: Any, convert: Callable[[R], T]
) -> Parsed[T]:
    """Validate in bulk; only if that fails row by row, so that one bad row costs one row.

    Raises EngineProtocol if `value` is no list.
    """
    if not isinstance(value, list):
        raise EngineProtocol(f"The list of {what} is not a list.")
    try:
        return Parsed(tuple(map(convert, adapter.validate_python(value))))
    except ValidationError:
        pass
    good: list[T] = []
    bad: list[str] = []
    for number, item in enumerate(value, start=1):
        try:
            good.append(convert(row.model_validate(item)))
        except ValidationError as error:
            bad.append(f"row {number}, {_sentence(error)}")
    return Parsed(tuple(good), f"{len(bad)} of {len(value)} {what} could not be read ({bad[0]})")


def none_is_empty(rows: Any) -> Any:
    """The Engine has `null` for no volumes and in a df; its lists of images and containers are lists."""
    return [] if rows is None else rows


def read_one(what: str, row: type[R], value: Any) -> R:
    """Validate one object. Raises EngineProtocol, which names `what` and the field."""
    try:
        return row.model_validate(value)
    except ValidationError as error:
        raise EngineProtocol(f"The Engine's answer to {what} cannot be read ({_sentence(error)}).") from error


def known(size: int | None) -> int | None:
    """A size; -1 is "not computed"."""
    return None if size is None or size < 0 else size


def _text(value: str | None) -> str | None:
    return None if value is None else mask_text(value)


def _unix(seconds: int | None) -> datetime | None:
    """Unix seconds; a time before 1900 is Go's zero time, which means that there is none."""
    if seconds is None or seconds < _GO_ZERO_BEFORE:
        return None
    return _EPOCH + timedelta(seconds=seconds)


def _references(row: ImageRow) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tags and digest references as they are: they are identities, and none has the shape of a secret.

    The containerd store lists what was pulled by digest among the tags too.
    """
    named = [name for name in (*(row.tags or ()), *(row.digests or ())) if not name.startswith("<none>")]
    tags = (name for name in named if "@" not in name)
    digests = (name for name in named if "@" in name)
    return tuple(dict.fromkeys(tags)), tuple(dict.fromkeys(digests))


def _image(row: ImageRow) -> Image:
    size = row.size if row.size is not None else row.virtual_size
    tags, digests = _references(row)
    return Image(
        id=row.id,
        tags=tags,
        digests=digests,
        created_at=_unix(row.created),
        size_bytes=known(size),
        shared_bytes=known(row.shared_size),
        parent_id=row.parent_id or None,
        labels=mask_labels(row.labels),
    )


def _mount(row: MountRow) -> Mount:
    """A mount. Its source is kept as it is: by it a bind mount is found to be inside a volume."""
    return Mount(
        type=row.type,
        name=row.name or None,
        source=row.source or None,
        destination=mask_text(row.destination),
        read_write=row.read_write,
    )


def _container(row: ContainerRow) -> Container:
    return Container(
        id=row.id,
        names=tuple(name.removeprefix("/") for name in row.names or ()),
        image_id=row.image_id,
        image_name=row.image,
        state=row.state,
        created_at=_unix(row.created),
        mounts=tuple(map(_mount, row.mounts or ())),
        labels=mask_labels(row.labels),
    )


def _is_anonymous(row: VolumeRow, *, by_label: bool) -> bool:
    """By the Engine's label alone; or for an Engine that sets none by the 64 hex digits of a made-up name.

    A person may have given a volume such a name, so the name is asked only where there is nothing else.
    """
    if by_label or row.labels:
        return _ANONYMOUS_LABEL in (row.labels or ())
    return not row.options and row.driver == "local" and _ANONYMOUS_NAME.match(row.name) is not None


def _volume(row: VolumeRow, *, by_label: bool) -> Volume:
    return Volume(
        id=row.name,
        driver=row.driver,
        options=mask_labels(row.options),
        mountpoint=row.mountpoint or None,
        created_at=row.created_at,
        anonymous=_is_anonymous(row, by_label=by_label),
        labels=mask_labels(row.labels),
    )


_HISTORY = TypeAdapter(list[HistoryRow])
_IMAGES = TypeAdapter(list[ImageRow])
_CONTAINERS = TypeAdapter(list[ContainerRow])
_VOLUMES = TypeAdapter(list[VolumeRow])


def parse_layer_sizes(value: Any) -> tuple[int, ...]:
    """The bytes of the layers that have any, base first: GET /images/{id}/history. Raises EngineProtocol."""
    parsed = read_rows("layers", _HISTORY, HistoryRow, value, lambda row: row.size)
    if parsed.problem is not None:
        raise EngineProtocol(f"The history of an image: {parsed.problem}.")
    return tuple(size for size in reversed(parsed.rows) if size)


def parse_version(value: Any) -> VersionAnswer:
    """GET /version. Raises EngineProtocol."""
    row = read_one("GET /version", VersionRow, value)
    return VersionAnswer(
        version=row.version,
        api_version=row.api_version,
        api_minimum=row.api_minimum or "1.12",
        operating_system=_text(row.operating_system),
        kernel=_text(row.kernel),
        components={mask_text(part.name): mask_text(part.version) for part in row.components or ()},
    )


def parse_info(value: Any) -> Info:
    """GET /info. Raises EngineProtocol."""
    row = read_one("GET /info", InfoRow, value)
    containerd = any(
        pair[:1] == ["driver-type"] and "containerd" in pair[-1] for pair in row.driver_status or ()
    )
    return Info(
        id=row.id or None,
        storage_driver=row.driver or None,
        image_store="containerd" if containerd else "graphdriver",
        data_root=row.data_root or None,
        operating_system=_text(row.operating_system),
        kernel=_text(row.kernel),
        os_type=row.os_type,
        log_driver=_text(row.log_driver),
    )


def parse_images(value: Any) -> Parsed[Image]:
    """GET /images/json. Raises EngineProtocol if it is no list."""
    return read_rows("images", _IMAGES, ImageRow, value, _image)


def parse_layers(value: Any) -> tuple[str, ...] | None:
    """The diff ids of GET /images/{id}/json, base first; `None` where the store has no content for them."""
    root_fs = read_one("an image inspect", ImageInspect, value).root_fs
    if root_fs is None or root_fs.type != "layers":
        return None
    return tuple(root_fs.layers or ())


def parse_containers(value: Any) -> Parsed[Container]:
    """GET /containers/json. Raises EngineProtocol if it is no list."""
    return read_rows("containers", _CONTAINERS, ContainerRow, value, _container)


def parse_container_times(value: Any) -> ContainerTimes:
    """The state's times of GET /containers/{id}/json. Raises EngineProtocol."""
    return read_one("a container inspect", ContainerInspect, value).state


def parse_volumes(value: Any, *, by_label: bool) -> tuple[Parsed[Volume], tuple[str, ...]]:
    """GET /volumes: the volumes, and the Engine's warnings about drivers that did not answer.

    `by_label`: whether the Engine labels what it names itself, as from 23.0 (API 1.42) on. Volumes that an
    older one made before an update are then not anonymous.
    """
    if not isinstance(value, dict):
        raise EngineProtocol("The Engine's answer to GET /volumes is not an object.")
    warnings = value.get("Warnings")
    said = warnings if isinstance(warnings, list) else []
    listed = none_is_empty(value.get("Volumes"))
    volumes = read_rows("volumes", _VOLUMES, VolumeRow, listed, partial(_volume, by_label=by_label))
    return volumes, tuple(mask_text(str(text)) for text in said)
