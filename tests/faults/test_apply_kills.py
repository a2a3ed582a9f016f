"""An apply is killed, at every named point and at random moments: then `settle` says what is true.

`HYGIENE_SOAK_APPLY_KILLS` sets the number of random moments; `nox -s soak` runs the full campaign. The seed
is printed and can be given as `HYGIENE_SEED`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hygiene_core.executor.failpoint import POINTS, VARIABLE
from tests.faults.apply_scene import check_truth, furnish, host_with_kit, retirement
from tests.lab import images
from tests.lab.kit import Kit

pytestmark = pytest.mark.lab("engine")

KILLS = int(os.environ.get("HYGIENE_SOAK_APPLY_KILLS", "3"))
ENGINES = ["stable", "testing"] if "HYGIENE_SOAK_APPLY_KILLS" in os.environ else ["stable"]
SEED = int(os.environ.get("HYGIENE_SEED", random.randrange(10**6)))


@pytest.fixture(scope="module", params=ENGINES)
def kit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    with host_with_kit(request.param, f"kills-{request.param}") as made:
        yield made


def fill_cache(kit: Kit) -> None:
    """Build cache over its budget, old enough to go; the first large prune was approved once and for all."""
    for number in range(3):
        files = {"f": os.urandom(2**20), "g": bytes([number])}
        kit.host.docker("rmi", images.build(kit.host, "FROM scratch\nCOPY f /f\nCOPY g /g\n", files=files))
    (kit.acts / "pruned").mkdir(parents=True, exist_ok=True)
    (kit.acts / "pruned/embedded").touch()
    time.sleep(1.2)


def settle(kit: Kit) -> None:
    """Wait for whatever still runs, settle what is open, and see that the next apply is not refused."""
    kit.await_end()
    kit.hygiene("settle", status=0)
    check_truth(kit)
    kit.hygiene("settle", status=0)


def start_retirement(kit: Kit) -> str:
    furnish(kit.host, 4)
    return retirement(kit)[0]


@pytest.fixture(autouse=True)
def _from_a_settled_host(kit: Kit) -> None:
    """One test that fails leaves nothing to the next."""
    kit.hygiene("settle", status=0)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_point(kit: Kit, point: str):
    digest = start_retirement(kit)
    done = kit.hygiene("apply", "--plan", digest, env={VARIABLE: f"{point}=kill"})
    assert list((kit.acts / "runs").glob("*.jsonl"))
    if point in {"after-ended", "after-sealed"}:
        assert done.returncode == 0, done.stderr  # it had ended: only its record is made up for
    else:
        # Before its first word it leaves its front end without an answer.
        assert done.returncode == (7 if point == "after-began" else 4), done.stderr
        refused = kit.hygiene("apply", "--mode", "bounded", status=3)
        assert "refused [UNSETTLED]" in refused.stderr
        assert "hygiene settle" in refused.stderr
    settle(kit)


@pytest.mark.parametrize("point", ["after-intent", "after-recheck", "after-act", "after-outcome"])
def test_a_prune_killed_at_every_point(kit: Kit, point: str):
    fill_cache(kit)
    done = kit.hygiene("apply", "--mode", "bounded", env={VARIABLE: f"{point}=kill"})
    assert done.returncode == 4, done.stderr
    settle(kit)


@pytest.mark.parametrize("point", ["after-intent:2", "after-recheck:3", "after-act:1"])
def test_the_engine_is_killed_at_a_point(kit: Kit, point: str):
    """F7: the executor waits at the point, and finds the Engine gone when it goes on."""
    digest = start_retirement(kit)
    front = kit.start("apply", "--plan", digest, env={VARIABLE: f"{point}=freeze"})
    await_stopped(kit)
    kit.host.kill_engine()
    kit.kill_executors(signal.SIGCONT)
    front.communicate(timeout=120)
    assert front.returncode == 4
    kit.await_end()
    kit.host.start_engine()
    start_keeper(kit)
    settle(kit)


def test_random_moments(kit: Kit):
    """SIGKILL of the executor, of the front end and of dockerd, at moments drawn at random."""
    print(f"HYGIENE_SEED={SEED}")
    moments = random.Random(SEED)
    for number in range(KILLS // len(ENGINES)):
        whom = ("executor", "front", "engine")[number % 3]
        bounded = moments.random() < 0.4
        if bounded:
            fill_cache(kit)
            words = ["--mode", "bounded"]
        else:
            words = ["--plan", start_retirement(kit)]
        front = kit.start("apply", *words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = moments.uniform(0.5, 5.0)
        print(f"{number}: {words[0]}, the {whom} is killed after {seconds:.2f} s", flush=True)
        time.sleep(seconds)
        if whom == "front":
            for pid in kit.running("hygiene_core", "apply"):
                os.kill(pid, signal.SIGKILL)
        elif whom == "executor":
            kit.kill_executors()
        else:
            kit.host.kill_engine()
        front.wait(timeout=120)
        kit.await_end()
        if whom == "engine":
            kit.host.start_engine()
            start_keeper(kit)
        settle(kit)


def await_stopped(kit: Kit) -> None:
    """Until an executor has stopped itself at its point."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for pid in kit.executors():
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                return
        time.sleep(0.05)
    raise AssertionError("no executor came to its point")


def await_asked(kit: Kit) -> None:
    """Until SIGTERM waits for the executor, which is frozen."""
    (pid,) = kit.executors()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        told = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        if int(told["ShdPnd"], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.05)
    raise AssertionError("nobody asked the executor to stop")


def start_keeper(kit: Kit) -> None:
    """A killed Engine comes back with its containers stopped: that is not the kit's doing."""
    with kit.host.api() as api:
        api.post("/containers/keeper/start")


def test_sigterm_stops_it_after_the_step_and_settles(kit: Kit):
    """F19."""
    digest = start_retirement(kit)
    front = kit.start("apply", "--plan", digest, "--format", "json", env={VARIABLE: "after-intent:2=freeze"})
    await_stopped(kit)
    for pid in kit.running("hygiene_core", "apply"):
        os.kill(pid, signal.SIGTERM)
    await_asked(kit)
    kit.kill_executors(signal.SIGCONT)
    out, said = front.communicate(timeout=60)
    assert front.returncode == 143, said
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["outcome"] for one in told if one["k"] == "settled"] == ["removed"] * 2
    assert next(one["why"] for one in told if one["k"] == "halted") == "STOPPED"
    check_truth(kit)
    assert not kit.executors()
