"""What somebody else removes on a real Engine, as the history tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core import pipeline
from hygiene_core.evidence.reader import open_published
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.host import Host
from hygiene_core.model.policy import Ages, Policy
from hygiene_core.model.report import Report
from hygiene_core.transport.local import LocalTransport
from tests.lab import images
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")

POLICY = Policy(source="hygiene.toml", digest="0" * 64, ages=Ages(grace=timedelta(0)))


@dataclass
class Kit:
    host: Host
    store: EvidenceStore

    def report(self) -> Report:
        tools = pipeline.Tools(host=self.host, transport=LocalTransport(), store=self.store)
        return pipeline.make_report(tools).finished

    def removed(self) -> dict[str, tuple[str, bool]]:
        """Who removed what, by kind and name, and whether the time is known."""
        assert self.store.publish().warning is None
        with open_published(self.store.directory) as reader:
            table = reader.removed("lab")
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        for row in rows:
            inside = row["removed_at"] is None or row["last_seen_at"] < row["removed_at"] < row["missed_at"]
            assert inside, row
        return {
            f"{row['kind']} {row['name']}": (row["removed_by"], row["removed_at"] is not None) for row in rows
        }


def furnished(host: LabHost, folder: Path) -> Kit:
    images.import_base(host)
    for name in ("hand", "kept"):
        host.docker("volume", "create", name)
    for name in ("job", "buildx_buildkit_b0"):
        host.docker("create", "--name", name, images.BASE, "true")
    as_seen = Host(name="lab", docker_socket=str(host.socket), data_root=str(host.data_root), policy=POLICY)
    return Kit(as_seen, EvidenceStore(folder))


def test_removals_by_hand_and_by_a_prune(lab_host: LabHost, tmp_path: Path):
    kit = furnished(lab_host, tmp_path)
    for text, tag in (("by hand", "by-hand:1"), ("one", "again:1"), ("two", "again:1")):
        images.build(lab_host, f"FROM {images.BASE}\nRUN echo {text} > /name\n", tag=tag)
    kit.report()
    lab_host.docker("image", "prune", "--force")
    lab_host.docker("rmi", "by-hand:1")
    lab_host.docker("volume", "rm", "hand")
    lab_host.docker("rm", "job", "buildx_buildkit_b0")
    with lab_host.api() as api:  # `docker builder prune` asks BuildKit itself, and the Engine tells nothing
        api.post("/build/prune", all="true")
    made = kit.report()
    told = kit.removed()
    somebody, by_prune = ("somebody else", True), ("somebody else, by a prune", True)
    assert told["image by-hand:1"] == told["volume hand"] == told["container job"] == somebody
    assert told["builder b0"] == somebody
    if lab_host.store == "overlay2":  # the other store drops an image whose tag is taken, and tells no prune
        assert {who for name, who in told.items() if name.startswith("image sha256:")} == {by_prune}
    assert {who for name, who in told.items() if name.startswith("build_cache")} == {by_prune}
    assert any(one.kind == "build_cache" and one.id is None for one in made.removals)


def test_what_the_ring_lost_is_unknown(fresh_host: LabHost, tmp_path: Path):
    kit = furnished(fresh_host, tmp_path)
    kit.report()
    fresh_host.docker("volume", "rm", "hand")
    with fresh_host.api() as api:
        for _ in range(140):
            images.remove_container(api, images.container(api, images.BASE, state="created"))
    kit.report()
    assert kit.removed() == {"volume hand": ("unknown", False)}
