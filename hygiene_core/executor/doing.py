"""One action, whatever it is about: checked again, done, and looked for afterwards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hygiene_core.host.actions import directories, objects, settling
from hygiene_core.host.actions.ground import Ended, Ground
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.deadline import Deadline
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.activity import ProcessId
from hygiene_core.model.plan import Action, Verb

__all__ = ["Means"]

_ON_FILES = frozenset({Verb.REMOVE_DIRECTORY, Verb.REMOVE_FILES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What single actions are done with: the Engine, and the roots below which directories may go."""

    hands: Hands
    allowed: tuple[str, ...]
    excluded: Collection[ProcessId] = ()

    def drift_of(self, action: Action) -> Acted | None:
        """The end of an action that may not be done any more; `None` if everything is as planned."""
        if action.verb in _ON_FILES:
            return directories.drift_of(action, self._ground())
        return objects.drift_of(action, self.hands)

    def remove(self, action: Action, approved_references: Collection[str]) -> Acted:
        """Do it. Of a call that nobody knows the end of, only what is gone is known at once.

        What is still there may go yet: the Engine took the call, and nothing tells whether it gave it up.
        """
        if action.verb in _ON_FILES:
            return directories.remove(action, self._ground())
        acted = objects.remove(action, self.hands, approved_references=approved_references)
        if acted.outcome is not Outcome.UNKNOWN:
            return acted
        if objects.exists(action, self.hands) is not False:
            return acted
        said = f"{acted.detail} Then it was gone."
        return Acted(outcome=Outcome.REMOVED, why=acted.why, detail=said, removed=(action.id,))

    def left(self, action: Action) -> bool:
        """Whether files that an action was to remove are still where they were, or cannot be looked for.

        Of what the Engine has, a look at the Engine tells.
        """
        if action.verb not in _ON_FILES:
            return False
        try:
            return settling.whereabouts(action, self._ground()) is not settling.Whereabouts.GONE
        except Ended:
            return True

    def truth(self, action: Action) -> Acted:
        """What is true of an action that was cut off: removed, kept, or unknown if it cannot be told.

        A directory that lies whole in the quarantine is given back its place.
        """
        if action.verb in _ON_FILES:
            return self._truth_of_files(action)
        there = objects.exists(action, self.hands)
        if there is None:
            return Acted(outcome=Outcome.UNKNOWN, why=Why.UNREADABLE, detail="it could not be looked for")
        said = "after the run was cut off it was " + ("still there" if there else "gone")
        if there:
            return Acted(outcome=Outcome.KEPT, why=Why.CUT_OFF, detail=said)
        return Acted(outcome=Outcome.REMOVED, why=Why.CUT_OFF, detail=said, removed=(action.id,))

    def _truth_of_files(self, action: Action) -> Acted:
        ground = self._ground()
        try:
            found = settling.whereabouts(action, ground)
        except Ended as end:
            return Acted(outcome=Outcome.UNKNOWN, why=Why.UNREADABLE, detail=end.acted.detail)
        if found is settling.Whereabouts.GONE:
            said = "after the run was cut off it was gone"
            return Acted(outcome=Outcome.REMOVED, why=Why.CUT_OFF, detail=said, removed=(action.id,))
        if found is settling.Whereabouts.BEGUN:
            said = "its removal had begun: what is left lies in the quarantine"
            return Acted(outcome=Outcome.FAILED, why=Why.CUT_OFF, detail=said)
        return settling.put_back(action, ground)

    def _ground(self) -> Ground:
        return Ground(
            allowed=self.allowed, deadline=Deadline.after(self.hands.call_limit), exclude=self.excluded
        )
