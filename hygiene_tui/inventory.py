"""The resources of one look as an operator goes through them: filtered, sorted, grouped. No drawing here.

Everything is kept as columns, so that a hundred thousand rows are a dozen lists and a key typed into the
filter is answered within a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias

from hygiene_core.model.judgement import Verdict
from hygiene_core.model.resource import Kind
from hygiene_tui.query import Query

__all__ = ["GROUPS", "SORTS", "Group", "Inventory", "Order", "Tab"]

Columns: TypeAlias = Mapping[str, Sequence[Any]]

_VERDICTS = {verdict.value: place for place, verdict in enumerate(Verdict)}


class Tab(StrEnum):
    """The classes that the list is divided into; `ALL` is all of them."""

    ALL = "all"
    IMAGES = "images"
    CONTAINERS = "containers"
    VOLUMES = "volumes"
    CACHE = "build cache"
    BUILDERS = "builders"
    RUNNERS = "runners"

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of resource in it."""
        return frozenset(kind.value for kind in _TABS[self])


_TABS: dict[Tab, tuple[Kind, ...]] = {
    Tab.ALL: tuple(Kind),
    Tab.IMAGES: (Kind.IMAGE,),
    Tab.CONTAINERS: (Kind.CONTAINER,),
    Tab.VOLUMES: (Kind.VOLUME,),
    Tab.CACHE: (Kind.BUILD_CACHE,),
    Tab.BUILDERS: (Kind.BUILDER,),
    Tab.RUNNERS: (Kind.RUNNER_WORKDIR, Kind.RUN_CACHE, Kind.LOG),
}

SORTS = ("size", "idle", "age", "name", "kind", "verdict", "rule")
"""The columns that a list can be sorted by, in the order of the key that goes through them."""

