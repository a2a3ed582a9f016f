"""One command in a running container, within the deadline of the client that asks.

docker-py ignores its timeouts once an exec has started and cannot be cancelled: both calls are made here.
An exec has no deadline of its own: when ours is over the command goes on in its container, and `running`
finds it the next time.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from hygiene_core.errors import EngineProtocol
from hygiene_core.host.engine import EngineClient
from hygiene_core.host.mask import mask_text

__all__ = ["Session", "run_in", "running"]

_FRAME = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2
_SAID_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Session:
    """A command that runs in a container now: its program, and its first argument."""

    program: str
    first_argument: str | None


def run_in(client: EngineClient, container_id: str, command: tuple[str, ...]) -> bytes:
    """What a command writes to its standard output.

    Raises EngineProtocol if the Engine refuses, the program is not there or it fails; EngineTimeout,
    EngineUnreachable as the client does.
    """
    created = client.post_json(
        f"/containers/{container_id}/exec",
        {"AttachStdout": True, "AttachStderr": True, "Tty": False, "Cmd": list(command)},
    )
    exec_id = created.get("Id") if isinstance(created, dict) else None
    if not isinstance(exec_id, str) or not exec_id:
        raise EngineProtocol("The Engine did not name the exec that it created.")
    stream = client.post_stream(f"/exec/{exec_id}/start", {"Detach": False, "Tty": False})
    output, said = _parted(stream)
    ended = client.get_json(f"/exec/{exec_id}/json")
    code = ended.get("ExitCode") if isinstance(ended, dict) else None
    if code != 0:
        # A program that is not there is told on its standard output, by the Engine.
        words = mask_text((said or output).decode(errors="replace").strip())[:_SAID_CHARACTERS]
        raise EngineProtocol(f"`{command[0]}` ended with exit code {code}: {words or 'no word'}")
    return output


def running(client: EngineClient, container_id: str) -> tuple[Session, ...]:
    """The commands that were started in a container through the Engine and that still run.

    Only the program and its first argument are read. Raises as the client does.
    """
    inspected = client.get_json(f"/containers/{container_id}/json")
    ids = inspected.get("ExecIDs") if isinstance(inspected, dict) else None
    return tuple(
        session
        for exec_id in (ids if isinstance(ids, list) else ())
        if (session := _session(client, str(exec_id))) is not None
    )


def _session(client: EngineClient, exec_id: str) -> Session | None:
    try:
        exec_ = client.get_json(f"/exec/{exec_id}/json")
    except EngineProtocol as error:
        if error.http_status == 404:  # noqa: PLR2004 - it ended in between
            return None
        raise
    if not isinstance(exec_, dict) or not exec_.get("Running"):
        return None
    process: Any = exec_.get("ProcessConfig")
    process = process if isinstance(process, dict) else {}
    arguments = process.get("arguments")
    first = arguments[0] if isinstance(arguments, list) and arguments else None
    return Session(str(process.get("entrypoint") or ""), None if first is None else str(first))


def _parted(stream: bytes) -> tuple[bytes, bytes]:
    """Standard output and standard error of a stream of frames: kind, three zero bytes, length, payload."""
    parts: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: []}
    at = 0
    while at < len(stream):
        if len(stream) - at < _FRAME.size:
            raise EngineProtocol("The Engine cut the answer of a command short.")
        kind, length = _FRAME.unpack_from(stream, at)
        at += _FRAME.size
        payload = stream[at : at + length]
        if kind not in parts or len(payload) < length:
            raise EngineProtocol("The Engine's answer of a command is no whole stream of frames.")
        parts[kind].append(payload)
        at += length
    return b"".join(parts[_STDOUT]), b"".join(parts[_STDERR])
