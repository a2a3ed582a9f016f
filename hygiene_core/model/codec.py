"""The one place where the vocabulary meets JSON: cached pydantic adapters, loaded when first used.

The stored report, the ledger and the printed JSON are written by these, so that they never differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from hygiene_core.model.approval import Approval, Revocation, Staged
from hygiene_core.model.journal import Line
from hygiene_core.model.judgement import Judged
from hygiene_core.model.plan import Plan
from hygiene_core.model.report import Report

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "adapter",
    "approval_adapter",
    "decode",
    "encode",
    "encode_plan",
    "encode_rows",
    "judged_adapter",
    "line_adapter",
    "plan_adapter",
    "report_adapter",
    "revocation_adapter",
    "staged_adapter",
]

T = TypeVar("T")


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """The adapter of any class of the vocabulary; building one costs milliseconds, so each is built once."""
    # `hygiene --help` must not pay for pydantic.
    from pydantic import TypeAdapter  # noqa: PLC0415 - lazy on purpose, see above

    return TypeAdapter(kind)


def report_adapter() -> TypeAdapter[Report]:
    """The adapter of a whole report."""
    return adapter(Report)


def judged_adapter() -> TypeAdapter[Judged]:
    """The adapter of one row of a report."""
    return adapter(Judged)


def plan_adapter() -> TypeAdapter[Plan]:
    """The adapter of a plan."""
    return adapter(Plan)


def line_adapter() -> TypeAdapter[Line]:
    """The adapter of a line of a journal; `k` tells which."""
    return _tagged(Line)


def staged_adapter() -> TypeAdapter[Staged]:
    """The adapter of what is handed to the executor; `k` tells which."""
    return _tagged(Staged)


def approval_adapter() -> TypeAdapter[Approval]:
    """The adapter of a stored approval."""
    return adapter(Approval)


def revocation_adapter() -> TypeAdapter[Revocation]:
    """The adapter of an approval that was withdrawn."""
    return adapter(Revocation)


@cache
def _tagged(union: Any) -> TypeAdapter[Any]:
    """The adapter of classes that a field `k` tells apart."""
    from pydantic import Field  # noqa: PLC0415 - lazy, as in `adapter`

    return adapter(Annotated[union, Field(discriminator="k")])


def encode(made_by: TypeAdapter[T], value: T, *, indent: int | None = None) -> bytes:
    r"""`value` as UTF-8 JSON; times are RFC 3339 in UTC with a `Z`.

    Text that no UTF-8 can hold (a lone surrogate, from a file name or an answer that was not Unicode) is
    written as its visible escape `\udc80`: a report is never lost to one odd name.
    """
    from pydantic_core import PydanticSerializationError  # noqa: PLC0415 - lazy, as in `adapter`

    try:
        return made_by.dump_json(value, indent=indent)
    except (PydanticSerializationError, UnicodeEncodeError):
        return _encode_slowly(made_by, value, indent)


def encode_rows(rows: Iterable[Judged]) -> Iterable[bytes]:
    """Each row as `encode` writes it, by the serializer: a call of the adapter costs as much as the work."""
    made_by = judged_adapter()
    dump = made_by.serializer.to_json
    for row in rows:
        try:
            yield dump(row)
        except ValueError:  # text that no UTF-8 can hold; `encode` knows what to do
            yield encode(made_by, row)


def encode_plan(plan: Plan) -> bytes:
    """A plan as it is stored and digested. The last newline counts: `sha256sum` of any copy is the digest."""
    return encode(plan_adapter(), plan, indent=1) + b"\n"


def _encode_slowly(made_by: TypeAdapter[T], value: T, indent: int | None) -> bytes:
    from pydantic_core import to_json  # noqa: PLC0415 - lazy, as in `adapter`

    return to_json(_encodable(made_by.dump_python(value)), indent=indent, inf_nan_mode="null")


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value


def decode(made_by: TypeAdapter[T], stored: str | bytes) -> T:
    """What `encode` wrote; `pydantic.ValidationError` (a `ValueError`) if it is anything else."""
    return made_by.validate_json(stored)
