"""What came back after it was removed: the cost of a policy that lets go too early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from hygiene_core.decide.context import Context
from hygiene_core.model.acts import Acts, BuiltAgain, CameBack, History, Removed
from hygiene_core.model.observation import Observation
from hygiene_core.model.resource import BuildCacheRecord, Container, Image, Kind, Volume

__all__ = ["LISTED", "acts_of"]

LISTED = 50
"""How many of the things that came back a report lists, the biggest."""


def acts_of(history: History, observation: Observation, context: Context) -> Acts:
    """The part of a report about removals.

    Args:
        history: what the ledger of acts tells.
        observation: what one pass saw.
        context: what is remembered, this observation included.
    """
    # What went while the look was under way may have been seen before it went.
    gone = [one for one in history.removed if one.removed_at < observation.started_at]
    back = sorted(
        _came_back(gone, observation, context), key=lambda one: (-(one.size_bytes or 0), one.kind, one.id)
    )
    return Acts(
        reason=history.reason,
        last=history.last,
        last_bounded=history.last_bounded,
        unsettled=history.unsettled,
        running=history.running,
        busy=history.busy,
        busy_since_at=history.busy_since_at,
        came_back=tuple(back[:LISTED]),
        came_back_count=len(back),
        came_back_bytes=_total(one.size_bytes for one in back),
        built_again=tuple(_built_again(gone, observation, context)),
    )


def _came_back(gone: Iterable[Removed], observation: Observation, context: Context) -> Iterator[CameBack]:
    """Images by id or reference, containers and volumes by name; each once, by its last removal."""
    by_name: dict[tuple[str, str], Image | Container | Volume] = {}
    there_now: list[Image | Container | Volume] = [
        *observation.images,
        *observation.containers,
        *observation.volumes,
    ]
    for one in there_now:
        by_name |= {(one.kind.value, name): one for name in (one.id, *one.names)}
    told: set[tuple[str, str]] = set()
    for removed in gone:  # the newest first
        names = (removed.id, *removed.references, removed.name)
        there = next((by_name[removed.kind, name] for name in names if (removed.kind, name) in by_name), None)
        if there is None or (there.kind.value, there.id) in told:
            continue
        told.add((there.kind.value, there.id))
        yield CameBack(
            kind=there.kind.value,
            id=there.id,
            name=there.name,
            size_bytes=there.size_bytes,
            run_id=removed.run_id,
            removed_at=removed.removed_at,
            back_since_at=_back_since(there, removed.removed_at, context),
        )


def _back_since(there: Image | Container | Volume, removed_at: datetime, context: Context) -> datetime | None:
    """When it was there again: the Engine tells it of what it makes itself, else our first look does."""
    if not isinstance(there, Image) and there.created_at is not None and there.created_at > removed_at:
        return there.created_at
    known = context.known(there)
    return known.first_seen_at if known is not None and known.first_seen_at > removed_at else None


def _built_again(gone: Iterable[Removed], observation: Observation, context: Context) -> Iterator[BuiltAgain]:
    """Per builder: the records made since a removal that do what a removed one did, one for one."""
    lost: dict[str, dict[str, list[datetime]]] = {}
    for one in gone:
        if one.kind == Kind.BUILD_CACHE and one.builder is not None:
            lost.setdefault(one.builder, {}).setdefault(one.name, []).append(one.removed_at)
    present: dict[str, list[BuildCacheRecord]] = {}
    for record in observation.build_cache:
        present.setdefault(record.builder, []).append(record)
    for builder, removed in sorted(lost.items()):
        counted: Counter[str] = Counter()
        sizes: list[int | None] = []
        for record in present.get(builder, ()):
            at = removed.get(record.description) if record.description else None
            if at is None or counted[record.description] >= len(at) or not _is_new(record, min(at), context):
                continue
            counted[record.description] += 1
            sizes.append(record.size_bytes)
        if sizes:
            yield BuiltAgain(
                builder=builder,
                count=len(sizes),
                removed_count=sum(map(len, removed.values())),
                size_bytes=_total(sizes),
            )


def _is_new(record: BuildCacheRecord, removed_at: datetime, context: Context) -> bool:
    """Whether it was made after the removal; by the builder's own word, else by our first look."""
    if record.created_at is not None:
        return record.created_at > removed_at
    known = context.known(record)
    return known is not None and known.first_seen_at > removed_at


def _total(sizes: Iterable[int | None]) -> int | None:
    known = list(sizes)
    return None if None in known else sum(one for one in known if one is not None)
