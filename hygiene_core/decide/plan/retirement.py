"""Phase two: single objects that a rule lets go, or that somebody picked although a rule still keeps them.

What is protected, in use or unknown is never planned, whatever is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from hygiene_core.decide.context import Context
from hygiene_core.decide.layers import InTurn
from hygiene_core.decide.plan.directories import directory_steps, reasons_of
from hygiene_core.decide.plan.room import Room, total_of
from hygiene_core.model.judgement import Judged, Verdict
from hygiene_core.model.plan import Action, Selection, Verb
from hygiene_core.model.policy import first_match
from hygiene_core.model.resource import (
    IDLE_STATES,
    Builder,
    Container,
    Image,
    Kind,
    RunCache,
    RunnerWorkdir,
    Volume,
)

__all__ = ["RETIRED_KINDS", "retire_actions"]

RETIRED_KINDS = (
    Kind.CONTAINER,
    Kind.BUILDER,
    Kind.VOLUME,
    Kind.IMAGE,
    Kind.RUNNER_WORKDIR,
    Kind.RUN_CACHE,
)
"""In the order in which they go: what refers to something before what it refers to."""

_MAY_GO = {
    Kind.CONTAINER: frozenset({Verdict.CANDIDATE, Verdict.RETAINED}),
    Kind.BUILDER: frozenset({Verdict.CANDIDATE}),
    Kind.VOLUME: frozenset({Verdict.CANDIDATE, Verdict.RETAINED}),
    Kind.IMAGE: frozenset({Verdict.CANDIDATE, Verdict.RETAINED}),
    Kind.RUNNER_WORKDIR: frozenset({Verdict.CANDIDATE}),
    Kind.RUN_CACHE: frozenset({Verdict.CANDIDATE}),
}
"""Other verdicts are never planned. What keeps a builder or directory keeps it from hand picking too."""

_RUNS = "use.active"
"""The rule that says of a container that it runs."""

Parts: TypeAlias = Mapping[tuple[Kind, str], Judged]
"""What a builder may consist of, by kind and id."""


def retire_actions(
    judged: Iterable[Judged], context: Context, selection: Selection, room: Room
) -> list[Action]:
    """The steps, numbered in the order in which they are to be done; the biggest of a kind first."""
    everything = list(judged)
    parts: dict[tuple[Kind, str], Judged] = {
        (row.kind, row.id): row for row in everything if row.kind in (Kind.CONTAINER, Kind.VOLUME)
    }
    # A builder goes as a whole or not at all, also where only its parts are of the selection.
    of_builders = {
        part
        for row in everything
        if isinstance(row.facts, Builder) and row.facts.container_id and row.verdict in _MAY_GO[Kind.BUILDER]
        for part in (row.facts.container_id, row.facts.volume)
    }
    rows = [row for row in everything if _is_chosen(row, selection)]
    turns = InTurn(context.sizes)
    actions: list[Action] = []
    for kind in RETIRED_KINDS:
        mine = [row for row in rows if row.kind is kind and row.id not in of_builders]
        mine.sort(key=lambda row: (-(row.unique_bytes or 0), row.id))
        for row in mine:
            steps = _steps(row, parts, turns, context)
            objects = sum(max(1, len(step.files)) for step in steps)
            if steps and room.take_one(total_of(step.estimate_bytes for step in steps), objects):
                actions += _numbered(steps, len(actions) + 1)
                if isinstance(row.facts, Image):
                    turns.goes(row.facts)
    return actions


def _is_chosen(row: Judged, selection: Selection) -> bool:
    """Whether a row may go at all, and is of the selection."""
    if row.verdict not in _MAY_GO.get(row.kind, ()) or row.verdict.value not in selection.verdicts:
        return False
    if selection.kinds and row.kind.value not in selection.kinds:
        return False
    if selection.names and not first_match(selection.names, (*row.names, row.id)):
        return False
    return (row.unique_bytes or 0) >= selection.min_bytes


def _steps(row: Judged, parts: Parts, turns: InTurn, context: Context) -> list[Action]:
    """The steps of a row, numbered among themselves; none where another row stands for it."""
    match row.facts:
        case Image():
            return [_image(row, row.facts, turns.would_free(row.facts))]
        case Container():
            return [_container(row, row.facts)]
        case Volume():
            return [_volume(row, row.facts)]
        case Builder():
            return _builder(row, row.facts, parts)
        case RunnerWorkdir() | RunCache():
            return directory_steps(row, row.facts, context)
        case _:
            return []


def _image(row: Judged, image: Image, freed: int | None) -> Action:
    return Action(
        number=1,
        verb=Verb.REMOVE_IMAGE,
        kind=Kind.IMAGE,
        id=image.id,
        name=image.name,
        estimate_bytes=freed,
        reasons=reasons_of(row),
        references=tuple(sorted(image.names)),
    )


def _container(row: Judged, container: Container) -> Action:
    return Action(
        number=1,
        verb=Verb.REMOVE_CONTAINER,
        kind=Kind.CONTAINER,
        id=container.id,
        name=container.name,
        estimate_bytes=container.writable_bytes,
        reasons=reasons_of(row),
        facts=_facts_of_container(container),
    )


def _facts_of_container(container: Container) -> dict[str, str]:
    return {
        "state": container.state,
        "image_id": container.image_id,
        "created_at": _moment(container.created_at),
        "started_at": _moment(container.started_at),
        "finished_at": _moment(container.finished_at),
    }


def _volume(row: Judged, volume: Volume) -> Action:
    return Action(
        number=1,
        verb=Verb.REMOVE_VOLUME,
        kind=Kind.VOLUME,
        id=volume.id,
        name=volume.name,
        estimate_bytes=volume.size_bytes,
        reasons=reasons_of(row),
        facts={"driver": volume.driver, "created_at": _moment(volume.created_at)},
    )


def _builder(row: Judged, builder: Builder, parts: Parts) -> list[Action]:
    """Its container, then its state volume. One without a container is its volume, which has its own row.

    None of it goes where something besides the builder itself holds one of the two.
    """
    container = parts.get((Kind.CONTAINER, builder.container_id or ""))
    volume = parts.get((Kind.VOLUME, builder.volume or ""))
    if container is None or not isinstance(container.facts, Container) or not _is_idle(container):
        return []
    stopped = container.facts.state in IDLE_STATES
    verb = Verb.REMOVE_CONTAINER if stopped else Verb.STOP_AND_REMOVE_CONTAINER
    steps = [replace(_container(row, container.facts), verb=verb)]
    if volume is None:
        return steps
    if not isinstance(volume.facts, Volume) or not _is_only_of(volume, container):
        return []
    return [*steps, replace(_volume(row, volume.facts), number=2, after=(1,))]


def _is_idle(container: Judged) -> bool:
    """Whether a builder's container may go with it: that it runs is no use where nobody knows the builder."""
    if container.verdict is Verdict.IN_USE:
        return all(reason.rule == _RUNS for reason in container.reasons)
    return container.verdict is Verdict.CANDIDATE


def _is_only_of(volume: Judged, container: Judged) -> bool:
    """Whether nothing but its builder's container holds a state volume."""
    if volume.verdict is Verdict.IN_USE:
        return volume.used_by == (container.name,)
    return volume.verdict in {Verdict.CANDIDATE, Verdict.RETAINED}


def _numbered(steps: list[Action], first: int) -> list[Action]:
    return [
        replace(step, number=step.number + first - 1, after=tuple(one + first - 1 for one in step.after))
        for step in steps
    ]


def _moment(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()
