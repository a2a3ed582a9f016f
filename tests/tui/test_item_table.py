from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from textual.events import MouseScrollDown

from hygiene_tui.widgets.item_table import Column, ItemTable
from tests.tui.harness import WidgetApp, a_table
from tests.tui.text_screen import lines_of, strips_of, text_of

MANY = range(100_000)
HOSTILE = {
    "markup": "[bold red]app[/] [@click=app.quit]x[/]",
    "escapes": "a\x1b[2Jb\x1b]0;title\x07\r\nc\x9b31m",
    "right to left": "שלום/עולם:תג مرحبا",
    "override": "abc\u202egpj.exe",
    "wide": "镜像仓库/应用程序:版本二千五百四十六号" * 3,
    "zero width": "a\u200bb\u200dc\ufeffd e\u0301\u0302\u0303\u0304\u0305",
    "emoji": "👩\u200d👩\u200d👧\ufe0f🏳\ufe0f\u200d🌈" * 9,
    "jamo": "\u1161" * 200,
    "long": "x" * 65536,
    "long and wide": "鏡" * 65536,
    "surrogate": "a\udcffb\ud800",
    "nothing": "",
    "marks alone": "\u0301" * 300,
}


def numbers(app: WidgetApp) -> list[int | None]:
    return [one.number for one in app.told if isinstance(one, ItemTable.Moved)]


async def test_the_first_rows_put_the_cursor_on_the_first():
    app = WidgetApp(a_table)
    async with app.run_test() as pilot:
        table = app.query_one(ItemTable)
        assert table.number is None
        table.set_rows([5, 7])
        await pilot.pause()
        assert (table.number, numbers(app)) == (5, [5])


@pytest.mark.parametrize(
    ("keys", "number"),
    [
        ("down", 1),
        ("j j j", 3),
        ("j j k", 1),
        ("up", 0),
        ("pagedown", 23),
        ("pagedown pagedown pageup", 23),
        ("ctrl+d", 11),
        ("ctrl+d ctrl+d ctrl+u", 11),
        ("end", 99_999),
        ("G", 99_999),
        ("G down", 99_999),
        ("G k", 99_998),
        ("end home", 0),
        ("G g", 0),
        ("G pagedown", 99_999),
        ("pageup", 0),
    ],
)
async def test_keys_move_the_cursor_and_it_stays_in_view(keys: str, number: int):
    app = WidgetApp(lambda: a_table(MANY))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*keys.split())
        table = app.query_one(ItemTable)
        assert table.number == number
        under = [line for line in lines_of(app) if line.startswith(">")]
        assert len(under) == 1
        assert f"app-{number} " in under[0]
        if number:
            assert numbers(app)[-1] == number


async def test_the_view_jumps_half_a_page_when_the_cursor_leaves_it():
    app = WidgetApp(lambda: a_table(MANY))
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.query_one(ItemTable)
        tops = []
        for _ in range(60):
            await pilot.press("j")
            tops.append(table.scroll_offset.y)
        assert [top for top, before in zip(tops, [0, *tops], strict=False) if top != before] == [
            12,
            24,
            36,
            48,
        ]
        for _ in range(13):
            await pilot.press("k")
        assert (table.number, table.scroll_offset.y) == (47, 36)


async def test_a_cursor_that_moves_within_the_view_draws_two_lines():
    app = WidgetApp(lambda: a_table(MANY))
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.query_one(ItemTable)
        await pilot.pause()
        drawn = []
        original = table.render_line
        table.render_line = lambda y: drawn.append(y) or original(y)
        await pilot.press("j")
        await pilot.pause()
        assert sorted(set(drawn)) == [1, 2]


async def test_only_rows_in_view_are_asked_for():
    asked = []

    def cell(number: int, key: str) -> str:
        asked.append(number)
        return str(number)

    app = WidgetApp(lambda: a_table(MANY, cell=cell))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("end")
        assert set(asked) <= {*range(24), *range(99_970, 100_000)}


async def test_set_rows_keeps_the_cursor_on_its_row_and_at_its_height():
    app = WidgetApp(lambda: a_table(list(MANY)))
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.query_one(ItemTable)
        await pilot.press("pagedown", "pagedown", "j", "j")
        number, height = table.number, table.cursor - table.scroll_offset.y
        app.told.clear()
        table.set_rows(list(reversed(MANY)))
        await pilot.pause()
        assert (table.number, table.cursor - table.scroll_offset.y) == (number, height)
        table.set_rows([one for one in MANY if one % 2 == number % 2])
        assert table.number == number
        await pilot.pause()
        assert app.told == []


async def test_set_rows_without_the_row_keeps_the_place_and_tells():
    app = WidgetApp(lambda: a_table(range(10)))
    async with app.run_test() as pilot:
        table = app.query_one(ItemTable)
        await pilot.press(*"jjj")
        table.set_rows([0, 1, 2, 4, 5])
        assert table.number == 4
        table.set_rows([8])
        assert table.number == 8
        table.set_rows([])
        assert table.number is None
        await pilot.press("j", "enter", "pagedown", "end", "home")
        table.set_rows([1, 2])
        assert table.number == 1
        await pilot.pause()
        assert numbers(app) == [0, 1, 2, 3, 4, 8, None, 1]


