"""Plain calls to an Engine's API over its unix socket.

The product has a client of its own; it is what the tests judge, so the lab does not use it.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlencode

__all__ = ["Answer", "Api", "ApiError"]

_TIMEOUT_SECONDS = 300.0


class ApiError(RuntimeError):
    """The Engine answered with a status of 400 or more."""

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: status and body as they came."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as one JSON document; `None` when it is empty."""
        return json.loads(self.body) if self.body else None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("engine", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Api:
    """One kept-alive connection to the Engine behind `socket_path`. Not for several threads."""

    def __init__(self, socket_path: Path) -> None:
        self._connection = _UnixConnection(socket_path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # One call in passing, `host.api().get(...)`, is too common in tests to ask for a `with` each time.
        self.close()

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        raw: bytes | BinaryIO | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call the API; `body` goes as JSON, `raw` as a tar.

        Raises:
            ApiError: the Engine answered 400 or more.
        """
        sent = dict(headers or {})
        payload: Any = raw
        if body is not None:
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        elif raw is not None:
            sent.setdefault("Content-Type", "application/x-tar")
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            self._connection.request(method, target, payload, sent)
            response = self._connection.getresponse()
            answer = Answer(response.status, response.read())
        except BaseException:
            self._connection.close()
            raise
        if answer.status >= http.client.BAD_REQUEST:
            raise ApiError(method, target, answer.status, answer.body.decode(errors="replace").strip())
        return answer

    def get(self, path: str, **query: str) -> Any:
        """GET, read as JSON."""
        return self.call("GET", path, query=query).json

    def post(self, path: str, body: Any = None, **query: str) -> Any:
        """POST a JSON body, read the answer as JSON."""
        return self.call("POST", path, body=body, query=query).json

    def delete(self, path: str, **query: str) -> None:
        """DELETE."""
        self.call("DELETE", path, query=query)

    def image(self, reference: str) -> Any:
        """Inspect one image."""
        return self.get(f"/images/{quote(reference, safe='')}/json")
