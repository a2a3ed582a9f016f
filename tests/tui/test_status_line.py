from __future__ import annotations

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.events import Event
from textual.widgets import Input, Static

from hygiene_tui.widgets.glyphs import Glyphs
from hygiene_tui.widgets.status_line import StatusLine, note_key
from tests.tui.text_screen import lines_of, strips_of


class Speaker(Static, can_focus=True):
    def key_w(self) -> None:
        self.screen.query_one(StatusLine).say("said by a widget")


class StatusApp(App[None]):
    AUTO_FOCUS = None
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [Binding("s", "say", "Say"), Binding("p", "nothing", "Priority", priority=True)]  # noqa: RUF012

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.ascii_only = ascii_only

    def compose(self) -> ComposeResult:
        yield StatusLine(glyphs=Glyphs(self.ascii_only))
        yield Input(id="input")
        yield Speaker()

    async def on_event(self, event: Event) -> None:
        note_key(self, event)
        await super().on_event(event)

    def action_say(self) -> None:
        self.query_one(StatusLine).say("said by a key", "warning")

    def action_nothing(self) -> None:
        pass


async def test_a_message_has_the_sign_and_the_word_of_its_severity():
    app = StatusApp()
    async with app.run_test() as pilot:
        line = app.query_one(StatusLine)
        assert lines_of(app)[0] == ""
        assert line.has_class("-empty")
        for severity, sign in (("info", "· info"), ("warning", "! warning"), ("critical", "✗ critical")):
            line.say("it is in use.", severity)
            await pilot.pause()
            assert lines_of(app)[0] == f"{sign}: it is in use."
            assert not line.has_class("-empty")
            styles = {style.bold for text, style, _ in strips_of(app)[0] if text.strip()}
            assert styles == ({None} if severity == "info" else {True})


async def test_ascii_only():
    app = StatusApp(ascii_only=True)
    async with app.run_test() as pilot:
        app.query_one(StatusLine).say("鏡 is in use", "critical")
        await pilot.pause()
        assert lines_of(app)[0] == "X critical: \\u93e1 is in use"


async def test_host_text_stays_text_and_in_its_line():
    app = StatusApp()
    async with app.run_test(size=(40, 10)) as pilot:
        app.query_one(StatusLine).say("[b]a[/b]\n\x1b[31m" + "鏡" * 40_000)
        await pilot.pause()
        assert lines_of(app)[0].startswith("· info: [b]a[/b]\\n\\x1b[31m鏡")
        assert lines_of(app)[0].endswith("…")
        assert strips_of(app)[0].cell_length == 40


async def test_the_next_key_clears_it_whatever_the_key_does():
    app = StatusApp()
    async with app.run_test() as pilot:
        line = app.query_one(StatusLine)
        for key in ("z", "p", "left"):
            line.say("one")
            await pilot.press(key)
            assert line.text == "", key
            assert line.has_class("-empty")
        app.query_one(Input).focus()
        line.say("two")
        await pilot.press("a")
        assert (line.text, app.query_one(Input).value) == ("", "a")


async def test_what_the_key_itself_says_stays():
    app = StatusApp()
    async with app.run_test() as pilot:
        app.query_one(StatusLine).say("before")
        await pilot.press("s")
        assert app.query_one(StatusLine).text == "! warning: said by a key"
        app.query_one(Speaker).focus()
        await pilot.press("w")
        assert app.query_one(StatusLine).text == "· info: said by a widget"


async def test_a_time_clears_it_and_a_later_message_is_not_cut_short():
    app = StatusApp()
    async with app.run_test() as pilot:
        line = app.query_one(StatusLine)
        line.say("short", seconds=0.05)
        assert line.text
        await pilot.pause(0.3)
        assert line.text == ""
        line.say("short", seconds=0.05)
        line.say("long")
        await pilot.pause(0.3)
        assert line.text == "· info: long"
