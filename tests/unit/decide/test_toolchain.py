"""Versions against minimums."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hygiene_core.decide.classify import classify
from hygiene_core.decide.findings import find
from hygiene_core.decide.summary import summarise
from hygiene_core.decide.toolchain import is_older, tools_of
from hygiene_core.model.toolchain import Tool
from hygiene_core.testing import builder, observation, runner
from tests.unit.decide.judging import context_of, policy


@pytest.mark.parametrize(
    ("version", "minimum", "older"),
    [
        ("26.1.5+dfsg1", "26.1", False),
        ("26.1.5+dfsg1", "26.1.6", True),
        ("9.0", "10.0", True),
        ("v0.16.0", "0.16", False),
        ("v0.9.3", "0.12.0", True),
        ("1", "1.0.0", False),
        ("unknown", "1.0", None),
        ("", "1.0", None),
    ],
)
def test_versions_are_numbers(version, minimum, older):
    assert is_older(version, minimum) is older


def test_every_tool_has_the_key_of_its_minimum():
    seen = replace(
        observation(builder("b0", version="v0.16.0"), builder("c0", version=None), runner(version="2.3")),
        tools=(Tool(name="docker-cli", version="26.1"), Tool(name="buildx", version=None, path="/x")),
    )
    keys = [(key, tool.name) for key, tool in tools_of(seen)]
    assert ("engine", "engine") in keys
    assert ("docker_cli", "docker-cli") in keys
    assert ("buildx", "buildx") in keys
    assert ("buildkit", "buildkit of b0") in keys
    assert ("runner", "runner lane-1") in keys
    assert not any(name.endswith("c0") for _, name in keys)
    assert next(tools_of(replace(seen, engine=None)))[0] == "docker_cli"


def test_findings():
    tools = (
        Tool(name="docker-cli", version="20.10", path="/usr/bin/docker"),
        Tool(name="buildx", version=None, path="/usr/lib/b"),
        Tool(name="buildx", version="0.30", path="/usr/lib/c"),
    )
    seen = replace(observation(), tools=tools)
    context = context_of(seen, policy(minimums={"docker_cli": "26.1", "buildx": "0.13"}))
    found = find(seen, summarise(seen, classify(seen, context), context), context, None)
    assert {one.code: one.message for one in found if one.code.startswith("TOOL")} == {
        "TOOL_OLD": "docker-cli at /usr/bin/docker is 20.10; the policy asks for 26.1 at least",
        "TOOL_UNKNOWN": "buildx at /usr/lib/b did not tell a version; the policy asks for 0.13",
    }
