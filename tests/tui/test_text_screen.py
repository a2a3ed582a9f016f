from __future__ import annotations

import ast
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tests.tui.harness import WidgetApp, a_table
from tests.tui.text_screen import DIRECTORY, text_of


class Asking(ModalScreen[None]):
    DEFAULT_CSS = """
    Asking { align: center middle; }
    Asking Vertical { width: 40; height: 7; border: round $primary; }
    """

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("Type  retire 3 on ci-07")
            yield Input()


async def test_modal(size, screen_snapshot):
    app = WidgetApp(lambda: a_table(range(60)))
    async with app.run_test(size=size) as pilot:
        await app.push_screen(Asking())
        await pilot.press(*"retire", "space", "3")
        shown = text_of(app)
        assert "Type  retire 3 on ci-07" in shown
        assert "registry.example/app-1 " in shown
        assert shown == screen_snapshot


async def test_a_cursor_does_not_blink():
    app = WidgetApp(Input)
    async with app.run_test():
        assert app.query_one(Input).cursor_blink is False


async def test_a_screen_is_the_same_each_time():
    seen = set()
    for _ in range(5):
        app = WidgetApp(lambda: a_table(range(60)))
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("j", "pagedown")
            seen.add(text_of(app))
    assert len(seen) == 1


def test_each_reviewed_screen_has_its_test():
    """syrupy cannot see that a file of a deleted test is stale: it relates files to tests that ran."""
    for path in DIRECTORY.rglob("*.txt"):
        module = Path(__file__).with_name(f"test_{path.parent.name}.py")
        tests = {
            one.name for one in ast.parse(module.read_text()).body if isinstance(one, ast.AsyncFunctionDef)
        }
        assert f"test_{path.stem.partition('-')[0]}" in tests, path
