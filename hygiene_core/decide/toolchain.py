"""Which programs a host builds with, and which of them are older than the policy asks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hygiene_core.model.observation import Observation
from hygiene_core.model.toolchain import Tool

__all__ = ["is_older", "tools_of"]

_NUMBERS = re.compile(r"v?(\d+(?:\.\d+)*)")


def tools_of(observation: Observation) -> Iterator[tuple[str, Tool]]:
    """Every program, with the key of its minimum in the configuration."""
    engine = observation.engine
    if engine is not None:
        yield "engine", Tool(name="engine", version=engine.version)
        for name, version in engine.components.items():
            if name != "Engine":
                yield name, Tool(name=name, version=version)
    for tool in observation.tools:
        yield tool.name.replace("-", "_"), tool
    for builder in observation.builders:
        if builder.version is not None:
            yield "buildkit", Tool(name=f"buildkit of {builder.id}", version=builder.version)
    for runner in observation.runners:
        yield "runner", Tool(name=f"runner {runner.name}", version=runner.version)


def is_older(version: str, minimum: str) -> bool | None:
    """Whether a version is below a minimum, number by number; `None` if it does not begin with numbers.

    A part that is left out counts as zero: `26.1` is `26.1.0`.
    """
    own, asked = _NUMBERS.match(version), _NUMBERS.match(minimum)
    if own is None or asked is None:
        return None
    have, need = ([int(part) for part in found[1].split(".")] for found in (own, asked))
    length = max(len(have), len(need))
    return have + [0] * (length - len(have)) < need + [0] * (length - len(need))