async def test_fewer_rows_than_before_leave_no_empty_view():
    app = WidgetApp(lambda: a_table(MANY))
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.query_one(ItemTable)
        await pilot.press("end")
        table.set_rows(range(30))
        await pilot.pause()
        assert table.scroll_offset.y == 30 - 23
        table.set_rows(range(3))
        await pilot.pause()
        assert table.scroll_offset.y == 0
        assert [line.split("app")[1].split()[0].join(["app", ""]) for line in lines_of(app)[1:4]] == [
            "app-0",
            "app-1",
            "app-2",
        ]


async def test_a_smaller_terminal_keeps_the_cursor_in_view_and_a_bigger_one_fills():
    app = WidgetApp(lambda: a_table(MANY))
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.query_one(ItemTable)
        await pilot.press(*["j"] * 20)
        before = text_of(app)
        await pilot.resize_terminal(40, 10)
        await pilot.pause()
        small = lines_of(app)
        assert len(small) == 10
        assert any(line.startswith(">") and "20.0 GiB" in line for line in small)
        assert "KIND" not in small[0]
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert table.number == 20
        assert "KIND" in lines_of(app)[0]
        await pilot.press("g")
        await pilot.press(*["j"] * 20)
        assert text_of(app) == before
        await pilot.press("G")
        await pilot.resize_terminal(80, 50)
        await pilot.pause()
        assert "app-99999" in lines_of(app)[-1]
        assert "app-99951" in lines_of(app)[1]


@pytest.mark.parametrize("small", [(1, 1), (2, 2), (3, 1), (7, 3), (20, 2)])
async def test_a_terminal_of_a_few_cells_breaks_nothing(small: tuple[int, int]):
    app = WidgetApp(lambda: a_table(range(50)))
    async with app.run_test(size=small) as pilot:
        await pilot.press(*"jjkG", "pagedown", "pageup", "ctrl+d", "ctrl+u", "j")
        assert {strip.cell_length for strip in strips_of(app)} == {small[0]}
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert sum(line.startswith(">") for line in lines_of(app)) == 1


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_text_takes_its_cells_and_no_more(name: str, ascii_only: bool):
    text = HOSTILE[name]
    app = WidgetApp(
        lambda: a_table(
            [0, 1],
            cell=lambda n, key: text if key in {"name", "verdict"} else f"{key[:4]}{n}",
            ascii_only=ascii_only,
        )
    )
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j")
        strips = strips_of(app)
        assert {strip.cell_length for strip in strips} == {80}
        for strip in strips[1:3]:
            assert cell_len(strip.text) == 80
            assert strip.text.isprintable()
            assert strip.text.rstrip().endswith(("size0", "size1"))
            assert ascii_only <= strip.text.isascii()
        if name == "markup":
            assert "[bold red]app[/] [@click=app.quit]" in strips[1].text


async def test_a_mark_is_one_cell_and_is_asked_for_at_each_look():
    marks = {0: "+", 1: "\x1b[31m", 2: "鏡", 3: ""}
    app = WidgetApp(lambda: a_table(range(4), marked=marks.__getitem__))
    async with app.run_test() as pilot:
        assert [line[:4] for line in lines_of(app)[1:5]] == [">+ ■", " …  "[:3] + "►", " … ?", "   ●"]
        marks[0] = "-"
        app.query_one(ItemTable).refresh()
        await pilot.pause()
        assert lines_of(app)[1].startswith(">- ")


