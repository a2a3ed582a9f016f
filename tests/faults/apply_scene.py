"""A host to remove things from, and what must be true of it whatever cut a removal short."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hygiene_core.evidence import acts
from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.verify import verify
from hygiene_core.model.act import Outcome
from hygiene_core.model.journal import Ended, Intended, Line, Settled
from tests.conftest import ENGINES, lab_tree
from tests.lab import images
from tests.lab.host import LabHost
from tests.lab.images import ImageSpec
from tests.lab.kit import Kit

__all__ = ["POLICY", "check_truth", "furnish", "host_with_kit", "retirement"]

POLICY = """\
[hosts.lab.protect]
images = ["keep:*", "lab/base:1"]
volumes = ["keep-*"]
containers = ["keeper"]
[hosts.lab.budgets.embedded]
max = "2MB"
reserved = "1MB"
min_age = "1s"
allow_small_budget = true
"""
VERBS = ("prune_records", "remove_image", "remove_volume", "remove_container", "stop_and_remove_container")


@contextmanager
def host_with_kit(
    engine: str, name: str, *, in_memory: bool = False, folder: Path | None = None
) -> Iterator[Kit]:
    """A host with protected things, and the kit on it; everything that it may do is allowed.

    `folder` is where the kit keeps what it keeps; for `in_memory` see `LabHost.start`.
    """
    tree, store = ENGINES[engine]
    with LabHost.start(lab_tree(tree), store=store, name=name, in_memory=in_memory) as host:
        base = images.import_base(host)
        with host.api() as api:
            images.volume(api, "keep-data")
            images.container(api, images.BASE, name="keeper", binds=["keep-data:/data"])
            api.post(f"/images/{base}/tag", repo="keep", tag="1")
        kit = Kit(host, folder)
        kit.configure(POLICY)
        kit.allow(*VERBS)
        yield kit


def furnish(host: LabHost, count: int, *, prefix: str = "victim") -> list[str]:
    """So many images, half as many volumes and stopped containers, all new; the names of the images."""
    salt = secrets.token_hex(4)
    names = [f"{prefix}-{salt}-{number}:1" for number in range(count)]
    images.load(
        host, [ImageSpec((name,), (images.layer({"f": name.encode() * 2000}),), {}) for name in names]
    )
    with host.api() as api:
        for number in range(count // 2):
            images.volume(api, f"{prefix}-{salt}-{number}")
            images.container(api, images.BASE, name=f"{prefix}-{salt}-{number}", state="exited")
    return names


def retirement(kit: Kit, *select: str, items: str | None = None) -> tuple[str, dict]:
    """Plan what is called `victim-*`, whatever keeps it, and approve it; the digest and the plan."""
    words = [
        f"--select={one}" for one in (select or ("name:victim-*", "verdict:retained", "verdict:candidate"))
    ]
    done = kit.hygiene("plan", "--mode", "retirement", "--format", "json", *words, status=0)
    plan = json.loads(done.stdout)
    digest = next((kit.control / "plans").glob(f"{_digest(done.stdout)}.json")).stem
    listed = "\n".join(str(action["number"]) for action in plan["actions"]) if items is None else items
    (kit.etc / "items").write_text(listed + "\n", encoding="utf-8")
    approve = ("--items", "/etc/items", "--yes-digest", digest, "--reason", "a test")
    kit.hygiene("approve", digest, *approve, status=0)
    return digest, plan


def _digest(printed: str) -> str:
    return hashlib.sha256(printed.encode()).hexdigest()


def check_truth(kit: Kit) -> list[tuple[Line, ...]]:
    """What must hold once everything is settled; the journals of all runs.

    The ledger verifies, nothing is open, every intent has one known outcome that the host confirms, no action
    was begun twice, and what is protected is there.
    """
    assert not list((kit.acts / "runs").glob("*.jsonl"))
    ledger = Ledger(kit.acts, "lab")
    found = verify(ledger)
    assert found.ok, found.sentence
    runs = [acts.Act(ledger, file).lines() for file in ledger.files()]
    with kit.host.api() as api:
        there = {
            *(one["Id"] for one in api.get("/images/json", all="1")),
            *(one["Id"] for one in api.get("/containers/json", all="1")),
            *(one["Name"] for one in api.get("/volumes")["Volumes"] or ()),
            *(one["ID"] for one in api.get("/system/df")["BuildCache"] or ()),
        }
        names = {name for one in api.get("/images/json") for name in one["RepoTags"] or ()}
        assert {"keep:1", images.BASE} <= names
        assert "keep-data" in there
        assert api.get("/containers/keeper/json")["State"]["Running"]
    for lines in runs:
        assert isinstance(lines[-1], Ended)
        intents = [(one.number, one.call) for one in lines if isinstance(one, Intended)]
        assert max(Counter(intents).values(), default=1) == 1
        last = {(one.number, one.call): one for one in lines if isinstance(one, Settled)}
        assert set(intents) <= set(last)
        for one in last.values():
            assert one.outcome is not Outcome.UNKNOWN
            assert there.isdisjoint(one.removed)
            assert not one.foreign
    return runs
