"""What a screen shows, as text: reviewed as `snapshots/tui/<module>/<test>-<parameters>.txt`.

Textual keeps no public way to a screen's lines, so that its private one is used here and nowhere else.
"""

from __future__ import annotations

from pathlib import Path

from syrupy.data import Snapshot, SnapshotCollection
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App
from textual.strip import Strip

DIRECTORY = Path(__file__).parents[2] / "snapshots" / "tui"


def strips_of(app: App) -> list[Strip]:
    """The lines in view, with what is seen through a modal screen."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return [Strip.join(line) for line in update.strips]


def text_of(app: App) -> str:
    """The lines in view, without the spaces at their ends."""
    return "".join(strip.text.rstrip() + "\n" for strip in strips_of(app))


def lines_of(app: App) -> list[str]:
    return text_of(app).splitlines()


class ScreenSnapshot(SingleFileSnapshotExtension):
    """One file for each test and its parameters: `test_looks[80x24]` is `looks-80x24.txt`."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    @classmethod
    def dirname(cls, *, test_location) -> str:
        return str(DIRECTORY / Path(test_location.filepath).stem.removeprefix("test_"))

    @classmethod
    def get_file_basename(cls, *, test_location, index) -> str:
        assert index == 0, "one screen for each test: give the test a parameter"
        return test_location.nodename.removeprefix("test_").replace("[", "-", 1).removesuffix("]")

    def is_snapshot_location(self, *, location: str) -> bool:
        return Path(location).parent.parent == DIRECTORY

    def read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        collection = SnapshotCollection(location=snapshot_location)
        collection.add(Snapshot(name=_test_of(snapshot_location)))
        return collection

    @classmethod
    def matches_test_location(cls, *, test_location, snapshot_location: str) -> bool:
        module = Path(test_location.filepath).stem.removeprefix("test_")
        return Path(snapshot_location).parent.name == module and test_location.nodename == _test_of(
            snapshot_location
        )


def _test_of(snapshot_location: str) -> str:
    name, dash, parameters = Path(snapshot_location).stem.partition("-")
    return f"test_{name}[{parameters}]" if dash else f"test_{name}"
