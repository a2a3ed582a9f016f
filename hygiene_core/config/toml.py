"""Reading the file itself: size, encoding, TOML, and on which line a key stands."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

__all__ = [
    "LARGEST_FILE_BYTES",
    "Location",
    "NotReadable",
    "dotted",
    "line_numbers",
    "nearest_line",
    "parse",
    "read",
]

LARGEST_FILE_BYTES = 2**20
_LARGEST = f"{LARGEST_FILE_BYTES} (1 MiB)"

Location: TypeAlias = tuple[str | int, ...]
"""Where a value stands: keys, and zero-based positions in lists."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
# The parser's time grows with the square of the parts of a dotted key: one of 40 KB takes seconds.
_ENDLESS_KEY = re.compile(r"(?<![\w\"'-])(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}")
_PLACE = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_TWICE = (
    "Cannot overwrite a value",
    "Cannot declare",
    "Cannot mutate immutable namespace",
    "Duplicate inline table key",
)
_NULL = re.compile(r"=\s*(null|nil|none|None|~)\s*(#.*)?$")

# One token of TOML, as far as finding keys needs it. Strings come first: what they hold is no key.
_TOKEN = re.compile(
    r'(?P<string>"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<comment>#[^\n]*)|(?P<newline>\n)|(?P<mark>[\[\]{}=.,])|(?P<bare>[^\s\[\]{}=.,\"'#]+)|(?P<space>[^\S\n]+)",
    re.DOTALL,
)


class NotReadable(ValueError):
    """The file cannot be read as TOML; the message is the whole problem, `line` where it was met."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def read(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        NotReadable: it is not there, not a regular file, not for us, too large, or not UTF-8.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise NotReadable("it is a directory; name the file in it")
        if not stat.S_ISREG(found.st_mode):
            raise NotReadable("it is not a regular file")
        if found.st_size > LARGEST_FILE_BYTES:
            raise NotReadable(f"it has {found.st_size} bytes; a configuration has at most {_LARGEST}")
        with path.open("rb") as opened:
            stored = opened.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise NotReadable("there is no such file") from None
    except PermissionError:
        raise NotReadable("this user may not read it") from None
    except (OSError, ValueError) as error:
        if isinstance(error, NotReadable):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise NotReadable(f"it cannot be read: {reason}") from None
    if len(stored) > LARGEST_FILE_BYTES:
        raise NotReadable(f"it grew while it was read; a configuration has at most {_LARGEST}")
    try:
        return stored.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = stored.count(b"\n", 0, error.start) + 1
        raise NotReadable("it is not UTF-8 text", line) from None


def parse(text: str, *, starter: str = "hygiene config init") -> dict[str, Any]:
    """The tables of a TOML text. `starter` is the command that writes such a file.

    Raises:
        NotReadable: it is empty, holds only comments, or is not TOML.
    """
    if endless := _ENDLESS_KEY.search(text):
        line = text.count("\n", 0, endless.start()) + 1
        raise NotReadable("a key has more than 64 parts", line)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _explained(text, str(error)) from None
    except RecursionError:
        raise NotReadable("it is nested too deeply") from None
    except ValueError:
        # CPython refuses to convert integers of thousands of digits, with an error that is not TOML's.
        raise NotReadable("it holds a number of too many digits") from None
    if not tables:
        raise NotReadable(f"it is empty; `{starter}` writes a file to start from")
    return tables


def _explained(text: str, said: str) -> NotReadable:
    """What the TOML parser said, with the line, in words that name the two usual slips."""
    place = _PLACE.fullmatch(said)
    what = place[1] if place else said
    line = int(place[2]) if place and place[2] else None
    if what.startswith(_TWICE):
        return NotReadable("this key or table stands twice", line)
    written = text.split("\n")[line - 1] if line else ""
    if _NULL.search(written):
        return NotReadable("TOML has no null; leave the key out", line)
    end = ", at the end of the file" if place and not line else ""
    return NotReadable(f"not TOML: {what[:1].lower()}{what[1:]}{end}", line)


def dotted(location: Location) -> str:
    """A location as TOML spells it: `hosts.a.protect.images[0]`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        key = part if _BARE.fullmatch(part) else '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"'
        text += f".{key}" if text else key
    return text


def nearest_line(lines: dict[Location, int], location: Location) -> int | None:
    """The line of a location, else that of what holds it."""
    for end in range(len(location), 0, -1):
        if (line := lines.get(location[:end])) is not None:
            return line
    return None


def line_numbers(text: str) -> dict[Location, int]:
    """The line on which each table and key of a valid TOML text first stands. Inline tables count whole."""
    lines: dict[Location, int] = {}
    table: Location = ()
    counts: dict[Location, int] = {}
    for line, statement in _statements(text):
        if statement and statement[0] == "[":
            double = statement[1:2] == ["["]
            table = _resolved(_keys(statement[1:]), counts)
            if double:
                counts[table] = counts.get(table, 0) + 1
                table = (*table, counts[table] - 1)
            _note(lines, table, line)
        else:
            _note(lines, (*table, *_keys(statement)), line)
    return lines


def _note(lines: dict[Location, int], location: Location, line: int) -> None:
    for end in range(1, len(location) + 1):
        lines.setdefault(location[:end], line)


def _resolved(keys: Location, counts: dict[Location, int]) -> Location:
    """The keys of a header with the positions of the lists of tables that they pass through."""
    location: Location = ()
    for position, key in enumerate(keys):
        location = (*location, key)
        if location in counts and position < len(keys) - 1:
            location = (*location, counts[location] - 1)
    return location


def _keys(tokens: list[str]) -> Location:
    """The dotted key at the head of a statement."""
    keys: list[str] = []
    for token in tokens:
        if token in {"=", "]"}:
            break
        if token in {".", "["}:
            continue
        if token.startswith('"'):
            # The key is decoded by the TOML parser itself: escapes are its business.
            keys.append(next(iter(tomllib.loads(f"{token} = 0"))))
        else:
            keys.append(token.strip("'"))
    return tuple(keys)


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, tokens) of each header or `key = value`; a value that spans lines stays one statement."""
    line, started, depth = 1, 1, 0
    tokens: list[str] = []
    for found in _TOKEN.finditer(text.replace("\r\n", "\n")):
        kind, token = found.lastgroup, found[0]
        if kind == "newline" and depth == 0:
            if tokens:
                yield started, tokens
            tokens = []
        elif kind not in {"newline", "comment", "space"}:
            if not tokens:
                started = line
            depth += (token in {"[", "{"}) - (token in {"]", "}"})
            tokens.append(token)
        line += token.count("\n")
    if tokens:
        yield started, tokens
