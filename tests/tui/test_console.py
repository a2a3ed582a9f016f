"""The console on the recorded host: every screen as text, and what happens while and after a look."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hygiene_core import pipeline
from hygiene_core.errors import EngineUnreachable
from hygiene_core.evidence.store import EvidenceStore
from hygiene_core.transport.demo import DEMO_NAME, DemoTransport, demo_host
from hygiene_tui import cli
from hygiene_tui.app import Console
from hygiene_tui.inventory import Inventory
from hygiene_tui.session import Look, Options, Session
from hygiene_tui.widgets.item_table import ItemTable
from tests.tui.conftest import SIZES
from tests.tui.text_screen import lines_of, text_of

NOW = datetime(2026, 11, 25, 5, 30, tzinfo=UTC)
"""Half an hour after the demo was recorded."""

SCREENS = {
    "inventory": (),
    "images": ("1",),
    "no_match": ("slash", *"no such thing"),
    "filtered": ("slash", *"kind:volume size>1", "enter"),
    "half_typed": ("slash", *"size>1"),
    "by_builder": ("t",),
    "in_builder": ("t", "enter", "j", "j"),
    "sorted_by_idle": ("S",),
    "builders": ("b",),
    "findings": ("f",),
    "finding": ("f", "j", "j"),
    "help": ("question_mark",),
    "evidence": ("j", "j", "enter", "G"),
}


def console(session: Session | None = None, **fields: bool) -> Console:
    options = Options(demo=True, **fields)
    return Console(options, clock=lambda: NOW, zone=UTC, session=session)


async def looked(pilot: Pilot) -> None:
    """Until the look has ended and its evidence is on the screen."""
    await pilot.app.workers.wait_for_complete()
    await settled(pilot)


async def settled(pilot: Pilot) -> None:
    await pilot.pause(0.2)  # the pane waits for the cursor to rest
    await pilot.pause()


@pytest.mark.parametrize("keys", SCREENS.values(), ids=SCREENS)
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_screens(keys, size, screen_snapshot):
    app = console()
    async with app.run_test(size=size) as pilot:
        await looked(pilot)
        await pilot.press(*keys)
        await settled(pilot)
        assert text_of(app) == screen_snapshot


@pytest.mark.parametrize("shown", ["inventory", "builders", "findings"])
async def test_ascii(shown, screen_snapshot):
    app = console(ascii=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await looked(pilot)
        await pilot.press(*SCREENS[shown])
        await settled(pilot)
        assert text_of(app).isascii()
        assert text_of(app) == screen_snapshot


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TEXTUAL_COLOR_SYSTEM": "standard"}], ids=str)
async def test_colours_say_nothing_that_the_words_do_not(variable, monkeypatch):
    async def seen() -> str:
        app = console()
        async with app.run_test(size=(140, 40)) as pilot:
            await looked(pilot)
            return text_of(app)

    plain = await seen()
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    assert await seen() == plain


# -- the look behind the screen ------------------------------------------------------------------------------


class Slow(Session):
    """A session whose look waits, and then ends as the test says: an Engine that is slow, or gone."""

    def __init__(self, state: Path, outcome: Callable[[Session], Look]) -> None:
        super().__init__(Options(host=DEMO_NAME), {"HYGIENE_STATE_DIR": str(state)})
        self.go_on = threading.Event()
        self.outcome = outcome

    def look(self, emit) -> Look:
        self.go_on.wait(30)
        return self.outcome(Session(Options(demo=True), {}))


def gone(_: Session) -> Look:
    raise EngineUnreachable("The Engine does not answer.", next_step="hygiene status")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The evidence of one report on the recorded host."""
    store = EvidenceStore(tmp_path, log=lambda _: None)
    pipeline.make_report(pipeline.Tools(host=demo_host(), transport=DemoTransport(), store=store))
    return tmp_path


