"""A report as its JSON document, and the schema of it; `docs/reference/report.md` explains the fields."""

from __future__ import annotations

from typing import Any

from hygiene_core.model.codec import decode, encode, report_adapter
from hygiene_core.model.report import SCHEMA_VERSION, Report

__all__ = ["from_json", "json_schema", "to_json"]


def to_json(report: Report, *, indent: int | None = 2) -> str:
    """The document of a report. Times are RFC 3339 in UTC with `Z`; a figure that is not known is `null`."""
    return encode(report_adapter(), report, indent=indent).decode()


def from_json(document: str | bytes) -> Report:
    """The report a document was made from; `pydantic.ValidationError`, a `ValueError`, if it is none."""
    return decode(report_adapter(), document)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) that every document of this version satisfies.

    Every field is required, for every field is written. A field that it does not know is allowed, so that a
    later document of the same version satisfies it too.
    """
    made = report_adapter().json_schema(mode="serialization")
    for described in (made, *made["$defs"].values()):
        if "properties" in described:
            described["required"] = list(described["properties"])
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Runner-host hygiene report, schema version {SCHEMA_VERSION}",
    }
    return about | {key: value for key, value in made.items() if key != "title"}
