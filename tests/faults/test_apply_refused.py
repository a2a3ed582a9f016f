"""Around a plan something is wrong with the Engine, its data root or the clock.

F9, F10, F11, F14, F28 and F29: what is said, with which status, and that nothing is gone.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
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


ASK_ALL = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from hygiene_core.executor.main import main
calls, told = json.load(sys.stdin), []
for words, sent in calls:
    sys.argv, sys.stdin = ["hygiene-executor", *words], io.TextIOWrapper(io.BytesIO(sent.encode()))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
        try:
            main()
        except SystemExit as end:
            told.append([end.code, said.getvalue()])
json.dump(told, sys.stdout)
"""
"""The executor, asked one thing after the other."""

TAIL = "Nothing was removed. Make a new plan: hygiene plan --help"


@dataclass(frozen=True, slots=True)
class Good:
    """A plan of one image that nothing is against, and the yes to it."""

    digest: str
    text: str

    @property
    def plan(self) -> dict:
        return json.loads(self.text)

    @property
    def made_at(self) -> datetime:
        return datetime.fromisoformat(self.plan["made_at"])

    @property
    def yes(self) -> dict:
        until = self.plan["expires_at"]
        return {"k": "approval", "digest": self.digest, "items": [1], "until": until, "reason": "a test"}


@pytest.fixture(scope="module")
def whole_kit() -> Iterator[Kit]:
    with host_with_kit("stable", "refused-stable") as made:
        yield made


@pytest.fixture(scope="module")
def good(whole_kit: Kit) -> Good:
    """It is never applied."""
    whole_kit.configure(POLICY)
    whole_kit.allow(*VERBS)
    furnish(whole_kit.host, 1, prefix="good")
    digest, _ = retirement(whole_kit, "name:good-*", "verdict:retained")
    return Good(digest, (whole_kit.control / "plans" / f"{digest}.json").read_text())


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


def stage(kit: Kit, staged: dict, **options) -> subprocess.CompletedProcess[str]:
    return kit.executor("stage", sent=json.dumps(staged), **options)


def edited(plan: dict, **change) -> str:
    """A plan as somebody wrote it anew who knows how it is stored."""
    return json.dumps(plan | change, indent=1, ensure_ascii=False) + "\n"


