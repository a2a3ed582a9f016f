"""What single values of `hygiene.toml` have to be, beyond their type.

A pattern that cannot be read, or that can never match, is an error: a list that protects fails closed.
"""

from __future__ import annotations

import posixpath
import re
from datetime import timedelta
from difflib import get_close_matches

from hygiene_core.config.units import UnitProblem, format_size, parse_duration, shown
from hygiene_core.model.resource import EMBEDDED_BUILDER

__all__ = [
    "MOST_ITEMS",
    "NAME_PATTERN",
    "PREFIX_PATTERN",
    "budget_problem",
    "builder_problem",
    "builder_warning",
    "matches_everything",
    "name_problem",
    "nearest",
    "parse_count",
    "parse_deadline",
    "parse_directory",
    "parse_glob",
    "parse_label",
    "parse_name",
    "parse_prefix",
    "parse_socket",
    "parse_transport",
    "water_problem",
]

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NAME_RULE = "a name is 1 to 63 of A-Z a-z 0-9 . _ - and begins with a letter or a digit"
_PATTERN_LENGTH = 512
_LONGEST_DEADLINE = timedelta(hours=1)
_SMALLEST_BUDGET_BYTES = 2**30
_RESERVE_NUMERATOR, _RESERVE_DENOMINATOR = 4, 5
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://.*", re.DOTALL)


