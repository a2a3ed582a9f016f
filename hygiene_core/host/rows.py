"""The shape of the Engine's JSON: only what is named here is ever captured.

Never an environment, a command or an argument: a field that is not listed is dropped while it is read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = [
    "Bytes",
    "CacheRow",
    "Component",
    "ContainerInspect",
    "ContainerRow",
    "ContainerSizeRow",
    "ContainerTimes",
    "Figure",
    "HistoryRow",
    "ImageInspect",
    "ImageRow",
    "InfoRow",
    "Moment",
    "MountRow",
    "Name",
    "RootFS",
    "Row",
    "VersionRow",
    "VolumeRow",
    "VolumeUsage",
    "moment",
]

_LARGEST = 2**63 - 1
_LAST_SECOND = 253402300799  # of the year 9999, the last that a datetime holds


def moment(value: Any) -> Any:
    """RFC 3339 with up to nanoseconds; `null`, the empty string and year 1 are "never"."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError("a time must be a string")  # noqa: TRY004 - pydantic reports ValueErrors by field
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone")
    try:
        return None if moment.year <= 1 else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time out of range") from error


Bytes = Annotated[int, Field(ge=-1, le=_LARGEST)]
"""Bytes or a count; -1 is "not computed"."""
Moment = Annotated[datetime | None, BeforeValidator(moment)]
ImageId = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
ContainerId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1, max_length=4096)]
Labels = dict[str, str]


class Row(BaseModel):
    """A row of an answer: exact types, unknown fields dropped."""

    model_config = ConfigDict(extra="ignore", strict=True, populate_by_name=False)


class ImageRow(Row):
    """One row of GET /images/json."""

    id: ImageId = Field(alias="Id")
    parent_id: str = Field("", alias="ParentId")
    tags: list[str] | None = Field(None, alias="RepoTags")
    digests: list[str] | None = Field(None, alias="RepoDigests")
    created: Annotated[int, Field(ge=-(2**62), le=_LAST_SECOND)] | None = Field(None, alias="Created")
    size: Bytes | None = Field(None, alias="Size")
    virtual_size: Bytes | None = Field(None, alias="VirtualSize")
    shared_size: Bytes | None = Field(None, alias="SharedSize")
    labels: Labels | None = Field(None, alias="Labels")


class HistoryRow(Row):
    """One of GET /images/{id}/history. What made the layer is not captured: it may be a command."""

    size: Bytes = Field(0, alias="Size")


class ImageSizeRow(Row):
    """`SharedSize` of one image in GET /system/df."""

    id: ImageId = Field(alias="Id")
    shared_size: Bytes | None = Field(None, alias="SharedSize")


class RootFS(Row):
    """`RootFS` of an image inspect."""

    type: str = Field("", alias="Type")
    layers: list[str] | None = Field(None, alias="Layers")


class ImageInspect(Row):
    """GET /images/{id}/json: the layers only."""

    root_fs: RootFS | None = Field(None, alias="RootFS")


class MountRow(Row):
    """One of `Mounts` of a container."""

    type: str = Field("", alias="Type")
    name: str | None = Field(None, alias="Name")
    source: str | None = Field(None, alias="Source")
    destination: str = Field("", alias="Destination")
    read_write: bool = Field(default=True, alias="RW")


class ContainerRow(Row):
    """One row of GET /containers/json."""

    id: ContainerId = Field(alias="Id")
    names: list[str] | None = Field(None, alias="Names")
    image: str = Field("", alias="Image")
    image_id: Name = Field(alias="ImageID")
    state: Name = Field(alias="State")
    created: Annotated[int, Field(ge=-(2**62), le=_LAST_SECOND)] | None = Field(None, alias="Created")
    mounts: list[MountRow] | None = Field(None, alias="Mounts")
    labels: Labels | None = Field(None, alias="Labels")


class ContainerSizeRow(Row):
    """`SizeRw` of one container in GET /system/df; an absent one is zero."""

    id: ContainerId = Field(alias="Id")
    size_rw: Bytes = Field(0, alias="SizeRw")


class ContainerTimes(Row):
    """When a container last started and stopped. Source: `State` of GET /containers/{id}/json."""

    started_at: Moment = Field(None, alias="StartedAt")
    finished_at: Moment = Field(None, alias="FinishedAt")


class ContainerInspect(Row):
    """GET /containers/{id}/json: the times only."""

    state: ContainerTimes = Field(alias="State")


class VolumeUsage(Row):
    """`UsageData` of a volume in GET /system/df."""

    size: Bytes = Field(-1, alias="Size")
    references: Bytes = Field(-1, alias="RefCount")


class VolumeRow(Row):
    """One of `Volumes` of GET /volumes."""

    name: Name = Field(alias="Name")
    driver: str = Field("", alias="Driver")
    mountpoint: str | None = Field(None, alias="Mountpoint")
    created_at: Moment = Field(None, alias="CreatedAt")
    labels: Labels | None = Field(None, alias="Labels")
    options: Labels | None = Field(None, alias="Options")


class VolumeSizeRow(Row):
    """One of `Volumes` of GET /system/df."""

    name: Name = Field(alias="Name")
    usage: VolumeUsage | None = Field(None, alias="UsageData")


class CacheRow(Row):
    """One of `BuildCache` of GET /system/df. The key of the parents has a leading space from API 1.42 on."""

    id: Name = Field(alias="ID")
    type: str = Field("", alias="Type")
    description: str = Field("", alias="Description")
    in_use: bool = Field(alias="InUse")
    shared: bool = Field(alias="Shared")
    size: Bytes | None = Field(None, alias="Size")
    created_at: Moment = Field(None, alias="CreatedAt")
    last_used_at: Moment = Field(None, alias="LastUsedAt")
    usage_count: Bytes | None = Field(None, alias="UsageCount")
    parent: str = Field("", alias="Parent")
    parents: list[str] | None = Field(None, validation_alias=AliasChoices(" Parents", "Parents"))


class Component(Row):
    """One of `Components` of GET /version."""

    name: str = Field("", alias="Name")
    version: str = Field("", alias="Version")


class VersionRow(Row):
    """GET /version."""

    version: str = Field(alias="Version")
    api_version: str = Field(alias="ApiVersion")
    api_minimum: str = Field("1.12", alias="MinAPIVersion")
    operating_system: str | None = Field(None, alias="Os")
    kernel: str | None = Field(None, alias="KernelVersion")
    components: list[Component] | None = Field(None, alias="Components")


class InfoRow(Row):
    """GET /info."""

    id: str | None = Field(None, alias="ID")
    driver: str | None = Field(None, alias="Driver")
    driver_status: list[list[str]] | None = Field(None, alias="DriverStatus")
    data_root: str | None = Field(None, alias="DockerRootDir")
    operating_system: str | None = Field(None, alias="OperatingSystem")
    kernel: str | None = Field(None, alias="KernelVersion")
    os_type: str | None = Field(None, alias="OSType")
    log_driver: str | None = Field(None, alias="LoggingDriver")


class Figure(Row):
    """A usage object of GET /system/df from API 1.52 on; a zero counter is absent."""

    total: Bytes = Field(0, alias="TotalSize")
    reclaimable: Bytes | None = Field(None, alias="Reclaimable")