GROUPS = ("none", "builder", "repository", "project")
"""What rows can be gathered by."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted: by one of `SORTS`; `reverse` turns the order that is natural to the column."""

    by: str = "size"
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that belong together. `size_bytes` sums what is known, `unknown` counts the other rows."""

    name: str
    rows: tuple[int, ...]
    size_bytes: int
    unknown: int


class Inventory:
    """One look. A row is a number from 0; what is not known is `None` and sorts last.

    Attributes:
        columns: by name, as `evidence.latest` keeps them.
        seen_at: when the look ended, aware UTC: ages are told from the present, not from then.
    """

    def __init__(
        self, columns: Columns, seen_at: datetime, detail: Callable[[int], Mapping[str, Any]]
    ) -> None:
        self.columns = columns
        self.seen_at = seen_at
        self._detail = detail

    def __len__(self) -> int:
        return len(self.columns["id"])

    def detail(self, row: int) -> Mapping[str, Any]:
        """Everything that was judged of a row, as the report document has it."""
        return self._detail(row)

    def size_bytes(self, row: int) -> int | None:
        """What removing it alone would free."""
        return _whole(self.columns["unique_bytes"][row])

    def idle(self, row: int, now: datetime) -> timedelta | None:
        """For how long nothing has used it, as far as that was seen."""
        since = self._idle_since[row]
        return None if since is None else now - since

    def age(self, row: int, now: datetime) -> timedelta | None:
        """For how long it has been known."""
        since = self._first_seen[row]
        return None if since is None else now - since

    def row_of(self, kind: str, identity: str) -> int | None:
        """The row of a resource."""
        return self._rows.get((kind, identity))

    def counts(self) -> dict[str, int]:
        """How many rows each tab and each verdict has."""
        kinds = self.columns["kind"]
        found = {tab.value: sum(map(tab.kinds.__contains__, kinds)) for tab in Tab}
        for verdict in self.columns["verdict"]:
            found[verdict] = found.get(verdict, 0) + 1
        return found

    def bytes_by_verdict(self) -> dict[str, int]:
        """What removing each row alone would free, by verdict; shared bytes are in none of them."""
        found: dict[str, int] = {}
        for verdict, size in zip(self.columns["verdict"], self.columns["unique_bytes"], strict=True):
            found[verdict] = found.get(verdict, 0) + (size or 0)
        return found

    def select(self, tab: Tab, query: Query, order: Order, now: datetime) -> list[int]:
        """The rows to show, in their order."""
        rows: Iterable[int] = range(len(self))
        kinds = query.kinds & tab.kinds if query.kinds else tab.kinds
        if tab is not Tab.ALL or query.kinds:
            kind = self.columns["kind"]
            rows = [row for row in rows if kind[row] in kinds]
        if query.verdicts:
            verdict = self.columns["verdict"]
            rows = [row for row in rows if verdict[row] in query.verdicts]
        for word in query.words:
            rows = [row for row in rows if word in self._haystack[row]]
        for word in query.without:
            rows = [row for row in rows if word not in self._haystack[row]]
        rows = _within(rows, self.columns["unique_bytes"], query.over_bytes, query.under_bytes)
        rows = self._idle_within(rows, query, now)
        return self._sorted(list(rows), order)

    def groups(self, rows: Sequence[int], by: str) -> list[Group]:
        """The rows gathered by a column of `GROUPS`, the biggest first; rows without one come last."""
        gathered: dict[str, list[int]] = {}
        column = self.columns[by]
        for row in rows:
            gathered.setdefault(column[row] or "", []).append(row)
        made = [self._group(name, found) for name, found in gathered.items()]
        return sorted(made, key=lambda group: (not group.name, -group.size_bytes, group.name))

    def _group(self, name: str, rows: Sequence[int]) -> Group:
        sizes = [self.size_bytes(row) for row in rows]
        known = [size for size in sizes if size is not None]
        return Group(name, tuple(rows), sum(known), len(sizes) - len(known))

    @cached_property
    def _rows(self) -> dict[tuple[str, str], int]:
        return {
            key: row for row, key in enumerate(zip(self.columns["kind"], self.columns["id"], strict=True))
        }

    @cached_property
    def _haystack(self) -> list[str]:
        parts = zip(self.columns["name"], self.columns["id"], self.columns["rule"], strict=True)
        return [f"{name} {identity} {rule}".lower() for name, identity, rule in parts]

    @cached_property
    def _idle_since(self) -> list[datetime | None]:
        return _moments(self.columns["idle_since_at"])

    @cached_property
    def _first_seen(self) -> list[datetime | None]:
        return _moments(self.columns["first_seen_at"])

    def _idle_within(self, rows: Iterable[int], query: Query, now: datetime) -> Iterable[int]:
        if query.idle_over is None and query.idle_under is None:
            return rows
        latest = now - query.idle_over if query.idle_over is not None else None
        earliest = now - query.idle_under if query.idle_under is not None else None
        return [
            row
            for row in rows
            if (since := self._idle_since[row]) is not None
            and (latest is None or since < latest)
            and (earliest is None or since > earliest)
        ]

    def _sorted(self, rows: list[int], order: Order) -> list[int]:
        match order.by:
            case "size":
                return _by(rows, self.columns["unique_bytes"], down=not order.reverse)
            case "idle":
                return _by(rows, self._idle_since, down=order.reverse)
            case "age":
                return _by(rows, self._first_seen, down=order.reverse)
            case "verdict":
                places = [_VERDICTS.get(verdict, len(_VERDICTS)) for verdict in self.columns["verdict"]]
                return _by(rows, places, down=order.reverse)
            case _:
                return _by(rows, self.columns[order.by], down=order.reverse)


def _by(rows: list[int], column: Sequence[Any], *, down: bool) -> list[int]:
    """Rows in the order of a column; what is not known comes last either way."""
    known = [row for row in rows if column[row] is not None]
    known.sort(key=column.__getitem__, reverse=down)
    return known + [row for row in rows if column[row] is None]


def _within(rows: Iterable[int], column: Sequence[Any], over: int | None, under: int | None) -> Iterable[int]:
    if over is None and under is None:
        return rows
    return [
        row
        for row in rows
        if (value := column[row]) is not None
        and (over is None or value > over)
        and (under is None or value < under)
    ]


def _moments(column: Sequence[str | datetime | None]) -> list[datetime | None]:
    """Moments; a run that was stored has them as texts, a few different ones."""
    read = {told: datetime.fromisoformat(told) for told in set(column) if isinstance(told, str)}
    return [read[told] if isinstance(told, str) else told for told in column]


def _whole(figure: Any) -> int | None:
    return figure if isinstance(figure, int) else None
