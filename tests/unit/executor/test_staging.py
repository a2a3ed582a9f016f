"""Plans and approvals on a host: what was handed in is kept whole, or refused with its reason."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.decide.permit import refusals
from hygiene_core.errors import (
    ApprovalMissing,
    EvidenceUnwritable,
    HygieneError,
    NotApprover,
    PlanChanged,
    PlanSpent,
    UnknownPlan,
    UsageProblem,
)
from hygiene_core.evidence import files
from hygiene_core.evidence.plans import digest_of
from hygiene_core.executor import staging
from hygiene_core.model.approval import Options, StagedApproval, StagedPlan, StagedRevocation
from hygiene_core.model.codec import decode, encode, encode_plan, staged_adapter
from hygiene_core.model.plan import Plan
from hygiene_core.testing import NOW
from tests.unit.plans import ALICE, ENGINE, LATER, MACHINE, plan, prune, removal, rules

PLAN = plan(removal(), removal(name="app:2", references=("app:2", "app:next")))
STORED = encode_plan(PLAN)
DIGEST = digest_of(STORED)


def stage(places: Any, stored: bytes = STORED, **options: Any) -> str:
    return staging.stage_plan(places, StagedPlan(plan=stored.decode(), options=Options(**options)))


def edited(**change: Any) -> bytes:
    """The plan as somebody wrote it anew who knows how it is stored."""
    return json.dumps(json.loads(STORED) | change, indent=1, ensure_ascii=False).encode() + b"\n"


def said(call: Any, *arguments: Any, kind: type[HygieneError], **more: Any) -> str:
    with pytest.raises(kind) as caught:
        call(*arguments, **more)
    assert type(caught.value) is kind
    return caught.value.message


# -- plans ---------------------------------------------------------------------------------------------------


def test_a_plan_is_kept_as_it_was_encoded(places):
    assert stage(places, wait_idle=timedelta(minutes=5)) == DIGEST
    path = places.plans / f"{DIGEST}.json"
    assert path.read_bytes() == STORED
    assert path.stat().st_mode & 0o777 == 0o440
    made, options = staging.load_plan(places, DIGEST)
    assert made == PLAN
    assert options == Options(wait_idle=timedelta(minutes=5))
    assert stage(places) == DIGEST, "a second time it may be applied in another way"
    assert staging.load_plan(places, DIGEST)[1] == Options()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        STORED[:-1],
        STORED[: len(STORED) // 2],
        STORED + b"\n",
        STORED + STORED,
        b" " + STORED,
        STORED.replace(b'"remove_image"', b'"remove_everything"'),
        STORED.replace(b'"retirement"', b'"RETIREMENT"'),
    ],
    ids=range(11),
)
def test_what_is_no_plan(places, stored):
    told = said(stage, places, stored, kind=PlanChanged)
    assert told.startswith("this is no plan that this kit can read: ")
    assert told.endswith(". Nothing was removed.")
    assert list(places.plans.iterdir()) == []


def test_a_plan_with_a_part_that_nobody_knows(places):
    told = said(stage, places, edited(force=True), kind=PlanChanged)
    assert "it has parts that this kit does not know" in told
    inner = json.loads(STORED)
    inner["actions"][0]["force"] = True
    told = said(stage, places, json.dumps(inner, indent=1).encode(), kind=PlanChanged)
    assert "it has parts that this kit does not know" in told


@pytest.mark.parametrize("key", ["made_at", "expires_at"])
def test_a_plan_whose_times_have_no_zone(places, key):
    told = said(stage, places, edited(**{key: "2999-05-04T08:00:00"}), kind=PlanChanged)
    assert told == "this is no plan that this kit can read: its times have no zone. Nothing was removed."
    assert list(places.plans.iterdir()) == []


def test_a_plan_of_a_newer_kit(places):
    """It may be kept, and is never applied: `decide.permit` reads its version."""
    newer = edited(version=2)
    digest = stage(places, newer)
    made, _ = staging.load_plan(places, digest)
    found = refusals(made, rules(), machine_id=MACHINE, engine_id=ENGINE, now=LATER)
    assert [(one.code, one.message) for one in found] == [("PLAN_CHANGED", "the plan is of version 2, not 1")]


def test_an_edited_plan_is_another_plan(places):
    stage(places)
    other = stage(places, edited(run_id="another"))
    assert other != DIGEST
    assert staging.load_plan(places, DIGEST)[0] == PLAN


@pytest.mark.parametrize(
    "stored", [edited(run_id="x"), STORED[:-1], b"", STORED.replace(b'"app:1"', b'"app:9"')]
)
def test_a_plan_whose_file_was_edited(places, stored):
    stage(places)
    path = places.plans / f"{DIGEST}.json"
    path.unlink()
    path.write_bytes(stored)
    told = said(staging.load_plan, places, DIGEST, kind=PlanChanged)
    assert told == f"the plan {DIGEST[:12]} was changed after it was made. Nothing was removed."


@pytest.mark.parametrize(
    "digest", ["", DIGEST[:12], DIGEST[:63], DIGEST + "0", DIGEST.upper(), DIGEST + "\n", "../x", "*", "-f"]
)
def test_a_digest_that_is_none(places, digest):
    stage(places)
    told = said(staging.load_plan, places, digest, kind=UnknownPlan)
    assert told == f"{digest!r} is no digest: 64 characters of 0-9 and a-f."


def test_a_plan_that_nobody_handed_in(places):
    told = said(staging.load_plan, places, DIGEST, kind=UnknownPlan)
    assert told == f"no plan has a digest that begins with {DIGEST!r}."


def test_a_spent_plan(places):
    stage(places)
    assert staging.spent_by(places, DIGEST) is None
    staging.mark_spent(places, DIGEST, "run-1")
    assert staging.spent_by(places, DIGEST) == "run-1"
    expected = f"the plan {DIGEST[:12]} was applied by run run-1; none is twice. Nothing was removed."
    assert said(staging.mark_spent, places, DIGEST, "run-2", kind=PlanSpent) == expected
    assert said(stage, places, kind=PlanSpent) == expected
    assert said(approve, places, kind=PlanSpent) == expected
    assert staging.spent_by(places, DIGEST) == "run-1"


@pytest.mark.parametrize(
    ("error", "held_back"), [(errno.ENOSPC, False), (errno.EDQUOT, False), (errno.EIO, True)]
)
def test_only_a_full_disk_takes_what_is_held_back_for_it(places, monkeypatch, error, held_back):
    places.ballast.write_bytes(b"x")
    replace_file = files.replace_file

    def full(*given: Any) -> None:
        if places.ballast.exists():
            raise OSError(error, os.strerror(error))
        replace_file(*given)

    monkeypatch.setattr(files, "replace_file", full)
    if held_back:
        told = said(stage, places, kind=EvidenceUnwritable)
        assert told.startswith("the plan could not be written: Input/output error.")
        assert told.endswith(" Nothing was removed.")
    else:
        assert stage(places) == DIGEST
        assert staging.load_plan(places, DIGEST)[0] == PLAN
    assert places.ballast.exists() is held_back


def test_a_full_disk_with_nothing_held_back(places, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "replace_file", full)
    told = said(stage, places, kind=EvidenceUnwritable)
    assert told.endswith("No space left on device. This run is not recorded. Nothing was removed.")
    assert list(places.plans.iterdir()) == []


def test_a_plan_of_build_caches(places):
    made = plan(prune())
    digest = stage(places, encode_plan(made))
    assert staging.load_plan(places, digest)[0] == made


# -- approvals -----------------------------------------------------------------------------------------------


def approve(places: Any, of: Plan = PLAN, *, asked: Any = ALICE, own: Any = None, **fields: Any) -> str:
    made: dict[str, Any] = {"digest": DIGEST, "items": (1,), "until": LATER, "reason": "old"}
    return staging.stage_approval(
        places, StagedApproval(**made | fields), of, rules=own or rules(), asked=asked, now=NOW
    )


def test_a_yes_is_kept_with_who_said_it(places):
    stage(places)
    name = approve(places, items=(2, 1), references={2: ("app:2", "app:next")}, reason="  no longer built \n")
    ((found, given, withdrawn),) = staging.approvals_of(places, DIGEST)
    assert (found, withdrawn) == (name, None)
    assert given.approved_by == ALICE
    assert (given.machine_id, given.engine_id, given.digest) == (MACHINE, ENGINE, DIGEST)
    assert (given.items, given.references) == ((1, 2), {2: ("app:2", "app:next")})
    assert (given.approved_at, given.until, given.reason) == (NOW, LATER, "no longer built")
    path = places.approvals(DIGEST) / f"{name}.json"
    assert path.stat().st_mode & 0o777 == 0o440


NO_YES = {
    "no reason": ({"reason": ""}, "an approval needs a reason"),
    "white space": ({"reason": " \t\n"}, "an approval needs a reason"),
    "two lines": ({"reason": "a\nb"}, "the reason has to be one line of text"),
    "an escape": ({"reason": "a\x1b[2J"}, "the reason has to be one line of text"),
    "turned text": ({"reason": "a\u202eb"}, "the reason has to be one line of text"),
    "too long": ({"reason": "x" * 501}, "the reason has to be one line of text"),
    "past": ({"until": NOW - timedelta(seconds=1)}, "the approval is over already"),
    "now": ({"until": NOW}, "the approval is over already"),
    "year 9999": ({"until": datetime(9999, 12, 31, tzinfo=UTC)}, "an approval lasts at most 31 days"),
    "32 days": ({"until": NOW + timedelta(days=32)}, "an approval lasts at most 31 days"),
    "no zone": ({"until": LATER.replace(tzinfo=None)}, "the end of the approval has no time zone"),
    "no step": ({"items": ()}, "the approval names no step"),
    "twice": ({"items": (1, 2, 1)}, "the approval names a step twice"),
    "unknown": ({"items": (1, 3, 0)}, "the plan has no step 0, 3"),
    "foreign": ({"references": {1: ("other:1",)}}, "the plan has no reference other:1 at that step"),
    "of another step": ({"references": {1: ("app:2",)}}, "the plan has no reference app:2 at that step"),
    "of no step": ({"references": {9: ("app:2",)}}, "the plan has no reference app:2 at that step"),
}


@pytest.mark.parametrize(("fields", "told"), NO_YES.values(), ids=NO_YES)
def test_a_yes_that_is_none(places, fields, told):
    stage(places)
    assert said(approve, places, kind=UsageProblem, **fields) == f"{told}. Nothing was approved."
    assert list(staging.approvals_of(places, DIGEST)) == []


def test_a_yes_of_31_days(places):
    assert approve(places, until=NOW + timedelta(days=31))


@pytest.mark.parametrize("own", [rules(approvers=()), rules(approvers=("bob",))])
def test_a_yes_of_somebody_who_may_not_say_it(places, own):
    with pytest.raises(NotApprover) as caught:
        approve(places, own=own)
    assert str(caught.value) == (
        "refused [NOT_APPROVER]: alice is not among the approvers of this host. Nothing was approved."
        " Who is: grep approvers /etc/hygiene/host.toml"
    )


@pytest.mark.parametrize(
    "stored",
    [
        b'{"k":"approval","digest":"x","items":[1],"until":"2026-05-04T03:02:01Z"}',
        b'{"k":"approval","digest":"x","items":[1],"until":"never","reason":"x"}',
        b'{"k":"approval","digest":"x","items":["one"],"until":"2026-05-04T03:02:01Z","reason":"x"}',
        b'{"k":"plan"}',
        b'{"k":"other"}',
        b'{"digest":"x"}',
        b"",
        b"[]",
        b'{"k":"plan","plan":"x"',
        b"\xff",
    ],
)
def test_what_cannot_be_read_at_all(stored):
    with pytest.raises(ValueError, match=r".+"):
        decode(staged_adapter(), stored)


@pytest.mark.parametrize(
    "staged",
    [
        StagedPlan(plan="x", options=Options(free_target_bytes=5)),
        StagedApproval(digest=DIGEST, items=(1,), until=LATER, reason="x", references={1: ("a",)}),
        StagedRevocation(digest=DIGEST, approval="x", reason="y"),
    ],
)
def test_what_is_handed_in_comes_out_as_it_was(staged):
    assert decode(staged_adapter(), encode(staged_adapter(), staged)) == staged


def test_a_yes_is_taken_back(places):
    stage(places)
    first, second = approve(places), approve(places, items=(2,))
    taken = StagedRevocation(digest=DIGEST, approval=first, reason=" wrong plan ")
    staging.revoke(places, taken, ALICE, LATER)
    found = {name: withdrawn for name, _, withdrawn in staging.approvals_of(places, DIGEST)}
    assert found[second] is None
    withdrawn = found[first]
    assert withdrawn is not None
    assert (withdrawn.revoked_by, withdrawn.revoked_at, withdrawn.reason) == (ALICE, LATER, "wrong plan")


@pytest.mark.parametrize("approval", ["", "x", "../../plans/x", "*", "0" * 12])
def test_a_yes_that_nobody_said_cannot_be_taken_back(places, approval):
    stage(places)
    approve(places)
    taken = StagedRevocation(digest=DIGEST, approval=approval, reason="")
    told = said(staging.revoke, places, taken, ALICE, NOW, kind=ApprovalMissing)
    assert told == f"the plan {DIGEST[:12]} has no approval {approval!r}."


def test_a_withdrawal_is_checked_too(places):
    stage(places)
    name = approve(places)
    taken = StagedRevocation(digest="../x", approval=name, reason="")
    said(staging.revoke, places, taken, ALICE, NOW, kind=UnknownPlan)
    taken = StagedRevocation(digest="0" * 64, approval=name, reason="")
    said(staging.revoke, places, taken, ALICE, NOW, kind=ApprovalMissing)
    taken = StagedRevocation(digest=DIGEST, approval=name, reason="a\nb")
    told = said(staging.revoke, places, taken, ALICE, NOW, kind=UsageProblem)
    assert told == "the reason has to be one line of text. Nothing was withdrawn."


def approvals_file(places: Any, name: str) -> Path:
    path: Path = places.approvals(DIGEST) / f"{name}.json"
    return path


def test_a_yes_that_was_edited(places):
    stage(places)
    name = approve(places)
    path = approvals_file(places, name)
    stored = path.read_bytes()
    path.unlink()
    path.write_bytes(stored.replace(b'"items":[1]', b'"items":[1,2]'))
    told = said(lambda: list(staging.approvals_of(places, DIGEST)), kind=PlanChanged)
    assert told == f"the approval {name} was changed after it was given. Nothing was removed."


def test_a_yes_that_was_given_to_another_plan(places):
    stage(places)
    name = approve(places, digest="0" * 64)
    target = approvals_file(places, name)
    target.parent.mkdir()
    target.write_bytes((places.approvals("0" * 64) / f"{name}.json").read_bytes())
    told = said(lambda: list(staging.approvals_of(places, DIGEST)), kind=PlanChanged)
    assert told == f"the approval {name} was given to another plan. Nothing was removed."


def test_two_yeses_are_two(places):
    stage(places)
    names = {approve(places), approve(places, asked=replace(ALICE, name="bob"))}
    assert {name for name, _, _ in staging.approvals_of(places, DIGEST)} == names
    assert len(names) == 2
