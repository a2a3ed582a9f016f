"""An application around one widget, and a table of made-up rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import App, ComposeResult
from textual.message import Message
from textual.widget import Widget

from hygiene_tui.widgets.glyphs import Glyphs
from hygiene_tui.widgets.item_table import Column, ItemTable

COLUMNS = (
    Column("verdict", "VERDICT", 11),
    Column("kind", "KIND", 7, least_width=60),
    Column("name", "NAME"),
    Column("size", "SIZE", 9, "right"),
    Column("idle", "IDLE", 6, "right", least_width=100),
    Column("id", "ID", 12, least_width=120),
)

VERDICTS = ("protected", "in_use", "unknown", "retained", "candidate")
TONES = ("strong", None, "warn", "quiet", "good")


class WidgetApp(App[None]):
    """Holds one widget, and writes its messages down."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, make: Callable[[], Widget | Sequence[Widget]], *, ansi: bool = False) -> None:
        super().__init__(ansi_color=True if ansi else None)
        if ansi:
            self.theme = "ansi-dark"
        self.make = make
        self.told: list[Message] = []

    def compose(self) -> ComposeResult:
        made = self.make()
        yield from [made] if isinstance(made, Widget) else made

    def on_item_table_moved(self, message: ItemTable.Moved) -> None:
        self.told.append(message)

    def on_item_table_opened(self, message: ItemTable.Opened) -> None:
        self.told.append(message)

    def on_item_table_header_clicked(self, message: ItemTable.HeaderClicked) -> None:
        self.told.append(message)


def cell_with(glyphs: Glyphs):
    def cell(number: int, key: str):
        if key == "verdict":
            verdict = VERDICTS[number % len(VERDICTS)]
            tone = TONES[number % len(TONES)]
            text = str(glyphs.verdict(verdict))
            return text if tone is None else (text, tone)
        return {
            "kind": "image",
            "name": f"registry.example/app-{number}",
            "size": f"{number}.0 GiB",
            "idle": f"{number % 90} d",
            "id": f"{number:012x}",
        }[key]

    return cell


def a_table(rows: Sequence[int] = (), *, ascii_only: bool = False, cell=None, **kwargs) -> ItemTable:
    glyphs = Glyphs(ascii_only)
    marked = kwargs.pop("marked", lambda number: "+" if number % 7 == 3 else " ")
    table = ItemTable(COLUMNS, cell or cell_with(glyphs), marked=marked, glyphs=glyphs, **kwargs)
    if rows:
        table.set_rows(rows)
    return table