def nearest(written: str, known: list[str]) -> str:
    """The hint that ends a message about an unknown name: what may have been meant, or what there is."""
    close = get_close_matches(written, known, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known here: {', '.join(known)}"


def _string(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise UnitProblem(f'must be text such as "{example}"')
    if not value:
        raise UnitProblem("is empty")
    if not value.strip():
        raise UnitProblem("is only white space")
    if not value.isprintable():
        raise UnitProblem(f"{shown(value)} has a character that cannot be printed")
    return value


def name_problem(name: str) -> str | None:
    """Why a name cannot be a host's, or `None`."""
    return None if _NAME.fullmatch(name) else f"{shown(name)} is not a name; {_NAME_RULE}"


VERSION_PATTERN = r"^[0-9]+(\.[0-9]+)*$"


def parse_version(value: object) -> str:
    """A version as numbers between dots."""
    version = _string(value, "26.1")
    if re.fullmatch(VERSION_PATTERN.removesuffix("$"), version) is None:
        raise UnitProblem(f'{shown(version)} is no version; write numbers between dots, such as "26.1"')
    return version


def parse_name(value: object) -> str:
    """A short name of letters, digits, dots, underscores and dashes."""
    name = _string(value, "lane-1")
    if problem := name_problem(name):
        raise UnitProblem(problem)
    return name


PREFIX_PATTERN = r"^[A-Za-z0-9._-]{0,64}$"


def parse_prefix(value: object) -> str:
    """The beginning of a directory's name; it may be empty."""
    if isinstance(value, str) and re.fullmatch(PREFIX_PATTERN.removesuffix("$"), value) is None:
        raise UnitProblem(f"{shown(value)} is no prefix; write up to 64 of A-Z a-z 0-9 . _ -")
    return _string(value, "run-") if value != "" else ""


def parse_glob(value: object) -> str:
    """A name or shell-style glob that can match something."""
    pattern = _string(value, "odoo-docker:verify-*")
    if pattern != pattern.strip():
        raise UnitProblem(f"{shown(pattern)} begins or ends with white space, and so would match nothing")
    if len(pattern) > _PATTERN_LENGTH:
        raise UnitProblem(f"{shown(pattern)} has more than {_PATTERN_LENGTH} characters")
    if problem := _bracket_problem(pattern):
        raise UnitProblem(f"{shown(pattern)} {problem}")
    return pattern


def parse_label(value: object) -> str:
    """A label as `key` or `key=value`, each side a name or a glob."""
    if isinstance(value, str) and value.startswith("="):
        raise UnitProblem(f"{shown(value)} has no key before the =")
    label = parse_glob(value)
    for side in label.split("=", 1):
        # Key and value are compared apart, so that a class may not reach over the =.
        if problem := _bracket_problem(side):
            raise UnitProblem(f"{shown(label)} {problem}")
    return label


def matches_everything(pattern: str) -> bool:
    """Whether a pattern, or a label's two sides, match anything at all."""
    return not any(side.strip("*") for side in pattern.split("=", 1))


def _bracket_problem(pattern: str) -> str | None:
    """What is wrong with the character classes. fnmatch takes them literally, and so protects nothing."""
    at = 0
    while (opened := pattern.find("[", at)) >= 0:
        first = opened + 1 + pattern[opened + 1 :].startswith("!")
        # A bracket that comes first in a class stands for itself.
        closed = pattern.find("]", first + 1)
        if closed < 0:
            return "has a [ that is never closed"
        inside = pattern[first:closed]
        for low, high in re.findall(r"(.)-(.)", inside):
            if low > high:
                return f"has the range {low}-{high}, which runs backwards and matches nothing"
        at = closed + 1
    return None


def parse_socket(value: object) -> str:
    """The filesystem path of a `unix://` address."""
    example = "unix:///var/run/docker.sock"
    address = _string(value, example)
    scheme = _SCHEME.fullmatch(address)
    if scheme is None:
        meant = f"unix://{address}" if address.startswith("/") else example
        raise UnitProblem(f'{shown(address)} is not an address; write for example "{meant}"')
    if scheme[1] != "unix":
        raise UnitProblem(
            f'{shown(address)} is refused: only unix sockets are read, such as "{example}"; '
            f"an Engine behind {scheme[1]}:// is looked at on its own machine"
        )
    path = address.removeprefix("unix://")
    if not path.startswith("/") or path == "/":
        raise UnitProblem(f'{shown(address)} names no absolute path; write for example "{example}"')
    return path


def parse_directory(value: object) -> str:
    """An absolute path other than the root."""
    path = _string(value, "/var/lib/docker")
    if not path.startswith("/"):
        raise UnitProblem(f"{shown(path)} is not an absolute path")
    if ".." in path.split("/"):
        raise UnitProblem(f"{shown(path)} goes up with ..; write the path without it")
    clean = "/" + posixpath.normpath(path).lstrip("/")
    if clean == "/":
        raise UnitProblem("is the root of the filesystem")
    return clean


MOST_ITEMS = 1_000_000
"""The largest number of objects that a bound may name."""


def parse_count(value: object) -> int:
    """A whole number from 1 to a million: none would be no bound."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnitProblem("must be a whole number such as 5000")
    if not 1 <= value <= MOST_ITEMS:
        raise UnitProblem(f"{value} is refused: a bound is 1 to {MOST_ITEMS}")
    return value


def parse_deadline(value: object) -> timedelta:
    """A duration of up to an hour: a probe that takes longer meets the next scheduled run."""
    span = parse_duration(value)
    if span > _LONGEST_DEADLINE:
        raise UnitProblem(f"{shown(value)} is more than an hour, the longest deadline")
    return span


def parse_transport(value: object) -> str:
    """`local`, the one transport there is."""
    transport = _string(value, "local")
    if transport == "ssh":
        raise UnitProblem('"ssh" is not built yet; use "local" and run the kit on the host itself')
    if transport != "local":
        raise UnitProblem(f'{shown(transport)} is not a transport; the one there is is "local"')
    return transport


def builder_problem(name: str) -> str | None:
    """Why a key of `budgets` cannot be a builder's name, or `None`."""
    return None if _NAME.fullmatch(name) else f"{shown(name)} is not the name of one builder"


def builder_warning(name: str, protected: list[str]) -> str | None:
    """What is odd about a budget's builder, or `None`: a slip in the name would leave its cache unbounded."""
    if name == EMBEDDED_BUILDER or name in protected:
        return None
    hint = nearest(name, [EMBEDDED_BUILDER, *protected])
    return f"a budget for a builder that protect.builders does not name; {hint}"


def budget_problem(max_bytes: int, reserved_bytes: int | None, *, allow_small: bool) -> str | None:
    """Why a budget cannot be used, or `None`."""
    if max_bytes < _SMALLEST_BUDGET_BYTES and not allow_small:
        return (
            f"max is {format_size(max_bytes)}, under 1GiB, which makes most builds start cold; "
            "allow_small_budget = true allows it"
        )
    if reserved_bytes is None:
        return None
    most = max_bytes * _RESERVE_NUMERATOR // _RESERVE_DENOMINATOR
    if reserved_bytes > max_bytes:
        return f"reserved ({format_size(reserved_bytes)}) is more than max ({format_size(max_bytes)})"
    if reserved_bytes > most:
        return (
            f"reserved ({format_size(reserved_bytes)}) is more than 0.8 of max "
            f"({format_size(max_bytes)}): at most {format_size(most)}"
        )
    return None


def water_problem(high_bytes: int | None, low_bytes: int | None) -> str | None:
    """Why two water marks cannot be used, or `None`."""
    if high_bytes is None and low_bytes is None:
        return None
    if high_bytes is None or low_bytes is None:
        there, other = ("high_water", "low_water") if low_bytes is None else ("low_water", "high_water")
        return f"{there} is set and {other} is not: both or none"
    if low_bytes >= high_bytes:
        return f"low_water ({format_size(low_bytes)}) is not less than high_water ({format_size(high_bytes)})"
    return None
