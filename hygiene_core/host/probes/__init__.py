"""Probes: each reads one section of a host within its deadline."""

from __future__ import annotations
