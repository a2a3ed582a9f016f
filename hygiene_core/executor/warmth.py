"""The warmth probes of a run: which builders are asked, and what keeps a probe from looking like use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from hygiene_core.clock import utc_now
from hygiene_core.decide.probing import remembered
from hygiene_core.decide.relations import node_names
from hygiene_core.errors import HygieneError
from hygiene_core.evidence.journal import Journal
from hygiene_core.evidence.probed import keep_probed, read_probed
from hygiene_core.executor.asking import Asked
from hygiene_core.host import gate
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.actions.warmth import ProbeFailed, build
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes.builders import find_builders
from hygiene_core.host.probes.buildkit import BuilderFacts, read_builders
from hygiene_core.host.wire import parse_containers
from hygiene_core.model.activity import Signal
from hygiene_core.model.journal import WarmthProbed
from hygiene_core.model.resource import Builder, Container
from hygiene_core.model.warmth import Probe, Probed

__all__ = ["Warmth"]

_READ_LIMIT = timedelta(seconds=60)
_REST_LIMIT = timedelta(seconds=20)
_REST_INTERVAL = timedelta(milliseconds=250)


@dataclass(slots=True)
class Warmth:
    """The probes of one run. `probed` is what they and earlier ones left, `probes` what they measured."""

    asked: Asked
    journal: Journal
    sample: Callable[[], tuple[Signal, ...]]
    probed: Probed = field(default_factory=Probed)
    probes: list[WarmthProbed] = field(default_factory=list)

    def measure(self, when: Literal["before", "after"]) -> None:
        """Build every probe that the host's rules name, one after the other; each is a line of the journal.

        What earlier probes left is known from the first call on.

        Raises EvidenceUnwritable: the journal takes no more.
        """
        if when == "before":
            self.probed = read_probed(self.asked.places.state)
        for builder, probe, container in self._wanted():
            began = WarmthProbed(
                at=utc_now(), when=when, builder=builder, cached_steps=None, steps=None, seconds=None
            )
            line = self._measured(began, probe, container)
            self.journal.append(line)
            self.probes.append(line)

    def _wanted(self) -> Iterator[tuple[str, Probe, Container | None]]:
        """Each builder with its probe, and its container if it has one."""
        rules = self.asked.rules
        if not rules.probes:
            return
        hands = self.asked.hands(_READ_LIMIT)
        try:
            with hands.reader() as client:
                listed = parse_containers(client.get_json("/containers/json", {"all": "1"})).rows
        except HygieneError:
            listed = ()  # each builder is then said to have no container
        nodes = {
            builder.id: next(one for one in listed if one.id == builder.container_id)
            for builder in find_builders(listed, (), containers_are_whole=False)
            if builder.container_id is not None
        }
        for name, probe in rules.probes.items():
            # Of two builders `b` and `b1` the node `b10` may be either's: the longer name has it.
            mine = [node for node in nodes if _owner(node, rules.probes) == name]
            for node in mine or [name]:
                yield node, probe, nodes.get(node)

    def _measured(self, line: WarmthProbed, probe: Probe, container: Container | None) -> WarmthProbed:
        if container is None or container.state != "running":
            return replace(line, problem="it has no container that runs")
        rules, hands = self.asked.rules, self.asked.hands(_READ_LIMIT)
        before = _facts(hands, container)
        try:
            made = build(probe, container.id, docker=rules.docker_cli, socket_path=rules.docker_socket)
        except ProbeFailed as error:
            return replace(line, problem=str(error))
        finally:
            # A client that has just left is still to be seen for a moment: it must not look like work.
            self._come_to_rest()
        used = self._remember(line.builder, before, _facts(hands, container))
        return replace(
            line, cached_steps=made.cached_steps, steps=made.steps, seconds=made.seconds, used=used
        )

    def _come_to_rest(self) -> None:
        """Wait a little; whoever is still at work then is found by the gate before the next step."""
        gate.watch_idle(self.sample, interval=_REST_INTERVAL, samples=1, until=Deadline.after(_REST_LIMIT))

    def _remember(self, builder: str, before: BuilderFacts, after: BuilderFacts) -> tuple[str, ...]:
        """Keep what the probe left, if it was the only build; the records that it used or made."""
        if before.builds is None or after.builds is None or not (before.records_read and after.records_read):
            return ()
        if len(after.builds - before.builds) != 1 or after.running_builds:
            return ()  # somebody else built something: those uses count
        bare = Builder(id=builder)
        made = remembered(
            self.probed,
            (before.added_to(bare), before.records),
            (after.added_to(bare), after.records),
        )
        used = tuple(
            sorted(key for key, stamp in made.records.items() if stamp != self.probed.records.get(key))
        )
        self.probed = made
        try:
            keep_probed(self.asked.places.state, made)
        except OSError:
            return ()  # it will look like use: nothing goes for it that would not go anyway
        return used


def _owner(node: str, probes: Collection[str]) -> str | None:
    return next((name for name in node_names(node) if name in probes), None)


def _facts(hands: Hands, container: Container) -> BuilderFacts:
    """What a builder tells now; what it did not is `None`, or not whole."""
    reading = read_builders([container], hands.reader, Deadline.after(_READ_LIMIT))
    return reading.facts.get(container.id, BuilderFacts())
