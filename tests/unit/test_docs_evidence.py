"""The documented tables and views against a published database that the kit made from recorded runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hygiene_core.evidence import duck
from hygiene_core.evidence.catalogue import PUBLISHED, bring_up_to_date
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.model.known import Memory
from hygiene_core.model.report import Report
from hygiene_core.testing import cache_record, finding, image, judged, report, volume
from tests.unit import act_scenes
from tests.unit.docs_pages import REFERENCE, fences, sections, word

PAGE = REFERENCE / "evidence-tables.md"
HOST = "chris-testing"
QUERIES = list(fences(PAGE, "sql"))


def _reports() -> Iterator[Report]:
    """Three days: an image goes and comes back, a section fails, the newest run has a finding."""
    now = datetime.now(UTC).replace(microsecond=0)
    kept = judged(volume(), "retained")
    coming_and_going = judged(image("odoo-docker:verify-runtime"), "unknown")
    days = (
        report(kept, coming_and_going, judged(cache_record())),
        report(kept, partial={"build_cache": "the Engine answered 500"}),
        report(kept, coming_and_going, judged(cache_record()), findings=[finding()]),
    )
    for number, made in enumerate(days):
        started_at = now - timedelta(days=len(days) - number)
        rows = tuple(sorted(made.resources, key=lambda row: (row.kind.value, row.id)))
        yield replace(
            made,
            run_id=f"run-{number + 1}",
            started_at=started_at,
            ended_at=started_at + timedelta(seconds=2),
            resources=rows,
        )


@pytest.fixture(scope="module")
def database(tmp_path_factory) -> Iterator[Any]:
    directory: Path = tmp_path_factory.mktemp("state")
    store = EvidenceStore(directory)
    for made in _reports():
        store.record(made, Memory())
    acts: Path = tmp_path_factory.mktemp("acts")
    for number in (1, 2):
        at = datetime.now(UTC) - timedelta(days=number)
        gone = act_scenes.thing(2, name="odoo-docker:pull-request-1")
        act_scenes.seal(
            acts,
            act_scenes.run(f"act-{number}", at, act_scenes.prune(1), gone, probes=[act_scenes.probe(at)]),
        )
    publication = bring_up_to_date(directory, [HOST], acts=acts)
    assert publication.pending == 0, publication.warnings
    with closing(duck.connect(directory / PUBLISHED, read_only=True)) as connection:
        yield connection


def _documented(heading: str) -> dict[str, tuple[str, list[list[str]]]]:
    """Comment and column rows by name, of everything between one heading and the next of its level."""
    parts = sections(PAGE)
    first = next(i for i, part in enumerate(parts) if part.heading == heading)
    found: dict[str, tuple[str, list[list[str]]]] = {}
    for part in parts[first + 1 :]:
        if not part.heading.startswith("`"):
            break
        found[part.heading.strip("`")] = (part.text.strip().split("\n")[0], part.rows)
    return found


def _columns(database: Any, source: str) -> list[tuple[str, str]]:
    return [(name, kind) for name, kind, *_ in database.execute(f"DESCRIBE {source}").fetchall()]


@pytest.mark.parametrize(
    ("heading", "catalogue"), [("Tables", "duckdb_tables()"), ("Views", "duckdb_views()")]
)
def test_every_table_and_view_stands_in_the_reference_with_its_comment(database, heading, catalogue):
    name = "table_name" if heading == "Tables" else "view_name"
    told = database.execute(f"SELECT {name}, comment FROM {catalogue} WHERE NOT internal").fetchall()
    documented = _documented(heading)
    assert {name: comment for name, (comment, _) in documented.items()} == dict(told)
    for name, (_, rows) in documented.items():
        assert [(word(row[0]), row[1]) for row in rows] == _columns(database, name), name
        assert all(row[2] for row in rows)


def test_every_comment_of_a_column_stands_in_the_reference(database):
    told = database.execute(
        "SELECT table_name, column_name, comment FROM duckdb_columns()"
        " WHERE NOT internal AND comment IS NOT NULL"
    ).fetchall()
    documented = {
        (name, word(row[0])): row[2]
        for heading in ("Tables", "Views")
        for name, (_, rows) in _documented(heading).items()
        for row in rows
    }
    assert told
    assert {(table, column): documented[table, column] for table, column, _ in told} == {
        (table, column): comment for table, column, comment in told
    }


def test_every_column_of_a_table_has_a_comment(database):
    bare = database.execute(
        "SELECT table_name, column_name FROM duckdb_columns() c WHERE NOT internal AND comment IS NULL"
        " AND table_name IN (SELECT table_name FROM duckdb_tables())"
    ).fetchall()
    assert bare == []


def test_every_macro_stands_in_the_reference_with_its_comment(database):
    told = database.execute(
        "SELECT function_name, len(parameters), comment FROM duckdb_functions() WHERE NOT internal"
    ).fetchall()
    documented = _documented("Macros")
    assert {name: comment for name, (comment, _) in documented.items()} == {
        name: comment for name, _, comment in told
    }
    for name, parameters, _ in told:
        call = f"FROM {name}('{HOST}'{', 1' * (parameters - 1)})"
        assert [(word(row[0]), row[1]) for row in documented[name][1]] == _columns(database, call), name


def test_there_are_queries_to_begin_with():
    assert len(QUERIES) >= 10


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_reference_gives_rows(database, query):
    # Rows are not fetched as Python values: a time with a zone needs a package that the kit does not need.
    assert database.execute(f"SELECT count(*) FROM ({query})").fetchone()[0] > 0
