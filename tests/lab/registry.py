"""A registry for pulls, in this process, on the loopback of a lab host.

Only a pull by digest gives an image that has a digest and no tag.
"""

from __future__ import annotations

import ctypes
import gzip
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.lab.errors import LabFailure
from tests.lab.host import LabHost
from tests.lab.images import ImageSpec

__all__ = ["ADDRESS", "serve"]

_PORT = 5000
ADDRESS = f"127.0.0.1:{_PORT}"
"""Inside the host; each host has a loopback of its own. Engines talk plain HTTP to 127.0.0.0/8."""

_NEW_NET = 0x40000000
_HELD_FROM_BYTES = 64 * 1024
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@contextmanager
def serve(
    host: LabHost, specs: Mapping[str, ImageSpec], *, hold: threading.Event | None = None
) -> Iterator[dict[str, str]]:
    """Serve `specs` (repository -> image, tag `1`) inside `host`; gives each repository's manifest digest.

    With `hold`, the second half of each larger layer is sent only when that is set.
    """
    blobs: dict[str, bytes] = {}
    manifests: dict[str, bytes] = {}
    digests = {}
    for repository, spec in specs.items():
        manifest = _manifest(spec, blobs)
        digests[repository] = _digest(manifest)
        manifests[f"{repository}/1"] = manifests[f"{repository}/{digests[repository]}"] = manifest
    server = _in_network_of(host.pid, _handler(blobs, manifests, hold))
    worker = threading.Thread(target=server.serve_forever, name="lab-registry")
    worker.start()
    try:
        yield digests
    finally:
        server.shutdown()
        worker.join()
        server.server_close()


def _manifest(spec: ImageSpec, blobs: dict[str, bytes]) -> bytes:
    def described(content: bytes, media_type: str) -> dict[str, str | int]:
        blobs[_digest(content)] = content
        return {"mediaType": media_type, "size": len(content), "digest": _digest(content)}

    layers = [gzip.compress(tar, mtime=0) for tar in spec.layers]
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": described(spec.config(), "application/vnd.docker.container.image.v1+json"),
        "layers": [described(one, "application/vnd.docker.image.rootfs.diff.tar.gzip") for one in layers],
    }
    return json.dumps(document).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _in_network_of(pid: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server in the network namespace of `pid`: a socket stays in the one it was made in."""
    made: list[ThreadingHTTPServer] = []
    failed: list[OSError] = []

    def make() -> None:
        # Only this thread changes its network namespace, and it ends here.
        try:
            space = os.open(Path(f"/proc/{pid}/ns/net"), os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(space, _NEW_NET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                made.append(ThreadingHTTPServer(("127.0.0.1", _PORT), handler))
            finally:
                os.close(space)
        except OSError as problem:
            failed.append(problem)

    thread = threading.Thread(target=make, name="lab-registry-socket")
    thread.start()
    thread.join()
    if not made:
        raise LabFailure(f"no registry inside the lab host: {failed}")
    return made[0]


def _handler(
    blobs: Mapping[str, bytes], manifests: Mapping[str, bytes], hold: threading.Event | None
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # An engine tries TLS first. Only an answer that begins with "HTTP/" makes each of them go on without.
        default_request_version = "HTTP/1.0"

        def do_GET(self) -> None:
            content, kind = self._find()
            if content is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", _digest(content))
            self.end_headers()
            if self.command == "HEAD":
                return
            sent = 0
            if hold is not None and len(content) >= _HELD_FROM_BYTES:
                sent = len(content) // 2
                self.wfile.write(content[:sent])
                hold.wait()
            self.wfile.write(content[sent:])

        do_HEAD = do_GET  # noqa: N815 (the name http.server calls)

        def log_message(self, *_: object) -> None:
            """Say nothing: a test's output is its own."""

        def _find(self) -> tuple[bytes | None, str]:
            path = self.path.partition("?")[0].removeprefix("/v2/")
            if not path:
                return b"{}", "application/json"
            repository, _, name = path.partition("/manifests/")
            if name:
                return manifests.get(f"{repository}/{name}"), _MANIFEST
            return blobs.get(path.partition("/blobs/")[2]), "application/octet-stream"

    return Handler
