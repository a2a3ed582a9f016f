"""The answer of GET /system/df, in the shape of any API version: sizes by id, and the build cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from hygiene_core.errors import EngineProtocol
from hygiene_core.host.mask import mask_text
from hygiene_core.host.rows import CacheRow, ContainerSizeRow, Figure, ImageSizeRow, VolumeSizeRow
from hygiene_core.host.wire import Parsed, known, none_is_empty, read_one, read_rows
from hygiene_core.model.observation import EngineFigure
from hygiene_core.model.resource import BuildCacheRecord

__all__ = [
    "Sizes",
    "VolumeSize",
    "parse_build_cache",
    "parse_container_sizes",
    "parse_image_sizes",
    "parse_volume_sizes",
]

T = TypeVar("T")

_CACHE = TypeAdapter(list[CacheRow])
_VOLUME_SIZES = TypeAdapter(list[VolumeSizeRow])
_CONTAINER_SIZES = TypeAdapter(list[ContainerSizeRow])
_IMAGE_SIZES = TypeAdapter(list[ImageSizeRow])


def _section(value: Any, legacy: str, modern: str) -> tuple[Any, EngineFigure | None]:
    """One class of a df answer in either shape, and the Engine's total where it gives one (API >= 1.52)."""
    if not isinstance(value, dict):
        raise EngineProtocol("The Engine's answer to GET /system/df is not an object.")
    usage = value.get(modern)
    rows = value.get(legacy)
    if not isinstance(usage, dict):
        return none_is_empty(rows), None
    figure = read_one(f"GET /system/df ({modern})", Figure, usage)
    named = EngineFigure(
        name=f"{modern}.TotalSize",
        size_bytes=known(figure.total),
        reclaimable_bytes=known(figure.reclaimable),
    )
    return none_is_empty(rows if rows is not None else usage.get("Items")), named


def _total(value: Any, name: str) -> EngineFigure | None:
    """A total at the top of the df answer, as APIs up to 1.51 give it."""
    size = value.get(name) if isinstance(value, dict) else None
    return EngineFigure(name=name, size_bytes=size) if isinstance(size, int) and size >= 0 else None


def parse_image_sizes(value: Any) -> Sizes[int | None]:
    """Shared bytes by image id, from GET /system/df. Intermediate images are not in it."""
    rows, figure = _section(value, "Images", "ImageUsage")
    parsed = read_rows(
        "image sizes", _IMAGE_SIZES, ImageSizeRow, rows, lambda row: (row.id, known(row.shared_size))
    )
    return Sizes(dict(parsed.rows), parsed.problem, figure or _total(value, "LayersSize"))


def parse_container_sizes(value: Any) -> Sizes[int | None]:
    """Bytes of the writable layer by container id, from GET /system/df. An absent `SizeRw` is zero."""
    rows, figure = _section(value, "Containers", "ContainerUsage")
    parsed = read_rows(
        "container sizes", _CONTAINER_SIZES, ContainerSizeRow, rows, lambda row: (row.id, known(row.size_rw))
    )
    return Sizes(dict(parsed.rows), parsed.problem, figure)


def parse_volume_sizes(value: Any) -> Sizes[VolumeSize]:
    """Size and references by volume name, from GET /system/df. Only plain local volumes are in it."""
    rows, figure = _section(value, "Volumes", "VolumeUsage")
    parsed = read_rows("volume sizes", _VOLUME_SIZES, VolumeSizeRow, rows, _volume_size)
    return Sizes(dict(parsed.rows), parsed.problem, figure)


def _volume_size(row: VolumeSizeRow) -> tuple[str, VolumeSize]:
    usage = row.usage
    if usage is None:
        return row.name, VolumeSize(None, None)
    return row.name, VolumeSize(known(usage.size), known(usage.references))


def parse_build_cache(value: Any) -> tuple[Parsed[BuildCacheRecord], EngineFigure | None]:
    """The embedded builder's records, from GET /system/df, and the Engine's total where it gives one.

    `BuilderSize` (API 1.41) sums all records, shared ones too.
    """
    rows, figure = _section(value, "BuildCache", "BuildCacheUsage")
    parsed = read_rows("build cache records", _CACHE, CacheRow, rows, _record)
    return parsed, figure or _total(value, "BuilderSize")


@dataclass(frozen=True, slots=True)
class VolumeSize:
    """One volume's size and the Engine's count of its references; `None` is "not computed"."""

    size_bytes: int | None
    references: int | None


@dataclass(frozen=True, slots=True)
class Sizes(Generic[T]):
    """What GET /system/df says of one class, by id or name, with the Engine's own total."""

    by_id: dict[str, T]
    problem: str | None = None
    figure: EngineFigure | None = None


def _record(row: CacheRow) -> BuildCacheRecord:
    return BuildCacheRecord(
        id=row.id,
        type=row.type,
        description=mask_text(row.description),
        size_bytes=known(row.size),
        shared=row.shared,
        in_use=row.in_use,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        usage_count=known(row.usage_count),
        parents=tuple(row.parents or ((row.parent,) if row.parent else ())),
    )