async def test_the_last_run_is_there_before_anything_is_asked_of_the_host(state):
    session = Slow(state, lambda demo: demo.look(lambda _: None))
    app = console(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert len(app.query_one(ItemTable).rows) == 108
        assert app.look is not None
        assert not app.look.is_live
        assert "looking" in lines_of(app)[0]
        await pilot.press("j", "j", "j")
        number = app.query_one(ItemTable).number
        session.go_on.set()
        await looked(pilot)
        assert app.look.is_live
        assert app.query_one(ItemTable).number == number, "the cursor stays where it was"
        assert "looking" not in lines_of(app)[0]


async def test_an_engine_that_is_gone_leaves_the_last_run_on_the_screen_and_says_so(state):
    session = Slow(state, gone)
    session.go_on.set()
    app = console(session)
    async with app.run_test(size=(120, 24)) as pilot:
        await looked(pilot)
        assert len(app.query_one(ItemTable).rows) == 108
        assert "cannot look again" in lines_of(app)[0]
        assert "[ENGINE_UNREACHABLE]" in text_of(app)
        await pilot.press("r")
        session.outcome = lambda demo: demo.look(lambda _: None)
        await looked(pilot)
        await pilot.press("r")
        await looked(pilot)
        assert "cannot look again" not in lines_of(app)[0]


def unreadable(demo: Session) -> Look:
    """A look that ended, at a host whose Engine did not answer: other sections are there."""
    made = demo.look(lambda _: None)
    report = {
        **made.report,
        "host": {**made.report["host"], "engine_error": "ENGINE_TIMEOUT"},
        "sections": {"engine": {"availability": "unavailable", "reason": "did not answer within 20 s"}},
    }
    columns = {name: [] for name in made.inventory.columns}
    return Look(inventory=Inventory(columns, made.seen_at, lambda _: {}), report=report, run=made.run)


async def test_a_look_without_the_engine_does_not_take_the_last_run_away(state):
    session = Slow(state, unreadable)
    session.go_on.set()
    app = console(session)
    async with app.run_test(size=(120, 24)) as pilot:
        await looked(pilot)
        assert len(app.query_one(ItemTable).rows) == 108
        assert "cannot look again" in lines_of(app)[0]
        assert "did not answer within 20 s [ENGINE_TIMEOUT]" in text_of(app)


async def test_an_engine_that_was_never_seen_is_not_an_empty_host(tmp_path):
    session = Slow(tmp_path, unreadable)
    session.go_on.set()
    app = console(session)
    async with app.run_test(size=(120, 24)) as pilot:
        await looked(pilot)
        for key in ("i", "b"):
            await pilot.press(key)
            await settled(pilot)
            assert "the Engine could not be read: did not answer within 20 s" in text_of(app)


@pytest.mark.parametrize("key", ["b", "f"])
async def test_before_the_first_look_nothing_is_called_nothing(tmp_path, key):
    session = Slow(tmp_path, lambda demo: demo.look(lambda _: None))
    app = console(session)
    async with app.run_test(size=(120, 24)) as pilot:
        await pilot.press(key)
        await settled(pilot)
        assert "the host was not looked at yet" in text_of(app)
        session.go_on.set()
        await looked(pilot)
        assert "not looked at yet" not in text_of(app)


async def test_the_first_look_of_all(tmp_path):
    session = Slow(tmp_path, lambda demo: demo.look(lambda _: None))
    app = console(session)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "looking for the first time" in lines_of(app)[0]
        session.go_on.set()
        await looked(pilot)
        assert len(app.query_one(ItemTable).rows) == 108


async def test_a_look_that_is_old_says_so_and_its_age_grows():
    now = [NOW]
    app = Console(Options(demo=True), clock=lambda: now[0], zone=UTC)
    async with app.run_test(size=(100, 24)) as pilot:
        await looked(pilot)
        assert "seen 35 min ago" in lines_of(app)[0]
        now[0] += timedelta(hours=2)
        await pilot.pause(1.2)
        assert "OLD: seen 2 h ago" in lines_of(app)[0]


async def test_an_index_that_is_damaged_is_said_and_the_host_is_looked_at(state):
    path = next((state / "latest").iterdir())
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:1000])
    session = Slow(state, lambda demo: demo.look(lambda _: None))
    app = console(session)
    async with app.run_test(size=(140, 24)) as pilot:
        await pilot.pause()
        assert app.look is None
        assert "damaged" in text_of(app)
        session.go_on.set()
        await looked(pilot)
        assert len(app.query_one(ItemTable).rows) == 108


