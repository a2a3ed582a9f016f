"""A table of any number of rows that draws only the lines in view.

It knows nothing of what its rows are: a row is a number, and a function says what stands in each cell. Text
of a cell is never interpreted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.cache import LRUCache
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from hygiene_tui.widgets.cells import cut, fit
from hygiene_tui.widgets.columns import Column, Placed, place
from hygiene_tui.widgets.glyphs import UNMARKED, Glyphs

__all__ = ["Cell", "Column", "ItemTable", "Tone"]

Tone = Literal["strong", "quiet", "good", "warn", "bad"]
"""How a cell is set off; the theme says what that looks like, and a word in the cell says it too."""

Cell = str | tuple[str, Tone]

_KEPT_ROWS = 300
_DOUBLE = 2
_WHEEL_ROWS = 3


def _unmarked(_number: int) -> str:
    return UNMARKED


class ItemTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows under a header line, one of them under the cursor.

    Args:
        columns: from left to right; the one without a width takes what the others leave.
        cell: says what stands in a cell, from a row's number and a column's key.
        marked: says the mark of a row, one cell wide.
        empty: what is said where there are no rows.
        glyphs: the signs that the terminal can show.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "step(1)", "Down", id="table.down", show=False),
        Binding("up,k", "step(-1)", "Up", id="table.up", show=False),
        Binding("pagedown", "page(1)", "Page down", id="table.page_down", show=False),
        Binding("pageup", "page(-1)", "Page up", id="table.page_up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", id="table.half_down", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", id="table.half_up", show=False),
        Binding("home,g", "first", "First", id="table.first", show=False),
        Binding("end,G", "last", "Last", id="table.last", show=False),
        Binding("enter", "open", "Open", id="table.open", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "item-table--header",
        "item-table--cursor",
        "item-table--strong",
        "item-table--quiet",
        "item-table--good",
        "item-table--warn",
        "item-table--bad",
    }
    DEFAULT_CSS = """
    ItemTable {
        overflow: hidden hidden;
        .item-table--header { text-style: bold; background: $panel; color: $foreground; }
        .item-table--cursor {
            background: $block-cursor-blurred-background;
            color: $block-cursor-blurred-foreground;
        }
        &:focus .item-table--cursor {
            background: $block-cursor-background;
            color: $block-cursor-foreground;
            text-style: bold;
        }
        .item-table--strong { text-style: bold; }
        .item-table--quiet { color: $text-muted; }
        .item-table--good { color: $text-success; }
        .item-table--warn { color: $text-warning; }
        .item-table--bad { color: $text-error; text-style: bold; }
        &:ansi, &:nocolor {
            .item-table--header { background: ansi_default; color: ansi_default; text-style: bold underline; }
            .item-table--cursor { background: ansi_default; color: ansi_default; text-style: bold; }
            &:focus .item-table--cursor {
                background: ansi_default; color: ansi_default; text-style: reverse;
            }
        }
    }
    """

    cursor: reactive[int] = reactive(0, repaint=False)
    """Which of the rows is under the cursor, counted from 0."""
    sorted_by: reactive[tuple[str, bool] | None] = reactive(None)
    """Key of the column that the rows are sorted by, and whether the biggest comes first; only shown."""
    empty: reactive[str] = reactive("")
    """What is said where there are no rows."""

    class Moved(Message):
        """The cursor stands on another row, or on none."""

        def __init__(self, table: ItemTable, number: int | None) -> None:
            super().__init__()
            self.table, self.number = table, number

        @property
        def control(self) -> ItemTable:
            """The table, for `on` with a selector."""
            return self.table

    class Opened(Message):
        """A row was chosen, with enter or two clicks."""

        def __init__(self, table: ItemTable, number: int) -> None:
            super().__init__()
            self.table, self.number = table, number

        @property
        def control(self) -> ItemTable:
            """The table, for `on` with a selector."""
            return self.table

    class HeaderClicked(Message):
        """The title of a column was clicked."""

        def __init__(self, table: ItemTable, key: str) -> None:
            super().__init__()
            self.table, self.key = table, key

        @property
        def control(self) -> ItemTable:
            """The table, for `on` with a selector."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column],
        cell: Callable[[int, str], Cell],
        *,
        marked: Callable[[int], str] = _unmarked,
        empty: str = "nothing to show",
        glyphs: Glyphs | None = None,
        id: str | None = None,  # noqa: A002 - Textual's own name
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._it_columns = tuple(columns)
        self._it_cell = cell
        self._it_marked = marked
        self._it_glyphs = glyphs or Glyphs()
        self._it_rows: Sequence[int] = ()
        self._it_told: int | None = None
        self._it_placed: list[Placed] | None = None
        self._it_strips: LRUCache[tuple[int, str, bool], Strip] = LRUCache(_KEPT_ROWS)
        self._it_styles: dict[str, Style] = {}
        self.set_reactive(ItemTable.empty, empty)

    # What a screen asks and says

    @property
    def rows(self) -> Sequence[int]:
        """The numbers of the rows, in order."""
        return self._it_rows

    @property
    def number(self) -> int | None:
        """The number of the row under the cursor."""
        return self._it_rows[self.cursor] if self.cursor < len(self._it_rows) else None

    def set_rows(self, rows: Sequence[int]) -> None:
        """Show these rows. The cursor stays on its row, at its height, where that row is still there.

        Args:
            rows: their numbers, in order; kept as it is and not copied, so it may not change afterwards.
        """
        height = self.cursor - self.scroll_offset.y
        try:
            position = rows.index(self._it_told) if self._it_told is not None else 0
        except ValueError:
            position = max(0, min(self.cursor, len(rows) - 1))
        self._it_rows = rows
        self.virtual_size = Size(0, len(rows) + 1)
        self.set_reactive(ItemTable.cursor, position)
        self._it_scroll(position - height)
        self._it_reveal()
        self.rows_changed()
        self._it_tell()

    def rows_changed(self) -> None:
        """Draw all rows anew: what `cell` says has changed. A mark that changed needs only `refresh`."""
        self._it_strips.clear()
        self._it_placed = None
        self.refresh()

    # The cursor

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, len(self._it_rows) - 1))

    def watch_cursor(self, before: int, now: int) -> None:
        """Draw the two rows that changed, or all where the view moved."""
        if not self._it_reveal():
            for position in (before, now):
                self.refresh(Region(0, 1 + position - self.scroll_offset.y, self.size.width, 1))
        self._it_tell()

    def _it_tell(self) -> None:
        if self.number != self._it_told:
            self._it_told = self.number
            self.post_message(self.Moved(self, self.number))

    def action_step(self, rows: int) -> None:
        """Move the cursor by so many rows."""
        self.cursor += rows

    def action_page(self, pages: float) -> None:
        """Move cursor and view by so many pages."""
        rows = int(pages * self._it_height) or (1 if pages > 0 else -1)
        self._it_scroll(self.scroll_offset.y + rows)
        self.cursor += rows

    def action_first(self) -> None:
        """Move to the first row."""
        self.cursor = 0

    def action_last(self) -> None:
        """Move to the last row."""
        self.cursor = len(self._it_rows) - 1

    def action_open(self) -> None:
        """Choose the row under the cursor."""
        if self.number is not None:
            self.post_message(self.Opened(self, self.number))

    # The view

    @property
    def _it_height(self) -> int:
        """Rows in view."""
        return max(1, self.size.height - 1)

    def _it_scroll(self, top: int) -> bool:
        """Put a row at the top of the view, as far as there are rows; whether the view moved."""
        before = self.scroll_offset.y
        top = max(0, min(top, len(self._it_rows) - self._it_height))
        if top != before and self.size.height:
            self.scroll_to(y=top, animate=False, force=True)
        return self.scroll_offset.y != before

    def _it_reveal(self) -> bool:
        """Bring the cursor into view; whether the view moved.

        It jumps half a page: each row that a view is moved by costs a slow line a whole page.
        """
        top = self.scroll_offset.y
        if top <= self.cursor < top + self._it_height:
            return self._it_scroll(top)
        return self._it_scroll(self.cursor - self._it_height // 2)

    def on_resize(self, _event: Resize) -> None:
        """Lay the columns out anew, and keep the cursor in view."""
        self._it_reveal()
        self.rows_changed()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Move the view and leave the cursor."""
        self._it_wheel(event, _WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Move the view and leave the cursor."""
        self._it_wheel(event, -_WHEEL_ROWS)

    def _it_wheel(self, event: MouseScrollDown | MouseScrollUp, rows: int) -> None:
        event.stop()
        event.prevent_default()  # Textual's own scrolling is animated
        self._it_scroll(self.scroll_offset.y + rows)

    def on_click(self, event: Click) -> None:
        """Move the cursor, choose a row, or tell which title was clicked."""
        at = event.get_content_offset(self)
        if at is None:
            return
        if at.y == 0:
            for one in self._it_layout():
                if one.left <= at.x < one.left + one.width:
                    self.post_message(self.HeaderClicked(self, one.column.key))
            return
        position = self.scroll_offset.y + at.y - 1
        if self._it_has_scrollbar and at.x == self.size.width - 1:
            part = (at.y - 1) / max(1, self._it_height - 1)
            self._it_scroll(round(part * (len(self._it_rows) - self._it_height)))
        elif position < len(self._it_rows):
            self.cursor = position
            if event.chain == _DOUBLE:
                self.action_open()

    def notify_style_update(self) -> None:
        """Forget what was drawn in the styles of before."""
        super().notify_style_update()
        self._it_styles.clear()
        self._it_strips.clear()

    # Drawing

    @property
    def _it_has_scrollbar(self) -> bool:
        return len(self._it_rows) > self._it_height

    @property
    def _it_room(self) -> int:
        """Cells that the scrollbar, and a space before it, leave to a row."""
        return self.size.width - (2 if self._it_has_scrollbar else 0)

    def _it_layout(self) -> list[Placed]:
        if self._it_placed is None:
            self._it_placed = place(self._it_columns, self._it_room, self.app.size.width)
        return self._it_placed

    @property
    def _it_base(self) -> Style:
        """The table's own style. Textual works it out anew each time, from all that the table stands in."""
        if "" not in self._it_styles:
            self._it_styles[""] = self.rich_style
        return self._it_styles[""]

    def _it_style(self, name: str, *, whole: bool = False) -> Style:
        """A component's style on the table's own; a whole one is not mixed with it."""
        if name not in self._it_styles:
            found = self.get_component_rich_style(f"item-table--{name}", partial=not whole)
            self._it_styles[name] = found if whole else self._it_base + found
        return self._it_styles[name]

    def render_line(self, y: int) -> Strip:
        """The header, a row, or what is said in place of rows."""
        width, base = self.size.width, self._it_base
        if y == 0:
            return self._it_header(width)
        position = self.scroll_offset.y + y - 1
        if position >= len(self._it_rows):
            said = "" if self._it_rows or y > 1 else f"   {self.empty}"
            return Strip([Segment(fit(said, width, ascii_only=self._it_glyphs.ascii_only), base)])
        under = position == self.cursor
        number = self._it_rows[position]
        mark = self._it_marked(number)
        strip = self._it_strips.get((number, mark, under))
        if strip is None:
            strip = self._it_strips[number, mark, under] = self._it_row(number, mark, under=under)
        if not self._it_has_scrollbar:
            return strip.adjust_cell_length(width, base)
        edge = Segment(self._it_scrollbar(y - 1), base)
        return Strip([*strip.adjust_cell_length(width - 1, base), edge], width)

    def _it_header(self, width: int) -> Strip:
        ascii_only, style = self._it_glyphs.ascii_only, self._it_style("header", whole=True)
        text, end = "", 0
        for one in self._it_layout():
            title = one.column.title
            if self.sorted_by is not None and self.sorted_by[0] == one.column.key:
                sign = self._it_glyphs.descending if self.sorted_by[1] else self._it_glyphs.ascending
                title = cut(title, one.width - 1, ascii_only=ascii_only)
                title = sign + title if one.column.align == "right" else title + sign
            text += " " * (one.left - end)
            text += fit(title, one.width, align=one.column.align, ascii_only=ascii_only)
            end = one.left + one.width
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)

    def _it_row(self, number: int, mark: str, *, under: bool) -> Strip:
        ascii_only, base = self._it_glyphs.ascii_only, self._it_base
        if under:
            base = self._it_style("cursor", whole=True)
        segments = [Segment((self._it_glyphs.cursor if under else " ") + fit(mark, 1), base)]
        end = 2
        for one in self._it_layout():
            told = self._it_cell(number, one.column.key)
            text, tone = told if isinstance(told, tuple) else (told, None)
            # Under the cursor only its own colours are sure to be read.
            style = base if tone is None or under else self._it_style(tone)
            fitted = fit(text, one.width, align=one.column.align, ascii_only=ascii_only)
            segments += [Segment(" " * (one.left - end), base), Segment(fitted, style)]
            end = one.left + one.width
        return Strip(segments).adjust_cell_length(self._it_room, base).simplify()

    def _it_scrollbar(self, line: int) -> str:
        """The right edge: what part of the rows is in view."""
        height, rows = self._it_height, len(self._it_rows)
        length = max(1, height * height // rows)
        top = round(self.scroll_offset.y / (rows - height) * (height - length))
        return self._it_glyphs.thumb if top <= line < top + length else self._it_glyphs.upright
