"""Around a plan something is wrong with the Engine, its data root or the clock.

F9, F10, F11, F14, F28 and F29: what is said, with which status, and that nothing is gone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hygiene_core.executor.failpoint import VARIABLE
from tests.faults import fake_engine
from tests.faults.apply_scene import POLICY, VERBS, check_truth, furnish, host_with_kit, retirement
from tests.faults.fake_engine import FakeEngine, reply
from tests.faults.relay import Relay
from tests.faults.test_apply_changes import applied, objects, outcomes
from tests.faults.test_apply_kills import await_stopped, start_keeper
from tests.lab import images
from tests.lab.images import ImageSpec
from tests.lab.kit import Kit

pytestmark = pytest.mark.lab("engine")

RESTARTED = "the connection held open to the Engine was closed: it may have been restarted while it was read"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SHIFTED = """
import sys
from datetime import timedelta
from hygiene_core import clock
real, off = clock.utc_now, timedelta(days=float(sys.argv.pop(1)))
clock.utc_now = lambda: real() + off
from {module} import main
main()
"""
"""The kit on a clock that is some days off."""


@pytest.fixture(scope="module")
def whole_kit() -> Iterator[Kit]:
    with host_with_kit("stable", "refused-stable") as made:
        yield made


@pytest.fixture
def kit(whole_kit: Kit) -> Kit:
    """One test that fails leaves nothing to the next."""
    whole_kit.configure(POLICY)
    whole_kit.allow(*VERBS)
    return whole_kit


def lead_to(kit: Kit, socket: str | Path, *files: str) -> None:
    """Let the configuration, or the host's own rules, name another socket."""
    for name in files:
        path = kit.etc / "hygiene" / name
        path.write_text(path.read_text().replace(f"unix://{kit.host.socket}", f"unix://{socket}"))


def shifted(kit: Kit, days: float, *words: str, executor: bool = False, **options):
    """A command of the kit whose clock is so many days off."""
    module = "hygiene_core.executor.main" if executor else "hygiene_core.__main__"
    return kit.run(sys.executable, "-c", SHIFTED.format(module=module), str(days), *words, **options)


def last_of(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1]


# -- the Engine ----------------------------------------------------------------------------------------------


def restarted_at(kit: Kit, digest: str, point: str) -> tuple[list[dict], str]:
    """Apply; the Engine restarts between two reads of the next look after that point."""

    def restart() -> None:
        kit.host.kill_engine()
        kit.host.start_engine()

    with Relay(kit.host.socket, restart) as relay:
        lead_to(kit, relay.path, "host.toml")
        front = kit.start("apply", "--plan", digest, "--format", "json", env={VARIABLE: f"{point}=freeze"})
        await_stopped(kit)
        relay.arm()
        kit.thaw_executors()
        out, said = front.communicate(timeout=120)
        assert front.returncode == 4, said
        kit.await_end()
        assert not relay.armed
    start_keeper(kit)
    kit.allow(*VERBS)
    return [json.loads(line) for line in out.splitlines()], said


def test_an_engine_that_restarts_within_the_look_before_ends_the_run(kit: Kit):
    """F9: what the one Engine told and what the other told is no inventory."""
    furnish(kit.host, 2)
    digest, plan = retirement(kit)
    before = objects(kit)
    told, said = restarted_at(kit, digest, "after-gate")
    assert objects(kit) == before
    assert [(one["why"], one["detail"]) for one in told if one["k"] == "halted"] == [
        ("INVENTORY_INCOMPLETE", f"not everything could be seen: engine: {RESTARTED}")
    ]
    assert not [one for one in told if one["k"] in {"intended", "settled"}]
    assert "INVENTORY_INCOMPLETE" in said
    check_truth(kit)
    assert set(outcomes(applied(kit, digest)).values()) == {("removed", None)}  # the plan was not spent
    assert set(before) - set(objects(kit)) == {action["id"] for action in plan["actions"]}
    check_truth(kit)


def test_an_engine_that_restarts_within_the_look_after_leaves_it_in_doubt(kit: Kit):
    """F9: what was removed is known; that nothing else is gone is not."""
    furnish(kit.host, 2)
    digest, plan = retirement(kit)
    before = objects(kit)
    told, _ = restarted_at(kit, digest, "before-verify")
    (verified,) = [one for one in told if one["k"] == "verified"]
    assert [one for one in verified["problems"] if RESTARTED in one]
    assert set(outcomes(told).values()) == {("removed", None)}
    assert set(before) - set(objects(kit)) == {action["id"] for action in plan["actions"]}
    check_truth(kit)


