"""A runner and a run cache on a real filesystem, planned by the real probes and rules, and removed for real.

As a program it removes one planned directory in a process of its own, which a test can confine or kill:
`python -m tests.faults.directory_scene JSON`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hygiene_core.decide.classify import classify
from hygiene_core.decide.plan.retirement import retire_actions
from hygiene_core.decide.plan.room import Room
from hygiene_core.decide.remember import gather, resources_of
from hygiene_core.host.actions.directories import drift_of, remove
from hygiene_core.host.actions.ground import Ground, Point
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.probes.run_caches import read_run_caches
from hygiene_core.host.probes.runners import read_runners
from hygiene_core.model.act import Acted
from hygiene_core.model.codec import adapter, decode, encode
from hygiene_core.model.known import Known, Memory
from hygiene_core.model.plan import Action, Selection
from hygiene_core.model.policy import Ages, Bounds, Policy, RunCacheRoot, RunnerRoot
from hygiene_core.testing import observation

ROOT = Path(__file__).parents[2]
LATER = timedelta(days=60)
_DAY = timedelta(days=1)
OLD_LOG, OPEN_LOG = "Worker_20260101-000000-utc.log", "Runner_20260102-000000-utc.log"


@dataclass(frozen=True)
class Scene:
    """`lane` is a runner's root, `builds` the place of run caches."""

    lane: Path
    builds: Path

    @property
    def checkout(self) -> Path:
        return self.lane / "_work" / "odoo"

    @property
    def quarantine(self) -> Path:
        return self.lane / ".hygiene-quarantine"

    @property
    def allowed(self) -> tuple[str, ...]:
        return (str(self.lane), str(self.builds))

    def ground(
        self, at: dict[Point, Callable[[], object]] | None = None, seconds: float = 60, **more
    ) -> Ground:
        steps = at or {}
        return Ground(
            allowed=self.allowed,
            deadline=Deadline.after(timedelta(seconds=seconds)),
            reached=lambda point: steps.get(point, lambda: None)(),
            **more,
        )


def build(place: Path) -> Scene:
    """The tree. Nothing in it is younger than the other."""
    scene = Scene(place / "lane-1", place / "builds")
    for folder in (
        "_work/odoo/odoo/.git/objects",
        "_work/_tool/python",
        "_work/_temp",
        "_diag",
        "bin.2.319.1",
    ):
        (scene.lane / folder).mkdir(parents=True)
    (scene.lane / "bin").symlink_to("bin.2.319.1")
    (scene.lane / ".runner").write_text(json.dumps({"agentName": "one", "workFolder": "_work"}))
    (scene.checkout / "odoo" / "file").write_bytes(b"x" * 5000)
    (scene.checkout / "odoo" / "elsewhere").symlink_to(place / "outside")
    os.mkfifo(scene.checkout / "odoo" / "pipe")
    (place / "outside").mkdir()
    (place / "outside" / "precious").write_text("not yours")
    for log in (OLD_LOG, OPEN_LOG, "notes.txt"):
        (scene.lane / "_diag" / log).write_bytes(b"y" * 5000)
    for run in ("run-1", "run-2"):
        (scene.builds / run).mkdir(parents=True)
        (scene.builds / run / "blob").write_bytes(b"z" * 50_000)
        time.sleep(0.01)
    return scene


def plan(scene: Scene) -> dict[str, Action]:
    """What a plan made two months from now would remove, by id."""
    now = datetime.now(UTC) + LATER
    policy = Policy(
        source="test",
        digest="",
        ages=Ages(grace=7 * _DAY, runner_checkout=30 * _DAY, diagnostic_log=30 * _DAY),
        runner_roots=(RunnerRoot(name="lane-1", path=str(scene.lane)),),
        run_caches=(
            RunCacheRoot(
                name="builds", path=str(scene.builds), prefix="run-", high_water_bytes=2, low_water_bytes=1
            ),
        ),
    )
    limit = Deadline.after(timedelta(seconds=60))
    seen = read_runners({"lane-1": str(scene.lane)}, limit)
    caches = read_run_caches({"builds": (str(scene.builds), "run-")}, limit)
    assert not seen.problems + caches.problems
    held = observation(*seen.runners, *seen.workdirs, *caches.rows)
    memory = Memory(
        entries={
            (one.kind.value, one.id): Known(
                first_seen_at=now - LATER, idle_since_at=now - LATER, names=one.names
            )
            for one in resources_of(held)
        },
        last_run_at=now - _DAY,
    )
    context = gather(held, memory, policy, now)
    rows = classify(held, context)
    return {one.id: one for one in retire_actions(rows, context, Selection(), Room.of(Bounds()))}


@contextmanager
def worker(root: Path, name: str = "Runner.Worker") -> Iterator[subprocess.Popen[bytes]]:
    """A real process of that name, its program below a root."""
    program = root / "bin" / name
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"], cwd="/") as running:
        try:
            while Path(f"/proc/{running.pid}/comm").read_text().strip() != name[:15]:
                time.sleep(0.001)
            yield running
        finally:
            running.kill()


@contextmanager
def holding(code: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs Python code and then waits; the code sees its arguments in `argv`."""
    source = f"import sys; argv = sys.argv[1:]\n{code}\nprint('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", source, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/") as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == b"ready\n"
            yield running
        finally:
            running.kill()


def apart(
    scene: Scene,
    action: Action,
    *,
    before: str = "true",
    at: dict[Point, str] | None = None,
    kill: Point | None = None,
    verb: str = "remove",
) -> Acted | int:
    """Remove in a process of its own, in a mount namespace of its own; its outcome, or how it was killed.

    Args:
        scene: whose roots are allowed.
        action: what is removed.
        before: shell, run in that namespace first.
        at: shell, run when a point is reached.
        kill: the point at which it kills itself.
        verb: `remove` or `drift_of`.
    """
    order = {
        "action": encode(adapter(Action), action).decode(),
        "allowed": scene.allowed,
        "at": {point.value: code for point, code in (at or {}).items()},
        "kill": kill,
        "verb": verb,
    }
    inner = f'mount --make-rprivate / && {before} && exec "$@"'
    program = [sys.executable, "-m", "tests.faults.directory_scene", json.dumps(order)]
    ran = subprocess.run(
        ["unshare", "-m", "sh", "-c", inner, "sh", *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode < 0:
        return ran.returncode
    assert ran.returncode == 0, ran.stderr
    return decode(adapter(Acted), ran.stdout)


def main() -> None:
    """The process of `apart`."""
    order = json.loads(sys.argv[1])

    def reached(point: Point) -> None:
        if code := order["at"].get(point.value):
            subprocess.run(["sh", "-c", code], check=True)
        if order["kill"] == point.value:
            os.kill(os.getpid(), signal.SIGKILL)

    action = decode(adapter(Action), order["action"])
    limit = Deadline.after(timedelta(seconds=60))
    ground = Ground(allowed=tuple(order["allowed"]), deadline=limit, reached=reached)
    acted = {"remove": remove, "drift_of": drift_of}[order["verb"]](action, ground)
    sys.stdout.write(encode(adapter(Acted), acted).decode() if acted else "null")


def with_facts(action: Action, **facts: str | None) -> Action:
    """The same with other facts; `None` takes one away."""
    made = {key: value for key, value in (action.facts | facts).items() if value is not None}
    return replace(action, facts=made)


if __name__ == "__main__":
    main()
