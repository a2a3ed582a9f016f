"""A unix-socket server that answers like an Engine, or commits faults that a real one will not."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

Handler = Callable[["FakeEngine", socket.socket], None]

VERSION = {
    "Version": "26.1.5",
    "ApiVersion": "1.45",
    "MinAPIVersion": "1.24",
    "Os": "linux",
    "KernelVersion": "6.1.0",
    "Components": [{"Name": "Engine", "Version": "26.1.5"}],
}
INFO = {
    "ID": "fake-id",
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"]],
    "DockerRootDir": "/var/lib/docker",
    "OperatingSystem": "Debian",
    "KernelVersion": "6.1.0",
    "OSType": "linux",
}


def plain(body: bytes, *, status: int = 200, kind: str = "application/json", headers: str = "") -> Handler:
    """A whole HTTP answer."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"

    def answer(_engine: FakeEngine, to: socket.socket) -> None:
        to.sendall(head.encode() + body)

    return answer


def reply(value: Any, *, status: int = 200, headers: str = "") -> Handler:
    """A JSON value."""
    return plain(json.dumps(value).encode(), status=status, headers=headers)


def freeze(engine: FakeEngine, _to: socket.socket) -> None:
    """Take the request and never answer."""
    engine.ending.wait()


def drip(engine: FakeEngine, to: socket.socket) -> None:
    """A good head, then a byte now and then, for ever: no single read ever waits long."""
    to.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
    while not engine.ending.wait(0.02):
        to.sendall(b" ")


def drip_head(engine: FakeEngine, to: socket.socket) -> None:
    """The same in the middle of a header line."""
    to.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not engine.ending.wait(0.02):
        to.sendall(b"a")


def reset(_engine: FakeEngine, to: socket.socket) -> None:
    """Half an answer, then the connection is gone."""
    to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{")
    to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    to.shutdown(socket.SHUT_RDWR)


def endless(engine: FakeEngine, to: socket.socket) -> None:
    """A chunked answer without an end, as fast as it is taken."""
    to.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not engine.ending.is_set():
        to.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")


def huge(_engine: FakeEngine, to: socket.socket) -> None:
    """A head that promises an exbibyte."""
    to.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {2**60}\r\n\r\n[".encode())


def not_http(_engine: FakeEngine, to: socket.socket) -> None:
    """Some other protocol."""
    to.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    to.shutdown(socket.SHUT_RDWR)


def empty_routes() -> dict[str, Handler]:
    """An Engine that holds nothing."""
    return {
        "/version": reply(VERSION),
        "/info": reply(INFO),
        "/images/json": reply([]),
        "/containers/json": reply([]),
        "/volumes": reply({"Volumes": None, "Warnings": None}),
        "/events": plain(b""),
        "/system/df": reply(
            {"LayersSize": 0, "Images": None, "Containers": None, "Volumes": None, "BuildCache": None}
        ),
    }


def frames(output: bytes = b"", said: bytes = b"") -> Handler:
    """The answer of an exec: the frames of its two streams, ended by the end of the connection."""
    parts = ((1, output), (2, said))
    body = b"".join(struct.pack(">BxxxL", kind, len(part)) + part for kind, part in parts if part)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"

    def answer(_engine: FakeEngine, to: socket.socket) -> None:
        to.sendall(head + body)
        to.shutdown(socket.SHUT_RDWR)

    return answer


class FakeEngine:
    """Serves `routes` by path, API version and query taken off; `exact` goes by the whole target.

    Attributes:
        asked: every request target, in order.
        ending: set when the server stops; handlers that hang wait for it.
    """

    def __init__(self, routes: dict[str, Handler] | None = None, **exact: Handler) -> None:
        self.routes = empty_routes() | (routes or {})
        self.exact: dict[str, Handler] = exact
        self.asked: list[str] = []
        self.ending = threading.Event()
        self.connections: list[socket.socket] = []
        self._folder = tempfile.TemporaryDirectory(prefix="fake-engine-")
        self.path = str(Path(self._folder.name) / "docker.sock")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(64)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self.drop_connections()
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._folder.cleanup()

    def drop_connections(self, number: int | None = None) -> None:
        """What a restart does to every client; or only the connection of that number, counted from 0."""
        for one in self.connections if number is None else [self.connections[number]]:
            with contextlib.suppress(OSError):  # it was gone already
                one.shutdown(socket.SHUT_RDWR)

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.ending.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as requests:
            try:
                while line := requests.readline():
                    length = 0
                    while (header := requests.readline()) not in {b"\r\n", b""}:
                        if header.lower().startswith(b"content-length:"):
                            length = int(header.split(b":")[1])
                    requests.read(length)
                    self._answer(line.split()[1].decode(), connection)
            except OSError:
                return  # the client shut it, as it does at a deadline

    def _answer(self, target: str, connection: socket.socket) -> None:
        self.asked.append(target)
        path = re.sub(r"^/v[0-9.]+", "", target).partition("?")[0]
        missing = reply({"message": f"no such object: {path}"}, status=404)
        handler = self.exact.get(target) or self.routes.get(path, missing)
        handler(self, connection)