def last_of(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.splitlines()[-1]


# -- the Engine ----------------------------------------------------------------------------------------------


def restarted_at(kit: Kit, digest: str, point: str, *, status: int) -> list[dict]:
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
        assert front.returncode == status, said
        assert not relay.armed
    start_keeper(kit)
    kit.allow(*VERBS)
    return [json.loads(line) for line in out.splitlines()]


def test_an_engine_that_restarts_within_a_look(kit: Kit):
    """F9: what the one told and what the other told is no inventory; nothing is removed by it.

    In the look after it, what is left can be told from what the newer one has; it is noted.
    """
    furnish(kit.host, 2)
    digest, plan = retirement(kit)
    before = objects(kit)
    told = restarted_at(kit, digest, "after-gate", status=4)
    assert [(one["why"], one["detail"]) for one in told if one["k"] == "halted"] == [
        ("INVENTORY_INCOMPLETE", f"not everything could be seen: engine: {RESTARTED}")
    ]
    assert not [one for one in told if one["k"] in {"intended", "settled"}]
    assert objects(kit) == before
    check_truth(kit)

    told = restarted_at(kit, digest, "before-verify", status=0)  # the plan was not spent
    assert set(outcomes(told).values()) == {("removed", None)}
    (verified,) = [one for one in told if one["k"] == "verified"]
    assert f"images was not complete afterwards: {RESTARTED}" in verified["notes"]
    assert verified["problems"] == []
    assert set(before) - set(objects(kit)) == {action["id"] for action in plan["actions"]}
    check_truth(kit)


def test_no_engine_and_one_that_may_not_be_asked_are_two_things(kit: Kit, good: Good):
    """F10."""
    before = objects(kit)
    nowhere = kit.host.shared / "none.sock"
    absent = f"failed [ENGINE_UNREACHABLE]: There is no Engine socket at {nowhere}."
    lead_to(kit, nowhere, "hygiene.toml", "host.toml")
    planned = kit.hygiene("plan", "--mode", "retirement", status=6)
    assert last_of(planned).startswith(f"{absent} Nothing can be planned.")
    assert planned.stdout == ""
    done = kit.hygiene("apply", "--plan", good.digest, status=6)
    assert last_of(done).startswith(f"{absent} Nothing was removed.")

    kit.configure(POLICY)
    words = (*NOBODY, sys.executable, "-m", "hygiene_core", "plan", "--mode", "retirement")
    with tempfile.TemporaryDirectory() as state:
        Path(state).chmod(0o777)
        planned = kit.run(*words, env={"HYGIENE_STATE_DIR": state}, status=6)
        assert not list(Path(state).rglob("plans/*"))
    assert last_of(planned).startswith(
        f"failed [ENGINE_PERMISSION]: This user may not open the Engine's socket {kit.host.socket}."
        " Nothing can be planned."
    )
    assert objects(kit) == before
    check_truth(kit)


def test_an_api_that_is_too_old(kit: Kit, good: Good):
    """F11: 1.41 is read and nothing is removed through it, below it nothing is even read."""
    before = objects(kit)
    for api, status in (("1.40", 6), ("1.41", 3)):
        old = fake_engine.VERSION | {"ApiVersion": api, "MinAPIVersion": "1.12"}
        with FakeEngine({"/version": reply(old)}) as engine:
            lead_to(kit, engine.path, "hygiene.toml", "host.toml")
            planned = kit.hygiene("plan", "--mode", "retirement", status=status)
            assert "API_TOO_OLD" in last_of(planned)
            engine.asked.clear()
            done = kit.hygiene("apply", "--plan", good.digest, status=6)
            assert engine.asked == ["/version"]
        kit.configure(POLICY)
        kit.allow(*VERBS)
        assert last_of(done).startswith("failed [API_TOO_OLD]: ")
        assert " Nothing was removed." in last_of(done)
    assert objects(kit) == before
    check_truth(kit)


# -- its data root -------------------------------------------------------------------------------------------


def test_a_data_root_that_is_read_only_ends_the_run_after_equal_failures(kit: Kit):
    """F14: three steps fail alike, the rest is not tried."""
    with kit.host.api() as api:
        for number in range(5):
            images.volume(api, f"dull-{number}")
    digest, plan = retirement(kit, "name:dull-*", "verdict:retained")
    assert len(plan["actions"]) == 5
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


# -- the clock -----------------------------------------------------------------------------------------------


def test_a_clock_that_went_back_or_ahead(kit: Kit, good: Good):
    """F28: no age can be believed, so nothing is planned; a plan from the future is not applied."""
    before = objects(kit)
    stage(kit, {"k": "plan", "plan": good.text}, status=0)
    done = shifted(kit, -1, "apply", good.digest, executor=True, status=3)
    assert done.stderr == (
        f"refused [CLOCK_SUSPECT]: the plan was made at {good.made_at:%F %T}Z, which is not yet. {TAIL}\n"
    )
    for days in (1, -366):  # the last look was recorded tomorrow, or more than a year ago
        env = {"HYGIENE_STATE_DIR": str(kit.folder / f"clock{days}")}
        shifted(kit, days, "report", env=env, status=0)
        done = kit.hygiene("apply", "--mode", "bounded", env=env, status=3)
        assert last_of(done).startswith("refused [PLAN_BLOCKED]: ")
        assert "(CLOCK_SUSPECT). Nothing was removed." in last_of(done)
    env = {"HYGIENE_STATE_DIR": str(kit.folder / "clock1")}  # a look in between makes it no better
    planned = kit.hygiene("plan", "--mode", "retirement", "--format", "json", env=env, status=3)
    assert "(CLOCK_SUSPECT). Nothing was removed." in last_of(planned)
    assert [one["code"] for one in json.loads(planned.stdout)["blockers"]] == ["CLOCK_SUSPECT"]
    assert objects(kit) == before
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

    kit.configure(f'{POLICY}[hosts.lab.ages]\ndangling_image = "168h"\n')
    env = {"HYGIENE_STATE_DIR": str(kit.folder / "odd")}
    shown = json.loads(shifted(kit, -20, "report", "--format", "json", env=env, status=0).stdout)
    verdicts = {one["id"]: one["verdict"] for one in shown["resources"]}
    assert {verdicts[one] for one in made} == {"retained"}  # it has just been seen for the first time
    words = ("plan", "--mode", "retirement", "--format", "json", "--select", "kind:image")
    plan = json.loads(kit.hygiene(*words, env=env, status=0).stdout)
    assert {one["id"] for one in plan["actions"]} == set(made)
    assert objects(kit) == before


# -- what is handed in ---------------------------------------------------------------------------------------

UNREADABLE = "refused [PLAN_CHANGED]: this is no plan that this kit can read: "
USAGE = "refused [USAGE]: "


def another(plan: dict, *ids: str) -> list[dict]:
    """The first step of a plan once for each id."""
    return [plan["actions"][0] | {"number": number, "id": one} for number, one in enumerate(ids, 1)]


NO_PLANS: dict[str, tuple[Callable[[dict], str], str]] = {
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
NO_YES: dict[str, tuple[dict, str]] = {
    "B14 a part more": (
        {"except": [1]},
        "this kit does not know the part 'except' of what was sent. Nothing was kept.",
    ),
    "B17 no reason": ({"reason": ""}, "an approval needs a reason. Nothing was approved."),
    "B17 two lines": ({"reason": "a\nb"}, "the reason has to be one line of text. Nothing was approved."),
    "B18 over": (
        {"until": "2026-05-04T08:00:00Z"},
        "the approval is over already. Nothing was approved.",
    ),
    "B18 the year 9999": (
        {"until": "9999-12-31T00:00:00Z"},
        "an approval lasts at most 31 days. Nothing was approved.",
    ),
    "B18 no zone": (
        {"until": "2999-05-04T08:00:00"},
        "the end of the approval has no time zone. Nothing was approved.",
    ),
    "B19 a step twice": ({"items": [1, 1]}, "the approval names a step twice. Nothing was approved."),
}
SPELLED: dict[str, Callable[[str], str]] = {
    "B16 capitals": str.upper,
    "B16 the beginning": lambda digest: digest[:12],
}

Call = tuple[list[str], str]


def calls_of(good: Good) -> dict[str, list[Call]]:
    """What is asked of the executor: words and stdin. The last that it is asked has to be refused."""
    made: dict[str, list[Call]] = {}
    for name, (write, _) in NO_PLANS.items():
        text = write(good.plan)
        digest = hashlib.sha256(text.encode()).hexdigest()
        made[name] = [(["stage"], json.dumps({"k": "plan", "plan": text})), (["apply", digest], "")]
    for name, (change, _) in NO_YES.items():
        made[f"yes: {name}"] = [(["stage"], json.dumps(good.yes | change))]
    for name, spell in SPELLED.items():
        made[name] = [(["apply", spell(good.digest)], "")]
    return made


@pytest.fixture(scope="module")
def answers(whole_kit: Kit, good: Good) -> dict[str, tuple[int, str]]:
    """The status and the line that each of them ends with; all are asked of one process, to save time."""
    calls = calls_of(good)
    sent = json.dumps([one for case in calls.values() for one in case])
    told = iter(json.loads(whole_kit.run(sys.executable, "-c", ASK_ALL, sent=sent, status=0).stdout))
    ended = {}
    for name, case in calls.items():
        found = [next(told) for _ in case]
        ended[name] = tuple(next((one for one in found if one[0]), found[-1]))
    return ended


@pytest.mark.parametrize("name", NO_PLANS)
def test_a_plan_that_is_none(answers: dict[str, tuple[int, str]], good: Good, name: str):
    line = NO_PLANS[name][1].replace("ID", good.plan["actions"][0]["id"])
    assert answers[name] == (3, f"{line}\n")


@pytest.mark.parametrize("name", NO_YES)
def test_a_yes_that_is_none(answers: dict[str, tuple[int, str]], name: str):
    assert answers[f"yes: {name}"] == (2, f"{USAGE}{NO_YES[name][1]}\n")


@pytest.mark.parametrize("name", SPELLED)
def test_another_spelling_of_a_digest_is_no_plan(answers: dict[str, tuple[int, str]], good: Good, name: str):
    said = f"{SPELLED[name](good.digest)!r} is no digest: 64 characters of 0-9 and a-f. Nothing was done."
    assert answers[name] == (2, f"refused [UNKNOWN_PLAN]: {said}\n")


@pytest.mark.usefixtures("answers")
def test_what_was_refused_left_nothing_behind(kit: Kit, good: Good):
    before = objects(kit)
    assert good.plan["actions"][0]["id"] in before
    assert len(list((kit.acts / "approvals" / good.digest).iterdir())) == 1
    assert not list((kit.acts / "spent").glob(good.digest))
    done = kit.hygiene("apply", "--plan", good.digest.upper(), status=2)
    assert last_of(done) == (
        f"refused [UNKNOWN_PLAN]: no plan has a digest that begins with {good.digest.upper()!r}."
        " See: hygiene plan --help"
    )
    check_truth(kit)


def test_an_approver_without_a_name_is_a_fault_of_the_rules(kit: Kit, good: Good):
    """B17."""
    kit.allow(*VERBS, approvers=["root", ""])
    done = kit.executor("apply", good.digest, status=3)
    assert done.stderr == (
        "refused [HOST_RULES]: /etc/hygiene/host.toml, which says what this host allows, cannot be used:"
        " line 6: approvers[1]: is empty. Nothing was removed."
        " How to write it: docs/guides/allow-removal.md\n"
    )


def test_an_identity_that_is_none_is_refused_step_by_step(kit: Kit, good: Good):
    """B20: a plan with such ids cannot be made by the kit, but it can be written."""
    ids = ("-f", "a;rm", "../x", "UPPER:1", "", "sha256:" + "A" * 64)
    text = edited(good.plan, actions=another(good.plan, *ids))
    digest = json.loads(stage(kit, {"k": "plan", "plan": text}, status=0).stdout)["digest"]
    numbers = list(range(1, len(ids) + 1))
    stage(kit, good.yes | {"digest": digest, "items": numbers}, status=0)
    (kit.control / "plans" / f"{digest}.json").write_text(text)
    before = objects(kit)
    told = applied(kit, digest, status=4)
    assert {number: one for number, (one, _) in outcomes(told).items()} == dict.fromkeys(numbers, "refused")
    assert objects(kit) == before
    check_truth(kit)
