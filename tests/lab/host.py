"""One real Docker Engine in namespaces of its own, from start to the last trace removed."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

from tests.lab import leftovers
from tests.lab.api import Api
from tests.lab.errors import LabFailure
from tests.lab.processes import Process, in_pid_namespace, only_child, status
from tests.lab.trees import Tree, ensure_tree

__all__ = ["LabHost", "Store"]

Store = Literal["overlay2", "containerd"]

_START_SECONDS = 60.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Run by the outside's shell as the first process of the new namespaces. The tree stays pristine: it is the
# lower side of an overlay that lives in this mount namespace only; the data root is a plain folder, because
# overlay2 cannot stand on an overlay. At the end the shell becomes `cat` on a pipe that only the owner holds:
# when the owner is gone, however it went, `cat` ends, and every process and mount of the namespaces with it.
# It ignores SIGCHLD, so that the kernel reaps what a killed engine leaves to it.
_INIT = """
set -eu
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$HOST/upper,workdir=$HOST/work" "$HOST/root"
cd "$HOST/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/shared run/sshd var/lib/docker .outside
mount --bind "$SHARED" run/shared
mount --bind "$DATA" var/lib/docker
ip link set lo up
hostname "$NAME"
pivot_root . .outside
cd /
umount -l /.outside
rmdir /.outside
trap '' CHLD
echo ready
exec cat >/dev/null
"""


# The shell ends at once and leaves dockerd to the first process of the namespaces: no process of the lab
# stays outside, where it could outlive its owner. Prints dockerd's id inside.
_START_ENGINE = "dockerd -H unix:///run/docker.sock -H unix:///run/shared/docker.sock >&2 & echo $!"


class LabHost:
    """One engine. `LabHost.start(...)` is the way to get one; use it as a context manager.

    Attributes:
        tree: the tree the engine comes from.
        store: `overlay2`, or `containerd` for the containerd image store.
        name: host name inside.
        socket: the engine's socket, reachable from outside.
        data_root: `DockerRootDir` as the outside sees it, on the filesystem of the lab folder.
        pid: outside process id of the first process in the namespaces (for `nsenter`).
        log: what dockerd wrote.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        store: Store,
        name: str,
        extra_daemon_json: Mapping[str, Any] | None,
        in_memory: bool,
    ) -> None:
        self.tree = tree
        self.store: Store = store
        self.name = name
        self._folder = leftovers.new_folder(name, in_memory=in_memory)
        self.folder = self._folder.path
        self.shared = self._folder.shared
        self.socket = self.shared / "docker.sock"
        self.data_root = self._folder.data
        self.log = self.folder / "dockerd.log"
        self.pid = 0
        self._extra = dict(extra_daemon_json or {})
        self._namespaces: subprocess.Popen[bytes] | None = None
        self._engine: Process | None = None

    @classmethod
    def start(
        cls,
        tree: Tree | str,
        *,
        store: Store = "overlay2",
        name: str = "lab",
        extra_daemon_json: Mapping[str, Any] | None = None,
        in_memory: bool = False,
    ) -> Self:
        """Start an engine and return when it says that it is ready.

        `in_memory` puts the data root on tmpfs: for thousands of objects, where fsync is what takes time.

        Raises:
            LabUnavailable: this machine cannot run the lab.
            LabFailure: it should, and the engine did not come up; the message has the end of its log.
        """
        leftovers.sweep()
        found = ensure_tree(tree) if isinstance(tree, str) else tree
        host = cls(found, store=store, name=name, extra_daemon_json=extra_daemon_json, in_memory=in_memory)
        try:
            host._prepare()
            host._enter()
            host.start_engine()
        except BaseException:
            host.stop()
            raise
        return host

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def docker_url(self) -> str:
        """The engine's address as a Docker client wants it."""
        return f"unix://{self.socket}"

    @property
    def engine_pid(self) -> int:
        """Outside process id of dockerd.

        Raises:
            LabFailure: it is not running.
        """
        return self._running_engine().pid

    def api(self) -> Api:
        """A new connection to the engine."""
        return Api(self.socket)

    def run(
        self,
        *argv: str,
        input: str | bytes | None = None,  # noqa: A002 (the name subprocess.run gave it)
        stdin: BinaryIO | None = None,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        timeout: float = 300.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as root, with a clean environment and `env`.

        Raises:
            LabFailure: it ended with another status than 0 and `check` is set; the message has what it said.
        """
        sent = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            self.command(*argv),
            input=sent,
            stdin=(stdin or subprocess.DEVNULL) if sent is None else None,
            capture_output=True,
            check=False,
            env={**_environment(), **(env or {})},
            timeout=timeout,
        )
        text = [part.decode(errors="surrogateescape") for part in (done.stdout, done.stderr)]
        if check and done.returncode != 0:
            raise LabFailure(
                f"{self.name}: {' '.join(argv)} ended with {done.returncode}: {text[1] or text[0]}"
            )
        return subprocess.CompletedProcess(argv, done.returncode, *text)

    def docker(self, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the tree's own docker client inside; `options` as for `run`."""
        return self.run("docker", *args, **options)

    def command(self, *argv: str) -> list[str]:
        """The command line that runs `argv` inside, for a caller that starts it itself."""
        return [
            "nsenter",
            "--target",
            str(self.pid),
            "--mount",
            "--uts",
            "--net",
            "--pid",
            "--root",
            "--wd",
            "--",
            *argv,
        ]

    def start_engine(self) -> None:
        """Start dockerd in the running namespaces and wait until it reports that it is ready."""
        if self._engine is not None and self._engine.runs():
            raise LabFailure(f"{self.name}: the engine already runs")
        self._clear_stale()
        said = self.shared / "notify"
        said.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, self.log.open("ab") as log:
            notify.bind(str(said))
            started = subprocess.run(
                self.command("sh", "-c", _START_ENGINE),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**_environment(), "NOTIFY_SOCKET": "/run/shared/notify"},
                start_new_session=True,
                check=True,
            )
            self._engine = self._process_inside(int(started.stdout))
            self._await_ready(notify)
        said.unlink()

    def freeze(self) -> None:
        """Stop dockerd's clock (SIGSTOP): the socket takes connections and never answers."""
        engine = self._running_engine()
        engine.send(signal.SIGSTOP)
        engine.await_stopped()

    def thaw(self) -> None:
        """Let dockerd go on."""
        self._running_engine().send(signal.SIGCONT)

    def kill_engine(self) -> None:
        """SIGKILL dockerd and its containerd; shims and containers stay, as after a real crash."""
        self._end_engine(signal.SIGKILL)
        for pid in self.processes():
            if status(pid).get("Name") == "containerd":
                os.kill(pid, signal.SIGKILL)

    def stop_engine(self) -> None:
        """Ask dockerd to end (SIGTERM) and wait for it; the namespaces stay."""
        self._end_engine(signal.SIGTERM)

    def restart_engine(self) -> None:
        """Stop dockerd, if it runs, and start it again over the same data root."""
        if self._engine is not None and self._engine.runs():
            self.stop_engine()
        self.start_engine()

    def processes(self) -> list[int]:
        """Outside process ids of everything that runs in this host's pid namespace, containers included."""
        return [] if self.pid == 0 else in_pid_namespace(self.pid)

    def stop(self) -> None:
        """End everything and remove it: processes, mounts, control groups, folders. May be called twice."""
        if self._namespaces is not None:
            self._folder.thaw()
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
            else:
                self._namespaces.kill()
            # The kernel lets `unshare` see the end of its child only when its pid namespace is empty.
            self._namespaces.communicate()
            self._namespaces = None
            self.pid = 0
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        if self.folder.exists():
            self._folder.remove()

    def _prepare(self) -> None:
        for part in ("upper", "work", "root", "upper/etc", "upper/etc/docker"):
            (self.folder / part).mkdir()
        settings: dict[str, Any] = {
            "iptables": False,
            "ip6tables": False,
            "cgroup-parent": f"/{self._folder.cgroup}",
        }
        if self.store == "containerd":
            settings["features"] = {"containerd-snapshotter": True}
        else:
            settings["storage-driver"] = "overlay2"
        text = json.dumps({**settings, **self._extra}, indent=1)
        (self.folder / "upper/etc/docker/daemon.json").write_text(text, encoding="utf-8")
        (self.folder / "upper/etc/machine-id").write_text(os.urandom(16).hex() + "\n", encoding="utf-8")
        (self.folder / "upper/etc/hostname").write_text(self.name + "\n", encoding="utf-8")
        (self.folder / "upper/etc/hosts").write_text(
            f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n", encoding="utf-8"
        )

    def _enter(self) -> None:
        places = {"TREE": self.tree.path, "HOST": self.folder, "SHARED": self.shared, "DATA": self.data_root}
        unshare = ("unshare", "--mount", "--pid", "--net", "--uts", "--fork", "--kill-child=SIGKILL")
        with (self.folder / "init.log").open("wb") as log:
            self._namespaces = subprocess.Popen(
                [*unshare, "sh", "-c", _INIT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={
                    **_environment(),
                    **{key: str(value) for key, value in places.items()},
                    "NAME": self.name,
                },
                start_new_session=True,
            )
        out = self._namespaces.stdout
        if out is None or out.readline() != b"ready\n":
            said = (self.folder / "init.log").read_text(encoding="utf-8", errors="replace")
            raise LabFailure(f"{self.name}: the namespaces did not come up: {said}")
        self.pid = only_child(self._namespaces.pid)

    def _await_ready(self, notify: socket.socket) -> None:
        ended = self._running_engine().fd
        while True:
            readable, _, _ = select.select([notify.fileno(), ended], [], [], _START_SECONDS)
            if notify.fileno() in readable and b"READY=1" in notify.recv(4096):
                return
            if ended in readable or not readable:
                what = "ended" if ended in readable else f"was not ready within {_START_SECONDS:.0f} s"
                tail = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
                raise LabFailure(f"{self.name}: the engine {what}:\n{tail}")

    def _running_engine(self) -> Process:
        if self._engine is None or not self._engine.runs():
            raise LabFailure(f"{self.name}: the engine is not running")
        return self._engine

    def _end_engine(self, how: signal.Signals) -> None:
        engine = self._running_engine()
        engine.send(how)
        engine.send(signal.SIGCONT)
        engine.await_end()

    def _process_inside(self, inner: int) -> Process:
        for pid in self.processes():
            if status(pid).get("NSpid", "").split()[1:] == [str(inner)]:
                return Process(pid)
        tail = self.log.read_text(encoding="utf-8", errors="replace")
        raise LabFailure(f"{self.name}: the engine ended as soon as it was started:\n{tail}")

    def _clear_stale(self) -> None:
        # A killed engine leaves these. With an id in them that something else has by now it would not start.
        self.run("rm", "-f", "/run/docker.pid", "/run/docker/containerd/containerd.pid")


def _environment() -> dict[str, str]:
    return {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}
