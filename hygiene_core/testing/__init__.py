"""Test support that ships: model objects with sensible defaults and ids, and a clock that stands still.

    found = image("odoo-docker:verify-devtools", size_bytes=4 * GIB)
    seen = observation(found, container("web", image_id=found.id), partial={"volumes": "deadline of 120 s"})
    shown = report(judged(found, Verdict.IN_USE, "a running container uses it"))

Every function takes the fields of the class it makes as keywords; one that does not exist is a `TypeError`.
"""

from __future__ import annotations

from hygiene_core.testing.moment import GIB, MIB, NOW, FixedClock, digest
from hygiene_core.testing.observations import engine, filesystem, observation, section
from hygiene_core.testing.reports import finding, judged, report
from hygiene_core.testing.resources import (
    builder,
    cache_record,
    container,
    diagnostic_log,
    docker_credentials,
    image,
    run_cache,
    runner,
    volume,
    workdir,
)

__all__ = [
    "GIB",
    "MIB",
    "NOW",
    "FixedClock",
    "builder",
    "cache_record",
    "container",
    "diagnostic_log",
    "digest",
    "docker_credentials",
    "engine",
    "filesystem",
    "finding",
    "image",
    "judged",
    "observation",
    "report",
    "run_cache",
    "runner",
    "section",
    "volume",
    "workdir",
]
