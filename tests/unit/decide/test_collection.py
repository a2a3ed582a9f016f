"""What is said of BuildKit's own garbage collection."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hygiene_core.decide.classify import classify
from hygiene_core.decide.collection import ceiling, grows_unbounded, lacks, over_budget, overcommit
from hygiene_core.decide.findings import find
from hygiene_core.decide.summary import summarise
from hygiene_core.model.engine_config import DaemonConfig
from hygiene_core.model.observation import SectionName
from hygiene_core.model.policy import Budget
from hygiene_core.model.report import Finding
from hygiene_core.model.resource import GcRule
from hygiene_core.testing import GIB, builder, engine, filesystem, observation, section
from tests.unit.decide.judging import WEEK, context_of, policy

CHEAP = GcRule(filters=("type==source.local", "type==exec.cachemount"), keep_for=WEEK, max_used_bytes=GIB)
NEVER = GcRule(filters=("type==source.local,type==exec.cachemount",), keep_for=WEEK, max_used_bytes=GIB)
OLD = GcRule(keep_for=timedelta(days=60), max_used_bytes=2 * GIB)
WHOLE = GcRule(max_used_bytes=20 * GIB)
ALL = GcRule(everything=True, max_used_bytes=30 * GIB)
GUARDED = GcRule(everything=True, max_used_bytes=900 * GIB, min_free_bytes=50 * GIB)
DEFAULT = (CHEAP, OLD, WHOLE, ALL)


@pytest.mark.parametrize(
    ("rules", "bytes_"),
    [
        (None, None),
        ((), None),
        ((CHEAP, OLD), None),
        (DEFAULT, 20 * GIB),
        # The reserve goes before the bound, and alone it is the bound; free space alone is none.
        ((GcRule(reserved_bytes=5 * GIB),), 5 * GIB),
        ((GcRule(reserved_bytes=5 * GIB, max_used_bytes=GIB, min_free_bytes=GIB),), 5 * GIB),
        ((GcRule(reserved_bytes=5 * GIB, min_free_bytes=GIB),), None),
        # A tier without any bound lets go of all that it is for.
        ((GcRule(everything=True),), 0),
    ],
)
def test_the_ceiling_is_the_lowest_bound_that_holds_for_all(rules, bytes_):
    assert ceiling(builder(gc_policy=rules)) == bytes_


def test_no_collection_is_not_the_same_as_one_that_was_not_read():
    assert grows_unbounded(builder(gc_policy=()), policy())
    assert not grows_unbounded(builder(gc_policy=None), policy())


def test_a_budget_bounds_what_builder_and_engine_do_not():
    mine = policy(budgets={"b": Budget(max_bytes=GIB, reserved_bytes=0, min_age=WEEK)})
    assert not grows_unbounded(builder("b0", gc_policy=()), mine)
    assert grows_unbounded(builder("c0", gc_policy=()), mine)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (None, []),
        ((), []),
        (DEFAULT, []),
        ((WHOLE, ALL), ["cheap records"]),
        ((NEVER, WHOLE, ALL), ["never matches"]),
        ((NEVER, CHEAP, WHOLE, ALL), []),
        ((CHEAP, GcRule(everything=True, keep_for=WEEK)), ["bounds the whole cache"]),
        ((CHEAP, WHOLE), ["internal and frontend"]),
        ((OLD,), ["cheap records", "bounds the whole cache", "internal and frontend"]),
    ],
)
def test_what_it_lacks(rules, words):
    missing = lacks(builder(gc_policy=rules))
    assert len(missing) == len(words)
    assert all(word in text for word, text in zip(words, missing, strict=True))


@pytest.mark.parametrize(
    ("rules", "limit", "expected"),
    [
        (DEFAULT, 20 * GIB, None),
        (DEFAULT, 19 * GIB, (20 * GIB, 19 * GIB)),
        ((CHEAP,), 19 * GIB, (None, 19 * GIB)),
        ((), 19 * GIB, (None, 19 * GIB)),
        (None, 19 * GIB, None),
        (DEFAULT, None, None),
    ],
)
def test_over_the_budget(rules, limit, expected):
    budgets = {} if limit is None else {"b": Budget(max_bytes=limit, reserved_bytes=0, min_age=WEEK)}
    assert over_budget(builder("b0", gc_policy=rules), policy(budgets=budgets)) == expected


def test_all_together():
    two = (builder("a0", gc_policy=DEFAULT), builder("b0", gc_policy=(GcRule(max_used_bytes=90 * GIB),)))
    found = overcommit(two, 100 * GIB)
    assert found is not None
    assert (found.builders, found.total_bytes) == (("a0", "b0"), 110 * GIB)
    assert overcommit(two, 110 * GIB) is None
    assert overcommit((builder("c0", gc_policy=(GUARDED,)), builder("d0", gc_policy=None)), GIB) is None


def found_of(*builders, limit: int = 8 * GIB, **fields) -> list[Finding]:
    seen = observation(*builders, **fields)
    context = context_of(seen, policy(budgets={"b": Budget(max_bytes=limit, reserved_bytes=0, min_age=WEEK)}))
    judged = classify(seen, context)
    found = find(seen, summarise(seen, judged, context), context, None)
    return [one for one in found if one.code.startswith("GC_")]


def test_findings_name_the_builder_and_the_figures():
    off, lacking, over = found_of(builder("a0", gc_policy=()), builder("b0", gc_policy=(CHEAP, WHOLE)))
    assert (off.code, off.subject) == ("GC_OFF", "a0")
    assert {lacking.code, over.code} == {"GC_TIER_MISSING", "GC_OVER_BUDGET"}
    budget = next(one for one in (lacking, over) if one.code == "GC_OVER_BUDGET")
    assert (budget.figure, budget.limit, budget.unit) == (20 * GIB, 8 * GIB, "bytes")


def test_more_than_the_disk_is_a_finding_if_the_disk_is_known():
    greedy = builder(
        "x0", gc_policy=(CHEAP, GcRule(everything=True, max_used_bytes=filesystem().total_bytes + 1))
    )
    assert [one.code for one in found_of(greedy)] == ["GC_OVERCOMMIT"]
    assert found_of(greedy, filesystems=()) == []


def test_the_place_to_mend_is_named():
    inside = builder("embedded", driver="embedded", gc_policy=(), gc_source="the Engine's defaults")
    outside = builder("a0", gc_policy=(NEVER, WHOLE, ALL))
    off, lacking = found_of(inside, outside)
    assert off.message.endswith("; set in `builder.gc` of daemon.json, read from the Engine's defaults")
    assert lacking.message.endswith("; set in its buildkitd.toml")


CONFIG = DaemonConfig(path="/etc/docker/daemon.json", applies=True, exists=True)


def default_log_of(config: DaemonConfig | None, *, read: str = "complete", **fields) -> list[str]:
    seen = observation(daemon_config=config, **fields)
    if read != "no":
        seen.sections[SectionName.DAEMON_CONFIG] = section("daemon_config", read, reason="a reason")
    context = context_of(seen, policy())
    found = find(seen, summarise(seen, classify(seen, context), context), context, None)
    return [one.code for one in found if one.code.startswith("LOG_")]


@pytest.mark.parametrize(
    ("config", "said", "found"),
    [
        (CONFIG, "json-file", True),
        (CONFIG, None, True),
        (CONFIG, "local", False),
        (replace(CONFIG, log_driver="journald"), None, False),
        (replace(CONFIG, log_driver="journald"), "json-file", True),
        (replace(CONFIG, log_max_size="10m"), "json-file", False),
        (replace(CONFIG, log_max_size="-1"), "json-file", True),
        (replace(CONFIG, exists=False), "json-file", True),
        (replace(CONFIG, applies=False), "json-file", False),
        (None, "json-file", False),
    ],
)
def test_the_default_of_logs(config, said, found):
    expected = ["LOG_DEFAULT_UNBOUNDED"] if found else []
    assert default_log_of(config, engine=engine(log_driver=said)) == expected


def test_the_default_of_logs_is_not_guessed():
    assert default_log_of(CONFIG, read="partial") == []
    assert default_log_of(CONFIG, read="no") == []
    assert default_log_of(CONFIG, engine=None) == ["LOG_DEFAULT_UNBOUNDED"]
