"""The acts of a host from the ledger of acts to the report, and the verbs that tell them again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from typer.testing import CliRunner

from hygiene_core import pipeline
from hygiene_core.cli import app
from hygiene_core.errors import UnknownRun
from hygiene_core.evidence import acts
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.act import Outcome, Why
from hygiene_core.model.acts import Acts
from hygiene_core.model.host import Host
from hygiene_core.model.policy import Limits
from hygiene_core.model.report import Status
from hygiene_core.report import html, markdown, text
from hygiene_core.report.acts import apply_rows, back_rows, left_out, status_word
from hygiene_core.report.run import render
from hygiene_core.testing import NOW, cache_record, image, observation
from hygiene_core.transport import executor
from hygiene_core.transport.demo import DemoTransport, demo_host
from tests.unit.act_scenes import BUILDER, HOST, LONG_AGO, busy, failed, prune, run, seal, settled, thing
from tests.unit.decide.judging import policy
from tests.unit.report_scenes import SCENES

ENGINE = observation().engine.id


class Seen:
    """A transport to a host that was built for the test."""

    def __init__(self, *resources, **fields):
        self.seen = observation(*resources, **fields)

    def observe(self, request, *, emit=None):
        return self.seen

    def follow(self, request):
        raise NotImplementedError


def tools(root, *resources, store=None, limits=None, **fields):
    rules = policy(limits=limits or Limits())
    host = Host(name=HOST, docker_socket="/nowhere.sock", policy=rules)
    return pipeline.Tools(host=host, transport=Seen(*resources, **fields), store=store, acts=root)


def codes(made):
    return {one.code for one in made.findings}


def test_a_recording_has_no_acts():
    made = pipeline.make_report(
        pipeline.Tools(host=demo_host(), transport=DemoTransport(), store=None)
    ).finished
    assert made.acts is None


def test_a_host_on_which_nothing_was_applied(tmp_path):
    made = pipeline.make_report(tools(tmp_path)).finished
    assert made.acts == Acts(reason=f"nothing was applied here: there is no {tmp_path / ENGINE}")
    assert made.status is Status.HEALTHY
    assert "Last apply" in text.render(made, zone=UTC)


def test_an_image_that_came_back_is_in_the_report_and_in_every_format(tmp_path):
    seal(tmp_path, run("run-1", LONG_AGO, prune(1), thing(2)), engine=ENGINE)
    again = image("app:1", id="sha256:" + "9" * 64)
    fields = {"builder": BUILDER, "id": f"{BUILDER}/z", "created_at": NOW - timedelta(days=1)}
    rebuilt = cache_record("RUN step a", **fields)
    made = pipeline.make_report(tools(tmp_path, again, rebuilt)).finished
    assert [(one.kind, one.id, one.name) for one in made.acts.came_back] == [("image", again.id, "app:1")]
    assert [(one.builder, one.count, one.removed_count) for one in made.acts.built_again] == [(BUILDER, 1, 2)]
    assert "CAME_BACK" in codes(made)
    in_text = text.render(made, width=120, zone=UTC)
    for told in (in_text, markdown.render(made, zone=UTC), html.render(made, zone=UTC)):
        assert "Came back after it was removed" in told
        assert f"1 of 2 records of {BUILDER}" in told
        assert "1 image" in told


def test_a_starving_host(tmp_path):
    seal(tmp_path, run("run-1", LONG_AGO), engine=ENGINE)
    seal(tmp_path, busy("run-2", LONG_AGO + timedelta(days=1)), engine=ENGINE)
    made = pipeline.make_report(tools(tmp_path, limits=Limits(max_days_without_apply=9))).finished
    assert "APPLY_STARVED" in codes(made)
    assert made.status is Status.ATTENTION


def test_a_builder_whose_warmth_nobody_measured(tmp_path):
    *lines, ended = run("run-1", LONG_AGO)
    (verified,) = (line for line in lines if line.k == "verified")
    lines[lines.index(verified)] = replace(verified, unmeasured=("warm0", "warm1"))
    seal(tmp_path, (*lines, ended), engine=ENGINE)
    made = pipeline.make_report(tools(tmp_path)).finished
    found = [one for one in made.findings if one.code == "WARMTH_NOT_MEASURED"]
    assert [(one.subject, one.next_step) for one in found] == [
        ("warm0", "hygiene acts run-1"),
        ("warm1", "hygiene acts run-1"),
    ]
    assert made.status is Status.HEALTHY, "it is good to know, and no alarm"


def test_a_run_that_was_cut_off_needs_attention(tmp_path):
    seal(tmp_path, run("run-1", LONG_AGO), engine=ENGINE)
    (tmp_path / ENGINE / "runs").mkdir()
    (tmp_path / ENGINE / "runs" / "run-2.jsonl").write_bytes(b"")
    assert "UNSETTLED_RUN" in codes(pipeline.make_report(tools(tmp_path)).finished)


def test_an_engine_that_does_not_answer_is_the_one_that_did(tmp_path):
    store = EvidenceStore(tmp_path / "state", log=lambda _: None)
    seal(tmp_path, run("run-1", LONG_AGO), engine=ENGINE)
    first = pipeline.make_report(tools(tmp_path, store=store)).finished
    assert first.acts.last.run_id == "run-1"
    silent = tools(tmp_path, store=store)
    silent.transport.seen = replace(silent.transport.seen, engine=None)
    assert pipeline.make_report(silent).finished.acts.last.run_id == "run-1"
    assert store.load(HOST).acts.last.run_id == "run-1"


def test_a_stored_run_is_judged_again_with_what_it_knew(tmp_path):
    seal(tmp_path, busy("run-1", LONG_AGO), engine=ENGINE)
    store = EvidenceStore(tmp_path / "state", log=lambda _: None)
    made = pipeline.make_report(tools(tmp_path, store=store)).finished
    assert "APPLY_STARVED" not in codes(made)
    stricter = replace(policy(), limits=Limits(max_days_without_apply=3))
    again = pipeline.rejudge(store.load(HOST), store.memory_after(HOST), stricter)
    assert "APPLY_STARVED" in codes(again)
    assert again.acts == made.acts


# ---- rows


def rows(**fields):
    shown = SCENES["attention"]
    return dict(apply_rows(replace(shown, acts=replace(shown.acts, **fields)), UTC))


def test_rows_of_nothing():
    made = replace(SCENES["attention"], acts=None)
    assert apply_rows(made, UTC) == []
    assert list(back_rows(made)) == []
    assert left_out(made) == 0


def test_rows_of_a_host_without_an_apply():
    assert dict(apply_rows(replace(SCENES["attention"], acts=Acts()), UTC)) == {"last": "none is recorded"}


def test_rows_of_one_apply():
    last = replace(SCENES["attention"].acts.last, problems=2)
    assert rows(last=last, last_bounded=last, unsettled=(), running=("0123456789",), busy=1) == {
        "last": "retirement, 2026-05-03 07:02 UTC: incomplete (run 4d1f0a77, asked for by chris)",
        "removed": "3 images, 1 volume",
        "bytes": "freed 8.0 GiB, claimed 8.0 GiB, estimated 9.0 GiB",
        "PROBLEMS": "2: hygiene acts 4d1f0a77",
        "found the host busy": "once, first at 2026-04-29 03:02 UTC",
        "goes on": "01234567",
    }
    assert rows(last=replace(last, removed={}))["removed"] == "nothing"


@pytest.mark.parametrize(
    ("status", "halted", "word"),
    [
        (None, None, "cut off"),
        (0, "FREE_TARGET", "done"),
        (4, "BOUNDS", "incomplete, BOUNDS"),
        (5, "JOB_RUNNING", "the host was busy"),
        (143, "STOPPED", "stopped, STOPPED"),
        (1, None, "failed"),
    ],
)
def test_how_a_run_ended_in_words(status, halted, word):
    last = replace(SCENES["attention"].acts.last, exit_status=status, halted=halted)
    assert status_word(last) == word


def test_what_is_not_listed_is_counted():
    shown = SCENES["attention"]
    many = replace(shown, acts=replace(shown.acts, came_back=shown.acts.came_back * 4, came_back_count=30))
    assert left_out(many) == 25
    for told in (text.render(many, zone=UTC), markdown.render(many, zone=UTC), html.render(many, zone=UTC)):
        assert "nd 25 more" in told


# ---- the verbs


@pytest.fixture
def root(tmp_path, monkeypatch):
    made = tmp_path / "var"
    monkeypatch.setattr(acts, "STATE", made)
    monkeypatch.setenv("COLUMNS", "120")
    return made


def test_a_run_is_told_again_by_the_names_of_its_journal(root):
    records, volume = prune(1), thing(2, "volume", "data")
    kept = settled(records, kept={f"{BUILDER}/b": Why.IN_USE}, removed=(f"{BUILDER}/a",))
    lines = run("run-1", LONG_AGO, records, volume, middle=(kept, failed(volume)), status=4)
    seal(root, lines)
    told = render(acts.find(root, "run-1"), None)
    assert BUILDER in told
    assert "data" in told
    assert "1 of 2" in told
    done = CliRunner().invoke(app, ["acts", "run"])
    assert done.exit_code == 0, done.output
    assert "the Engine answered 500" in done.output
    as_json = CliRunner().invoke(app, ["acts", "--format", "json"])
    stored = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [line["k"] for line in stored] == [line.k for line in lines]
    assert stored[0]["caller"]["name"] == "chris"


def test_a_run_that_nobody_knows(root):
    done = CliRunner().invoke(app, ["acts", "nobody"])
    assert isinstance(done.exception, UnknownRun)


def test_the_applies_are_listed_and_verified(root, tmp_path):
    seal(root, run("run-1", LONG_AGO, thing(1)))
    seal(root, run("run-2", LONG_AGO, thing(1), middle=(settled(thing(1), outcome=Outcome.KEPT),), status=4))
    state = tmp_path / "state"
    state.mkdir()
    config = tmp_path / "hygiene.toml"
    config.write_text(
        f'[evidence]\ndirectory = "{state}"\n\n[hosts.{HOST}]\ndocker = "unix:///nowhere.sock"\n'
    )
    assert EvidenceStore(state, acts=root).publish().warning is None
    listed = CliRunner().invoke(app, ["history", "applies", "--config", str(config), "--format", "json"])
    assert listed.exit_code == 0, listed.output
    told = json.loads(listed.stdout)
    assert sorted((row["run_id"], row["removed"], row["claimed_bytes"] is not None) for row in told) == [
        ("run-1", 1, True),
        ("run-2", 0, True),
    ]
    shown = CliRunner().invoke(app, ["history", "applies", "--config", str(config)])
    assert "run-2" in shown.output
    checked = CliRunner().invoke(app, ["evidence", "verify", "--config", str(config)])
    assert "sound, 2 runs" in checked.output
    next(acts.ledgers(next(root.iterdir()))).files()[-1].path.unlink()
    broken = CliRunner().invoke(app, ["evidence", "verify", "--config", str(config)])
    assert "broken at run 2" in broken.output
    assert broken.exception.exit_status == 7


def test_a_journal_goes_on_by_the_lock_that_its_run_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "LOCKS", tmp_path)
    assert not executor.goes_on(tmp_path / ENGINE / "runs" / "run-1.jsonl")