def test_no_engine_and_one_that_may_not_be_asked_are_two_things(kit: Kit, tmp_path: Path):
    """F10."""
    furnish(kit.host, 2)
    digest, _ = retirement(kit)
    before = objects(kit)
    nowhere = tmp_path / "none.sock"
    absent = f"failed [ENGINE_UNREACHABLE]: There is no Engine socket at {nowhere}."
    lead_to(kit, nowhere, "hygiene.toml", "host.toml")
    for mode in ("bounded", "retirement"):
        done = kit.hygiene("plan", "--mode", mode, status=6)
        assert last_of(done).startswith(f"{absent} Nothing can be planned.")
        assert done.stdout == ""
    done = kit.hygiene("apply", "--plan", digest, status=6)
    assert last_of(done).startswith(f"{absent} Nothing was removed.")
    assert objects(kit) == before
    kit.configure(POLICY)
    kit.allow(*VERBS)
    state = kit.folder / "of-nobody"
    state.mkdir()
    state.chmod(0o777)
    done = kit.run(
        *NOBODY,
        sys.executable,
        "-m",
        "hygiene_core",
        "plan",
        "--mode",
        "retirement",
        env={"HYGIENE_STATE_DIR": str(state)},
        status=6,
    )
    assert last_of(done).startswith(
        f"failed [ENGINE_PERMISSION]: This user may not open the Engine's socket {kit.host.socket}."
        " Nothing can be planned."
    )
    assert not list(state.rglob("plans/*"))
    assert objects(kit) == before
    assert set(outcomes(applied(kit, digest)).values()) == {("removed", None)}
    check_truth(kit)


@pytest.mark.parametrize("api", ["1.40", "1.41"])
def test_an_api_that_is_too_old(kit: Kit, api: str):
    """F11: 1.41 is read and never written to, below it nothing is even read."""
    furnish(kit.host, 1)
    digest, _ = retirement(kit)
    before = objects(kit)
    old = fake_engine.VERSION | {"ApiVersion": api, "MinAPIVersion": "1.12"}
    with FakeEngine({"/version": reply(old)}) as engine:
        lead_to(kit, engine.path, "hygiene.toml", "host.toml")
        planned = kit.hygiene("plan", "--mode", "retirement", status=6 if api == "1.40" else 3)
        assert "API_TOO_OLD" in last_of(planned)
        done = kit.hygiene("apply", "--plan", digest, status=6)
        assert last_of(done).startswith("failed [API_TOO_OLD]: ")
        assert " Nothing was removed." in last_of(done)
        assert {one.partition("?")[0] for one in engine.asked[-1:]} == {"/version"}
    assert objects(kit) == before
    check_truth(kit)


# -- its data root -------------------------------------------------------------------------------------------


def test_a_data_root_that_is_read_only_ends_the_run_after_equal_failures(kit: Kit):
    """F14: three steps fail alike, the rest is not tried."""
    furnish(kit.host, 12)
    words = ("name:victim-*", "kind:volume", "verdict:retained", "verdict:candidate")
    digest, plan = retirement(kit, *words)
    assert len(plan["actions"]) == 6
    before = objects(kit)
    volumes = "/var/lib/docker/volumes"  # the whole root cannot be remounted while the Engine writes to it
    kit.host.run("sh", "-c", f"mount --bind {volumes} {volumes} && mount -o remount,bind,ro {volumes}")
    try:
        told = applied(kit, digest, status=4)
    finally:
        kit.host.run("umount", volumes)
    settled = [one for one in told if one["k"] == "settled"]
    assert [(one["number"], one["outcome"], one["why"]) for one in settled] == [
        (number, "failed", "ENGINE") for number in (1, 2, 3)
    ]
    (halted,) = [one for one in told if one["k"] == "halted"]
    assert halted["why"] == "EQUAL_FAILURES"
    assert halted["detail"].startswith("3 steps failed alike: ")
    assert "read-only file system" in halted["detail"]
    assert objects(kit) == before
    check_truth(kit)
    assert "refused [PLAN_SPENT]" in kit.hygiene("apply", "--plan", digest, status=3).stderr
    digest, _ = retirement(kit)
    assert {one for one, _ in outcomes(applied(kit, digest)).values()} == {"removed"}
    check_truth(kit)


# -- the clock -----------------------------------------------------------------------------------------------


