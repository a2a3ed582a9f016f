"""`hygiene.toml`: where it is found, what it may say, and what comes of it.

`load` is the way in. The parser's models are imported only when a file is read.
"""

from __future__ import annotations

from hygiene_core.config.loader import builtin, load, load_file, resolve_host
from hygiene_core.config.publish import (
    check_lines,
    host_file_schema,
    host_file_text,
    init_text,
    json_schema,
)

__all__ = [
    "builtin",
    "check_lines",
    "host_file_schema",
    "host_file_text",
    "init_text",
    "json_schema",
    "load",
    "load_file",
    "resolve_host",
]
