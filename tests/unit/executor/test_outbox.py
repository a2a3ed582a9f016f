"""What a run leaves for others to fetch: figures, codes, builders; nothing that names anything else."""

from __future__ import annotations

import json

from hygiene_core.executor.places import Places
from hygiene_core.executor.sealing import OUTBOX_VERSION, _to_outbox
from hygiene_core.testing import GIB
from tests.unit.act_scenes import BUILDER, probe, prune, run, thing


def test_the_document_of_a_run_names_no_image_no_person_and_no_path(tmp_path):
    places = Places(tmp_path, tmp_path / "lock")
    places.outbox.mkdir()
    things = (prune(1), thing(2, name="registry.example/secret-project:1"))
    lines = run("run-1", probe().at, *things, probes=[probe()])
    _to_outbox(places, lines)
    path = places.outbox / "run-1.json"
    assert path.stat().st_mode & 0o777 == 0o440
    text = path.read_text(encoding="utf-8")
    for told in ("secret-project", f'"{lines[0].caller.name}"', "/", "RUN step"):
        assert told not in text, told
    made = json.loads(text)
    assert made["version"] == OUTBOX_VERSION
    assert made["ended"]["exit_status"] == 0
    assert made["filesystem"]["after"]["free_bytes"] == 32 * GIB
    assert [one["id"] for one in made["builders"]["after"]] == [BUILDER]
    assert made["warmth"] == [
        {"builder": BUILDER, "when": "after", "steps": 5, "cached_steps": 5, "seconds": 1.25}
    ]