def test_a_clock_that_went_back_or_ahead(kit: Kit):
    """F28: no age can be believed, so nothing is planned; a plan from the future is not applied."""
    furnish(kit.host, 2)
    digest, _ = retirement(kit)
    before = objects(kit)
    staged = {"k": "plan", "plan": (kit.control / "plans" / f"{digest}.json").read_text()}
    kit.executor("stage", sent=json.dumps(staged), status=0)
    done = shifted(kit, -1, "apply", digest, executor=True, status=3)
    (refused,) = json.loads(done.stdout).values()
    assert refused["code"] == "CLOCK_SUSPECT"
    assert refused["message"].endswith("which is not yet. Nothing was removed.")
    for days in (1, -366):  # the last look was recorded tomorrow, or more than a year ago
        env = {"HYGIENE_STATE_DIR": str(kit.folder / f"clock{days}")}
        shifted(kit, days, "report", env=env, status=0)
        for mode in ("bounded", "retirement"):
            planned = kit.hygiene("plan", "--mode", mode, "--format", "json", env=env, status=3)
            assert "refused [PLAN_BLOCKED]" in last_of(planned)
            assert "(CLOCK_SUSPECT). Nothing was removed." in last_of(planned)
            plan = json.loads(planned.stdout)
            assert [one["code"] for one in plan["blockers"]] == ["CLOCK_SUSPECT"]
        done = kit.hygiene("apply", "--mode", "bounded", env=env)
        assert (done.returncode, objects(kit)) == (0, before), done.stderr
    check_truth(kit)


def test_an_image_that_was_made_in_the_year_1_or_is_not_yet_made(kit: Kit):
    """F29: how old it is, only our own looks tell."""
    made = []
    for number, at in enumerate(("0001-01-01T00:00:00Z", "2999-01-01T00:00:00Z")):
        content = images.layer({"f": b"odd%d" % number * 2000})
        spec = ImageSpec((f"odd-{number}:1",), (content,), {}, created_at=at)
        images.load(kit.host, [spec])
        with kit.host.api() as api:
            made.append(api.get(f"/images/odd-{number}:1/json")["Id"])
            images.load(kit.host, [ImageSpec((f"odd-{number}:1",), (images.layer({"g": b"x"}),), {})])
    before = objects(kit)
    assert [before[one] for one in made] == [(), ()]  # dangling: only their age keeps them

    def planned(state: str) -> set[str]:
        env = {"HYGIENE_STATE_DIR": str(kit.folder / state)}
        words = ("plan", "--mode", "retirement", "--format", "json", "--select", "kind:image")
        plan = json.loads(kit.hygiene(*words, env=env, status=0).stdout)
        return {one["id"] for one in plan["actions"]} & set(made)

    assert planned("odd-new") == set()
    env = {"HYGIENE_STATE_DIR": str(kit.folder / "odd-old")}
    shifted(kit, -20, "report", env=env, status=0)
    assert planned("odd-old") == set(made)
    assert objects(kit) == before


# -- what is handed in ---------------------------------------------------------------------------------------


def edited(plan: dict, **change) -> str:
    """A plan as somebody wrote it anew who knows how it is stored."""
    return json.dumps(plan | change, indent=1, ensure_ascii=False) + "\n"


def another(plan: dict, *ids: str) -> list[dict]:
    """The first step of a plan once for each id."""
    return [plan["actions"][0] | {"number": number, "id": one} for number, one in enumerate(ids, 1)]


UNREADABLE = "refused [PLAN_CHANGED]: this is no plan that this kit can read: "
TAIL = "Nothing was removed. Make a new plan: hygiene plan --help"
NO_PLANS = {
    "B13 cut short": (lambda plan: edited(plan)[:-200], f"{UNREADABLE}1 validation error for Plan. {TAIL}"),
    "B14 a part more": (
        lambda plan: edited(plan, force=True),
        f"{UNREADABLE}it has parts that this kit does not know. {TAIL}",
    ),
    "B15 a newer one": (
        lambda plan: edited(plan, version=2),
        f"refused [PLAN_CHANGED]: the plan is of version 2, not 1. {TAIL}",
    ),
    "B18 over": (
        lambda plan: edited(plan, expires_at="2026-05-04T08:00:00Z"),
        f"refused [PLAN_EXPIRED]: the plan could be applied until 2026-05-04 08:00:00Z. {TAIL}",
    ),
    "B18 no zone": (
        lambda plan: edited(plan, expires_at="2999-05-04T08:00:00"),
        f"{UNREADABLE}its times have no zone. {TAIL}",
    ),
    "B19 the same twice": (
        lambda plan: edited(plan, actions=another(plan, *[plan["actions"][0]["id"]] * 2)),
        f"refused [PLAN_CHANGED]: the plan names image ID twice. {TAIL}",
    ),
}


@pytest.fixture(scope="module")
def good(whole_kit: Kit) -> tuple[str, dict]:
    """A plan of one image that nothing is against."""
    whole_kit.configure(POLICY)
    whole_kit.allow(*VERBS)
    furnish(whole_kit.host, 1, prefix="victim-good")
    return retirement(whole_kit, "name:victim-good*", "verdict:retained")


