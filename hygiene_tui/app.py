"""The application: one host, its look, and the screens that show it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import ClassVar

from textual import on, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Event
from textual.message import Message
from textual.screen import Screen

from hygiene_core.errors import HygieneError
from hygiene_core.model.event import Event as Progress
from hygiene_core.model.event import ProbeFinished, ProbeStarted
from hygiene_tui.head import Freshness
from hygiene_tui.screens.base import Head, HostScreen
from hygiene_tui.screens.builders import BuildersScreen
from hygiene_tui.screens.findings import FindingsScreen, worst
from hygiene_tui.screens.help import HelpScreen
from hygiene_tui.screens.inventory import InventoryScreen
from hygiene_tui.session import Look, Options, Session
from hygiene_tui.widgets.glyphs import Glyphs
from hygiene_tui.widgets.status_line import note_key

__all__ = ["Console"]

_SECOND = 1.0
_SCREENS: dict[str, Callable[[], HostScreen]] = {"builders": BuildersScreen, "findings": FindingsScreen}


def _now() -> datetime:
    return datetime.now(UTC)


class Progressed(Message):
    """A part of the look that is under way was begun or ended."""

    def __init__(self, event: Progress) -> None:
        super().__init__()
        self.event = event


class Looked(Message):
    """A look has ended."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look


class LookFailed(Message):
    """A look gave nothing."""

    def __init__(self, error: HygieneError) -> None:
        super().__init__()
        self.error = error


class Console(App[int], inherit_bindings=False):
    """The operator's console.

    Attributes:
        session: the host.
        look: what is on the screens; `None` before the first.
        fresh: how current that is.
        glyphs: the signs that the terminal can show.
        zone: the zone in which times are shown.
    """

    CSS_PATH = "console.tcss"
    TITLE = "hygiene"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 - Textual types it so
    VERTICAL_BREAKPOINTS = [(0, "-low"), (18, "-high")]  # noqa: RUF012 - likewise
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("colon", "command_palette", "Commands", id="palette", key_display=":", show=False),
        Binding("ctrl+c", "leave", "Quit", id="leave", show=False, priority=True),
    ]

    def __init__(
        self,
        options: Options,
        *,
        clock: Callable[[], datetime] = _now,
        zone: tzinfo | None = None,
        session: Session | None = None,
    ) -> None:
        super().__init__()
        if os.environ.get("NO_COLOR") or os.environ.get("TEXTUAL_COLOR_SYSTEM") == "standard":
            self.theme = "ansi-dark"  # set later, it would be black on black
        self.session = session or Session(options, os.environ)
        self.glyphs = Glyphs(options.ascii)
        self.now = clock
        self.zone = zone or datetime.now().astimezone().tzinfo or UTC
        self.look: Look | None = None
        self.fresh = Freshness()
        self._waiting: dict[str, None] = {}
        self._unread: HygieneError | None = None
        try:
            self.look = self.session.stored()
        except HygieneError as error:
            self._unread = error

    def get_default_screen(self) -> Screen[None]:
        """The inventory, painted with the last look before anything is asked of the host."""
        return InventoryScreen()

    def on_mount(self) -> None:
        """Look at the host behind what is shown."""
        self.animation_level = "none"
        if self._unread is not None:
            self.call_after_refresh(self._say, str(self._unread), "warning")
        self.set_interval(_SECOND, self._grow_older)
        self.action_refresh_look()

    def on_unmount(self) -> None:
        """Give back what is held open."""
        if self.look is not None:
            self.look.close()

    async def on_event(self, event: Event) -> None:
        """A key clears what was said before it."""
        note_key(self, event)
        await super().on_event(event)

    # -- the look ------------------------------------------------------------------------------------------

    def action_refresh_look(self) -> None:
        """Look at the host again, behind what is shown."""
        if self.fresh.looking:
            self._say("a look is under way")
            return
        self._waiting = {}
        self.fresh = Freshness(looking=True)
        self._refresh_head()
        self._look()

    @work(thread=True, exclusive=True, group="look", exit_on_error=False, description="look at the host")
    def _look(self) -> None:
        try:
            look = self.session.look(lambda event: self._tell(Progressed(event)))
        except HygieneError as error:
            self._tell(LookFailed(error))
        else:
            self._tell(Looked(look))

    def _tell(self, message: Message) -> None:
        """From a thread: posted, never called, so that a link that stalls does not hold the look."""
        if self.is_running:
            self.post_message(message)

    @on(Progressed)
    def _progressed(self, message: Progressed) -> None:
        match message.event:
            case ProbeStarted(section):
                self._waiting[section.value] = None
            case ProbeFinished(section):
                self._waiting.pop(section.name.value, None)
            case _:
                return
        self.fresh = Freshness(looking=True, waiting=tuple(self._waiting))
        self._refresh_head()

    @on(Looked)
    def _looked(self, message: Looked) -> None:
        error = message.look.report["host"]["engine_error"]
        self.fresh = Freshness(failed=error)
        if error is not None and self.look is not None:
            # What was seen before is worth more than an empty list; the head says how old it is.
            message.look.close()
            self._refresh_head()
            self._say(f"{message.look.unread} [{error}]", "critical")
            return
        if self.look is not None:
            self.look.close()
        self.look = message.look
        self._refresh_head()
        if isinstance(self.screen, HostScreen):
            self.screen.show_look()
        found = worst(message.look.report["findings"])
        if found:
            self._say(f"{found[0]['message']} [{found[0]['code']}]", found[0]["severity"])

    @on(LookFailed)
    def _look_failed(self, message: LookFailed) -> None:
        self.fresh = Freshness(failed=message.error.code)
        self._refresh_head()
        self._say(str(message.error), "critical")

    def _grow_older(self) -> None:
        self._refresh_head()

    def _refresh_head(self) -> None:
        for head in self.screen.query(Head):
            head.bring_up_to_date()

    def _say(self, text: str, severity: str = "info") -> None:
        if isinstance(self.screen, HostScreen):
            self.screen.say(text, severity)

    # -- the way between screens ---------------------------------------------------------------------------

    def action_go(self, name: str) -> None:
        """Show a screen; the inventory is always the last one below."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        if name in _SCREENS:
            self.push_screen(_SCREENS[name]())

    async def action_back(self) -> None:
        """One step back; from the inventory, out."""
        screen = self.screen
        if isinstance(screen, InventoryScreen) and screen.back():
            return
        if len(self.screen_stack) > 1:
            self.pop_screen()
        else:
            self.exit(0)

    def action_leave(self) -> None:
        """Out, from wherever."""
        self.exit(130)

    def action_help(self) -> None:
        """What the screen shows, and its keys."""
        if isinstance(self.screen, HostScreen):
            self.push_screen(HelpScreen(self.screen))
