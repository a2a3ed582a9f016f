r"""The bytes of a segment, the hash-chained file of one run. Standard library only.

A segment is JSON Lines under gzip: a header line `{"k":"run",...}`, the records, and an end line
`{"k":"end",...}`. The body is every stored byte before the end line; `body_sha256` is over the body
uncompressed and `lines` counts its lines. The chain ties each segment to the one before it,
and the first to 64 zeros:

    chain = sha256("hyg1\0" + prev + "\n" + seq + "\n" + run_id + "\n" + body_sha256)

The end line is a gzip member of its own: the head of a ledger is read from the last bytes of one file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

from hygiene_core.errors import EvidenceBroken

__all__ = ["FORMAT_VERSION", "GENESIS", "broken", "chain_of", "pack", "read_end", "read_segment"]

FORMAT_VERSION = 1
GENESIS = "0" * 64
"""What the first segment of a host names as the chain before it."""

_BATCH_LINES = 4096
_TAIL_BYTES = 2048  # an end line is under 500 bytes
_GZIP_MEMBER = 31  # wbits of zlib for a gzip wrapper
_FAST = 1


def chain_of(prev: str, seq: int, run_id: str, body_sha256: str) -> str:
    """The chain value of a segment; a change of it is a change of `FORMAT_VERSION`."""
    text = f"hyg1\0{prev}\n{seq}\n{run_id}\n{body_sha256}"
    return hashlib.sha256(text.encode()).hexdigest()


def broken(path: Path, why: str) -> EvidenceBroken:
    """The error of one file that cannot be trusted."""
    return EvidenceBroken(f"{path.name}: {why}.", next_step="See the whole chain: hygiene evidence verify")


def read_segment(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The uncompressed body of a segment and its end line. The hashes are for the caller to check.

    Raises:
        EvidenceBroken: the file cannot be read, is cut off, or has no end line.
    """
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise broken(path, f"it cannot be read ({os.strerror(error.errno or errno.EIO)})") from error
    pieces = []
    while packed:
        member = zlib.decompressobj(_GZIP_MEMBER)
        try:
            pieces.append(member.decompress(packed))
        except zlib.error as error:
            raise broken(path, f"its compressed bytes are damaged ({error})") from error
        if not member.eof:
            raise broken(path, "it is cut off")
        packed = member.unused_data
    text = b"".join(pieces)
    start = text.rfind(b"\n", 0, len(text) - 1) + 1
    end = _end_line(text[start:])
    if end is None:
        raise broken(path, "it has no end line")
    return text[:start], end


def read_end(path: Path) -> dict[str, Any]:
    """The end line of a segment, from the last bytes of its file where possible.

    Raises:
        EvidenceBroken: there is none that can be read.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            tail = stream.read()
    except OSError as error:
        raise broken(path, f"it cannot be read ({os.strerror(error.errno or errno.EIO)})") from error
    at = tail.rfind(b"\x1f\x8b\x08")
    if at >= 0:
        member = zlib.decompressobj(_GZIP_MEMBER)
        with suppress(zlib.error):
            end = _end_line(member.decompress(tail[at:]))
            if end is not None and member.eof and not member.unused_data:
                return end
    # Somebody packed it anew, which changes none of the hashes; or it is damaged, which this says.
    return read_segment(path)[1]


def _end_line(line: bytes) -> dict[str, Any] | None:
    try:
        end = json.loads(line)
    except ValueError:
        return None
    wanted = {"seq": int, "run_id": str, "prev": str, "body_sha256": str, "lines": int, "chain": str}
    if not isinstance(end, dict) or end.get("k") != "end":
        return None
    return end if all(type(end.get(name)) is kind for name, kind in wanted.items()) else None


def pack(
    header: dict[str, Any], lines: Iterable[bytes], prev: str, seq: int, run_id: str
) -> tuple[list[bytes], dict[str, Any]]:
    """The compressed bytes of a segment and its end line. The lines may be made while they are asked for."""
    digest, packer, count = hashlib.sha256(), zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP_MEMBER), 0
    stored = []

    def more(block: bytes) -> None:
        digest.update(block)
        stored.append(packer.compress(block))

    # Hashing and packing let other threads run: the next lines are made meanwhile.
    with ThreadPoolExecutor(1) as beside:
        rest = chain([_json(header)], lines)
        waiting = []
        while batch := list(islice(rest, _BATCH_LINES)):
            block = b"\n".join(batch) + b"\n"
            if block.count(b"\n") != len(batch):
                raise ValueError("a record of the ledger holds a line end")
            count += len(batch)
            waiting.append(beside.submit(more, block))
        for done in waiting:
            done.result()
    stored.append(packer.flush())
    body = digest.hexdigest()
    end = {
        "k": "end",
        "seq": seq,
        "run_id": run_id,
        "prev": prev,
        "body_sha256": body,
        "lines": count,
        "chain": chain_of(prev, seq, run_id, body),
    }
    last = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP_MEMBER)
    stored.append(last.compress(_json(end) + b"\n") + last.flush())
    return stored, end


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
