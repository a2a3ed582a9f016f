"""The follower: reads the Engine's newest events over and over, so that no use of an image goes unseen.

The Engine forgets all but the newest 256 events. They are read whole each time: whether the oldest of them is
older than the last reading tells whether any was missed. A stream would have to prove the same after each
reconnection, and one that hangs looks like a quiet host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hygiene_core.decide.coverage import merged
from hygiene_core.errors import Unreachable
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.coverage import Followed
from hygiene_core.model.host import Host
from hygiene_core.model.request import ObserveRequest
from hygiene_core.transport.base import Transport

__all__ = ["SAVE_EVERY", "Follower"]

SAVE_EVERY = timedelta(minutes=1)
"""The longest that something seen waits to be stored: what a killed follower loses is a gap."""


@dataclass(slots=True)
class Follower:
    """Follows one host. `tell` takes a sentence for a person when something begins or ends."""

    host: Host
    transport: Transport
    store: EvidenceStore
    clock: Callable[[], datetime]
    tell: Callable[[str], None]
    _seen: Followed | None = None
    _stored: Followed | None = None
    _stored_at: datetime | None = None
    _lost: str | None = None

    def run(self, wait: Callable[[], None] | None) -> None:
        """Read, and again after each `wait`, until it raises; `None` reads once. What was seen is stored.

        Raises:
            EvidenceUnwritable: another process follows this host, or there is no room.
        """
        with self.store.watching(self.host.name):
            self._seen = merged(self.store.watched(self.host.name))
            try:
                self.read()
                while wait is not None:
                    wait()
                    self.read()
            finally:
                self._save()

    def read(self) -> None:
        """One reading. An Engine that does not answer is told once; the time until it answers is a gap."""
        request = ObserveRequest(docker_socket=self.host.docker_socket, deadlines=self.host.deadlines)
        before = self._seen or Followed()
        try:
            now = self.transport.follow(request)
        except Unreachable as error:
            if self._lost is None:
                self.tell(f"The Engine does not answer: {error.message}")
            self._lost = error.message
            return
        if self._lost is not None:
            self.tell("The Engine answers again.")
            self._lost = None
        self._seen = merged(before, now)
        if before.spans and len(self._seen.spans) > len(before.spans):
            self.tell("Some events were missed: coverage begins anew.")
        at = self.clock()
        if self._stored_at is None or at - self._stored_at >= SAVE_EVERY:
            self._save()
            self._stored_at = at

    def _save(self) -> None:
        if self._seen is not None and self._seen != self._stored:
            self.store.keep_watched(self.host.name, self._seen)
            self._stored = self._seen
