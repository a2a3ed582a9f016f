"""Coroutine tests, and a terminal that is the same everywhere."""

from __future__ import annotations

import asyncio
import inspect
import os

import pytest

# Textual reads them when it is imported.
for _name in ("NO_COLOR", "TEXTUAL_THEME", "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_FPS"):
    os.environ.pop(_name, None)

from textual.widgets import Input  # noqa: E402 - only now

from tests.tui.text_screen import ScreenSnapshot  # noqa: E402

SIZES = {"80x24": (80, 24), "140x40": (140, 40)}
"""Terminals that every screen is looked at in."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture(autouse=True)
def still_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colours of whoever runs the tests, and no cursor that blinks: a screen is the same each time."""
    for name in ("NO_COLOR", "TEXTUAL_THEME", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Input.cursor_blink, "_default", False)


@pytest.fixture(params=list(SIZES))
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    return SIZES[request.param]


@pytest.fixture
def screen_snapshot(snapshot):
    """Compares a screen's text with `snapshots/tui/<module>/<test>-<parameters>.txt`."""
    return snapshot.use_extension(ScreenSnapshot)
