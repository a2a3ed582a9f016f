"""The head of each recorded run in the system log: a witness outside the state directory.

A chain of hashes alone does not notice that its newest files are missing. The line says what to compare with:

    run <run_id> host <host> seq <n> chain <hex>
"""

from __future__ import annotations

__all__ = ["TAG", "line_of", "to_system_log"]

TAG = "hygiene"
"""What the lines are found by: `journalctl -t hygiene`."""


def line_of(run_id: str, host: str, seq: int, chain: str) -> str:
    """The line of one run."""
    return f"run {run_id} host {host} seq {seq} chain {chain}"


def to_system_log(line: str) -> None:
    """Hand a line to syslog(3), facility user. Where no daemon listens it is dropped without a word.

    Raises:
        ImportError: this Python was built without syslog.
    """
    import syslog  # noqa: PLC0415 - optional in the standard library

    syslog.openlog(TAG, 0, syslog.LOG_USER)
    try:
        syslog.syslog(syslog.LOG_INFO, line)
    finally:
        syslog.closelog()
