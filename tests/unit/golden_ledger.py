"""Make the golden ledger: four runs that hold every kind of line. Only for a new version of the format.

    python -m tests.unit.golden_ledger tests/data/ledger-golden

What is there already is evidence that was written once and has to stay readable: it is never made again to
please a test. A new `FORMAT_VERSION` adds a folder of its own beside it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from hygiene_core.evidence.ledger import Ledger
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.resource import Mount
from hygiene_core.report.document import to_json
from hygiene_core.testing import builder, cache_record, container, finding, image, judged, volume
from tests.unit.evidence_scenes import remembered, run

HOST = "golden"
HOSTILE = "evil[/foo]\x1b[2J\n\u202e, ' \" \\ $(id)"


def main(directory: Path) -> None:
    """Record the runs, and beside them what they have to read like."""
    store = EvidenceStore(directory)
    warm = judged(image("odoo-docker:verify-devtools", layers=("sha256:a", "sha256:b")), "protected")
    web = judged(
        container("web", image_id=warm.id, mounts=(Mount(type="volume", name="v", destination="/d"),)),
        "in_use",
    )
    plain = judged(volume("v", options={"o": "bind"}, labels={"k": HOSTILE}), "in_use", used_by=("web",))
    record = judged(cache_record(description=HOSTILE, parents=("p1", "p2")))
    node = judged(builder(), "protected")
    retagged = replace(warm, name="odoo-docker:2", names=("odoo-docker:2",))
    reports = [
        run(1, warm, web, plain, record, node, host=HOST, findings=[finding(figure=1.5, limit=2)]),
        run(2, retagged, web, node, host=HOST, unavailable={"volumes": "deadline of 120 s"}),
        run(3, retagged, web, node, host=HOST, unavailable={"volumes": "deadline of 120 s"}),
        run(4, retagged, web, replace(plain, size_bytes=None), node, host=HOST),
    ]
    with patch("hygiene_core.evidence.store.FULL_EVERY", 2):
        for made in reports:
            store.record(made, remembered(made, store.recall(HOST)))
    head = Ledger(directory, HOST).head()
    told = {
        "head": {"seq": head.seq, "run_id": head.run_id, "chain": head.chain},
        "reports": [json.loads(to_json(made)) for made in reports],
    }
    (directory / "reads-like.json").write_text(json.dumps(told, indent=1, ensure_ascii=True) + "\n")
    for kept in directory.rglob("*"):  # the indexes, the lock and the ballast are no evidence
        if kept.name in {f"{HOST}.json", f"{HOST}.jsonl", ".lock", ".reserve"}:
            kept.unlink()
    (directory / "known").rmdir()
    (directory / "latest").rmdir()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
