"""One removal through docker-py, and what its answer, its error or its silence means.

Nothing is called twice here: not after a conflict, and not after a connection that was lost.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.actions.looking import NOT_FOUND, exists
from hygiene_core.host.mask import mask_text
from hygiene_core.model.act import Acted, Outcome, Why
from hygiene_core.model.plan import Action

if TYPE_CHECKING:
    from docker import APIClient
    from docker.errors import APIError

__all__ = ["call"]

_CONFLICT = 409
T = TypeVar("T")


def call(action: Action, hands: Hands, make: Callable[[APIClient], T]) -> T | Acted:
    """What the call returns, or the end of the action where it did not come to that.

    A 404 and an error are checked by looking again: an Engine that answers an error may have removed the
    object all the same, for example where a file of a layer could not be deleted.
    """
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - heavy, only for a removal
    from requests.exceptions import RequestException  # noqa: PLC0415 - comes with docker-py

    try:
        _knock(hands)
        client = hands.mutator()
    except (DockerException, OSError) as error:
        return _failed(f"nothing was sent: {_words(error)}")
    with closing(client):
        try:
            return make(client)
        except APIError as error:
            return _answered(error, action, hands)
        except (RequestException, OSError) as error:
            return _cut_off(error, hands)


def _knock(hands: Hands) -> None:
    """Connect and hang up: whoever cannot even be reached was sent nothing, and that is no unknown outcome.

    docker-py cannot tell the two apart, and leaves a socket that could not be connected open.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.settimeout(hands.call_limit.total_seconds())
        door.connect(hands.socket_path)


def _answered(error: APIError, action: Action, hands: Hands) -> Acted:
    """The Engine answered, and not with success."""
    said = _words(error.explanation or error)
    if error.status_code == _CONFLICT:
        return Acted(outcome=Outcome.KEPT, why=Why.CONFLICT, detail=said)
    there = exists(action, hands)
    if there is None:
        return Acted(outcome=Outcome.UNKNOWN, why=Why.ENGINE, detail=said)
    if error.status_code == NOT_FOUND:
        if there:
            return Acted(outcome=Outcome.KEPT, why=Why.CHANGED, detail=said)
        return Acted(outcome=Outcome.ALREADY_ABSENT, why=Why.GONE, detail=said)
    if there:
        return _failed(said)
    return Acted(
        outcome=Outcome.FAILED,
        why=Why.ENGINE,
        detail=f"absent, bytes not freed: {said}",
        removed=(action.id,),
    )


def _cut_off(error: Exception, hands: Hands) -> Acted:
    """No answer, or one that could not be read."""
    if any(isinstance(one, TimeoutError) or "Timeout" in type(one).__name__ for one in _causes(error)):
        said = f"the Engine did not answer within {hands.call_limit.total_seconds():g} s"
        return Acted(outcome=Outcome.UNKNOWN, why=Why.TIMEOUT, detail=said)
    return Acted(outcome=Outcome.UNKNOWN, why=Why.ENGINE, detail=f"the answer was lost: {_words(error)}")


def _failed(said: str) -> Acted:
    return Acted(outcome=Outcome.FAILED, why=Why.ENGINE, detail=said)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it was made of: requests and urllib3 put the first one into the arguments."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [part for part in (*one.args, one.__cause__, one.__context__) if _is_error(part)]


def _is_error(part: object) -> bool:
    return isinstance(part, BaseException)


def _words(error: object) -> str:
    return mask_text(" ".join(str(error).split()))
