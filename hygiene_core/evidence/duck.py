"""How this kit opens DuckDB: no extension is fetched, times are UTC, memory and threads are bounded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import duckdb

Connection: TypeAlias = "duckdb.DuckDBPyConnection"
"""An open database, for annotations in modules that do not import DuckDB."""

__all__ = ["READABLE_BY", "Connection", "connect", "failures", "is_locked", "load", "text_of"]

READABLE_BY = "v1.5.0"
"""The oldest DuckDB release that can open our files: the command-line client that people have today."""

_EVERYWHERE = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "storage_compatibility_version": READABLE_BY,
    "threads": "2",
}
_WRITER = {"memory_limit": "1GB"}
_READER = {
    "enable_external_access": "false",
    "memory_limit": "512MB",
    # A tool that watches a full disk does not spill onto it. (`max_temp_directory_size` alone is not obeyed.)
    "temp_directory": "",
}


def load() -> None:
    """Import the library, for a thread that has time while another waits for something else."""
    import duckdb  # noqa: F401, PLC0415 - imported for its effect, later than this module


def failures() -> tuple[type[Exception], ...]:
    """What DuckDB raises, for modules that do not import it.

    Raises:
        ImportError: it cannot be loaded.
    """
    import duckdb  # noqa: PLC0415 - as in `connect`

    return (duckdb.Error,)


def connect(path: Path, *, read_only: bool) -> Connection:
    """Open a database file. A read-only connection can read that file and nothing else, and stays so.

    Raises:
        duckdb.Error: it is locked, damaged or of a newer version.
    """
    import duckdb  # noqa: PLC0415 - a tenth of a second that a report does not wait for

    config: dict[str, Any] = _EVERYWHERE | (_READER if read_only else _WRITER)
    connection = duckdb.connect(str(path), read_only=read_only, config=config)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        if read_only:
            connection.execute("SET lock_configuration = true")
    except BaseException:
        connection.close()
        raise
    return connection


def is_locked(error: Exception) -> bool:
    """Whether another process holds the file."""
    return "Could not set lock on file" in str(error)


def text_of(error: Exception) -> str:
    """DuckDB's own words in one line, without the address of a help page and the marks under a column."""
    told = str(error).split(" See also http", maxsplit=1)[0]
    return " ".join(word for word in told.split() if set(word) != {"^"}).rstrip(".")
