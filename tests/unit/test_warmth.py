"""What the client of a warmth probe is told, and what is read of its words. Its builds: tests/engine."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from hygiene_core.evidence.probed import keep_probed, probed_of, read_probed
from hygiene_core.host.actions.warmth import ProbeFailed, build, built
from hygiene_core.model.warmth import Built, Probe, Probed, Stamp
from hygiene_core.testing import NOW

CONTAINER = "c" * 64
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="a context has to belong to root")


def vertex(name: str, digest: str, **fields: object) -> dict[str, object]:
    return {"digest": digest, "name": name, "started": "2026-11-25T12:00:00Z", **fields}


WORDS = [
    {"vertexes": [vertex("[internal] load build definition from Dockerfile", "0")]},
    {"vertexes": [vertex("[internal] load build context", "1", cached=True)]},
    {"vertexes": [vertex("[base 1/2] COPY busybox /bin/sh", "2", cached=True)]},
    {"vertexes": [vertex("[base 2/2] RUN make [1/3] ", "3")]},
    {"vertexes": [vertex("[base 1/2] COPY busybox /bin/sh", "2")]},
    {"statuses": [{"id": "transferring context:", "vertex": "1"}]},
    {"vertexes": [vertex("[2/10] RUN x", "4", cached=True), vertex("exporting to image", "5", cached=True)]},
    {"vertexes": [None, {"digest": "6"}]},
    {"vertexes": None},
]


@pytest.mark.parametrize("indent", [None, 2], ids=["one a line", "written out"])
def test_steps_are_counted_once_and_only_those_of_the_dockerfile(indent):
    said = "WARNING: {odd}\n" + "\n".join(json.dumps(one, indent=indent) for one in WORDS) + "\nERROR: x"
    assert built(said) == {"2": True, "3": False, "4": True}


@pytest.mark.parametrize("said", ["", "ERROR: no builder", "{", "[]", "{}", '{"vertexes": {"a": 1}}'])
def test_words_without_steps(said):
    assert built(said) == {}


# -- the client; a script stands in for it, because what it does is the matter of the engine tests -----------


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    context = tmp_path / "context"
    context.mkdir()
    return Probe(context=str(context), max_time=timedelta(seconds=5))


def client(tmp_path: Path, script: str) -> str:
    path = tmp_path / "docker"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def run(probe: Probe, docker: str) -> Built:
    return build(probe, CONTAINER, docker=docker, socket_path="/run/lab.sock")


@root_only
def test_the_client_is_told_of_one_container_and_of_nothing_else(probe, tmp_path):
    said = "".join(json.dumps(one) for one in WORDS)
    told = tmp_path / "told"
    script = (
        f'{{ echo "$@"; env; cat "$BUILDX_CONFIG/instances/hygiene-warmth"; }} > {told}\n'
        f"cat >&2 <<'EOF'\n{said}\nEOF"
    )
    made = run(probe, client(tmp_path, script))
    assert (made.steps, made.cached_steps) == (3, 2)
    assert made.seconds > 0
    words, *rest = told.read_text().splitlines()
    assert words == (
        f"buildx build --builder hygiene-warmth --progress rawjson --output type=cacheonly {probe.context}"
    )
    instance = json.loads(rest[-1])
    assert instance["Driver"] == "remote"
    assert [node["Endpoint"] for node in instance["Nodes"]] == [f"docker-container://{CONTAINER}"]
    env = dict(line.split("=", 1) for line in rest[:-1])
    assert env["DOCKER_HOST"] == "unix:///run/lab.sock"
    assert env["PATH"] == f"{tmp_path}:/usr/bin:/bin"
    assert not Path(env["HOME"]).exists(), "nothing is left of it"
    ours = {"PATH", "HOME", "DOCKER_CONFIG", "BUILDX_CONFIG", "DOCKER_HOST", "LC_ALL", "PWD", "_"}
    assert env.keys() - ours <= {"BUILDX_NO_DEFAULT_ATTESTATIONS", "SHLVL", "OLDPWD"}


@root_only
@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            "echo '{\"a\": 1}' >&2; echo 'ERROR: pull access denied' >&2; exit 1",
            "1: ERROR: pull access denied",
        ),
        ("exit 3", "3: no word"),
        ("echo 'ERROR: password=hunter2hunter2' >&2; exit 1", "1: ERROR: password="),
    ],
)
def test_a_build_that_fails_says_why_in_its_last_words(probe, tmp_path, script, why):
    with pytest.raises(ProbeFailed) as caught:
        run(probe, client(tmp_path, script))
    assert str(caught.value).startswith(f"its build ended with {why}")
    assert "hunter2" not in str(caught.value)


@root_only
def test_a_build_without_steps_measures_nothing(probe, tmp_path):
    with pytest.raises(ProbeFailed, match="has no step"):
        run(probe, client(tmp_path, "exit 0"))


@root_only
def test_a_build_that_does_not_end_is_ended(tmp_path, probe):
    probe = Probe(context=probe.context, max_time=timedelta(seconds=1))
    with pytest.raises(ProbeFailed, match="its build did not end within 1 s"):
        run(probe, client(tmp_path, "exec sleep 300"))


@root_only
def test_a_client_that_is_not_there(tmp_path, probe):
    with pytest.raises(ProbeFailed, match="its build ended with 127"):
        run(probe, str(tmp_path / "none"))


@root_only
@pytest.mark.parametrize("spoil", ["none", "link", "file", "open", "other"])
def test_a_context_that_others_may_change_is_not_built(tmp_path, spoil):
    context = tmp_path / "context"
    if spoil == "link":
        (tmp_path / "real").mkdir()
        context.symlink_to(tmp_path / "real")
    elif spoil == "file":
        context.write_text("x")
    elif spoil != "none":
        context.mkdir()
        context.chmod(0o777 if spoil == "open" else 0o755)
        os.chown(context, 1000 if spoil == "other" else 0, 0)
    with pytest.raises(ProbeFailed, match=str(context)):
        run(Probe(context=str(context)), client(tmp_path, "touch ran"))


# -- what is kept --------------------------------------------------------------------------------------------

ENGINE = "7f3a9152-0c4e-4b1d-9a55-2f6c1f0c7a10"
LEFT = Probed(
    records={"warm0/a": Stamp(left_at=NOW, left_count=4, was_at=None, was_count=None)},
    builds={"warm0": Stamp(left_at=NOW, left_count=None, was_at=NOW - timedelta(days=9), was_count=None)},
)


def test_what_probes_left_is_kept_for_the_next_look(tmp_path):
    state = tmp_path / ENGINE
    state.mkdir()
    keep_probed(state, LEFT)
    assert read_probed(state) == LEFT == probed_of(tmp_path, ENGINE)
    assert (state / "probed.json").stat().st_mode & 0o777 == 0o440


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"records": {"a": 1}}'])
def test_what_cannot_be_read_takes_nothing_out(tmp_path, content):
    (tmp_path / ENGINE).mkdir()
    if content is not None:
        (tmp_path / ENGINE / "probed.json").write_bytes(content)
    assert probed_of(tmp_path, ENGINE) == Probed()


@pytest.mark.parametrize("engine_id", [None, "", "../x", "a/b/c/d/e/f"])
def test_an_id_that_names_no_folder(tmp_path, engine_id):
    assert probed_of(tmp_path, engine_id) == Probed()
    assert probed_of(None, ENGINE) == Probed()
