"""Reviewed output as files a person can open, such as `snapshots/reports/<format>/<scene>.<suffix>`.

syrupy would put them beside the tests and name them after the functions. Here each format has its folder and
one test function, and a file is named after that function's parameters alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from syrupy.data import Snapshot, SnapshotCollection
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

__all__ = [
    "AttentionSnapshot",
    "HtmlSnapshot",
    "JsonSnapshot",
    "ListingSnapshot",
    "MarkdownSnapshot",
    "PlanSnapshot",
    "RunSnapshot",
    "RunToldSnapshot",
    "StatusSnapshot",
    "TextSnapshot",
    "VerdictSnapshot",
]

DIRECTORY = Path(__file__).parents[2] / "snapshots"


class TextSnapshot(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"
    folder: ClassVar[str] = "reports/text"
    test_name: ClassVar[str] = "test_text"

    @classmethod
    def dirname(cls, *, test_location) -> str:
        return str(DIRECTORY / cls.folder)

    @classmethod
    def get_file_basename(cls, *, test_location, index) -> str:
        return test_location.nodename.removeprefix(f"{cls.test_name}[").removesuffix("]")

    def is_snapshot_location(self, *, location: str) -> bool:
        return Path(location).parent == DIRECTORY / self.folder

    def read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        collection = SnapshotCollection(location=snapshot_location)
        collection.add(Snapshot(name=f"{self.test_name}[{Path(snapshot_location).stem}]"))
        return collection

    @classmethod
    def matches_test_location(cls, *, test_location, snapshot_location: str) -> bool:
        return test_location.nodename == f"{cls.test_name}[{Path(snapshot_location).stem}]"


class AttentionSnapshot(TextSnapshot):
    folder = "reports/attention"
    test_name = "test_attention"


class ListingSnapshot(TextSnapshot):
    folder = "reports/resources"
    test_name = "test_resources_for_a_person"


class MarkdownSnapshot(TextSnapshot):
    file_extension = "md"
    folder = "reports/markdown"
    test_name = "test_markdown"


class HtmlSnapshot(TextSnapshot):
    file_extension = "html"
    folder = "reports/html"
    test_name = "test_html"


class StatusSnapshot(TextSnapshot):
    folder = "reports/status"
    test_name = "test_status"


class JsonSnapshot(TextSnapshot):
    file_extension = "json"
    folder = "reports/json"
    test_name = "test_json"


class VerdictSnapshot(TextSnapshot):
    folder = "decide"
    test_name = "test_golden"


class PlanSnapshot(TextSnapshot):
    folder = "plans"
    test_name = "test_plan_text"


class RunSnapshot(TextSnapshot):
    folder = "runs/ended"
    test_name = "test_run"


class RunToldSnapshot(TextSnapshot):
    folder = "runs/told"
    test_name = "test_told"
