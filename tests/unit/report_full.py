"""A run with something in every part of a report, and the same with one hostile text in every place."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hygiene_core.decide.run_caches import run_caches
from hygiene_core.model.disk import DataRootUse, DeletedFile
from hygiene_core.model.judgement import Reason, Verdict
from hygiene_core.model.policy import Limits, RunCacheRoot
from hygiene_core.model.report import HostReference, PolicyReference, Report, WarmBuilder, WarmImage
from hygiene_core.model.toolchain import Tool
from hygiene_core.testing import (
    GIB,
    NOW,
    builder,
    cache_record,
    container,
    engine,
    filesystem,
    finding,
    image,
    judged,
    observation,
    report,
    run_cache,
    runner,
    section,
    volume,
    workdir,
)
from tests.unit.decide.judging import policy
from tests.unit.report_scenes import SCENES

__all__ = ["FULL", "hostile_everywhere"]


RUNS = (
    *(run_cache(f"builds/run-{n}", changed_at=NOW - timedelta(hours=7**n)) for n in range(5)),
    run_cache("builds/run-9-2", size_bytes=2 * GIB, changed_at=NOW - timedelta(days=3)),
)
RUN_PLACES = replace(
    policy(),
    run_caches=(
        RunCacheRoot(name="builds", path="/srv/builds", prefix="run-"),
        RunCacheRoot(name="logs", path="/srv/logs", prefix=""),
    ),
)


def _full() -> Report:
    """A host with something in every part of the report."""
    shown = SCENES["attention"]
    idle = Reason("image.untagged", "untagged, idle since 2026-04-20 03:02 UTC", "ledger")
    unnamed = Reason("image.unused", "no container has used it since 2026-04-11 22:40 UTC", "ledger")
    rows = (
        *(
            replace(one, reasons=(idle, unnamed)) if one.reasons[0] == idle else one
            for one in shown.resources
        ),
        judged(builder("odoo-enterprise-chris-testing0", container_state="exited"), Verdict.PROTECTED),
        judged(
            builder("builder-5c6b1f0e", container_id=None, container_state=None, size_bytes=3 * GIB),
            detail="a BuildKit state volume without a container, idle for 16 d",
        ),
        judged(
            image("odoo-docker:pull-request-2546", size_bytes=6 * GIB),
            Verdict.RETAINED,
            "idle for 2 d of 14 d",
        ),
        judged(workdir("lane-1/_work/odoo", size_bytes=14 * GIB), Verdict.RETAINED),
        judged(workdir("lane-2/_work/enterprise", size_bytes=9 * GIB), Verdict.IN_USE),
    )
    classes = report(*rows).summary.classes
    loose = sum(one.reclaimable_bytes or 0 for one in classes.values())
    going = sum(one.candidate_bytes or 0 for one in classes.values())
    return replace(
        shown,
        resources=rows,
        filesystems=(
            replace(shown.filesystems[0], used_bytes=466 * GIB),
            replace(shown.filesystems[1], device=2050),
            replace(
                shown.filesystems[0], role="runner_root:lane-1", path="/srv/lane-1", used_bytes=466 * GIB
            ),
        ),
        runners=(runner(), runner("lane-2", busy=True), runner("lane-3", agent_name=None, listening=None)),
        tools=(
            Tool(name="engine", version="26.1.5+dfsg1"),
            Tool(name="docker-cli", version="26.1.5+dfsg1", path="/usr/bin/docker", package="docker-cli"),
            Tool(name="buildx", path="/home/ci/.docker/cli-plugins/docker-buildx"),
            Tool(name="runner lane-1", version="2.334.0"),
        ),
        sections=shown.sections | {"runners": section("runners")},
        findings=tuple(
            replace(one, figure=loose) if one.code == "RECLAIMABLE_HIGH" else one for one in shown.findings
        ),
        summary=replace(
            shown.summary,
            classes=classes,
            docker_reclaimable_bytes=loose,
            runner_workdir_bytes=23 * GIB,
            candidate_bytes=going + 3 * GIB,
            accounted={name: one.size_bytes for name, one in classes.items()}
            | {"runner_directories": 23 * GIB},
            unaccounted_bytes=391 * GIB,
            run_caches=run_caches(observation(*RUNS), RUN_PLACES, NOW),
        ),
    )


FULL = _full()
"""Every part of a page at once; not one of `SCENES`, which every format is compared on."""


def hostile_everywhere(bad: str) -> Report:
    """A run in which each text that a host could give is `bad`."""
    shown = FULL
    reasons = (Reason(bad, bad, bad),) * 2
    facts = (
        image(bad, tags=(bad,), labels={bad: bad}),
        container(bad, image_name=bad, labels={bad: bad}, state="exited"),
        volume(bad, id=bad, driver=bad, labels={bad: bad}),
        cache_record(bad),
        builder(bad, container_state=bad, version=bad, image_name=bad),
        workdir(bad),
    )
    one_class = replace(shown.summary.classes["images"], availability=bad, reason=bad, formula=bad)
    return replace(
        shown,
        run_id=bad,
        tool_version=bad,
        host=HostReference(
            name=bad,
            machine_id=bad,
            hostname=bad,
            boot_id=bad,
            engine=engine(version=bad, data_root=bad, data_root_reason=bad),
            engine_error=bad,
            engine_next_step=bad,
        ),
        policy=PolicyReference(source=bad, digest=bad, sentence=bad, limits=Limits()),
        findings=(finding(bad, message=bad, subject=bad), finding(bad, subject=f"{bad}.", next_step=bad)),
        filesystems=(filesystem(bad, bad), filesystem("data_root", bad)),
        sections={bad: section("volumes", "partial", reason=bad)},
        runners=(runner(bad, agent_name=bad, url=bad, path=bad),),
        acts=replace(
            shown.acts,
            last=replace(shown.acts.last, run_id=bad, mode=bad, caller=bad, removed={bad: 1}, halted=bad),
            unsettled=(bad,),
            running=(bad,),
            came_back=tuple(replace(one, kind=bad, id=bad, name=bad) for one in shown.acts.came_back),
            built_again=(replace(shown.acts.built_again[0], builder=bad),),
        ),
        tools=(Tool(name=bad, version=bad, path=bad, package=bad),),
        data_root_use=DataRootUse(
            path=bad,
            device=1,
            folders={bad: GIB},
            logs=(),
            deleted_bytes=GIB,
            deleted=(DeletedFile(pid=1, process=bad, size_bytes=GIB),),
        ),
        summary=replace(
            shown.summary,
            warm_builders=(WarmBuilder(name=bad, state=bad, node=bad, volume=bad),),
            warm_images=(WarmImage(name=bad, present=True, id=bad),),
            classes={bad: one_class},
            accounted={bad: GIB},
        ),
        resources=tuple(judged(one, reasons=reasons) for one in facts),
    )
