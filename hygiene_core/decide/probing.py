"""Take the use that a warmth probe left out of what is seen: a probe is nobody's use."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from hygiene_core.model.observation import Observation
from hygiene_core.model.resource import BuildCacheRecord, Builder
from hygiene_core.model.warmth import Probed, Stamp

__all__ = ["remembered", "unprobed", "unprobed_records"]


def unprobed(observation: Observation, probed: Probed) -> Observation:
    """A look as it would have been without the probes."""
    return replace(
        observation,
        build_cache=unprobed_records(observation.build_cache, probed),
        builders=tuple(_unprobed_builder(one, probed) for one in observation.builders),
    )


def unprobed_records(records: Iterable[BuildCacheRecord], probed: Probed) -> tuple[BuildCacheRecord, ...]:
    """Records with the use that they had before a probe, where nothing used them since."""
    return tuple(_unprobed_record(one, probed) for one in records)


def _unprobed_record(record: BuildCacheRecord, probed: Probed) -> BuildCacheRecord:
    stamp = probed.records.get(record.id)
    if stamp is None or (record.last_used_at, record.usage_count) != (stamp.left_at, stamp.left_count):
        return record
    return replace(record, last_used_at=stamp.was_at, usage_count=stamp.was_count)


def _unprobed_builder(builder: Builder, probed: Probed) -> Builder:
    stamp = probed.builds.get(builder.id)
    if stamp is None or builder.last_build_at != stamp.left_at:
        return builder
    return replace(builder, last_build_at=stamp.was_at)


def remembered(
    probed: Probed,
    before: tuple[Builder, Collection[BuildCacheRecord]],
    after: tuple[Builder, Collection[BuildCacheRecord]],
) -> Probed:
    """What is to be left out from now on, after one more probe of a builder.

    Args:
        probed: what earlier probes left.
        before: the builder and its records right before the probe, as they were read.
        after: the same right after it. Nothing else may have been built in between.
    """
    builder = before[0].id
    own = {one.id for one in before[1]} | {one.id for one in after[1]}
    stamps = {key: stamp for key, stamp in probed.records.items() if key not in own}
    # What it was before: to an earlier probe's stamp there may be an earlier use still.
    was = {one.id: one for one in unprobed_records(before[1], probed)}
    seen = {one.id: one for one in before[1]}
    for one in after[1]:
        old = seen.get(one.id)
        unchanged = old is not None and (old.last_used_at, old.usage_count) == (
            one.last_used_at,
            one.usage_count,
        )
        if unchanged and one.id in probed.records:
            stamps[one.id] = probed.records[one.id]
        elif not unchanged and one.last_used_at is not None:
            earlier = was.get(one.id)
            stamps[one.id] = Stamp(
                left_at=one.last_used_at,
                left_count=one.usage_count,
                was_at=earlier.last_used_at if earlier else None,
                was_count=earlier.usage_count if earlier else None,
            )
    builds = dict(probed.builds)
    left_at = after[0].last_build_at
    if left_at is not None and left_at != before[0].last_build_at:
        was_at = _unprobed_builder(before[0], probed).last_build_at
        builds[builder] = Stamp(left_at=left_at, left_count=None, was_at=was_at, was_count=None)
    return Probed(records=stamps, builds=builds)
