"""Imports point one way, and starting the command line stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "hygiene_core"

ALLOWED_EVERYWHERE = {"model", "errors", "clock"}
ROOMS = {
    "model": set(),
    "errors": set(),
    "clock": set(),
    "config": {"decide"},
    "decide": set(),
    "host": set(),
    "transport": {"host"},
    "evidence": set(),
    "report": set(),
    "testing": set(),
    "terminal": set(),
    "pipeline": {"transport", "decide", "evidence"},
    "follow": {"transport", "decide", "evidence"},
    "executor": {"config", "host", "decide", "evidence"},
    "cli": {"pipeline", "follow", "transport", "decide", "evidence", "report", "config", "terminal"},
    "__main__": {"cli"},
}
"""What each room may import besides itself, `model`, `errors` and `clock`."""

PURE = {
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "math",
    "re",
    "shlex",
    "typing",
}
"""The pure parts of the standard library that `decide` and `model` may use."""

OWNERS = {
    "docker": {"host"},
    "psutil": {"host"},
    "asyncssh": {"transport/ssh.py"},
    "duckdb": {"evidence/catalogue.py", "evidence/reader.py", "evidence/duck.py", "evidence/witness.py"},
}
"""Libraries that only one room may import."""


def sources() -> list[Path]:
    return sorted(CORE.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(CORE).parts[0]
    return first.removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.update({node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CORE)))
def test_a_room_imports_only_what_it_may(path: Path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in ROOMS, f"the room {room} is not in the plan of the house"
    allowed = ROOMS[room] | ALLOWED_EVERYWHERE | {room, "__init__", "__version__"}
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "hygiene_core" and len(parts) > 1:
            assert parts[1] in allowed, f"{room} may not import {name}"
        assert parts[0] != "hygiene_tui", f"{room} may not import the console"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CORE)))
def test_a_library_has_its_owner(path: Path):
    place = str(path.relative_to(CORE))
    for name in imports_of(path):
        owners = OWNERS.get(name.split(".")[0])
        if owners is not None:
            assert room_of(path) in owners or place in owners, f"{place} may not import {name}"


@pytest.mark.parametrize(
    "path",
    [p for p in sources() if room_of(p) in {"decide", "model"} and p.name != "codec.py"],
    ids=lambda p: str(p.relative_to(CORE)),
)
def test_decide_and_model_are_pure(path: Path):
    """No clock, no file, no socket, no library. `codec.py` is the one door to pydantic, and is lazy."""
    for name in imports_of(path):
        top = name.split(".")[0]
        assert top in PURE | {"hygiene_core", "unicodedata"}, f"{path.name} imports {name}"
    assert "datetime.now" not in path.read_text()


@pytest.mark.parametrize(
    "heavy", ["pydantic", "duckdb", "docker", "asyncssh", "textual", "rich", "nox", "http.client"]
)
def test_help_loads_nothing_heavy(heavy: str):
    code = (
        "import sys; from hygiene_core.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"assert {heavy!r} not in sys.modules, {heavy!r}"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "report" in ended.stdout
