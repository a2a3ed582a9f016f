"""The starter file, the check, the published schema and the reference page agree with the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hygiene_core.config import check_lines, init_text, json_schema, load, load_file
from hygiene_core.errors import ConfigProblem
from hygiene_core.testing import GIB
from tests.unit.config_files import EXAMPLE, FAULTS, LAB, NAME_RULE, ROOT, WHOLE, refused, written

REFERENCE = ROOT / "docs/reference/config.md"
SCHEMA = ROOT / "docs/reference/config.schema.json"


@pytest.mark.parametrize("name", ["local", "chris-testing", "a.b"])
def test_the_starter_file_can_be_used(tmp_path: Path, name: str):
    made = load(written(tmp_path, init_text(name, "unix:///run/my docker.sock")), {})
    assert made.hosts[name].docker_socket == "/run/my docker.sock"
    assert made.warnings == ()


def test_every_line_of_the_starter_file_can_be_used(tmp_path: Path):
    """What is commented out and looks like TOML is TOML, too."""
    text = re.sub(r"(?m)^# (?=\[|[a-z_]+ = )", "", init_text("lab", "unix:///run/lab.sock"))
    made = load(written(tmp_path, text), {})
    policy = made.hosts["lab"].policy
    assert policy.budgets["embedded"].max_bytes == 20 * GIB
    assert None not in (*vars_of(policy.limits), *vars_of(policy.ages))
    assert (len(policy.runner_roots), made.state_directory) == (1, "/var/lib/hygiene")


def vars_of(made: Any) -> list[Any]:
    return [getattr(made, name) for name in made.__slots__]


@pytest.mark.parametrize(
    ("name", "docker", "said"),
    [
        ("-x", "unix:///a", f'--host: "-x" is not a name; {NAME_RULE}. Nothing was written.'),
        (
            "lab",
            "/a",
            '--docker: "/a" is not an address; write for example "unix:///a". Nothing was written.',
        ),
    ],
)
def test_a_starter_file_that_could_not_be_used_is_not_written(name: str, docker: str, said: str):
    with pytest.raises(ConfigProblem) as caught:
        init_text(name, docker)
    assert caught.value.message == said


def test_the_lines_of_a_check(tmp_path: Path):
    path = written(tmp_path, LAB + '[hosts.lab.protect]\nvolumes = ["*"]\n')
    digest = load(path, {}).hosts["lab"].policy.digest
    assert check_lines(path, {"HYGIENE_STATE_DIR": "/srv/state"}) == [
        f"{path} can be used.",
        "Evidence is kept in /srv/state.",
        "host lab: unix:///run/lab.sock",
        (
            "  Keep everything seen idle for less than 168 h; keep the volumes of 1 pattern; "
            "let go of nothing by age; leave every build cache alone; no limits are set."
        ),
        f"  policy digest {digest}",
        'warning: line 4: hosts.lab.protect.volumes[0]: "*" protects all volumes',
    ]


def test_the_check_of_no_file_says_so(tmp_path: Path):
    first, *_ = check_lines(None, {}, search=[tmp_path / "a", tmp_path / "b"])
    assert first == (
        f"No configuration was found at {tmp_path}/a or {tmp_path}/b: built-in protective defaults."
    )


def test_the_published_schema_is_the_codes():
    assert SCHEMA.read_text() == json.dumps(json_schema(), indent=2) + "\n", (
        "write it again: hygiene config schema > docs/reference/config.schema.json"
    )


def test_the_schema_accepts_what_the_parser_accepts():
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    for text in (WHOLE, LAB, EXAMPLE.read_text(), init_text("a.b", "unix:///run/lab.sock")):
        validator.validate(tomllib.loads(text))


BEYOND_A_SCHEMA = {
    # Two values against each other, or what an editor's schema cannot compare.
    *("reserved_above_max", "reserved_above_most", "max_small", "root_name_twice", "run_cache_twice"),
    *("run_cache_high_water_alone", "run_cache_low_water_alone"),
    *("run_cache_water_equal", "run_cache_water_upside_down"),
    *(
        "evidence_in_data_root",
        "evidence_in_runner_root",
        "evidence_in_run_cache",
        "data_root_goes_up",
        "data_root_is_root",
    ),
    *("max_too_large", "duration_too_long", "deadline_too_long", "bounds_expiry_too_long"),
    # JSON writes 1e3 and 1000 for the same number.
    "bounds_items_scientific",
    # JSON has no such number.
    "percent_nan",
    # The inside of a pattern or an address.
    *("pattern_backwards", "pattern_surrounding_space", "pattern_too_long", "pattern_unclosed"),
    *("pattern_unclosed_not", "label_class_over_equals", "pattern_newline", "docker_escape"),
}


def readable_faults() -> Iterator[Any]:
    for path in sorted(FAULTS.glob("*.toml")):
        try:
            tables = tomllib.loads(path.read_bytes().decode())
        except (ValueError, RecursionError):
            continue  # not TOML at all: no schema is asked
        yield pytest.param(path.stem, tables, id=path.stem)


@pytest.mark.parametrize(("fault", "tables"), list(readable_faults()))
def test_the_schema_refuses_what_an_editor_can_see(fault: str, tables: dict[str, Any]):
    accepted = jsonschema.Draft202012Validator(json_schema()).is_valid(tables)
    assert accepted == (fault in BEYOND_A_SCHEMA)


def documented() -> dict[str, dict[str, list[str]]]:
    """Table -> key -> cells, as the reference page has them."""
    tables: dict[str, dict[str, list[str]]] = {}
    for line in REFERENCE.read_text().splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ").strip("`")
        elif found := re.fullmatch(r"\| `(\w+)` \| (.*) \|", line):
            tables.setdefault(title, {})[found[1]] = found[2].split(" | ")
    return tables


def coded() -> dict[str, dict[str, dict[str, Any]]]:
    """Table -> key -> schema, as the code has them; tables inside tables are tables of their own."""
    schema = json_schema()
    tables: dict[str, dict[str, dict[str, Any]]] = {}

    def walk(title: str, table: dict[str, Any], brackets: str = "[{}]") -> None:
        keys = tables.setdefault(brackets.format(title), {})
        for key, value in table["properties"].items():
            deeper = f"{title}.{key}".lstrip(".")
            if reference := value.get("$ref"):
                walk(deeper, schema["$defs"][reference.rpartition("/")[2]])
            elif reference := value.get("items", {}).get("$ref"):
                walk(deeper, schema["$defs"][reference.rpartition("/")[2]], "[[{}]]")
            elif reference := value.get("additionalProperties", {}).get("$ref"):
                name = {"hosts": "NAME", "budgets": "BUILDER"}[key]
                walk(f"{deeper}.{name}", schema["$defs"][reference.rpartition("/")[2]])
            else:
                required = key in table.get("required", [])
                keys[key] = value | {"required": required}

    walk("", schema)
    return {title: keys for title, keys in tables.items() if keys}


def test_the_reference_has_every_key_and_no_other():
    assert {title: set(keys) for title, keys in documented().items()} == {
        title: set(keys) for title, keys in coded().items()
    }


def test_the_reference_has_the_codes_meanings_and_defaults():
    for title, keys in coded().items():
        for key, schema in keys.items():
            _, default, meaning, _ = documented()[title][key]
            unset = "required" if schema["required"] else "not set"
            expected = f"`{json.dumps(schema['default'])}`" if "default" in schema else unset
            assert (title, key, default) == (title, key, expected)
            assert (title, key, meaning) == (title, key, schema["description"])


TYPES = {
    "size": '"8GiB"',
    "duration": '"30m"',
    "percent": "10",
    "count": "7",
    "list of patterns": '["a*"]',
    "list of labels": '["a=b"]',
    "list of paths": '["/root"]',
    "text": '"local"',
    "version": '"1.2.3"',
    "path": '"/srv/x"',
    "name": '"lane-9"',
    "socket": '"unix:///run/x.sock"',
    "true or false": "true",
}
"""A value of each type that the reference names."""

NEEDED = {
    "[hosts.NAME]": {"docker": '"unix:///run/lab.sock"'},
    "[hosts.NAME.budgets.BUILDER]": {"max": '"20GiB"'},
    "[[hosts.NAME.runner_roots]]": {"name": '"lane-1"', "path": '"/srv/lane-1"'},
    "[[hosts.NAME.run_caches]]": {
        "name": '"builds"',
        "path": '"/srv/builds"',
        "high_water": '"1TiB"',
        "low_water": '"1MiB"',
    },
}


@pytest.mark.parametrize("title", documented())
def test_types_and_examples_of_the_reference_can_be_written(tmp_path: Path, title: str):
    header = title.replace("NAME", "lab").replace("BUILDER", "embedded")
    base = "" if title == "[hosts.NAME]" else LAB
    for key, (kind, _, _, example) in documented()[title].items():
        for value in (TYPES[kind], example.strip("`")):
            body = NEEDED.get(title, {}) | {key: value}
            lines = [base, header, *(f"{name} = {text}" for name, text in body.items())]
            load_file(written(tmp_path, "\n".join(lines)))


def test_the_blocks_of_the_reference(tmp_path: Path):
    page = REFERENCE.read_text()
    for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        assert load_file(written(tmp_path, block)).hosts
    (refusal,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    error = refused(FAULTS / "documented.toml")
    assert str(error).replace(str(FAULTS / "documented.toml"), "hygiene.toml") + "\n" == refusal


def test_help_and_a_run_without_a_file_do_not_load_pydantic():
    code = (
        "import sys; from hygiene_core.config import load\n"
        "load(None, {}, search=[])\n"
        "assert 'pydantic' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
