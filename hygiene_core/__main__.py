"""`hygiene` and `python -m hygiene_core`."""

from __future__ import annotations

from hygiene_core.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
