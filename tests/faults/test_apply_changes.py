"""Between plan and apply the host changes, or the plan, or who asks: only what was picked goes, or nothing.

F1 to F6, F37, F38 and the second line of what was to be shown: 5 picked items out of 40.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.apply_scene import POLICY, VERBS, check_truth, furnish, host_with_kit, retirement
from tests.lab import images
from tests.lab.kit import Kit

pytestmark = pytest.mark.lab("engine")


@pytest.fixture(scope="module", params=["stable", "testing", "testing-containerd"])
def kit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    with host_with_kit(request.param, f"changes-{request.param}") as made:
        yield made


def objects(kit: Kit) -> dict[str, tuple[str, ...]]:
    """Everything on the host by id, with its names."""
    with kit.host.api() as api:
        return {
            **{one["Id"]: tuple(one["RepoTags"] or ()) for one in api.get("/images/json", all="1")},
            **{one["Id"]: tuple(one["Names"]) for one in api.get("/containers/json", all="1")},
            **{one["Name"]: (one["Name"],) for one in api.get("/volumes")["Volumes"] or ()},
        }


def applied(kit: Kit, digest: str, *, status: int = 0) -> list[dict]:
    done = kit.hygiene("apply", "--plan", digest, "--format", "json", status=status)
    return [json.loads(line) for line in done.stdout.splitlines()]


def outcomes(lines: list[dict]) -> dict[int, tuple[str, str | None]]:
    return {one["number"]: (one["outcome"], one["why"]) for one in lines if one["k"] == "settled"}


def test_five_picked_of_forty_go_and_nothing_else(kit: Kit):
    furnish(kit.host, 20)
    before = objects(kit)
    digest, plan = retirement(kit, items="1\n12\n23\n34\n40\n")
    assert len(plan["actions"]) == 40
    told = applied(kit, digest)
    picked = {plan["actions"][number - 1]["id"] for number in (1, 12, 23, 34, 40)}
    assert set(before) - set(objects(kit)) == picked
    assert set(outcomes(told).values()) == {("removed", None)}
    check_truth(kit)


def test_what_changed_since_the_plan_stays_and_the_rest_goes(kit: Kit):
    names = furnish(kit.host, 8)
    digest, plan = retirement(kit)
    by_name = {action["name"]: action for action in plan["actions"]}
    stopped = [action for action in plan["actions"] if action["kind"] == "container"]
    volumes = [action for action in plan["actions"] if action["kind"] == "volume"]
    with kit.host.api() as api:
        images.container(api, names[0], name="uses-it", state="created")  # F1
        moved = by_name[names[1]]
        repository, _, tag = names[2].partition(":")
        api.post(f"/images/{names[3]}/tag", repo=repository, tag=tag)  # F2: the tag leads to another image
        api.post(f"/images/{moved['id']}/tag", repo="second", tag="name")  # F3
        api.delete(f"/images/{names[4]}")  # F4
        api.post(f"/containers/{stopped[0]['id']}/start")  # F5: it runs, ends, and is not what it was
        images.container(
            api, images.BASE, name="mounts-it", state="created", binds=[f"{volumes[0]['id']}:/v"]
        )
    before = objects(kit)
    found = outcomes(applied(kit, digest))
    assert found[by_name[names[0]]["number"]] == ("skipped", "IN_USE")
    assert found[by_name[names[1]]["number"]] == ("skipped", "NEW_REFERENCE")
    assert found[by_name[names[2]]["number"]][0] == "skipped"
    assert found[by_name[names[3]]["number"]] == ("skipped", "NEW_REFERENCE")
    assert found[by_name[names[4]]["number"]][0] == "already_absent"
    assert found[stopped[0]["number"]][0] == "skipped"
    assert found[volumes[0]["number"]] == ("skipped", "IN_USE")  # F6
    gone = {
        plan["actions"][number - 1]["id"] for number, (outcome, _) in found.items() if outcome == "removed"
    }
    assert set(before) - set(objects(kit)) == gone
    assert len(gone) == len(plan["actions"]) - 7
    check_truth(kit)


def test_an_image_with_two_tags_goes_only_if_each_is_approved(kit: Kit):
    name = furnish(kit.host, 1)[0]
    with kit.host.api() as api:
        api.post(f"/images/{name}/tag", repo="victim-second", tag="name")
    digest, plan = retirement(kit, "name:" + name, "verdict:retained")
    assert set(outcomes(applied(kit, digest)).values()) == {("skipped", "MULTI_TAG")}
    references = plan["actions"][0]["references"]
    assert len(references) >= 2  # the containerd store names digests too
    digest, plan = retirement(kit, "name:" + name, "verdict:retained", items="1 " + " ".join(references))
    assert set(outcomes(applied(kit, digest)).values()) == {("removed", None)}
    check_truth(kit)


def refused(kit: Kit, digest: str, code: str, *, status: int = 3, **options) -> None:
    before = objects(kit)
    done = kit.hygiene("apply", "--plan", digest, status=status, **options)
    assert f"refused [{code}]" in done.stderr
    assert "Nothing was removed" in done.stderr
    assert objects(kit) == before


def test_a_plan_is_applied_once(kit: Kit):
    furnish(kit.host, 2)
    digest, _ = retirement(kit)
    applied(kit, digest)
    refused(kit, digest, "PLAN_SPENT")


def test_an_edited_plan_is_none(kit: Kit):
    furnish(kit.host, 2)
    digest, plan = retirement(kit)
    stored = kit.control / "plans" / f"{digest}.json"
    text = stored.read_text()
    stored.chmod(0o640)
    stored.write_text(text.replace(plan["actions"][0]["id"], "sha256:" + "0" * 64))
    refused(kit, digest, "PLAN_CHANGED")
    stored.write_text(text)
    staged = kit.acts / "plans" / f"{digest}.json"
    staged.chmod(0o640)
    staged.write_text(text.replace('"max_items": 5000', '"max_items": 4999'))
    refused(kit, digest, "PLAN_CHANGED")


def test_another_policy_another_host_another_user_or_no_approval(kit: Kit):
    furnish(kit.host, 2)
    digest, _ = retirement(kit)
    kit.configure(POLICY + '[hosts.lab.ages]\ngrace = "9d"\n')  # F38
    refused(kit, digest, "STALE_PLAN")
    kit.configure(POLICY)
    kit.allow("remove_volume")
    refused(kit, digest, "NOT_ALLOWED")
    kit.allow(*VERBS, more='[no_touch]\nimages = ["victim-*"]')
    refused(kit, digest, "NO_TOUCH")
    kit.allow(*VERBS, more="[ceilings]\nmax_items = 1")
    refused(kit, digest, "BUDGET_EXCEEDED")
    kit.allow(*VERBS, approvers=["somebody"])
    refused(kit, digest, "APPROVAL_MISSING")
    kit.allow(*VERBS)
    (kit.etc / "hygiene/host.toml").chmod(0o666)
    refused(kit, digest, "HOST_RULES")
    kit.allow(*VERBS).chmod(0o644)
    rules = kit.etc / "hygiene/host.toml"
    rules.write_text(rules.read_text().replace(kit.machine_id, "0" * 32))
    refused(kit, digest, "WRONG_HOST")
    mine = kit.etc / "machine-id"
    mine.write_text("0" * 32 + "\n")
    refused(kit, digest, "SECOND_STATE")
    mine.write_text(kit.machine_id + "\n")
    kit.allow(*VERBS)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = kit.run(*nobody, sys.executable, "-m", "hygiene_core.executor.main", "apply", digest, status=3)
    assert json.loads(done.stdout)["refused"]["code"] == "NOT_ROOT"
    approval = kit.hygiene("approvals", "--format", "json", status=0).stdout
    mine_only = [one for one in json.loads(approval) if one["plan"] == digest[:12]]
    kit.hygiene("revoke", mine_only[0]["approval"], "--reason", "a test", status=0)
    refused(kit, digest, "APPROVAL_MISSING")


def test_another_state_directory_is_the_same_host(kit: Kit, tmp_path: Path):
    """What was spent stays spent, whatever the configuration names as its state directory."""
    furnish(kit.host, 2)
    digest, _ = retirement(kit)
    applied(kit, digest)
    copied = kit.folder / "other"
    (copied / "plans").mkdir(parents=True, exist_ok=True)
    (copied / "plans" / f"{digest}.json").write_bytes((kit.control / "plans" / f"{digest}.json").read_bytes())
    refused(kit, digest, "PLAN_SPENT", env={"HYGIENE_STATE_DIR": str(copied)})
