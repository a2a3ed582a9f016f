"""Plans as files: nobody changes one unnoticed, and a name is never a path."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from hygiene_core.errors import EvidenceUnreadable, EvidenceUnwritable, PlanChanged, UnknownPlan
from hygiene_core.evidence import files, plans

STORED = b'{"version": 1}\n'
DIGEST = "fd9f0f5d6b5fb5f0c4be0b4bd1da6c9ccf9a3ba2cb1c9c3bd3c0b4d1b1e3a5b7"


def test_a_plan_is_found_by_its_digest_and_by_every_beginning_of_four(tmp_path: Path):
    digest = plans.save(tmp_path, STORED)
    assert digest == plans.digest_of(STORED)
    for length in (4, 12, 63, 64):
        assert plans.load(tmp_path, digest[:length]) == (digest, STORED)


def test_its_file_is_called_by_its_digest_and_nobody_writes_it(tmp_path: Path):
    digest = plans.save(tmp_path, STORED)
    path = tmp_path / "plans" / f"{digest}.json"
    assert path.read_bytes() == STORED
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_the_same_plan_is_stored_once(tmp_path: Path):
    digest = plans.save(tmp_path, STORED)
    written = (tmp_path / "plans" / f"{digest}.json").stat()
    assert plans.save(tmp_path, STORED) == digest
    assert (tmp_path / "plans" / f"{digest}.json").stat().st_ino == written.st_ino


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "abc",
        "0000",
        "f" * 64,
        "f" * 65,
        "xyz1",
        "*",
        "????",
        "[0-9]*",
        "../x",
        "../../etc/passwd",
        "/etc/passwd",
        "12345678\n",
        "\uff11\uff12\uff13\uff14",
        "ABCD",
        "-f",
        "a;rm",
        "\x1b[2J",
    ],
)
def test_a_digest_that_names_no_plan_is_refused(tmp_path: Path, wanted: str):
    plans.save(tmp_path, STORED)
    (tmp_path / "x.json").write_bytes(STORED)
    with pytest.raises(UnknownPlan) as refused:
        plans.load(tmp_path, wanted)
    assert refused.value.exit_status == 2
    assert refused.value.message == f"no plan has a digest that begins with {wanted!r}."
    assert "\x1b" not in str(refused.value)


def test_upper_case_is_no_digest_although_a_file_has_its_lower_case(tmp_path: Path):
    digest = plans.save(tmp_path, STORED)
    with pytest.raises(UnknownPlan):
        plans.load(tmp_path, digest.upper())


def test_without_a_directory_there_is_no_plan(tmp_path: Path):
    with pytest.raises(UnknownPlan):
        plans.load(tmp_path / "none", "abcd")


def test_a_beginning_of_two_plans_is_refused(tmp_path: Path):
    first = plans.save(tmp_path, STORED)
    other = first[:12] + "0" * 52
    (tmp_path / "plans" / f"{other}.json").write_bytes(STORED)
    with pytest.raises(UnknownPlan) as refused:
        plans.load(tmp_path, first[:12])
    assert refused.value.message == f"2 plans have a digest that begins with {first[:12]!r}."


@pytest.mark.parametrize("content", [b"", STORED[:-1], STORED + b" ", STORED.replace(b"1", b"2")])
def test_an_edited_plan_is_refused(tmp_path: Path, content: bytes):
    digest = plans.save(tmp_path, STORED)
    path = tmp_path / "plans" / f"{digest}.json"
    path.chmod(0o640)
    path.write_bytes(content)
    with pytest.raises(PlanChanged) as refused:
        plans.load(tmp_path, digest)
    assert refused.value.exit_status == 3
    assert str(refused.value) == (
        f"refused [PLAN_CHANGED]: the plan {digest[:12]} was changed after it was made. Nothing was removed. "
        "Make a new plan: hygiene plan --help"
    )


def test_a_plan_under_another_name_is_refused(tmp_path: Path):
    digest = plans.save(tmp_path, STORED)
    (tmp_path / "plans" / f"{digest}.json").rename(tmp_path / "plans" / f"{'0' * 64}.json")
    with pytest.raises(PlanChanged):
        plans.load(tmp_path, "0000")


def test_a_plan_with_a_longer_name_is_refused(tmp_path: Path):
    digest = plans.save(tmp_path, STORED)
    (tmp_path / "plans" / f"{digest}.json").rename(tmp_path / "plans" / f"{digest}x.json")
    with pytest.raises(PlanChanged):
        plans.load(tmp_path, digest)


def test_a_plan_that_was_made_again_after_an_edit_is_still_refused(tmp_path: Path):
    """The edit is evidence: it is not written over."""
    digest = plans.save(tmp_path, STORED)
    path = tmp_path / "plans" / f"{digest}.json"
    path.chmod(0o640)
    path.write_bytes(b"{}")
    assert plans.save(tmp_path, STORED) == digest
    with pytest.raises(PlanChanged):
        plans.load(tmp_path, digest)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path):
    (tmp_path / "plans" / f"{DIGEST}.json").mkdir(parents=True)
    with pytest.raises(EvidenceUnreadable) as failed:
        plans.load(tmp_path, DIGEST)
    assert failed.value.message == (
        f"the plan {DIGEST[:12]} cannot be read: Is a directory. Nothing was removed."
    )


def test_a_full_disk_keeps_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(files, "replace_file", full)
    with pytest.raises(EvidenceUnwritable, match="the plan could not be written"):
        plans.save(tmp_path, STORED)
