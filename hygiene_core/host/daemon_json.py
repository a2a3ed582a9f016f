"""`daemon.json`, as far as this kit reads it: garbage collection, log options, store and data root.

Keys inside a table are found in any case, as the Engine does. No message repeats what stands in the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from hygiene_core.host.go_values import BadValue, bytes_of, duration_of, value_of
from hygiene_core.host.mask import mask_text
from hygiene_core.model.engine_config import DaemonConfig, EngineGc, EngineGcRule

__all__ = ["parse_daemon_json"]

_AGES = frozenset({"until", "unused-for"})
_FIELDS = frozenset(
    {"id", "parent", "type", "description", "inuse", "shared", "private", "mutable", "immutable"}
)
"""The words of a filter that the Engine hands on to BuildKit; others it leaves out."""

_MOST_RULES = 64
T = TypeVar("T")


def parse_daemon_json(path: str, content: bytes) -> tuple[DaemonConfig, tuple[str, ...]]:
    """What a file says, and a sentence for each key that cannot be read.

    Raises:
        BadValue: it is not one JSON object; the message does not repeat it.
    """
    table = _table_of(content)
    problems: list[str] = []

    def read(name: str, parse: Callable[[], T]) -> T | None:
        try:
            return parse()
        except BadValue as error:
            problems.append(f"{path}: {name} is {error}")
            return None

    options = read("log-opts", lambda: _table(table, "log-opts")) or {}
    features = read("features", lambda: _table(table, "features")) or {}
    config = DaemonConfig(
        path=path,
        applies=True,
        exists=True,
        gc=read("builder.gc", lambda: _gc(table)),
        log_driver=read("log-driver", lambda: _text(table, "log-driver")),
        log_max_size=read("log-opts.max-size", lambda: _text(options, "max-size")),
        log_max_file=read("log-opts.max-file", lambda: _text(options, "max-file")),
        data_root=read("data-root", lambda: _text(table, "data-root")),
        containerd_snapshotter=read(
            "features.containerd-snapshotter", lambda: _flag(features, "containerd-snapshotter")
        ),
        live_restore=read("live-restore", lambda: _flag(table, "live-restore")),
    )
    return config, tuple(problems)


def _table_of(content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8-sig")
        table = json.loads(text) if text.strip() else {}  # the Engine takes an empty file as none
    except (ValueError, RecursionError):
        raise BadValue("not JSON") from None  # the parser's own message repeats the text
    if not isinstance(table, dict):
        raise BadValue("not a JSON object")
    return table


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    value = value_of(table, key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadValue("not an object")
    return value


def _text(table: dict[str, Any], key: str) -> str | None:
    value = value_of(table, key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadValue("not a text")
    return mask_text(value) or None


def _flag(table: dict[str, Any], key: str) -> bool | None:
    value = value_of(table, key)
    if value is not None and not isinstance(value, bool):
        raise BadValue("neither true nor false")
    return value


def _size(table: dict[str, Any], key: str) -> int | None:
    value = value_of(table, key)
    if value is None or value == "":
        return None
    try:
        return bytes_of(value)
    except BadValue as error:
        raise BadValue(f"not to be read: its {key} is {error}") from None


def _gc(table: dict[str, Any]) -> EngineGc:
    gc = _table(_table(table, "builder"), "gc")
    rules = value_of(gc, "policy")
    if rules is not None and (not isinstance(rules, list) or len(rules) > _MOST_RULES):
        raise BadValue(f"not to be read: its policy is no list of at most {_MOST_RULES} rules")
    return EngineGc(
        enabled=_flag(gc, "enabled"),
        keep_bytes=_size(gc, "defaultKeepStorage"),
        reserved_bytes=_size(gc, "defaultReservedSpace"),
        max_used_bytes=_size(gc, "defaultMaxUsedSpace"),
        min_free_bytes=_size(gc, "defaultMinFreeSpace"),
        policy=None if rules is None else tuple(map(_rule, rules)),
    )


def _rule(rule: Any) -> EngineGcRule:
    if not isinstance(rule, dict):
        raise BadValue("not to be read: a rule of its policy is no object")
    filters: list[str] = []
    keep_for: timedelta | None = None
    seen: set[str] = set()
    for key, value in dict.fromkeys(_filters(value_of(rule, "filter"))):
        name = "age" if key in _AGES else key
        if name in seen:
            raise BadValue("not to be read: a rule of its policy has two filters of one kind")
        seen.add(name)
        if key in _AGES:
            keep_for = _age(value)
        elif key in _FIELDS:
            filters.append(f"{key}{'~=' if key == 'id' else '=='}{value}" if value else key)
    return EngineGcRule(
        everything=_flag(rule, "all") or False,
        # The Engine joins them to one filter, of which all parts have to hold.
        filters=(mask_text(",".join(sorted(filters))),) if filters else (),
        keep_for=keep_for,
        keep_bytes=_size(rule, "keepStorage"),
        reserved_bytes=_size(rule, "reservedSpace"),
        max_used_bytes=_size(rule, "maxUsedSpace"),
        min_free_bytes=_size(rule, "minFreeSpace"),
    )


def _age(value: str) -> timedelta | None:
    try:
        return duration_of(value) or None
    except BadValue:
        raise BadValue("not to be read: an age in its policy is not a duration") from None


def _filters(value: Any) -> Iterator[tuple[str, str]]:
    """Key and value of each filter: a list of `key=value`, or the older object of objects or lists."""
    if value is None:
        return
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        for key, _, wanted in (one.partition("=") for one in value):
            yield key.strip().lower(), wanted.strip()
    elif isinstance(value, dict) and all(isinstance(one, dict | list) for one in value.values()):
        for key, wanted in value.items():
            for one in wanted:
                yield key, str(one)
    else:
        raise BadValue("not to be read: a filter of its policy is neither a list of texts nor an object")
