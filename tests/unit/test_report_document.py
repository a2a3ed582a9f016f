from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hygiene_core.report.document import from_json, json_schema, to_json
from hygiene_core.testing import GIB, builder, cache_record, container, finding, image, judged, report, volume
from tests.unit.report_scenes import SCENES
from tests.unit.report_snapshots import JsonSnapshot

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PUBLISHED = REFERENCE / "report.schema.json"
REGENERATE = (
    "python -c 'import json; from hygiene_core.report.document import json_schema; "
    "print(json.dumps(json_schema(), indent=2))' > docs/reference/report.schema.json"
)
TOP_LEVEL = (
    *("schema_version", "run_id", "mode", "tool_version", "started_at", "ended_at", "host", "status"),
    *(
        "policy",
        "findings",
        "summary",
        "sections",
        "filesystems",
        "runners",
        "job_networks",
        "covered",
        "removals",
        "data_root_use",
        "daemon_config",
        "tools",
        "acts",
        "resources",
    ),
)
SUMMARY = (
    *("free_disk_bytes", "docker_reclaimable_bytes", "runner_workdir_bytes", "orphan_buildkit_containers"),
    *("orphan_buildkit_volumes", "candidate_bytes", "warm_builders", "warm_images", "classes"),
    *("run_caches", "accounted", "unaccounted_bytes"),
)
EVERY_KIND = report(
    *(judged(one) for one in (image(), container(), volume(), cache_record(), builder())),
    findings=(finding(figure=3, limit=4.5, unit="count"),),
)


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene != "thousands"])
def test_json(scene, snapshot):
    assert to_json(SCENES[scene]) + "\n" == snapshot(extension_class=JsonSnapshot)


@pytest.mark.parametrize("scene", SCENES)
def test_every_report_satisfies_the_published_schema(scene, validator):
    validator.validate(json.loads(to_json(SCENES[scene])))


def test_the_published_schema_is_the_codes():
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == json_schema(), f"regenerate it: {REGENERATE}"


def test_the_schema_is_not_satisfied_by_anything(validator):
    document = json.loads(to_json(EVERY_KIND))
    assert validator.is_valid(document)
    for key in TOP_LEVEL:
        assert not validator.is_valid({name: value for name, value in document.items() if name != key})
    document["summary"]["free_disk_bytes"] = "lots"
    assert not validator.is_valid(document)


def test_the_names_that_others_read():
    document = json.loads(to_json(EVERY_KIND))
    assert tuple(document) == TOP_LEVEL
    assert tuple(document["summary"]) == SUMMARY
    assert tuple(document["summary"]["classes"]) == ("images", "containers", "volumes", "build_cache")
    assert {"code", "severity", "message"} <= document["findings"][0].keys()
    assert {"availability", "reason"} <= document["sections"]["images"].keys()
    wanted = {"kind", "id", "name", "names", "verdict", "reasons", "size_bytes", "unique_bytes", "facts"}
    for row in document["resources"]:
        assert wanted <= row.keys()
        assert row["reasons"][0].keys() == {"rule", "detail", "source"}
        assert row["facts"]["kind"] == row["kind"]


@pytest.mark.parametrize("told", [EVERY_KIND, SCENES["attention"], SCENES["engine-unreachable"]])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_gives_back_its_report(told, indent):
    assert from_json(to_json(told, indent=indent)) == told


def test_a_figure_that_is_not_known_is_null():
    summary = json.loads(to_json(SCENES["engine-unreachable"]))["summary"]
    assert summary["free_disk_bytes"] is None
    assert summary["classes"]["images"]["reclaimable_bytes"] is None
    empty = json.loads(to_json(SCENES["empty-host"]))["summary"]
    assert empty["classes"]["images"]["reclaimable_bytes"] == 0


def test_times_are_utc_with_a_z():
    stamps = re.findall(r'_at": "([^"]*)"', to_json(SCENES["attention"]))
    assert stamps
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", stamp) for stamp in stamps)
    precise = report(started_at=datetime(2026, 5, 4, 3, 2, 1, 250_000, UTC))
    assert '"started_at": "2026-05-04T03:02:01.250000Z"' in to_json(precise)


