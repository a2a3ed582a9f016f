"""A run, stage by stage: recall -> observe -> classify -> record.

Each stage takes the run so far and returns it with one more part filled in; an error ends the line. What was
seen before the Engine failed is still classified and recorded: an unreachable Engine is a section of the
observation, not an exception. Recall comes before observe because an image that was inspected once is never
inspected again.

`plan`, `approve`, `apply` and `verify` join this line with the removal of things.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from hygiene_core import __version__
from hygiene_core.clock import Clock, utc_now
from hygiene_core.decide.classify import classify, explain
from hygiene_core.decide.context import Context
from hygiene_core.decide.findings import find, status_of
from hygiene_core.decide.plan import make_plan
from hygiene_core.decide.probing import unprobed
from hygiene_core.decide.rejudge import observation_of, recontext
from hygiene_core.decide.relations import job_networks
from hygiene_core.decide.remember import gather, resources_of
from hygiene_core.decide.removals import removals_of
from hygiene_core.decide.returning import acts_of
from hygiene_core.decide.sentence import sentence
from hygiene_core.decide.summary import summarise
from hygiene_core.decide.toolchain import tools_of
from hygiene_core.errors import NotSeen, UnknownResource, Unreachable
from hygiene_core.evidence.act_history import history
from hygiene_core.evidence.probed import probed_of
from hygiene_core.evidence.store import EvidenceStore, Recorded
from hygiene_core.model.acts import Acts, History
from hygiene_core.model.coverage import Followed
from hygiene_core.model.event import Emit, StageFinished, StageStarted, silent
from hygiene_core.model.host import Host
from hygiene_core.model.judgement import Chain, Judged
from hygiene_core.model.known import Memory
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.plan import Mode, Plan, Selection
from hygiene_core.model.policy import Policy
from hygiene_core.model.report import Finding, HostReference, PolicyReference, Report, Status, Summary
from hygiene_core.model.request import ObserveRequest
from hygiene_core.model.resource import Image, Kind, Resource
from hygiene_core.transport.base import Transport
from hygiene_core.transport.executor import goes_on

__all__ = ["REPORT_STAGES", "Run", "Tools", "chains", "look", "make_report", "plan", "plan_again", "rejudge"]

_WITH_RESOURCES = (
    SectionName.IMAGES,
    SectionName.CONTAINERS,
    SectionName.VOLUMES,
    SectionName.BUILD_CACHE,
    SectionName.BUILDERS,
    SectionName.BUILDER_CACHE,
    SectionName.RUNNERS,
    SectionName.RUN_CACHES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the stages work with.

    `store` is `None` for a look that keeps no evidence. `acts` is where the host keeps what was removed from
    it, `None` where that is not asked: a recording has none.
    """

    host: Host
    transport: Transport
    store: EvidenceStore | None
    acts: Path | None = None
    emit: Emit = silent
    clock: Clock = utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run so far."""

    started_at: datetime
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    memory: Memory = field(default_factory=Memory)
    watched: Followed = field(default_factory=Followed)
    observation: Observation | None = None
    history: History | None = None
    context: Context | None = None
    report: Report | None = None
    recorded: Recorded | None = None

    @property
    def finished(self) -> Report:
        """The report of a run that came through its stages."""
        if self.report is None:
            raise ValueError("the run has no report yet")
        return self.report


Stage: TypeAlias = Callable[[Run, Tools], Run]


def make_report(tools: Tools) -> Run:
    """Look at a host once and keep what was seen: every stage of a report.

    Raises:
        EvidenceProblem: the evidence could not be kept; then there is no report either.
    """
    return _through(REPORT_STAGES if tools.store else UNRECORDED_STAGES, tools)


def look(tools: Tools) -> Run:
    """Look and classify, and record nothing: what `hygiene explain` stands on."""
    return _through((_recall, _observe, _classify) if tools.store else (_observe, _classify), tools)


def chains(run: Run, wanted: str) -> tuple[Chain, ...]:
    """Explain every resource of a run that answers to a name, an id, or a prefix of an id.

    Raises:
        Unreachable: the Engine gave no usable answer; the class is that of its error.
        NotSeen: nothing that was seen answers to it, and not everything could be seen.
        UnknownResource: nothing answers to it.
    """
    if run.observation is None or run.context is None:
        raise ValueError("a run must be observed and classified before it can be explained")
    _require_engine(run.observation, "explained")
    found = [resource for resource in resources_of(run.observation) if _answers_to(resource, wanted)]
    if not found:
        raise _not_found(run.observation, wanted)
    return tuple(explain(resource, run.context) for resource in found)


def _require_engine(observation: Observation, done: str) -> None:
    """Raise the error that the observation stored as a code, a reason and a next step."""
    code = observation.engine_error
    if code is None:
        return
    error = next((one for one in Unreachable.__subclasses__() if one.code == code), Unreachable)
    reason = observation.sections[SectionName.ENGINE].reason
    raise error(f"{reason} Nothing can be {done}.", next_step=observation.engine_next_step)


def _not_found(observation: Observation, wanted: str) -> NotSeen | UnknownResource:
    said = f"no resource of this host is called {wanted!r}, nor does an id begin so"
    unseen: dict[str, list[str]] = {}
    for name in _WITH_RESOURCES:
        section = observation.sections.get(name)  # runners are asked only where some are configured
        if section is not None and section.availability is not Availability.COMPLETE:
            cause = f"{section.availability}: {section.reason}"
            unseen.setdefault(cause, []).append(name.value.replace("_", " "))
    if unseen:
        causes = "; ".join(f"{', '.join(names)}: {cause}" for cause, names in unseen.items())
        return NotSeen(f"{said}; it may be among what could not be read ({causes}).")
    return UnknownResource(f"{said}.", next_step="The names: hygiene resources")


def _through(stages: tuple[Stage, ...], tools: Tools) -> Run:
    run = Run(started_at=tools.clock())
    for stage in stages:
        name = stage.__name__.lstrip("_")
        tools.emit(StageStarted(name))
        run = stage(run, tools)
        tools.emit(StageFinished(name))
    return run


def _recall(run: Run, tools: Tools) -> Run:
    if tools.store is None:
        return run
    return replace(
        run, memory=tools.store.recall(tools.host.name), watched=tools.store.watched(tools.host.name)
    )


def _observe(run: Run, tools: Tools) -> Run:
    host = tools.host
    request = ObserveRequest(
        docker_socket=host.docker_socket,
        data_root=host.data_root,
        daemon_config=host.daemon_config,
        state_directory=str(tools.store.directory) if tools.store else None,
        roots={
            **{f"runner_root:{root.name}": root.path for root in host.policy.runner_roots},
            **{f"run_cache:{cache.name}": cache.path for cache in host.policy.run_caches},
        },
        runner_roots={root.name: root.path for root in host.policy.runner_roots},
        run_caches={one.name: (one.path, one.prefix) for one in host.policy.run_caches},
        homes=host.policy.homes,
        deadlines=host.deadlines,
        known_layers={
            key[1]: known.layers
            for key, known in run.memory.entries.items()
            if key[0] == Kind.IMAGE.value and known.layers is not None
        },
    )
    seen = tools.transport.observe(request, emit=tools.emit)
    engine_id = run.memory.engine_id if seen.engine is None else seen.engine.id
    observation = unprobed(seen, probed_of(tools.acts, engine_id))
    return replace(run, observation=observation, history=_history(observation, engine_id, tools))


def _history(observation: Observation, engine_id: str | None, tools: Tools) -> History | None:
    """What was removed from the host; an Engine that does not answer is the one that did before."""
    if tools.acts is None:
        return None
    return history(engine_id, observation.ended_at, tools.acts, goes_on=goes_on)


def _classify(run: Run, tools: Tools) -> Run:
    observation, policy = _observed(run), tools.host.policy
    context = gather(observation, run.memory, policy, observation.ended_at, run.watched)
    acts = None if run.history is None else acts_of(run.history, observation, context)
    judgement = _judged(observation, context, tools.store.size_bytes() if tools.store else None, acts)
    report = Report(
        run_id=run.run_id,
        tool_version=__version__,
        # A recorded host was observed before this run began.
        started_at=min(run.started_at, observation.started_at),
        ended_at=observation.ended_at,
        host=HostReference(
            name=tools.host.name,
            machine_id=observation.host.machine_id,
            hostname=observation.host.hostname,
            boot_id=observation.host.boot_id,
            engine=observation.engine,
            engine_error=observation.engine_error,
            engine_next_step=observation.engine_next_step,
        ),
        status=judgement.status,
        policy=_reference(policy),
        findings=judgement.findings,
        summary=judgement.summary,
        sections={name.value: section for name, section in observation.sections.items()},
        filesystems=observation.filesystems,
        runners=observation.runners,
        job_networks=job_networks(observation),
        covered=context.memory.covered,
        removals=removals_of(
            observation, Memory() if context.engine_changed else run.memory, context.followed.removals
        ),
        data_root_use=observation.data_root_use,
        daemon_config=observation.daemon_config,
        tools=tuple(tool for _, tool in tools_of(observation)),
        acts=acts,
        resources=judgement.resources,
    )
    return replace(run, memory=context.memory, context=context, report=report)


def rejudge(stored: Report, memory: Memory, policy: Policy) -> Report:
    """A stored run under another policy: the same facts, judged again. Nothing is looked at or recorded.

    Args:
        stored: the run.
        memory: what was remembered after it, see `EvidenceStore.memory_after`.
        policy: the policy to judge by.
    """
    observation = observation_of(stored)
    context = recontext(stored, observation, memory, policy)
    judgement = _judged(observation, context, None, stored.acts)
    return replace(
        stored,
        status=judgement.status,
        policy=_reference(policy),
        findings=judgement.findings,
        summary=judgement.summary,
        resources=judgement.resources,
    )


def plan(run: Run, mode: Mode, selection: Selection) -> Plan:
    """A plan of what a finished run saw. Pure: nothing is looked at, stored or changed.

    Raises Unreachable, if the Engine gave no usable answer; the class is that of its error.
    """
    if run.observation is None or run.context is None:
        raise ValueError("a run must be observed and classified before it can be planned")
    _require_engine(run.observation, "planned")
    pruned = run.history.pruned if run.history else frozenset()
    return make_plan(run.finished, run.observation, run.context, mode, selection, pruned_before=pruned)


def plan_again(stored: Report, memory: Memory, policy: Policy, mode: Mode, selection: Selection) -> Plan:
    """What a plan of a stored run would have been under a policy. Its time is that of the run.

    Args:
        stored: the run.
        memory: what was remembered after it, see `EvidenceStore.memory_after`.
        policy: the policy to judge by.
        mode: the phase.
        selection: what it is narrowed to.
    """
    observation = observation_of(stored)
    context = recontext(stored, observation, memory, policy)
    return make_plan(rejudge(stored, memory, policy), observation, context, mode, selection)


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What the pure part makes of an observation."""

    resources: tuple[Judged, ...]
    summary: Summary
    findings: tuple[Finding, ...]
    status: Status


