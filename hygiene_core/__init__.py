"""Runner-host hygiene: inventory, classification, bounded removal and evidence.

Read `pipeline` first: it names every stage in the order in which a run passes through them.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
