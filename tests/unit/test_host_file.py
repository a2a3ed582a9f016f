"""/etc/hygiene/host.toml: what it may say, that only root can say it, and that nothing of it is guessed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hygiene_core.config import host_file_schema, host_file_text, load
from hygiene_core.config.host_file import load_host_rules
from hygiene_core.errors import ConfigProblem, HostRulesProblem
from hygiene_core.model.host_rules import Ceilings, HostRules
from hygiene_core.model.plan import Verb
from hygiene_core.model.policy import Protect
from hygiene_core.model.warmth import Probe
from hygiene_core.testing import GIB, MIB
from tests.unit.config_files import LAB, written
from tests.unit.docs_pages import REFERENCE, fences, section, word
from tests.unit.host_files import LEAST, MACHINE, WHOLE, host_file

PAGE = REFERENCE / "host-file.md"

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="the file has to belong to root")


def why(path: Path) -> str:
    """The reason in a refusal, whose frame is always the same."""
    with pytest.raises(HostRulesProblem) as caught:
        load_host_rules(path)
    error = caught.value
    assert (error.code, error.exit_status, error.word) == ("HOST_RULES", 3, "refused")
    assert error.next_step == "How to write it: docs/guides/allow-removal.md"
    frame = f"{path}, which says what this host allows, cannot be used: "
    assert error.message.startswith(frame)
    assert error.message.endswith(" Nothing was removed.")
    said = error.message.removeprefix(frame).removesuffix(" Nothing was removed.").removesuffix(".")
    return said.replace(str(path), "FILE").replace(str(path.parent), "FOLDER")


# -- what it says --------------------------------------------------------------------------------------------


@root_only
def test_the_least_file_allows_nothing(tmp_path):
    assert load_host_rules(host_file(tmp_path)) == HostRules(
        host_id=MACHINE, name="lab", docker_socket="/run/lab.sock"
    )


def test_rules_that_say_nothing_allow_nothing():
    made = HostRules(host_id=MACHINE, name="lab", docker_socket="/run/lab.sock")
    assert (made.allow, made.approvers, made.directories) == (frozenset(), (), ())


@root_only
def test_everything_that_can_be_said_is_heard(tmp_path):
    made = load_host_rules(host_file(tmp_path, WHOLE))
    assert made == HostRules(
        host_id=MACHINE,
        name="lab",
        docker_socket="/run/lab.sock",
        data_root="/mnt/docker",
        allow=frozenset({Verb.PRUNE_RECORDS, Verb.REMOVE_IMAGE}),
        approvers=("alice", "bob"),
        no_touch=Protect(
            builders=("warm",),
            images=("warm:*",),
            volumes=("data-[0-9]",),
            containers=("web?",),
            labels=("keep", "owner=ops"),
        ),
        ceilings=Ceilings(max_items=7, max_bytes=9 * MIB, max_time=timedelta(minutes=11)),
        reserves={"embedded": 8 * GIB, "warm0": GIB},
        directories=("/srv/runners",),
        probes={"warm": Probe(context="/etc/hygiene/probes/warm", max_time=timedelta(seconds=90))},
        docker_cli="/opt/docker/bin/docker",
    )
    silent = HostRules(host_id=made.host_id, name=made.name, docker_socket=made.docker_socket)
    same = {"host_id", "name", "docker_socket"}
    for one in dataclasses.fields(HostRules):
        assert (getattr(made, one.name) == getattr(silent, one.name)) is (one.name in same), one.name


@root_only
def test_a_ceiling_that_is_left_out_still_is_one(tmp_path):
    made = load_host_rules(host_file(tmp_path, LEAST + "[ceilings]\nmax_items = 3\n"))
    assert made.ceilings == dataclasses.replace(Ceilings(), max_items=3)
    assert Ceilings() == Ceilings(max_items=5000, max_bytes=500 * GIB, max_time=timedelta(minutes=30)), (
        "the page tells these"
    )


# -- who may have written it ---------------------------------------------------------------------------------


def test_no_file(tmp_path):
    assert why(tmp_path / "host.toml") == "there is no FILE"


def test_no_folder(tmp_path):
    assert why(tmp_path / "hygiene/host.toml") == "there is no FILE"


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "hygiene").write_text("x")
    assert why(tmp_path / "hygiene/host.toml") == "FILE cannot be looked at: Not a directory"


def test_a_link_to_a_good_file(tmp_path):
    real = host_file(tmp_path / "real")
    link = tmp_path / "host.toml"
    link.symlink_to(real)
    assert why(link) == "FILE is a link"


@root_only
def test_a_folder_that_is_a_link(tmp_path):
    host_file(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    assert why(tmp_path / "link/host.toml") == "FOLDER is a link"


@root_only
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o620, 0o602])
def test_a_file_that_others_may_write(tmp_path, mode):
    path = host_file(tmp_path)
    path.chmod(mode)
    assert why(path) == "FILE may be changed by others than root"


@root_only
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_folder_that_others_may_write(tmp_path, mode):
    path = host_file(tmp_path)
    tmp_path.chmod(mode)
    assert why(path) == "FOLDER may be changed by others than root"


@root_only
def test_a_file_of_somebody_else(tmp_path):
    path = host_file(tmp_path)
    os.chown(path, 1000, 0)
    assert why(path) == "FILE may be changed by others than root"


@root_only
def test_a_folder_of_somebody_else(tmp_path):
    path = host_file(tmp_path)
    os.chown(tmp_path, 1000, 0)
    assert why(path) == "FOLDER may be changed by others than root"


@root_only
def test_a_folder_in_place_of_the_file(tmp_path):
    (tmp_path / "host.toml").mkdir(mode=0o755)
    assert why(tmp_path / "host.toml") == "it is a directory; name the file in it"


# -- what it may not say -------------------------------------------------------------------------------------

NO_UNIT = 'has no unit; write for example "20GiB"'

REFUSED = {
    "empty": ("", "it is empty; `hygiene config host-file` writes a file to start from"),
    "comments only": (
        "# nothing\n",
        "it is empty; `hygiene config host-file` writes a file to start from",
    ),
    "not TOML": (LEAST + "allow\n", "line 4: not TOML: expected '=' after a key in a key/value pair"),
    "YAML": ("host_id: 1\n", "line 1: not TOML: expected '=' after a key in a key/value pair"),
    "not UTF-8": (b'name = "\xff"\n', "line 1: it is not UTF-8 text"),
    "key twice": (LEAST + 'name = "b"\n', "line 4: this key or table stands twice"),
    "table twice": (LEAST + "[no_touch]\n[no_touch]\n", "line 5: this key or table stands twice"),
    "null": (LEAST + "allow = null\n", "line 4: TOML has no null; leave the key out"),
    "too large": ("#" * (2**20 + 1), "it has 1048577 bytes; a configuration has at most 1048576 (1 MiB)"),
    "no host_id": (
        'name = "a"\ndocker = "unix:///x"\n',
        "host_id: is missing",
    ),
    "no name": (f'host_id = "{MACHINE}"\ndocker = "unix:///x"\n', "name: is missing"),
    "no docker": (
        f'host_id = "{MACHINE}"\nname = "a"\n',
        'docker: is missing; write docker = "unix:///var/run/docker.sock"',
    ),
    "unknown key": (LEAST + "allowed = []\n", 'line 4: allowed: unknown key; did you mean "allow"?'),
    "unknown table": (LEAST + "[notouch]\n", 'line 4: notouch: unknown key; did you mean "no_touch"?'),
    "unknown ceiling": (
        LEAST + "[ceilings]\nmax_item = 1\n",
        'line 5: ceilings.max_item: unknown key; did you mean "max_items"?',
    ),
    "unknown kind": (
        LEAST + '[no_touch]\nimage = ["a"]\n',
        'line 5: no_touch.image: unknown key; did you mean "images"?',
    ),
    "unknown step": (
        LEAST + 'allow = ["remove_images"]\n',
        'line 4: allow[0]: "remove_images" is no step; did you mean "remove_image"?',
    ),
    "every step": (
        LEAST + 'allow = ["*"]\n',
        'line 4: allow[0]: "*" is no step; known here: ' + ", ".join(verb.value for verb in Verb),
    ),
    "a step in capitals": (
        LEAST + 'allow = ["PRUNE_RECORDS"]\n',
        'line 4: allow[0]: "PRUNE_RECORDS" is no step; known here: ' + ", ".join(verb.value for verb in Verb),
    ),
    "a step that is no text": (LEAST + "allow = [true]\n", "line 4: allow[0]: must be text, not a boolean"),
    "steps that are no list": (
        LEAST + 'allow = "prune_records"\n',
        "line 4: allow: must be a list, not text",
    ),
    "an approver that is no account": (
        LEAST + 'approvers = ["alice", "-x"]\n',
        (
            'line 4: approvers[1]: "-x" is not a name; a name is 1 to 63 of A-Z a-z 0-9 . _ - and begins with a'  # noqa: E501 - the whole line
            " letter or a digit"
        ),
    ),
    "an approver without a name": (LEAST + 'approvers = [""]\n', "line 4: approvers[0]: is empty"),
    "an approver of two lines": (
        LEAST + 'approvers = ["alice\\nbob"]\n',
        'line 4: approvers[0]: "alice\\nbob" has a character that cannot be printed',
    ),
    "any approver": (
        LEAST + 'approvers = ["*"]\n',
        (
            'line 4: approvers[0]: "*" is not a name; a name is 1 to 63 of A-Z a-z 0-9 . _ - and begins with a'  # noqa: E501 - the whole line
            " letter or a digit"
        ),
    ),
    "a pattern that is never closed": (
        LEAST + '[no_touch]\nimages = ["a[bc"]\n',
        'line 5: no_touch.images[0]: "a[bc" has a [ that is never closed',
    ),
    "an empty pattern": (
        LEAST + '[no_touch]\nvolumes = [""]\n',
        "line 5: no_touch.volumes[0]: is empty",
    ),
    "a socket over TCP": (
        LEAST.replace("unix:///run/lab.sock", "tcp://h:2375"),
        (
            'line 3: docker: "tcp://h:2375" is refused: only unix sockets are read, such as'
            ' "unix:///var/run/docker.sock"; an Engine behind tcp:// is looked at on its own machine'
        ),
    ),
    "the root as a directory": (
        LEAST + 'directories = ["/"]\n',
        "line 4: directories[0]: is the root of the filesystem",
    ),
    "a directory that goes up": (
        LEAST + 'directories = ["/srv/../etc"]\n',
        'line 4: directories[0]: "/srv/../etc" goes up with ..; write the path without it',
    ),
    "ceilings that are no table": (
        LEAST + "ceilings = 5\n",
        "line 4: ceilings: must be a table, not a number",
    ),
    "a reserve of nothing": (
        LEAST + "[reserves]\nembedded = 0\n",
        'line 5: reserves.embedded: 0 is refused: it is no size, and never means "no limit"',
    ),
    "a reserve without a unit": (
        LEAST + "[reserves]\nembedded = 8\n",
        f"line 5: reserves.embedded: 8 {NO_UNIT}",
    ),
    "a reserve of a glob": (
        LEAST + '[reserves]\n"*" = "8GiB"\n',
        'line 5: reserves."*": "*" is not the name of one builder',
    ),
    "probe of a glob": (
        LEAST + '[probes."b*"]\ncontext = "/x"\n',
        'line 4: probes."b*": "b*" is not the name of one builder',
    ),
    "probe of the Engine": (
        LEAST + '[probes.embedded]\ncontext = "/x"\n',
        "line 4: probes.embedded: only builders in containers can be probed",
    ),
    "probe without a context": (
        LEAST + '[probes.warm]\nmax_time = "1m"\n',
        "line 4: probes.warm.context: is missing",
    ),
    "two problems": (
        LEAST + "allow = [1]\n[ceilings]\nmax_items = 0\n",
        (
            "line 4: allow[0]: must be text, not a number;"
            " line 6: ceilings.max_items: 0 is refused: a bound is 1 to 1000000"
        ),
    ),
}

CEILINGS = {
    ("max_items", "0"): "0 is refused: a bound is 1 to 1000000",
    ("max_items", "-1"): "-1 is refused: a bound is 1 to 1000000",
    ("max_items", "1000001"): "1000001 is refused: a bound is 1 to 1000000",
    ("max_items", "1.0"): "must be a whole number such as 5000",
    ("max_items", "inf"): "must be a whole number such as 5000",
    ("max_items", "nan"): "must be a whole number such as 5000",
    ("max_items", "true"): "must be a whole number such as 5000",
    ("max_items", '"5"'): "must be a whole number such as 5000",
    ("max_bytes", "0"): '0 is refused: it is no size, and never means "no limit"',
    ("max_bytes", '"0GiB"'): '0 is refused: it is no size, and never means "no limit"',
    ("max_bytes", '"-5GiB"'): '"-5GiB" is negative',
    ("max_bytes", '"1e3"'): '"1e3" is in scientific notation; write for example "20GiB"',
    ("max_bytes", '"24"'): f'"24" {NO_UNIT}',
    ("max_bytes", '"20gib"'): '"20gib" has the unknown unit "gib"; did you mean "GiB"?',
    (
        "max_bytes",
        '"100%"',
    ): '"100%" has the unknown unit "%"; use one of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB',
    ("max_bytes", '"9999999TiB"'): '"9999999TiB" is too large',
    ("max_time", "0"): '0 is refused: it is no duration, and never means "at once"',
    ("max_time", '"-5h"'): '"-5h" is negative',
    ("max_time", '"24"'): '"24" has no unit; write for example "168h"',
    ("max_time", '"24H"'): '"24H" has the unknown unit "H"; did you mean "h"?',
    ("max_time", '"１２h"'): '"１２h" has digits other than 0 to 9',  # noqa: RUF001 - full-width on purpose
    ("max_time", '"P1D"'): '"P1D" is an ISO 8601 duration; write for example "168h"',
    ("max_time", '""'): 'is empty; write for example "168h"',
    ("max_time", '"9999d"'): '"9999d" is more than ten years',
}


@root_only
@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED)
def test_what_it_may_not_say(tmp_path, text, said):
    assert why(host_file(tmp_path, text)) == said


@root_only
@pytest.mark.parametrize(("key", "value"), CEILINGS)
def test_a_ceiling_that_is_none(tmp_path, key, value):
    path = host_file(tmp_path, f"{LEAST}[ceilings]\n{key} = {value}\n")
    assert why(path) == f"line 5: ceilings.{key}: {CEILINGS[key, value]}"


@root_only
@pytest.mark.parametrize(
    "written_id",
    [
        "",
        MACHINE.upper(),
        MACHINE[:31],
        MACHINE + "0",
        MACHINE + "\\n",
        "g" * 32,
        "*",
        MACHINE[:-1] + "\\u00b2",
    ],
)
def test_an_id_that_is_no_machines(tmp_path, written_id):
    path = host_file(tmp_path, LEAST.replace(MACHINE, written_id))
    assert (
        why(path) == "line 1: host_id: is no machine id: 32 characters of 0-9 and a-f, as in /etc/machine-id"
    )


# -- the template, the schema and the page -------------------------------------------------------------------


def template(tmp_path: Path, text: str = LAB) -> str:
    (tmp_path / "machine-id").write_text(MACHINE + "\n")
    (host,) = load(written(tmp_path, text), {}).hosts.values()
    return host_file_text(host, tmp_path / "machine-id")


POLICY = (
    LAB
    + 'data_root = "/mnt/docker"\n[hosts.lab.protect]\n'
    + 'builders = ["warm"]\nimages = ["a:*", \'b"[x]\']\nvolumes = ["v"]\n'
    + 'containers = ["c"]\nlabels = ["k=v"]\n'
)


@root_only
def test_the_template_allows_nothing_and_keeps_what_the_policy_protects(tmp_path):
    made = load_host_rules(host_file(tmp_path / "etc", template(tmp_path, POLICY)))
    assert made == HostRules(
        host_id=MACHINE,
        name="lab",
        docker_socket="/run/lab.sock",
        data_root="/mnt/docker",
        no_touch=Protect(
            builders=("warm",),
            images=("a:*", 'b"[x]'),
            volumes=("v",),
            containers=("c",),
            labels=("k=v",),
        ),
    )


@root_only
def test_every_line_of_the_template_can_be_used(tmp_path):
    """What is commented out and looks like TOML is TOML, too."""
    text = template(tmp_path)
    text = re.sub(r"(?m)^(allow|approvers) = \[\]\n", "", text)
    text = re.sub(r"(?m)^# (?=[a-z_]+ = |\[)", "", text)
    made = load_host_rules(host_file(tmp_path / "etc", text))
    assert made.allow == {Verb.PRUNE_RECORDS}
    assert made.approvers == ("alice", "bob")
    assert made.directories == ("/srv/runners",)
    assert made.data_root == "/var/lib/docker"
    assert made.reserves == {"embedded": 8 * GIB}
    assert made.probes == {"odoo-docker": Probe(context="/etc/hygiene/probes/odoo-docker")}
    assert made.ceilings == Ceilings()


@pytest.mark.parametrize("content", [None, "", "uninitialized\n", MACHINE[:-1], b"\xff" * 32])
def test_no_template_for_a_machine_without_an_id(tmp_path, content):
    path = tmp_path / "machine-id"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (host,) = load(written(tmp_path, LAB), {}).hosts.values()
    with pytest.raises(ConfigProblem) as caught:
        host_file_text(host, path)
    assert caught.value.message == f"{path} holds no machine id of 32 characters. Nothing was written."


def test_the_published_schema_is_the_codes():
    stored = (REFERENCE / "host.schema.json").read_text()
    assert stored == json.dumps(host_file_schema(), indent=2) + "\n", (
        "write it again: hygiene config host-file --schema > docs/reference/host.schema.json"
    )


def test_the_schema_accepts_what_the_parser_accepts(tmp_path):
    validator = jsonschema.Draft202012Validator(host_file_schema())
    validator.check_schema(host_file_schema())
    for text in (LEAST, WHOLE, template(tmp_path, POLICY), *fences(PAGE, "toml")):
        validator.validate(tomllib.loads(text))
    for name in ("unknown key", "unknown step", "no host_id", "a reserve of nothing", "any approver"):
        text = REFUSED[name][0]
        assert isinstance(text, str)
        assert not validator.is_valid(tomllib.loads(text)), name


def coded() -> dict[str, dict[str, Any]]:
    """Table -> key -> schema."""
    schema = host_file_schema()
    tables: dict[str, dict[str, Any]] = {"The file": {}}
    for key, value in schema["properties"].items():
        if reference := value.get("$ref"):
            tables[f"`[{key}]`"] = schema["$defs"][reference.rpartition("/")[2]]["properties"]
        else:
            tables["The file"][key] = value | {"required": key in schema["required"]}
            if reference := value.get("additionalProperties", {}).get("$ref"):
                table = schema["$defs"][reference.rpartition("/")[2]]
                tables[f"`[{key}.BUILDER]`"] = {
                    name: one | {"required": name in table["required"]}
                    for name, one in table["properties"].items()
                }
    return tables


@pytest.mark.parametrize("title", coded())
def test_the_page_has_every_key_its_default_and_its_meaning(title):
    rows = section(PAGE, title).rows
    expected = [
        (
            key,
            f"`{json.dumps(value['default'])}`"
            if "default" in value
            else "required"
            if value.get("required")
            else "not set",
            value["description"],
        )
        for key, value in coded()[title].items()
    ]
    assert [(word(row[0]), row[2], row[3]) for row in rows] == expected


@root_only
@pytest.mark.parametrize("title", coded())
def test_the_examples_of_the_page_can_be_written(tmp_path, title):
    for key, _, _, _, example in section(PAGE, title).rows:
        head = "" if title == "The file" else title.strip("`") + "\n"
        known = [line for line in LEAST.splitlines() if not line.startswith(f"{word(key)} =")]
        if title == "`[probes.BUILDER]`" and word(key) != "context":
            head += 'context = "/etc/hygiene/probes/odoo"\n'
        text = "\n".join([*known, f"{head}{word(key)} = {word(example)}"])
        load_host_rules(host_file(tmp_path / "etc", text))


def test_the_page_has_every_step():
    rows = section(PAGE, "The steps of `allow`").rows
    assert [word(row[0]) for row in rows] == [verb.value for verb in Verb]
    assert {word(row[2]) for row in rows} == {"bounded", "retirement"}


@root_only
def test_the_blocks_of_the_page(tmp_path):
    for block in fences(PAGE, "toml"):
        assert load_host_rules(host_file(tmp_path / "etc", block)).allow
    path = host_file(tmp_path / "etc", REFUSED["unknown step"][0])
    with pytest.raises(HostRulesProblem) as caught:
        load_host_rules(path)
    told = str(caught.value).replace(str(path), "/etc/hygiene/host.toml")
    assert list(fences(PAGE, "text")) == [told + "\n"]
