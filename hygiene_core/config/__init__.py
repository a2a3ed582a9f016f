"""`hygiene.toml`: where it is found, what it may say, and what comes of it.

`load` is the way in. The parser's models are imported only when a file is read.
"""

from __future__ import annotations

from hygiene_core.config.load import builtin, load, load_file, resolve_host

__all__ = ["builtin", "load", "load_file", "resolve_host"]