# -- keys ----------------------------------------------------------------------------------------------------


async def test_the_way_back_ends_outside():
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await looked(pilot)
        await pilot.press("slash", *"web", "enter", "t", "enter")
        for _ in range(3):  # the filter, the group, the grouping
            await pilot.press("q")
        assert app.is_running
        assert len(app.query_one(ItemTable).rows) == 108
        await pilot.press("b", "q", "f", "q", "question_mark", "q")
        assert app.is_running
        await pilot.press("q")
    assert app.return_code == 0


async def test_the_filter_takes_letters_that_are_keys_elsewhere():
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await looked(pilot)
        await pilot.press("slash", *"qbfrS1")
        assert app.query_one("#filter", Input).value == "qbfrS1"
        await pilot.press("escape")
        assert app.query_one("#filter", Input).value == ""
        assert app.focused is app.query_one(ItemTable)


async def test_a_header_sorts_and_again_turns_the_order():
    app = console()
    async with app.run_test(size=(140, 40)) as pilot:
        await looked(pilot)
        table = app.query_one(ItemTable)
        left = lines_of(app)[2].index("NAME")
        for expected in (("name", False), ("name", True)):
            await pilot.click(ItemTable, offset=(left, 0))
            await pilot.pause()
            assert table.sorted_by == expected


async def test_copies_go_through_the_terminal(monkeypatch):
    copied: list[str] = []
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await looked(pilot)
        await pilot.press("y", "Y")
    assert copied[0].startswith("sha256:")
    assert "protect.warm_builder" in copied[1]


async def test_a_small_terminal_and_back():
    app = console()
    async with app.run_test(size=(80, 24)) as pilot:
        await looked(pilot)
        before = text_of(app)
        await pilot.resize_terminal(40, 10)
        await settled(pilot)
        assert len(lines_of(app)) == 10
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert text_of(app) == before


KEYS = (
    *"ijkgGbfrStRyY0123456?q/",
    *("down", "up", "pagedown", "pageup", "home", "end", "enter", "escape", "tab", "ctrl+d", "ctrl+u"),
    *("slash", "question_mark", "ctrl+p", "colon", "a", "x", "space", "ctrl+a", "ctrl+z", "backspace"),
)
_STEPS = 300


async def test_a_walk_at_random_ends_in_no_crash():
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    keys = random.Random(seed)
    left = _STEPS
    while left > 0:  # `q` may lead outside
        app = console()
        async with app.run_test(size=keys.choice([(80, 24), (140, 40), (40, 10)])) as pilot:
            while left > 0 and app.is_running and app._exit is False:
                left -= 1
                await pilot.press(keys.choice(KEYS))
        assert app.return_code in {0, None}, seed


# -- the start -----------------------------------------------------------------------------------------------


def test_without_a_terminal_it_says_what_to_use_instead():
    done = subprocess.run(
        [sys.executable, "-m", "hygiene_tui", "--demo"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "hygiene-tui: this is no terminal.\nWithout one: hygiene report, hygiene status, hygiene explain\n"
    )


@pytest.mark.parametrize("words", [["--demo", "--host", "x"], ["--nonsense"], ["more"]])
def test_words_that_cannot_be_meant(words):
    with pytest.raises(SystemExit) as caught:
        cli.parse(words, {})
    assert caught.value.code == 2


def test_what_was_asked_for():
    made = cli.parse(["--host", "ci", "--config", "/x.toml", "--ascii", "--no-mouse", "--read-only"], {})
    assert made == Options(config_file=Path("/x.toml"), host="ci", read_only=True, ascii=True, mouse=False)


def test_the_first_screen_is_painted_without_what_is_heavy(state):
    script = (
        "import sys\n"
        "from hygiene_tui.app import Console\n"
        "from hygiene_tui.session import Options\n"
        f"app = Console(Options(host={DEMO_NAME!r}))\n"
        "assert len(app.look.inventory) == 108\n"
        "app.get_default_screen()\n"
        "print(*sorted({'pydantic', 'duckdb', 'docker', 'asyncssh'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"HYGIENE_STATE_DIR": str(state), "PATH": "/usr/bin:/bin", "HYGIENE_CONFIG": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (done.stdout, done.stderr) == ("\n", "")
