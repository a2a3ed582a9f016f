"""One real Docker Engine in namespaces of its own, from start to the last trace removed."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

from tests.lab import leftovers
from tests.lab.api import Api
from tests.lab.errors import LabFailure
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
        self._frozen = False
        self._extra = dict(extra_daemon_json or {})
        self._namespaces: subprocess.Popen[bytes] | None = None
        self._engine: subprocess.Popen[bytes] | None = None

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
        if self._engine is None or self._engine.poll() is not None:
            raise LabFailure(f"{self.name}: the engine is not running")
        return _only_child(self._engine.pid)

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
        if self._engine is not None and self._engine.poll() is None:
            raise LabFailure(f"{self.name}: the engine already runs")
        self._clear_stale()
        said = self.shared / "notify"
        said.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, self.log.open("ab") as log:
            notify.bind(str(said))
            self._engine = subprocess.Popen(
                self.command(
                    "dockerd", "-H", "unix:///run/docker.sock", "-H", "unix:///run/shared/docker.sock"
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_environment(), "NOTIFY_SOCKET": "/run/shared/notify"},
                start_new_session=True,
            )
            self._await_ready(notify)
        said.unlink()

    def freeze(self) -> None:
        """Stop dockerd's clock (SIGSTOP): the socket takes connections and never answers."""
        pid = self.engine_pid
        if self._engine is not None and not self._frozen:
            os.kill(pid, signal.SIGSTOP)
            # nsenter stops itself when its child was stopped; seeing that is knowing that the engine stands.
            os.waitid(os.P_PID, self._engine.pid, os.WSTOPPED)
            self._frozen = True

    def thaw(self) -> None:
        """Let dockerd go on, and the nsenter above it: it stops itself when its child is stopped."""
        os.kill(self.engine_pid, signal.SIGCONT)
        if self._engine is not None:
            self._engine.send_signal(signal.SIGCONT)

    def kill_engine(self) -> None:
        """SIGKILL dockerd and its containerd; shims and containers stay, as after a real crash."""
        self._end_engine(signal.SIGKILL)
        for pid in self.processes():
            if _comm(pid) == "containerd":
                os.kill(pid, signal.SIGKILL)

    def stop_engine(self) -> None:
        """Ask dockerd to end (SIGTERM) and wait for it; the namespaces stay."""
        self._end_engine(signal.SIGTERM)

    def restart_engine(self) -> None:
        """Stop dockerd, if it runs, and start it again over the same data root."""
        if self._engine is not None and self._engine.poll() is None:
            self.stop_engine()
        self.start_engine()

    def processes(self) -> list[int]:
        """Outside process ids of everything that runs in this host's pid namespace, containers included."""
        return [] if self.pid == 0 else _in_pid_namespace(self.pid)

    def stop(self) -> None:
        """End everything and remove it: processes, mounts, control groups, folders. May be called twice."""
        if self._namespaces is not None:
            self._folder.thaw()
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
            self._namespaces.kill()
            # The kernel ends `unshare`'s child only after every process of its pid namespace is reaped.
            self._namespaces.communicate()
            self._namespaces = None
            self.pid = 0
        if self._engine is not None:
            self._engine.kill()
            self._engine.wait()
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
        self.pid = _only_child(self._namespaces.pid)

    def _await_ready(self, notify: socket.socket) -> None:
        engine = self._engine
        if engine is None:
            raise LabFailure(f"{self.name}: no engine was started")
        ended = os.pidfd_open(engine.pid)
        try:
            while True:
                readable, _, _ = select.select([notify.fileno(), ended], [], [], _START_SECONDS)
                if notify.fileno() in readable and b"READY=1" in notify.recv(4096):
                    return
                if ended in readable or not readable:
                    what = "ended" if ended in readable else f"was not ready within {_START_SECONDS:.0f} s"
                    tail = "\n".join(
                        self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
                    )
                    raise LabFailure(f"{self.name}: the engine {what}:\n{tail}")
        finally:
            os.close(ended)

    def _end_engine(self, how: signal.Signals) -> None:
        os.kill(self.engine_pid, how)
        if self._frozen:
            self.thaw()
        if self._engine is not None:
            self._engine.wait()

    def _clear_stale(self) -> None:
        # A killed engine leaves these. With an id in them that something else has by now it would not start.
        self.run("rm", "-f", "/run/docker.pid", "/run/docker/containerd/containerd.pid")


def _environment() -> dict[str, str]:
    return {"PATH": _PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}


def _only_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    if len(children) != 1:
        raise LabFailure(f"process {pid} has {len(children)} children where one was expected")
    return int(children[0])


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _in_pid_namespace(first: int) -> list[int]:
    # A container's processes are in a namespace below: the kernel tells the parent of each, one at a time.
    get_parent = 0xB702  # NS_GET_PARENT, ioctl_ns(2)
    wanted = Path(f"/proc/{first}/ns/pid").stat().st_ino
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            space = os.open(entry / "ns/pid", os.O_RDONLY)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            # Gone meanwhile, or not ours even as root: nothing of the lab is like that.
            continue
        while True:
            if os.fstat(space).st_ino == wanted:
                found.append(int(entry.name))
                break
            try:
                parent = fcntl.ioctl(space, get_parent)
            except PermissionError:
                # Above the outermost one that we may see.
                break
            os.close(space)
            space = parent
        os.close(space)
    return found
