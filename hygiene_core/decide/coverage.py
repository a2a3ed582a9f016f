"""For how long the use of images was followed without a gap, up to now."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from hygiene_core.model.coverage import Followed, Removal, Span
from hygiene_core.model.resource import Image

__all__ = ["canonical", "joined", "last_use", "merged", "newest_span", "ordered"]

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})\Z")
_HUB = re.compile(r"(?:index\.)?docker\.io/")


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same times in as few spans as possible, oldest first. Spans that touch are one."""
    made: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.since_at, one.until_at)):
        if made and span.since_at <= made[-1].until_at:
            made[-1] = Span(made[-1].since_at, max(made[-1].until_at, span.until_at))
        else:
            made.append(span)
    return tuple(made)


def newest_span(spans: Iterable[Span]) -> Span | None:
    """The span that reaches furthest, joined to all that it touches."""
    made = joined(spans)
    return made[-1] if made else None


def merged(*followed: Followed) -> Followed:
    """What several followers saw together: times, the latest use of each image, each removal once."""
    uses: dict[str, datetime] = {}
    for one in followed:
        for name, at in one.uses.items():
            image = canonical(name)
            uses[image] = max(at, uses.get(image, at))
    removals = dict.fromkeys(removal for one in followed for removal in one.removals)
    return Followed(
        spans=joined(span for one in followed for span in one.spans),
        uses=uses,
        removals=ordered(removals),
    )


def ordered(removals: Iterable[Removal]) -> tuple[Removal, ...]:
    """In the order of time; in one moment a prune comes after what it removed."""
    return tuple(sorted(removals, key=lambda one: (one.removed_at, one.id is None, one.kind, one.id or "")))


def canonical(reference: str) -> str:
    """One spelling for all that mean the same image: without Docker's own registry, with tag or digest."""
    if _ID.match(reference):
        return reference.removeprefix("sha256:")
    name, at, digest = reference.partition("@")
    hub = _HUB.match(name)
    if hub:
        name = name[hub.end() :]
    if name.count("/") == 1:
        name = name.removeprefix("library/")
    repository, colon, tag = name.rpartition(":")
    has_tag = bool(colon) and "/" not in tag
    if at:
        return f"{repository if has_tag else name}@{digest}"
    return name if has_tag else f"{name}:latest"


def last_use(image: Image, followed: Followed) -> datetime | None:
    """When a container of the image was last seen to come or go, as far as that was followed.

    By its id, or the beginning of it, and by every name that it has now. A name that has moved since is a
    change of names, from which ages run anew, so nothing is lost by it. `followed` has to be `merged`.
    """
    own_id = image.id.removeprefix("sha256:")
    names = {canonical(name) for name in image.names}
    return max(
        (at for name, at in followed.uses.items() if name in names or _is_id_of(name, own_id)), default=None
    )


def _is_id_of(name: str, own_id: str) -> bool:
    return _ID.match(name) is not None and own_id.startswith(name)
