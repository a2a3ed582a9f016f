"""`python -m hygiene_tui` is `hygiene-tui`."""

from __future__ import annotations

import sys

from hygiene_tui.cli import main

if __name__ == "__main__":
    sys.exit(main())
