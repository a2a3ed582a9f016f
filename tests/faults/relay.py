"""A socket in front of an Engine's own, so that a test can do something between two requests of one look."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

__all__ = ["Relay"]

_IDENTITY = re.compile(rb"[A-Z]+ (/v[0-9.]+)?/(version|info|_ping)\b")
_CHUNK = 2**16


class Relay:
    """Hands every byte on. A connection of a client is one to the Engine, from its first request to its end.

    `between` is done once after `arm`, when a client that has asked who the Engine is asks for the first of
    its objects; that request and all others are handed on after it.
    """

    def __init__(self, engine: Path, between: Callable[[], None]) -> None:
        self.path = engine.with_name("relay.sock")
        self._engine = engine
        self._between = between
        self._armed = threading.Event()
        self._turn = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._open):
            _shut(one)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self.path.unlink()

    @property
    def armed(self) -> bool:
        """Whether what is to be done is still to be done."""
        return self._armed.is_set()

    def arm(self) -> None:
        """From now on, wait for the moment."""
        self._armed.set()

    def _spawn(self, work: Callable[..., None], *given: socket.socket) -> None:
        thread = threading.Thread(target=work, args=given)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """From the client to the Engine; the way back has a thread of its own."""
        with client, socket.socket(socket.AF_UNIX) as engine:
            self._open.append(engine)
            connected = False
            with contextlib.suppress(OSError):
                while asked := client.recv(_CHUNK):
                    self._do_between(asked)
                    if not connected:
                        engine.connect(str(self._engine))
                        connected = True
                        self._spawn(_hand_back, engine, client)
                    engine.sendall(asked)
            _shut(client)
            _shut(engine)

    def _do_between(self, asked: bytes) -> None:
        with self._turn:
            if self.armed and _IDENTITY.match(asked) is None:
                self._armed.clear()
                self._between()


def _hand_back(engine: socket.socket, client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while answered := engine.recv(_CHUNK):
            client.sendall(answered)
    _shut(client)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
