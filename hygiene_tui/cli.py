"""`hygiene-tui`: what may be said at the start, and whether there is a terminal to draw on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hygiene_tui.session import Options

__all__ = ["main", "run"]

_USAGE = 2
_DUMB = {"", "dumb", "unknown"}


def main() -> int:
    """Open the console; returns its exit status."""
    options = parse(sys.argv[1:], os.environ)
    if why := no_terminal(os.environ):
        sys.stderr.write(
            f"hygiene-tui: {why}\nWithout one: hygiene report, hygiene status, hygiene explain\n"
        )
        return _USAGE
    prepare(os.environ)
    from hygiene_tui.app import Console  # noqa: PLC0415 - Textual reads the environment when it is imported

    app = Console(options)
    app.run(mouse=options.mouse)
    return app.return_code or 0


def run() -> None:
    """The installed command."""
    sys.exit(main())


def parse(words: Sequence[str], environ: Mapping[str, str]) -> Options:
    """What was asked for; ends the process with 2 where that cannot be read."""
    parser = argparse.ArgumentParser(
        prog="hygiene-tui",
        description="Browse a runner host, see why everything is there, and decide what may go.",
        epilog="Keys are shown in the last line; ? lists all of them. Without a terminal: hygiene report.",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the hygiene.toml to use")
    parser.add_argument("--host", metavar="NAME", help="which host of it; the only one if left out")
    parser.add_argument("--demo", action="store_true", help="a recorded host; nothing real is touched")
    parser.add_argument("--read-only", action="store_true", help="nothing can be marked or approved")
    parser.add_argument(
        "--no-mouse", action="store_true", help="leave the mouse to the terminal, to select text"
    )
    parser.add_argument("--ascii", action="store_true", help="no glyphs beyond ASCII")
    chosen = parser.parse_args(words)
    if chosen.demo and (chosen.host or chosen.config):
        parser.error("--demo is a host of its own: it goes without --host and --config")
    return Options(
        config_file=chosen.config,
        host=chosen.host,
        demo=chosen.demo,
        read_only=chosen.read_only,
        ascii=chosen.ascii or not _speaks_utf8(environ),
        mouse=not chosen.no_mouse,
    )


def no_terminal(environ: Mapping[str, str]) -> str | None:
    """Why nothing can be drawn here, or `None`."""
    # Textual draws on stderr.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return "this is no terminal."
    if environ.get("TERM", "") in _DUMB:
        return f"the terminal cannot place the cursor (TERM={environ.get('TERM', '')!r})."
    return None


def prepare(environ: os._Environ[str]) -> None:
    """Settle what Textual reads from the environment: no animation, and few frames for a slow link."""
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    environ.setdefault("TEXTUAL_FPS", "30")


def _speaks_utf8(environ: Mapping[str, str]) -> bool:
    encoding = getattr(sys.__stderr__, "encoding", None) or ""
    return encoding.replace("-", "").lower() == "utf8" and environ.get("LC_ALL", "") != "C"
