"""Imports point one way, and starting the command line stays light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
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
    "executor": {"host", "evidence", "decide", "config"},
    "pipeline": {"transport", "decide", "evidence"},
    "follow": {"transport", "decide", "evidence"},
    "cli": {"pipeline", "follow", "transport", "decide", "evidence", "report", "config", "terminal"},
    "__main__": {"cli"},
}
"""What each room may import besides itself, `model`, `errors` and `clock`."""

REMOVES = "hygiene_core.host.actions"
"""Only the executor may import this, and its own modules."""

FORBIDDEN_CALLS = {"prune_images", "prune_containers", "prune_volumes", "prune_networks"}
FORBIDDEN_ARGUMENTS = {"force", "v"}
"""Of calls: never with another value than a plain `False`."""

FORBIDDEN_TEXT = re.compile(
    r"\b(?:system|image|images|volume|volumes|container|containers|network|networks)[ /]prune\b"
    r"|[?&](?:force|v)=(?!(?:0|false)\b)|--force\b|\brm\s+-\w*f",
    re.IGNORECASE,
)
"""In texts that a program could run or ask: broad prunes of the Engine or its client, and force."""

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
    [*sources(), *sorted((ROOT / "hygiene_tui").rglob("*.py")), ROOT / "noxfile.py"],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_only_the_executor_imports_what_removes(path: Path):
    place = path.relative_to(ROOT).parts
    if place[:3] == ("hygiene_core", "host", "actions") or place[1:2] in {("executor",), ("executor.py",)}:
        return
    for name in imports_of(path):
        assert name != REMOVES, path
        assert not name.startswith(f"{REMOVES}."), path


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CORE)))
def test_nothing_is_forced_and_nothing_is_pruned_broadly(path: Path):
    assert list(forbidden(path.read_text(), asks=room_of(path) in {"host", "executor"})) == []


@pytest.mark.parametrize(
    "code",
    [
        "client.remove_image(one, force=True)",
        "client.remove_image(one, force=bool(1))",
        "client.remove_container(one, v=True)",
        "client.remove_container(one, v=not False)",
        "client.prune_images()",
        "take = client.prune_volumes",
        "getattr(client, 'prune_networks')()",
        "client._delete(url, params={'force': 1})",
        "client._delete(url, params={'v': True})",
        "run('docker system prune')",
        "run(['docker', 'system', 'prune'])",
        "run('docker', 'image', 'prune', '-a')",
        "client.post_json('/images/prune', {})",
        "get('/containers/x?force=1')",
        "run(['docker', 'rm', '--force'])",
    ],
)
def test_what_is_forbidden_would_be_found(code: str):
    assert list(forbidden(code))


def test_what_is_allowed_is_not_forbidden():
    code = '"""Never forced: `docker system prune` is not for us."""\nclient.remove(x, v=False, force=False)'
    assert list(forbidden(code)) == []


def forbidden(source: str, *, asks: bool = True) -> Iterator[str]:
    """What no code may call, ask for or run; docstrings and comments may speak of it.

    `asks`: whether the code may talk to an Engine. Elsewhere `v` is the key of a version.
    """
    tree = ast.parse(source)
    # Docstrings, and what stands under a name to explain it.
    explained = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in explained and isinstance(node, ast.Constant):
            continue
        for what in (*_forced(node, asks=asks), *_broad(node)):
            yield f"line {node.lineno}: {what}"


def _forced(node: ast.AST, *, asks: bool) -> Iterator[str]:
    """An argument or a parameter that forces, or takes volumes along."""
    if isinstance(node, ast.Call):
        for one in node.keywords:
            if one.arg in FORBIDDEN_ARGUMENTS and not _is_false(one.value):
                yield f"{one.arg}="
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            named = isinstance(key, ast.Constant) and key.value in (
                FORBIDDEN_ARGUMENTS if asks else {"force"}
            )
            if named and not _is_false(value):
                yield "a parameter that forces"


def _broad(node: ast.AST) -> Iterator[str]:
    """A call, a request or a command that removes what nobody named."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            if name in FORBIDDEN_CALLS:
                yield name
        case ast.Constant(value=str(text)):
            if text in FORBIDDEN_CALLS or FORBIDDEN_TEXT.search(text):
                yield repr(text)
        case ast.Call(args=words) | ast.List(elts=words) | ast.Tuple(elts=words):
            if FORBIDDEN_TEXT.search(_joined(words)):
                yield _joined(words)


def _joined(words: list[ast.expr]) -> str:
    """The plain texts of a command line."""
    return " ".join(str(one.value) for one in words if isinstance(one, ast.Constant))


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


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