async def test_clicks_move_open_and_sort():
    app = WidgetApp(lambda: a_table(range(10)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.click(ItemTable, offset=(30, 5))
        assert app.query_one(ItemTable).number == 4
        await pilot.click(ItemTable, offset=(30, 20))
        assert app.query_one(ItemTable).number == 4
        await pilot.double_click(ItemTable, offset=(30, 3))
        for x in (0, 3, 15, 79, 74, 70):
            await pilot.click(ItemTable, offset=(x, 0))
        await pilot.pause()
        opened = [one.number for one in app.told if isinstance(one, ItemTable.Opened)]
        keys = [one.key for one in app.told if isinstance(one, ItemTable.HeaderClicked)]
        assert (opened, keys) == ([2], ["verdict", "kind", "size", "size"])


async def test_enter_opens_the_row():
    app = WidgetApp(lambda: a_table([9, 4]))
    async with app.run_test() as pilot:
        await pilot.press("j", "enter")
        await pilot.pause()
        assert [one.number for one in app.told if isinstance(one, ItemTable.Opened)] == [4]


async def test_the_wheel_moves_the_view_and_a_key_comes_back_to_the_cursor():
    app = WidgetApp(lambda: a_table(MANY))
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.query_one(ItemTable)
        for _ in range(10):
            await pilot._post_mouse_events([MouseScrollDown], ItemTable, button=0)
        await pilot.pause()
        assert (table.scroll_offset.y, table.number) == (30, 0)
        await pilot.press("j")
        assert (table.scroll_offset.y, table.number) == (0, 1)


async def test_the_scrollbar_says_where_the_view_is_and_takes_clicks():
    app = WidgetApp(lambda: a_table(range(46)))
    async with app.run_test(size=(80, 24)) as pilot:

        def edge() -> str:
            return "".join(strip.text[-1] for strip in strips_of(app)[1:])

        assert edge() == "█" * 11 + "│" * 12
        await pilot.click(ItemTable, offset=(79, 23))
        assert edge() == "│" * 12 + "█" * 11
        await pilot.click(ItemTable, offset=(79, 1))
        assert app.query_one(ItemTable).scroll_offset.y == 0
        assert app.query_one(ItemTable).cursor == 0


@pytest.mark.parametrize(
    ("sorted_by", "ascii_only", "title"),
    [
        (("size", True), False, "▼SIZE"),
        (("size", False), False, "▲SIZE"),
        (("name", True), True, "NAMEv"),
        (("verdict", False), True, "VERDICT^"),
    ],
)
async def test_the_header_says_what_the_rows_are_sorted_by(sorted_by, ascii_only: bool, title: str):
    app = WidgetApp(lambda: a_table(range(3), ascii_only=ascii_only))
    async with app.run_test() as pilot:
        assert title not in lines_of(app)[0]
        app.query_one(ItemTable).sorted_by = sorted_by
        await pilot.pause()
        assert title in lines_of(app)[0]


async def test_a_narrow_column_shows_its_direction():
    table = ItemTable([Column("a", "SIZE", 4), Column("b", "NAME")], lambda _n, key: key)
    table.sorted_by = ("a", True)
    app = WidgetApp(lambda: table)
    async with app.run_test():
        assert lines_of(app)[0].startswith("   SI…▼ NAME")


async def test_no_rows_are_said_in_words():
    app = WidgetApp(lambda: a_table(empty="[b]no[/b] images"))
    async with app.run_test() as pilot:
        assert lines_of(app)[1] == "   [b]no[/b] images"
        app.query_one(ItemTable).empty = "still none"
        await pilot.pause()
        assert lines_of(app)[1] == "   still none"


async def test_what_a_cell_says_is_asked_again_when_it_changed():
    said = ["old"]
    app = WidgetApp(lambda: a_table(range(3), cell=lambda _n, _k: said[0]))
    async with app.run_test() as pilot:
        said[0] = "new"
        app.query_one(ItemTable).rows_changed()
        await pilot.pause()
        assert "old" not in text_of(app)
        assert "new" in text_of(app)


def segments_of(app: WidgetApp, line: int):
    return [one for one in strips_of(app)[line] if one.text.strip()]


async def test_another_theme_is_drawn_at_once():
    app = WidgetApp(lambda: a_table(range(3)))
    async with app.run_test() as pilot:
        before = [one.style for one in segments_of(app, 2)]
        app.theme = "textual-light"
        await pilot.pause()
        assert [one.style for one in segments_of(app, 2)] != before


async def test_the_cursor_is_seen_without_focus_too():
    app = WidgetApp(lambda: a_table(range(3)))
    async with app.run_test() as pilot:
        focused = segments_of(app, 1)[0].style
        app.set_focus(None)
        await pilot.pause()
        blurred = segments_of(app, 1)[0].style
        assert len({focused, blurred, segments_of(app, 2)[0].style}) == 3


@pytest.mark.parametrize("no_color", [False, True])
@pytest.mark.parametrize("ansi", [False, True])
async def test_no_text_is_drawn_in_its_background_in_16_colours_or_none(
    no_color: bool, ansi: bool, monkeypatch
):
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    app = WidgetApp(lambda: a_table(range(30)), ansi=ansi)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("j")
        for strip in strips_of(app):
            for text, style, _ in strip:
                if text.strip() and style is not None and style.color and style.bgcolor:
                    front, back = (
                        one.downgrade(ColorSystem.STANDARD) for one in (style.color, style.bgcolor)
                    )
                    assert front != back or front.is_default, (text, style)
        under = [one for one in segments_of(app, 2) if one.text not in "│█ "]
        assert all(one.style.reverse for one in under) == (ansi or no_color)
        if ansi and no_color:
            for strip in strips_of(app):
                for _text, style, _ in strip:
                    assert style is None or all(
                        one is None or one.is_default for one in (style.color, style.bgcolor)
                    )


@pytest.mark.parametrize("ascii_only", [False, True], ids=["unicode", "ascii"])
async def test_looks(size, ascii_only: bool, screen_snapshot):
    app = WidgetApp(lambda: a_table(range(60), ascii_only=ascii_only))
    async with app.run_test(size=size) as pilot:
        app.query_one(ItemTable).sorted_by = ("size", False)
        await pilot.press("j", "j")
        assert ascii_only <= text_of(app).isascii()
        assert text_of(app) == screen_snapshot
