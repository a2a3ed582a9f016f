"""Where the space went, and what is said where a part of that is not known."""

from __future__ import annotations

from dataclasses import replace

from hygiene_core.decide.classify import classify
from hygiene_core.decide.findings import find
from hygiene_core.decide.summary import summarise
from hygiene_core.model.disk import ContainerLog, DataRootUse
from hygiene_core.model.report import Summary
from hygiene_core.testing import (
    GIB,
    MIB,
    container,
    filesystem,
    observation,
    run_cache,
    runner,
    volume,
    workdir,
)
from tests.unit.decide.judging import context_of

LOG = ContainerLog(container_id="a" * 64, driver="json-file", bounded=False, size_bytes=200 * MIB)
USE = DataRootUse(
    path="/var/lib/docker",
    device=2049,
    folders={"image": MIB, "buildkit": 2 * MIB},
    logs=(LOG,),
    deleted_bytes=5 * MIB,
    journal_bytes=7 * MIB,
    journal_is_here=True,
)
DISK = filesystem(used_bytes=10 * GIB)
RUNNER_DISK = filesystem(role="runner_root:lane-1", path="/srv/lane-1")


def summary(*resources, use=USE, disks=(DISK, RUNNER_DISK), **fields) -> Summary:
    seen = replace(observation(*resources, **fields), data_root_use=use, filesystems=disks)
    context = context_of(seen)
    return summarise(seen, classify(seen, context), context)


def test_every_term_is_there_and_the_rest_is_what_is_left():
    made = summary(volume("v", size_bytes=GIB), runner(), workdir(size_bytes=3 * MIB))
    assert made.accounted == {
        "images": 0,
        "containers": 0,
        "volumes": GIB,
        "build_cache": 0,
        "container_logs": 200 * MIB,
        "engine_files": 3 * MIB,
        "deleted_open_files": 5 * MIB,
        "journal": 7 * MIB,
        "runner_directories": 3 * MIB,
        "run_caches": 0,
    }
    assert made.unaccounted_bytes == 9 * GIB - 218 * MIB


def test_what_lies_on_another_disk_does_not_count():
    elsewhere = replace(RUNNER_DISK, device=7)
    made = summary(runner(), workdir(), use=replace(USE, journal_is_here=False), disks=(DISK, elsewhere))
    assert (made.accounted["journal"], made.accounted["runner_directories"]) == (0, 0)


def test_run_caches_count_where_they_lie_on_this_disk():
    here = replace(RUNNER_DISK, role="run_cache:builds", device=DISK.device)
    made = summary(run_cache(size_bytes=MIB), run_cache("other/run-1"), disks=(DISK, here))
    assert made.accounted["run_caches"] == MIB
    lost = summary(run_cache(size_bytes=None), disks=(DISK, here))
    assert (lost.accounted["run_caches"], lost.unaccounted_bytes) == (None, None)


def test_a_term_that_is_not_known_makes_the_rest_unknown():
    made = summary(unavailable={"volumes": "frozen"})
    assert made.accounted["volumes"] is None
    assert made.unaccounted_bytes is None
    assert summary(runner(), workdir(size_bytes=None)).accounted["runner_directories"] is None


def test_more_known_than_used_leaves_nothing():
    assert summary(volume("v", size_bytes=20 * GIB)).unaccounted_bytes == 0


def test_without_the_data_root_nothing_is_said():
    assert (summary(use=None).accounted, summary(use=None).unaccounted_bytes) == ({}, None)
    assert summary(disks=()).accounted == {}


def codes(*logs: ContainerLog, **fields) -> list[tuple[str, str]]:
    seen = replace(observation(**fields), data_root_use=replace(USE, logs=logs))
    context = context_of(seen)
    found = find(seen, summarise(seen, classify(seen, context), context), context, None)
    return [(one.code, one.message) for one in found if one.code == "LOG_UNBOUNDED"]


def test_a_large_log_without_a_bound_is_a_finding():
    assert codes(LOG) == [("LOG_UNBOUNDED", "the log of container aaaaaaaaaaaa has no bound")]
    assert codes(replace(LOG, bounded=True), replace(LOG, bounded=None), replace(LOG, size_bytes=MIB)) == []
    seen = replace(observation(container("web", id="a" * 64)), data_root_use=USE)
    context = context_of(seen)
    found = find(seen, summarise(seen, classify(seen, context), context), context, None)
    assert "the log of container web has no bound" in {one.message for one in found}
