"""What holds of every class of the console: Textual calls its own private names, whoever defines them."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from textual.message_pump import MessagePump
from textual.reactive import Reactive

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "hygiene_tui").rglob("*.py"))

MEANT = {
    "ALLOW_SELECT",
    "BINDINGS",
    "COMMAND_PALETTE_BINDING",
    "COMPONENT_CLASSES",
    "CSS",
    "CSS_PATH",
    "DEFAULT_CSS",
    "ENABLE_COMMAND_PALETTE",
    "HORIZONTAL_BREAKPOINTS",
    "MODES",
    "TITLE",
    "VERTICAL_BREAKPOINTS",
    "animation_level",
    "border_title",
    "check_action",
    "compose",
    "control",
    "get_default_screen",
    "notify_style_update",
    "on_event",
    "render",
    "render_line",
}
"""Names of Textual that are there to be defined anew."""
MEANT_PREFIXES = ("on_", "watch_", "validate_", "compute_", "action_", "key_")


def textual_names(bases: list[type]) -> set[str]:
    return {name for base in bases for name in dir(base)}


def defined_in(node: ast.ClassDef) -> set[str]:
    found: set[str] = set()
    for one in node.body:
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(one.name)
        elif isinstance(one, ast.Assign | ast.AnnAssign):
            targets = one.targets if isinstance(one, ast.Assign) else [one.target]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
    return found


def assigned_in(node: ast.ClassDef) -> set[str]:
    """What its methods assign to `self`."""
    return {
        one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute)
        and isinstance(one.ctx, ast.Store)
        and isinstance(one.value, ast.Name)
        and one.value.id == "self"
    }


def is_to_be_set(name: str, bases: list[type]) -> bool:
    """Whether Textual offers this name to be assigned: a reactive, or a property that can be set."""
    if name.startswith("_"):
        return False
    found = next((vars(base)[name] for base in bases if name in vars(base)), None)
    return isinstance(found, Reactive) or (isinstance(found, property) and found.fset is not None)


def textual_instance_names(bases: list[type]) -> set[str]:
    """What the constructors of Textual's classes assign to `self`."""
    found: set[str] = set()
    for base in bases:
        for cls in base.__mro__:
            if cls.__module__.startswith("textual"):
                found |= _assigned(cls)
    return found


_SEEN: dict[type, set[str]] = {}


def _assigned(cls: type) -> set[str]:
    if cls not in _SEEN:
        module = sys.modules[cls.__module__]
        tree = ast.parse(Path(module.__file__).read_text())
        _SEEN[cls] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
                _SEEN[cls] |= defined_in(node) | assigned_in(node)
    return _SEEN[cls]


def shadowed(source: str, classes: dict[str, type]) -> set[str]:
    """`Class.name` for each of our names that hides one of Textual's."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        cls = classes.get(node.name) if isinstance(node, ast.ClassDef) else None
        if cls is None or not issubclass(cls, MessagePump):
            continue
        bases = [base for base in cls.__mro__ if base.__module__.startswith("textual")]
        theirs = textual_names(bases) | textual_instance_names(bases)
        ours = defined_in(node) | {one for one in assigned_in(node) if not is_to_be_set(one, bases)}
        for name in ours & theirs:
            allowed = name.startswith(("__", *MEANT_PREFIXES)) or name in MEANT
            if not allowed:
                found.add(f"{node.name}.{name}")
    return found


def module_of(path: Path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return importlib.import_module(name.removesuffix(".__init__"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "hygiene_tui")))
def test_no_name_of_ours_hides_one_of_textual(path: Path):
    assert shadowed(path.read_text(), vars(module_of(path))) == set()


def test_a_hidden_name_would_be_found():
    source = (
        "from textual.widget import Widget\n"
        "class Bad(Widget):\n"
        "    def _scroll_to(self): self._size = 3; self._bindings = 4\n"
        "    def render(self): self._bd_own = 4\n"
        "    region = 1\n"
    )
    scope: dict[str, object] = {"__name__": "bad"}
    exec(source, scope)
    assert shadowed(source, {"Bad": scope["Bad"]}) == {
        f"Bad.{x}" for x in ("_scroll_to", "_size", "_bindings", "region")
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "hygiene_tui")))
def test_a_widget_knows_no_resource(path: Path):
    if path.parent.name != "widgets":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hygiene_core"):
            assert node.module == "hygiene_core.model.text", node.module


def test_the_widgets_load_nothing_heavy():
    names = [
        f"hygiene_tui.widgets.{path.stem}"
        for path in MODULES
        if path.parent.name == "widgets" and path.stem != "__init__"
    ]
    code = (
        f"import sys, importlib\nfor one in {names}: importlib.import_module(one)\n"
        "print([one for one in ('pydantic', 'duckdb', 'docker', 'asyncssh', 'typer') if one in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert ended.stdout == "[]\n"
