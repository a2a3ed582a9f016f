"""A stored report as the observation that it was made of: to ask what another policy would have said."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from hygiene_core.decide.context import Context
from hygiene_core.decide.remember import gather
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import HostIdentity, Network, Observation, SectionName
from hygiene_core.model.policy import Policy
from hygiene_core.model.report import JobNetwork, Report
from hygiene_core.model.resource import (
    BuildCacheRecord,
    Builder,
    Container,
    Image,
    Resource,
    RunCache,
    RunnerWorkdir,
    Volume,
)

__all__ = ["observation_of", "recontext"]

R = TypeVar("R", bound=Resource)


def observation_of(report: Report) -> Observation:
    """What the run saw: its rows hold every resource as it was observed."""

    def of(kind: type[R]) -> tuple[R, ...]:
        return tuple(row.facts for row in report.resources if isinstance(row.facts, kind))

    return Observation(
        started_at=report.started_at,
        ended_at=report.ended_at,
        host=HostIdentity(
            machine_id=report.host.machine_id, hostname=report.host.hostname, boot_id=report.host.boot_id
        ),
        engine=report.host.engine,
        filesystems=report.filesystems,
        images=of(Image),
        containers=of(Container),
        volumes=of(Volume),
        build_cache=of(BuildCacheRecord),
        builders=of(Builder),
        runners=report.runners,
        networks=tuple(_network(one, report) for one in report.job_networks),
        runner_workdirs=of(RunnerWorkdir),
        run_caches=of(RunCache),
        data_root_use=report.data_root_use,
        daemon_config=report.daemon_config,
        tools=tuple(tool for tool in report.tools if tool.path is not None),
        engine_figures={
            name: one.engine for name, one in report.summary.classes.items() if one.engine is not None
        },
        sections={SectionName(name): section for name, section in report.sections.items()},
        engine_error=report.host.engine_error,
        engine_next_step=report.host.engine_next_step,
    )


def _network(told: JobNetwork, report: Report) -> Network:
    """A network of a job as it was seen, as far as the report keeps it."""
    label = next(runner.label for runner in report.runners if runner.name == told.runner)
    return Network(
        id=told.id, name=told.name, driver="", created_at=told.created_at, labels={label or "": ""}
    )


def recontext(report: Report, observation: Observation, memory: Memory, policy: Policy) -> Context:
    """The context in which a stored run is judged again, under a policy.

    Args:
        report: the stored run.
        observation: the same, by `observation_of`.
        memory: as that run left it. What the run's own policy protected has no idle time in it: under a laxer
            one its idleness begins with the run, which is younger than it may have been, and never older.
        policy: the other policy.
    """
    context = gather(observation, memory, policy, report.ended_at)
    doubted = next((one.message for one in report.findings if one.code == "CLOCK_SUSPECT"), None)
    return context if doubted is None else replace(context, clock_problem=doubted)
