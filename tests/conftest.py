"""Fixtures that start real engines, and one rule: in CI a test that cannot have its engine fails."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.lab.errors import LabUnavailable
from tests.lab.host import LabHost, Store
from tests.lab.trees import Tree, ensure_tree

ENGINES: dict[str, tuple[str, Store]] = {
    "old": ("old", "overlay2"),
    "stable": ("stable", "overlay2"),
    "testing": ("testing", "overlay2"),
    "testing-containerd": ("testing", "containerd"),
}
"""Parameter of `lab_host` -> tree, image store."""

_SKIP = "no lab: "
_unavailable: dict[str, str] = {}


def lab_is_required() -> bool:
    """Whether a test without its engine is a failure."""
    return os.environ.get("CI", "").lower() in {"true", "1"} or os.environ.get("HYGIENE_REQUIRE_LAB") == "1"


def lab_tree(name: str) -> Tree:
    """The tree `name`; where the lab cannot run, the test is skipped, or fails if the lab is required."""
    # A mirror that does not answer is asked once a session, not once a test.
    if name not in _unavailable:
        try:
            return ensure_tree(name)
        except LabUnavailable as problem:
            _unavailable[name] = str(problem)
    if lab_is_required():
        pytest.fail(_SKIP + _unavailable[name], pytrace=False)
    pytest.skip(_SKIP + _unavailable[name])


@pytest.fixture(scope="module", params=list(ENGINES))
def lab_host(request: pytest.FixtureRequest) -> Iterator[LabHost]:
    """An engine of each kind in turn, shared by the tests of one module. It starts in a fifth of a second."""
    tree, store = ENGINES[request.param]
    with LabHost.start(lab_tree(tree), store=store, name=f"lab-{request.param}") as host:
        yield host


@pytest.fixture(scope="module")
def stable_host(stable_tree: Tree) -> Iterator[LabHost]:
    """The stable engine, shared by the tests of one module."""
    with LabHost.start(stable_tree, name="lab-stable") as host:
        yield host


@pytest.fixture(scope="session")
def stable_tree() -> Tree:
    """The stable engine's tree, for a test that starts its hosts itself."""
    return lab_tree("stable")


@pytest.fixture
def fresh_host(stable_tree: Tree) -> Iterator[LabHost]:
    """A stable engine for one test alone."""
    with LabHost.start(stable_tree, name="lab-fresh") as host:
        yield host


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests had no engine, and why."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple) and _SKIP in report.longrepr[2]:
            reasons[report.longrepr[2].partition(_SKIP)[2]] += 1
    if reasons:
        terminalreporter.write_sep("=", f"{reasons.total()} tests had no engine", yellow=True)
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count}: {reason}")