def stage(kit: Kit, staged: dict, **options) -> subprocess.CompletedProcess[str]:
    return kit.executor("stage", sent=json.dumps(staged), **options)


@pytest.mark.parametrize(("made", "line"), NO_PLANS.values(), ids=NO_PLANS)
def test_a_plan_that_is_none(kit: Kit, good: tuple[str, dict], made, line: str):
    plan = good[1]
    before = objects(kit)
    done = stage(kit, {"k": "plan", "plan": made(plan)})
    if done.returncode == 0:  # it can be read, and is refused when it is to be applied
        done = kit.executor("apply", json.loads(done.stdout)["digest"])
    assert (done.returncode, done.stderr) == (3, line.replace("ID", plan["actions"][0]["id"]) + "\n")
    assert objects(kit) == before
    check_truth(kit)


YES = {"k": "approval", "items": [1], "until": "+1", "reason": "a test"}
NO_YES = {
    "B14 a part more": ({"except": [1]}, "this kit does not know the part 'except' of what was sent", "kept"),
    "B17 no reason": ({"reason": ""}, "an approval needs a reason", "approved"),
    "B17 two lines": ({"reason": "a\nb"}, "the reason has to be one line of text", "approved"),
    "B18 over": ({"until": "2026-05-04T08:00:00Z"}, "the approval is over already", "approved"),
    "B18 the year 9999": (
        {"until": "9999-12-31T00:00:00Z"},
        "an approval lasts at most 31 days",
        "approved",
    ),
    "B18 no zone": ({"until": "2999-05-04T08:00:00"}, "the end of the approval has no time zone", "approved"),
    "B19 a step twice": ({"items": [1, 1]}, "the approval names a step twice", "approved"),
}


@pytest.mark.parametrize(("change", "said", "what"), NO_YES.values(), ids=NO_YES)
def test_a_yes_that_is_none(kit: Kit, good: tuple[str, dict], change: dict, said: str, what: str):
    digest, plan = good
    given = list((kit.acts / "approvals" / digest).iterdir())
    done = stage(kit, YES | {"digest": digest, "until": plan["expires_at"]} | change)
    assert (done.returncode, done.stderr) == (2, f"refused [USAGE]: {said}. Nothing was {what}.\n")
    assert list((kit.acts / "approvals" / digest).iterdir()) == given


def test_an_approver_without_a_name_is_a_fault_of_the_rules(kit: Kit, good: tuple[str, dict]):
    """B17."""
    for name, said in (("", "is empty"), ("root\\n", '"root\\n" has a character that cannot be printed')):
        kit.allow(*VERBS, approvers=[name])
        done = kit.executor("apply", good[0], status=3)
        assert done.stderr == (
            "refused [HOST_RULES]: /etc/hygiene/host.toml, which says what this host allows, cannot be used:"
            f" line 6: approvers[0]: {said}. Nothing was removed."
            " How to write it: docs/guides/allow-removal.md\n"
        )


def test_another_spelling_of_a_digest_is_no_plan(kit: Kit, good: tuple[str, dict]):
    """B16."""
    digest = good[0]
    before = objects(kit)
    for other in (digest.upper(), digest[:12]):
        done = kit.executor("apply", other, status=2)
        assert done.stderr == (
            f"refused [UNKNOWN_PLAN]: {other!r} is no digest: 64 characters of 0-9 and a-f."
            " Nothing was done.\n"
        )
    done = kit.hygiene("apply", "--plan", digest.upper(), status=2)
    assert last_of(done) == (
        f"refused [UNKNOWN_PLAN]: no plan has a digest that begins with {digest.upper()!r}."
        " See: hygiene plan --help"
    )
    assert objects(kit) == before


def test_an_identity_that_is_none_is_refused_step_by_step(kit: Kit, good: tuple[str, dict]):
    """B20: a plan with such ids cannot be made by the kit, but it can be written."""
    ids = ("-f", "a;rm", "../x", "UPPER:1", "", "sha256:" + "A" * 64)
    text = edited(good[1], actions=another(good[1], *ids))
    digest = json.loads(stage(kit, {"k": "plan", "plan": text}, status=0).stdout)["digest"]
    until = good[1]["expires_at"]
    numbers = list(range(1, len(ids) + 1))
    stage(kit, YES | {"digest": digest, "items": numbers, "until": until}, status=0)
    (kit.control / "plans" / f"{digest}.json").write_text(text)
    before = objects(kit)
    told = applied(kit, digest, status=4)
    assert {number: one for number, (one, _) in outcomes(told).items()} == dict.fromkeys(numbers, "refused")
    assert objects(kit) == before
    check_truth(kit)
