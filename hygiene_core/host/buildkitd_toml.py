"""`buildkitd.toml`, as far as this kit reads it: the garbage collection of the worker that is on.

An instance file of buildx holds it in base64, beside files that may be keys: only this one is decoded, and of
it only these values are kept. No message repeats what stands in it.
"""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hygiene_core.host.go_values import BadValue, bytes_of, duration_of, value_of
from hygiene_core.host.mask import mask_text
from hygiene_core.model.engine_config import BuildkitdConfig, BuildkitdRule, Space

__all__ = ["BUILDKITD", "parse_buildkitd"]

BUILDKITD = "buildkitd.toml"

_MOST_RULES = 64
_PERCENTS = range(101)


def parse_buildkitd(encoded: Any) -> BuildkitdConfig:
    """The collection that an encoded file asks for. Raises BadValue, which does not repeat the file."""
    if not isinstance(encoded, str):
        raise BadValue("not base64")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        raise BadValue("not text in base64") from None
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        raise BadValue("not TOML") from None  # the parser's own message may repeat a part of it
    worker = _worker(_table(table, "worker"))
    rules = value_of(worker, "gcpolicy")
    if rules is not None and (not isinstance(rules, list) or len(rules) > _MOST_RULES):
        raise BadValue(f"without a gcpolicy of at most {_MOST_RULES} tables")
    enabled = _flag(worker, "gc")
    return BuildkitdConfig(
        enabled=enabled is not False,
        keep=_space(worker, "gckeepstorage"),
        reserved=_space(worker, "reservedSpace"),
        max_used=_space(worker, "maxUsedSpace"),
        min_free=_space(worker, "minFreeSpace"),
        policy=tuple(map(_rule, rules or ())),
    )


def _worker(workers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table of the OCI worker, which a container runs, unless the file turns it off."""
    oci, containerd = _table(workers, "oci"), _table(workers, "containerd")
    return containerd if _flag(oci, "enabled") is False and containerd else oci


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = value_of(table, key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadValue(f"odd: its {key} is no table")
    return value


def _flag(table: Mapping[str, Any], key: str) -> bool | None:
    value = value_of(table, key)
    if value is not None and not isinstance(value, bool):
        raise BadValue(f"odd: its {key} is neither true nor false")
    return value


def _rule(rule: Any) -> BuildkitdRule:
    if not isinstance(rule, dict):
        raise BadValue("odd: a gcpolicy is no table")
    filters = value_of(rule, "filters")
    if filters is not None and not (
        isinstance(filters, list) and all(isinstance(one, str) for one in filters)
    ):
        raise BadValue("odd: the filters of a gcpolicy are no list of texts")
    return BuildkitdRule(
        everything=_flag(rule, "all") or False,
        filters=tuple(mask_text(one) for one in filters or () if one),
        keep_for=_age(rule),
        keep=_space(rule, "keepBytes"),
        reserved=_space(rule, "reservedSpace"),
        max_used=_space(rule, "maxUsedSpace"),
        min_free=_space(rule, "minFreeSpace"),
    )


def _age(rule: Mapping[str, Any]) -> timedelta | None:
    """A Go duration, or a number of seconds."""
    value = value_of(rule, "keepDuration")
    if value is None or value == "":
        return None
    try:
        seconds = int(value) if isinstance(value, str | int) and str(value).isdecimal() else None
        return (duration_of(value) if seconds is None else timedelta(seconds=seconds)) or None
    except (ValueError, OverflowError):
        raise BadValue("odd: the keepDuration of a gcpolicy is not a duration") from None


def _space(table: Mapping[str, Any], key: str) -> Space:
    """Bytes, a size with a binary unit, or a percentage."""
    value = value_of(table, key)
    if value is None or value == "":
        return Space()
    try:
        if isinstance(value, str) and value.endswith("%"):
            return Space(percent=_PERCENTS.index(int(value[:-1])))
        return Space(bytes_of(str(value) if type(value) is int else value))
    except ValueError:
        raise BadValue(f"odd: its {key} is not a size") from None
