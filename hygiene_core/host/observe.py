"""One read-only pass over a host: probes side by side, each with its own connection, deadline and section.

Nothing here raises because of what the host does: every probe ends as a `Section`. All deadlines count from
the start of the pass, so the pass ends within the longest of them, plus a moment, whatever hangs.

Whether the Engine was restarted between two reads (which would join two inventories into one that never was)
is told by a connection that is held open from the first request to the end: the kernel closes it when the
process that accepted it dies. Nothing in the API tells one run of the Engine from the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hygiene_core.clock import utc_now
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.probes import (
    buildkit,
    credentials,
    daemon_config,
    data_root,
    filesystems,
    identity,
    instances,
    run_caches,
    runners,
    toolchain,
)
from hygiene_core.host.probes.build_cache import read_build_cache
from hygiene_core.host.probes.containers import read_containers
from hygiene_core.host.probes.engine import EngineReading, read_engine
from hygiene_core.host.probes.events import read_events
from hygiene_core.host.probes.images import read_images
from hygiene_core.host.probes.networks import read_networks
from hygiene_core.host.probes.probe import DiskUsage, Probe, Reading
from hygiene_core.host.probes.volumes import read_volumes
from hygiene_core.host.sections import LocalReading, Outcome, Sections, run_probe
from hygiene_core.host.told import builders_of
from hygiene_core.model.coverage import Followed
from hygiene_core.model.engine_config import DaemonConfig
from hygiene_core.model.event import Emit, ProbeStarted, silent
from hygiene_core.model.observation import (
    Availability,
    HostIdentity,
    Observation,
    SectionName,
)
from hygiene_core.model.request import ObserveRequest
from hygiene_core.model.resource import Container

__all__ = ["observe"]

_CLASSES = (SectionName.IMAGES, SectionName.CONTAINERS, SectionName.VOLUMES, SectionName.BUILD_CACHE)
_RESTARTED = "the connection held open to the Engine was closed: it may have been restarted while it was read"


def observe(request: ObserveRequest, *, emit: Emit = silent) -> Observation:
    """Look at the host once, without changing anything.

    Each section is told to `emit` once when it starts and once when it ends, on the calling thread. A restart
    of the Engine is noticed after that: the observation's sections have the last word.
    """
    return _Pass(request, emit, Sections(emit)).run()


@dataclass(slots=True)
class _Pass:
    request: ObserveRequest
    emit: Emit
    sections: Sections
    _deadlines: dict[SectionName, Deadline] = field(default_factory=dict)
    _held_open: EngineClient | None = None
    _usage: DiskUsage | None = None
    _builders_asked: bool = False
    _not_ours: DaemonConfig | None = None

    def run(self) -> Observation:
        started_at = utc_now()
        limits = self.request.deadlines
        for name, limit in (
            (SectionName.HOST, limits.engine),
            (SectionName.ENGINE, limits.engine),
            (SectionName.FILESYSTEMS, limits.engine),
            (SectionName.IMAGES, limits.images),
            (SectionName.CONTAINERS, limits.containers),
            (SectionName.VOLUMES, limits.volumes),
            (SectionName.BUILD_CACHE, limits.build_cache),
            (SectionName.RUNNERS, limits.runners),
            (SectionName.NETWORKS, limits.engine),
            (SectionName.RUN_CACHES, limits.run_caches),
            (SectionName.CREDENTIALS, limits.engine),
            (SectionName.BUILDER_CACHE, limits.builder_cache),
            (SectionName.INSTANCES, limits.engine),
            (SectionName.TOOLCHAIN, limits.engine),
            (SectionName.DAEMON_CONFIG, limits.engine),
            (SectionName.EVENTS, limits.engine),
            (SectionName.DATA_ROOT, limits.data_root),
        ):
            self._deadlines[name] = Deadline.after(limit)
        try:
            self._start_engine()
            self._start_files()
            for outcome in self.sections.settle():
                self._settle(outcome)
            self._find_builders()
            self._check_restart()
        finally:
            self._close()
        return self._observation(started_at)

    # -- starting ------------------------------------------------------------------------------------------

    def _start_local(self, name: SectionName, source: str, read: Callable[[], LocalReading]) -> None:
        self.sections.start_local(name, self._deadlines[name], source, read)

    def _start_files(self) -> None:
        """What is read from files alone, whatever the Engine does."""
        request = self.request

        def host() -> LocalReading:
            return LocalReading(*identity.read_identity())

        def runner_directories() -> LocalReading:
            seen = runners.read_runners(request.runner_roots, self._deadlines[SectionName.RUNNERS])
            return LocalReading(seen, seen.problems, any_seen=bool(seen.runners), whole=seen.whole)

        def accounts() -> LocalReading:
            seen = credentials.read_credentials(request.runner_roots)
            return LocalReading(seen, seen.problems, any_seen=bool(seen.by_runner))

        def left_by_runs() -> LocalReading:
            deadline = self._deadlines[SectionName.RUN_CACHES]
            seen = run_caches.read_run_caches(request.run_caches, deadline)
            return LocalReading(seen, seen.problems, any_seen=bool(seen.rows), whole=seen.whole)

        def known_instances() -> LocalReading:
            seen = instances.read_instances(request.homes)
            problems = seen.problems + seen.config_problems
            return LocalReading(seen, problems, any_seen=bool(seen.by_node))

        def tools() -> LocalReading:
            seen, problems = toolchain.read_toolchain(request.homes, self._deadlines[SectionName.TOOLCHAIN])
            return LocalReading(seen, problems, any_seen=bool(seen))

        self._start_local(SectionName.HOST, identity.SOURCE, host)
        self._start_local(SectionName.TOOLCHAIN, toolchain.SOURCE, tools)
        if request.runner_roots:
            self._start_local(SectionName.RUNNERS, runners.SOURCE, runner_directories)
            # Apart from the runners: a home on a dead network filesystem must not cost their directories.
            self._start_local(SectionName.CREDENTIALS, credentials.SOURCE, accounts)
        if request.run_caches:
            self._start_local(SectionName.RUN_CACHES, run_caches.SOURCE, left_by_runs)
        if request.homes:
            self._start_local(SectionName.INSTANCES, instances.SOURCE, known_instances)

    def _start_builder_cache(self) -> None:
        self._builders_asked = True
        outcomes, path = self.sections.outcomes, self.request.docker_socket
        if outcomes[SectionName.CONTAINERS].value is None:
            self._lost_with(outcomes[SectionName.CONTAINERS], SectionName.BUILDER_CACHE)
            return
        containers: Reading[tuple[Container, ...]] = outcomes[SectionName.CONTAINERS].value
        api = outcomes[SectionName.ENGINE].value.version.api_used
        deadline = self._deadlines[SectionName.BUILDER_CACHE]

        def read() -> LocalReading:
            seen = buildkit.read_builders(
                containers.value, lambda: EngineClient(path, deadline, api), deadline
            )
            return LocalReading(seen, seen.problems)

        self._start_local(SectionName.BUILDER_CACHE, buildkit.SOURCE, read)

    def _start_engine(self) -> None:
        path, deadline = self.request.docker_socket, self._deadlines[SectionName.ENGINE]
        held = self._held_open = EngineClient(path, deadline)
        client = EngineClient(path, deadline)
        self._start_probe(SectionName.ENGINE, client, lambda probe: Reading(value=read_engine(probe, held)))

    def _start_filesystems(self, engine: EngineReading | None) -> None:
        request = self.request

        def read() -> LocalReading:
            if engine is None:
                proof = filesystems.DataRoot(None, "the Engine could not be asked")
            else:
                proof = filesystems.prove_data_root(
                    engine.identity.id, engine.identity.data_root, request.data_root
                )
            rows, problems = filesystems.read_filesystems(request, proof)
            why_not = None
            if engine is not None and request.daemon_config is None:
                named = engine.identity.data_root
                why_not = daemon_config.why_not_ours(request.docker_socket, named, proof)
            return LocalReading((rows, proof, why_not), problems, any_seen=bool(rows))

        self._start_local(SectionName.FILESYSTEMS, filesystems.SOURCE, read)

    def _start_daemon_config(self, why_not: str | None) -> None:
        """Only where a file is certainly this Engine's: of another's there is nothing to ask."""
        engine: EngineReading | None = self.sections.outcomes[SectionName.ENGINE].value
        if engine is None:
            return
        if why_not is not None:
            self._not_ours = daemon_config.not_ours(why_not)
            return
        configured, named = self.request.daemon_config, engine.identity.data_root

        def read() -> LocalReading:
            seen, problems = daemon_config.read_daemon_config(configured, named)
            return LocalReading(seen, problems, any_seen=seen is not None)

        self._start_local(SectionName.DAEMON_CONFIG, daemon_config.SOURCE, read)

    def _start_data_root(self, path: str | None) -> None:
        """Only where it is proven and may be read: for others there is nothing to ask."""
        if path is None or not data_root.can_be_read(path):
            return
        deadline = self._deadlines[SectionName.DATA_ROOT]
        self._start_local(
            SectionName.DATA_ROOT,
            data_root.SOURCE,
            lambda: LocalReading(*data_root.read_data_root(path, deadline)),
        )

    def _start_classes(self, engine: EngineReading) -> None:
        path, api, known = self.request.docker_socket, engine.version.api_used, self.request.known_layers
        longest = max((self._deadlines[name] for name in _CLASSES), key=lambda deadline: deadline.expires)
        usage = self._usage = DiskUsage(path, engine.version, longest)
        works: dict[SectionName, Callable[[Probe], Reading[Any]]] = {
            SectionName.IMAGES: lambda probe: read_images(probe, usage, known),
            SectionName.CONTAINERS: lambda probe: read_containers(probe, usage),
            SectionName.VOLUMES: lambda probe: read_volumes(probe, usage, engine.version),
            SectionName.BUILD_CACHE: lambda probe: read_build_cache(probe, usage),
        }
        self._start_probe(
            SectionName.EVENTS,
            EngineClient(path, self._deadlines[SectionName.EVENTS], api),
            lambda probe: Reading(value=read_events(probe)),
        )
        if self.request.runner_roots:
            works[SectionName.NETWORKS] = read_networks
        for name, work in works.items():
            self._start_probe(name, EngineClient(path, self._deadlines[name], api), work)

    def _start_probe(
        self, name: SectionName, client: EngineClient, work: Callable[[Probe], Reading[Any]]
    ) -> None:
        self.sections.start(name, self._deadlines[name], lambda: run_probe(name, client, work), client)

    # -- settling ------------------------------------------------------------------------------------------

    def _settle(self, outcome: Outcome) -> None:
        if outcome.section.name is SectionName.ENGINE:
            engine: EngineReading | None = outcome.value
            if engine is None:
                self._without_engine(outcome)
            else:
                self._start_classes(engine)
            self._start_filesystems(engine)
        elif outcome.section.name is SectionName.FILESYSTEMS and outcome.value is not None:
            self._start_data_root(outcome.value[1].path)
            self._start_daemon_config(outcome.value[2])
        first = {SectionName.EVENTS, SectionName.CONTAINERS}
        # What is run in the builders is an event too: it may push out only what was read.
        if first <= self.sections.outcomes.keys() and not self._builders_asked:
            self._start_builder_cache()

    def _lost_with(self, outcome: Outcome, name: SectionName) -> None:
        """A section that cannot be read because another was not."""
        self.emit(ProbeStarted(name))
        section = replace(outcome.section, name=name, captured_bytes=None)
        self.sections.record(Outcome(section, error=outcome.error))

    def _without_engine(self, engine: Outcome) -> None:
        self._builders_asked = True
        asked = (SectionName.NETWORKS,) if self.request.runner_roots else ()
        for name in (*_CLASSES, *asked, SectionName.EVENTS, SectionName.BUILDER_CACHE):
            self._lost_with(engine, name)

    def _find_builders(self) -> None:
        self.emit(ProbeStarted(SectionName.BUILDERS))
        self.sections.record(builders_of(self.sections.outcomes))

    def _check_restart(self) -> None:
        """Make every section of the Engine partial if the Engine was restarted while they were read."""
        engine = self.sections.outcomes[SectionName.ENGINE]
        if engine.value is None or (self._held_open is not None and self._held_open.still_connected()):
            return
        dependent = (
            SectionName.BUILDERS,
            SectionName.BUILDER_CACHE,
            SectionName.EVENTS,
            SectionName.NETWORKS,
        )
        for name in (SectionName.ENGINE, *_CLASSES, *dependent):
            outcome = self.sections.outcomes.get(name)
            if outcome is None or outcome.section.availability is Availability.UNAVAILABLE:
                continue
            said = f"{outcome.section.reason}; {_RESTARTED}" if outcome.section.reason else _RESTARTED
            section = replace(outcome.section, availability=Availability.PARTIAL, reason=said, return_code=1)
            self.sections.outcomes[name] = replace(outcome, section=section)

    def _close(self) -> None:
        """Shut every socket that is still open: what was given up ends, at the Engine too."""
        self.sections.close()
        if self._usage is not None:
            self._usage.close()
        if self._held_open is not None:
            self._held_open.close()

    def _observation(self, started_at: datetime) -> Observation:
        outcomes = self.sections.outcomes
        engine = outcomes[SectionName.ENGINE]
        measured = outcomes[SectionName.FILESYSTEMS].value
        host = outcomes[SectionName.HOST].value or HostIdentity()
        identified = engine.value.identity if engine.value else None
        if identified is not None and measured is not None:
            proof = measured[1]
            identified = replace(identified, proven_data_root=proof.path, data_root_reason=proof.reason)
        readings = {
            name: outcome.value
            for name, outcome in self.sections.outcomes.items()
            if outcome.value is not None
        }
        figures = {
            str(name): readings[name].figure
            for name in _CLASSES
            if name in readings and readings[name].figure
        }

        def rows(name: SectionName) -> Any:
            return readings[name].value if name in readings else ()

        told = readings.get(SectionName.BUILDER_CACHE)
        runner = readings.get(SectionName.RUNNERS, runners.RunnersReading())
        caches = readings.get(SectionName.RUN_CACHES, run_caches.RunCachesReading())
        account = readings.get(SectionName.CREDENTIALS, credentials.CredentialsReading())
        return Observation(
            started_at=started_at,
            ended_at=utc_now(),
            host=host,
            engine=identified,
            filesystems=measured[0] if measured else (),
            images=rows(SectionName.IMAGES),
            containers=rows(SectionName.CONTAINERS),
            volumes=rows(SectionName.VOLUMES),
            build_cache=rows(SectionName.BUILD_CACHE) + (told.records if told else ()),
            builders=rows(SectionName.BUILDERS),
            runners=account.joined(runner.runners),
            runner_workdirs=runner.workdirs,
            networks=rows(SectionName.NETWORKS),
            run_caches=caches.rows,
            tools=readings.get(SectionName.TOOLCHAIN, ()),
            data_root_use=readings.get(SectionName.DATA_ROOT),
            daemon_config=readings.get(SectionName.DAEMON_CONFIG, self._not_ours),
            followed=readings[SectionName.EVENTS].value if SectionName.EVENTS in readings else Followed(),
            engine_figures=figures,
            sections={
                name: self.sections.outcomes[name].section
                for name in SectionName
                if name in self.sections.outcomes
            },
            engine_error=engine.error.code if engine.error else None,
            engine_next_step=engine.error.next_step if engine.error else None,
        )
