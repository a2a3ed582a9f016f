"""Entry points of the kit: the scheduled sessions and the development ones."""

from __future__ import annotations
