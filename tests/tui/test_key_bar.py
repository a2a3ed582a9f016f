from __future__ import annotations

from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widgets import Input

from hygiene_tui.widgets.glyphs import Glyphs
from hygiene_tui.widgets.item_table import ItemTable
from hygiene_tui.widgets.key_bar import Hint, KeyBar, hints_that_fit
from tests.tui.harness import a_table
from tests.tui.text_screen import lines_of, strips_of


class Asking(ModalScreen[None]):
    BINDINGS: ClassVar = [Binding("q,escape", "dismiss", "Back"), Binding("y", "nothing", "[b]Copy[/b]")]

    def compose(self) -> ComposeResult:
        yield KeyBar()


class BarApp(App[None]):
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "did('help')", "Help"),
        Binding("space,a", "did('approve')", "Approve"),
        Binding("x", "did('reject')", "Reject"),
        Binding("slash", "did('filter')", "Filter"),
        Binding("ctrl+d", "did('hidden')", "Hidden", show=False),
        Binding("p", "did('plan')", "Plan"),
        Binding("left_curly_bracket", "did('left')", "Earlier", key_display="←"),
    ]

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.ascii_only = ascii_only
        self.done: list[str] = []
        self.off: dict[str, bool | None] = {}

    def compose(self) -> ComposeResult:
        yield a_table(range(3), ascii_only=self.ascii_only)
        yield Input(id="filter")
        yield KeyBar(glyphs=Glyphs(self.ascii_only))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.off.get(str(parameters[0]) if parameters else action, True)

    def action_did(self, what: str) -> None:
        self.done.append(what)


def bar_of(app: App) -> str:
    return lines_of(app)[-1]


WHOLE = "space Approve x Reject / Filter p Plan ← Earlier ? Help q Quit"


async def test_the_bar_tells_the_live_bindings_help_and_the_way_out_last():
    app = BarApp()
    async with app.run_test(size=(80, 24)):
        assert bar_of(app) == WHOLE


async def test_ascii():
    app = BarApp(ascii_only=True)
    async with app.run_test(size=(80, 24)):
        assert bar_of(app) == WHOLE.replace("←", "\\u2190")


@pytest.mark.parametrize(
    ("width", "bar"),
    [
        (62, WHOLE),
        (61, "space Approve x Reject / Filter p Plan ? Help q Quit"),
        (52, "space Approve x Reject / Filter p Plan ? Help q Quit"),
        (51, "space Approve x Reject / Filter ? Help q Quit"),
        (20, "? Help q Quit"),
        (13, "? Help q Quit"),
        (9, "? Help q"),
    ],
)
async def test_what_does_not_fit_is_left_out_from_the_end(width: int, bar: str):
    app = BarApp()
    async with app.run_test(size=(width, 24)):
        assert bar_of(app) == bar
        assert strips_of(app)[-1].cell_length == width


async def test_a_key_that_an_input_takes_for_itself_is_not_told():
    app = BarApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one(Input).focus()
        await pilot.pause()
        assert "Quit" not in bar_of(app)
        assert "Approve" not in bar_of(app)
        app.query_one(ItemTable).focus()
        await pilot.pause()
        assert bar_of(app) == WHOLE


async def test_what_cannot_be_done_now_is_left_out_or_told_dim_and_not_pressed():
    app = BarApp()
    app.theme = "ansi-dark"  # elsewhere Textual mixes what is dim from two colours
    async with app.run_test(size=(80, 24)) as pilot:
        app.off = {"plan": False, "reject": None}
        app.refresh_bindings()
        await pilot.pause()
        assert bar_of(app) == "space Approve x Reject / Filter ← Earlier ? Help q Quit"
        await pilot.click(KeyBar, offset=(15, 0))
        assert app.done == []
        dim = [text for text, style, _ in strips_of(app)[-1] if style.dim]
        assert "".join(dim) == "x Reject"


async def test_a_click_presses_the_key():
    app = BarApp()
    async with app.run_test(size=(80, 24)) as pilot:
        for x in (0, 12, 13, 14, 21, 22, 49, 54, 75):
            await pilot.click(KeyBar, offset=(x, 0))
        await pilot.pause()
        assert app.done == ["approve", "approve", "reject", "reject", "help", "help"]
        assert app.query_one(ItemTable).has_focus
        await pilot.click(KeyBar, offset=(57, 0))
        await pilot.pause()
        assert not app.is_running


async def test_a_modal_screen_has_its_own_and_its_text_is_not_markup():
    app = BarApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(Asking())
        await pilot.pause()
        assert bar_of(app) == "y [b]Copy[/b] q Back"
        await pilot.press("q")
        assert bar_of(app) == WHOLE


def test_help_and_the_way_out_stay_even_without_room():
    last = [Hint("question_mark", "?", "Help"), Hint("q", "q", "Quit")]
    assert hints_that_fit([Hint("x", "x", "Reject"), *last], 3) == last


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark"])
async def test_the_keys_stand_out_without_colour_too(theme: str):
    app = BarApp()
    app.theme = theme
    async with app.run_test(size=(80, 24)):
        bold = [text for text, style, _ in strips_of(app)[-1] if style.bold]
        assert bold == ["space", "x", "/", "p", "←", "?", "q"]