def test_a_document_with_another_offset_is_the_same_moment():
    text = to_json(EVERY_KIND).replace(
        '"started_at": "2026-05-04T03:02:01Z"', '"started_at": "2026-05-04T05:02:01+02:00"'
    )
    berlin = datetime(2026, 5, 4, 5, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    assert from_json(text).started_at == berlin


def test_a_run_that_was_stored_before_limits_and_candidates_is_still_read():
    document = json.loads(to_json(SCENES["attention"]))
    assert document["policy"].pop("limits")["min_free_bytes"] == 60 * GIB
    for one in document["summary"]["classes"].values():
        del one["candidate_bytes"]
    older = from_json(json.dumps(document))
    assert older.policy.limits is None
    assert {one.candidate_bytes for one in older.summary.classes.values()} == {None}


def test_text_that_is_not_unicode_is_written_visibly():
    odd = report(judged(image("a\udc80b", labels={"k\ud800": "v"})))
    document = json.loads(to_json(odd))
    assert document["resources"][0]["name"] == r"a\udc80b"
    assert document["resources"][0]["facts"]["labels"] == {r"k\ud800": "v"}
    assert document["started_at"] == "2026-05-04T03:02:01Z"
    assert from_json(to_json(odd)).resources[0].name == r"a\udc80b"


@pytest.mark.parametrize("document", ["", "{", "[]", "{}", '{"schema_version": 1}', "<html>"])
def test_what_is_no_report_is_refused(document):
    with pytest.raises(ValidationError):
        from_json(document)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_survives(text):
    told = report(judged(volume(text, labels={text: text}), detail=text))
    assert from_json(to_json(told)) == told


HEADINGS = {
    "Report": "The document",
    "Status": "status",
    "HostReference": "host",
    "EngineIdentity": "host.engine",
    "PolicyReference": "policy",
    "Limits": "policy.limits",
    "Finding": "findings",
    "Severity": "severity",
    "Summary": "summary",
    "WarmBuilder": "summary.warm_builders",
    "WarmImage": "summary.warm_images",
    "RunCacheSummary": "summary.run_caches",
    "AgeBucket": "summary.run_caches.ages",
    "ClassSummary": "summary.classes",
    "EngineFigure": "summary.classes.engine",
    "Section": "sections",
    "SectionName": "sections",
    "Availability": "availability",
    "Filesystem": "filesystems",
    "Runner": "runners",
    "DockerCredentials": "runners.docker_credentials",
    "JobNetwork": "job_networks",
    "Span": "covered",
    "Removal": "removals",
    "Acts": "acts",
    "Apply": "acts.last",
    "CameBack": "acts.came_back",
    "BuiltAgain": "acts.built_again",
    "Tool": "tools",
    "DataRootUse": "data_root_use",
    "DaemonConfig": "daemon_config",
    "EngineGc": "daemon_config.gc",
    "EngineGcRule": "daemon_config.gc.policy",
    "ContainerLog": "data_root_use.logs",
    "DeletedFile": "data_root_use.deleted",
    "Judged": "resources",
    "Kind": "kind",
    "Verdict": "verdict",
    "Reason": "reasons",
    "Image": "facts of an image",
    "Container": "facts of a container",
    "Mount": "facts of a container: mounts",
    "Volume": "facts of a volume",
    "BuildCacheRecord": "facts of a build-cache record",
    "Builder": "facts of a builder",
    "GcRule": "facts of a builder: gc_policy",
    "RunnerWorkdir": "facts of a runner's directory",
    "DiagnosticLog": "facts of a runner's directory: logs",
    "RunCache": "facts of a run cache",
}
"""Which heading of the reference describes which part of the schema."""


@pytest.fixture(scope="module")
def reference():
    pieces = re.split(
        r"^##+ (.+)$", (REFERENCE / "report.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def test_every_part_has_its_place_in_the_reference(reference):
    assert HEADINGS.keys() == {"Report"} | json_schema()["$defs"].keys()
    assert set(HEADINGS.values()) == reference.keys()


@pytest.mark.parametrize("part", HEADINGS)
def test_the_reference_describes_each_field_and_no_other(part, reference):
    schema = json_schema()
    described = schema if part == "Report" else schema["$defs"][part]
    if part == "SectionName":
        assert set(re.findall(r"`(\w+)`", reference["sections"].split("|")[0])) == set(described["enum"])
        return
    rows = re.findall(r"^\| `(\w+)` \| \S.*\|$", reference[HEADINGS[part]], re.MULTILINE)
    fields = described.get("properties", described.get("enum"))
    assert rows == list(fields) if "properties" in described else set(rows) == set(fields)