def _judged(
    observation: Observation, context: Context, state_bytes: int | None, acts: Acts | None
) -> _Judgement:
    resources = classify(observation, context)
    summary = summarise(observation, resources, context)
    findings = find(observation, summary, context, state_bytes, acts)
    return _Judgement(resources, summary, findings, status_of(observation, findings))


def _reference(policy: Policy) -> PolicyReference:
    return PolicyReference(
        source=policy.source, digest=policy.digest, sentence=sentence(policy), limits=policy.limits
    )


def _record(run: Run, tools: Tools) -> Run:
    if tools.store is None or run.report is None:
        raise ValueError("a run must be classified, and have a store, before it can be recorded")
    return replace(run, recorded=tools.store.record(run.report, run.memory))


def _observed(run: Run) -> Observation:
    if run.observation is None:
        raise ValueError("a run must be observed before it can be classified")
    return run.observation


def _answers_to(resource: Resource, wanted: str) -> bool:
    names = {resource.id, *resource.names}
    if isinstance(resource, Image):
        names.add(resource.id.removeprefix("sha256:"))
    if wanted in names:
        return True
    shortest = 6
    return len(wanted) >= shortest and resource.id.removeprefix("sha256:").startswith(
        wanted.removeprefix("sha256:")
    )


UNRECORDED_STAGES: tuple[Stage, ...] = (_observe, _classify)
REPORT_STAGES: tuple[Stage, ...] = (_recall, _observe, _classify, _record)
