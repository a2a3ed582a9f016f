"""The kit itself on a lab host: its commands see the host's processes, its Engine, and an /etc of their own.

Each command runs in the host's pid namespace and in a mount namespace of its own, where /etc and /var/lib are
overlays and /run is a folder of the lab: what is host-global for the kit is so for one lab host.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.errors import LabFailure
from tests.lab.host import LabHost
from tests.lab.processes import in_pid_namespace

__all__ = ["Kit"]

_ROOT = Path(__file__).parents[2]
_END_SECONDS = 180.0

_ENTER = """
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t overlay overlay -o "lowerdir=$KIT/etc:/etc" /etc
mount --bind "$KIT/state" /var/lib
mount --bind "$KIT/run" /run
exec "$@"
"""


class Kit:
    """The kit on one lab host.

    Attributes:
        folder: everything it keeps, outside of any data root; the host's own folder has it if none is given.
        etc: what stands in its /etc.
        acts: where the executor keeps what is host-global.
        control: the state directory of the configuration.
    """

    def __init__(self, host: LabHost, folder: Path | None = None) -> None:
        self.host = host
        self.folder = folder or host.folder / "kit"
        self.etc = self.folder / "etc"
        self.control = self.folder / "control"
        for part in ("etc/hygiene", "state", "run", "control"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.machine_id = os.urandom(16).hex()
        (self.etc / "machine-id").write_text(self.machine_id + "\n", encoding="utf-8")
        self.engine_id: str = host.api().get("/info")["ID"]

    @property
    def acts(self) -> Path:
        """Where the executor keeps what is host-global, seen from outside."""
        return self.folder / "state/hygiene" / self.engine_id

    def configure(self, policy: str) -> Path:
        """Write hygiene.toml: the tables of one host `lab`, under `[hosts.lab]`; returns where it stands."""
        text = (
            f'[evidence]\ndirectory = "{self.control}"\n\n[hosts.lab]\ndocker = "unix://{self.host.socket}"\n'
            f'data_root = "{self.host.data_root}"\n{policy}\n'
        )
        path = self.etc / "hygiene/hygiene.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def allow(self, *verbs: str, more: str = "", approvers: Sequence[str] = ("root",)) -> Path:
        """Write host.toml."""
        text = (
            f'host_id = "{self.machine_id}"\nname = "lab"\ndocker = "unix://{self.host.socket}"\n'
            f'data_root = "{self.host.data_root}"\nallow = [{_quoted(verbs)}]\n'
            f"approvers = [{_quoted(approvers)}]\n{more}\n"
        )
        path = self.etc / "hygiene/host.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def client(self) -> Path:
        """A docker client with buildx that runs where the kit does: the tree's own, with its libraries."""
        tree = self.host.tree.path
        loader = f"{tree}/lib64/ld-linux-x86-64.so.2 --library-path {tree}/lib/x86_64-linux-gnu"
        path = self.folder / "bin/docker"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            '#!/bin/sh\nif [ "$1" = buildx ]; then\n  shift\n'
            f'  exec {loader} {tree}/usr/libexec/docker/cli-plugins/docker-buildx "$@"\nfi\n'
            f'exec {loader} {tree}/usr/bin/docker "$@"\n',
            encoding="utf-8",
        )
        path.chmod(0o755)
        return path

    def probe(self, builder: str, files: Mapping[str, bytes]) -> str:
        """The context of a warmth probe, root's own; returns the table for host.toml."""
        place = f"/etc/hygiene/probes/{builder}"
        context = self.folder / place.lstrip("/")
        context.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (context / name).write_bytes(content)
            (context / name).chmod(0o755)
        return f'[probes.{builder}]\ncontext = "{place}"\n'

    def command(self, *argv: str) -> list[str]:
        """The command line that runs `argv` on the host."""
        inside = ["nsenter", "--target", str(self.host.pid), "--pid", "--"]
        return [*inside, "unshare", "--mount", "sh", "-c", _ENTER, "kit", *argv]

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """What a command of the kit starts with."""
        return {
            "PATH": os.environ["PATH"],
            "KIT": str(self.folder),
            "PYTHONPATH": str(_ROOT),
            "HYGIENE_CONFIG": "/etc/hygiene/hygiene.toml",
            "COLUMNS": "100",
            **(env or {}),
        }

    def hygiene(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `hygiene` with these words; options as for `run`."""
        return self.run(sys.executable, "-m", "hygiene_core", *argv, **options)

    def executor(self, *argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `hygiene-executor` with these words; options as for `run`."""
        return self.run(sys.executable, "-m", "hygiene_core.executor.main", *argv, **options)

    def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        sent: str | None = None,
        status: int | None = None,
        timeout: float = 300.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host.

        Raises:
            LabFailure: it ended with another status than `status`, where one is given.
        """
        done = subprocess.run(
            self.command(*argv),
            env=self.environment(env),
            input=sent,
            stdin=subprocess.DEVNULL if sent is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if status is not None and done.returncode != status:
            raise LabFailure(
                f"{' '.join(argv)} ended with {done.returncode}, not {status}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def launch(
        self, *argv: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Start a command on the host and return at once; its output goes to pipes.

        What is returned is the command that entered the host: a signal to that reaches no one else. `running`
        tells whom to send it to.
        """
        return subprocess.Popen(
            self.command(*argv),
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            **options,
        )

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """Start `hygiene` with these words; options as for `launch`."""
        return self.launch(sys.executable, "-m", "hygiene_core", *argv, **options)

    def running(self, *words: str) -> list[int]:
        """Outside process ids of what runs on the host now with these words, one after the other."""
        wanted = "".join(f"\0{word}" for word in (*words, "")).encode()
        return [pid for pid in in_pid_namespace(self.host.pid) if wanted in b"\0" + _argv(pid)]

    def executors(self) -> list[int]:
        """Outside process ids of the detached executors that run now."""
        return self.running("hygiene_core.executor.main", "apply")

    def await_end(self, seconds: float = _END_SECONDS) -> None:
        """Wait until no executor runs. Raises LabFailure."""
        until = time.monotonic() + seconds
        while self.executors():
            if time.monotonic() > until:
                raise LabFailure(f"an executor goes on for ever: {self._told_of_runs()}")
            time.sleep(0.05)

    def _told_of_runs(self) -> str:
        """What the executors wait for, and the last lines of their journals."""
        waits = [_waits(pid) for pid in self.executors()]
        last = [path.read_bytes().splitlines()[-1:] for path in (self.acts / "runs").glob("*.jsonl")]
        return f"{waits} {last}"

    def kill_executors(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to every executor."""
        for pid in self.executors():
            os.kill(pid, how)

    def thaw_executors(self) -> None:
        """Let every executor go on that has stopped itself at a point."""
        self.kill_executors(signal.SIGCONT)


def _waits(pid: int) -> str:
    """The state of a process, what each thread waits for in the kernel, and what it has open."""
    proc = Path(f"/proc/{pid}")
    try:
        state = next(line for line in (proc / "status").read_text().splitlines() if line.startswith("State"))
        threads = [(one / "wchan").read_text() for one in (proc / "task").iterdir()]
        opened = [str(one.readlink()) for one in (proc / "fd").iterdir()]
    except OSError as error:
        return f"{pid}: {error}"
    return f"{pid}: {state}, threads in {threads}, open {opened}"


def _argv(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
