"""One host as the console works with it: its last run at once, a new look behind it. No Textual here.

What is heavy (pydantic, the Engine's client) is imported by the methods that need it, and those run in
threads: the first screen is painted without them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hygiene_tui.inventory import Inventory
from hygiene_tui.place import find_place

if TYPE_CHECKING:
    from hygiene_core.model.event import Emit
    from hygiene_core.pipeline import Run

__all__ = ["Look", "Options", "Session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for at the start."""

    config_file: Path | None = None
    host: str | None = None
    demo: bool = False
    read_only: bool = False
    ascii: bool = False
    mouse: bool = True


def _nothing_to_close() -> None:
    """A look of now holds no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at the host found. `report` is the report document without its resources.

    `run` is what a plan is made of; `None` for a run that was stored: a plan needs a look of now. `close`
    gives back the file that the details of a stored run are read from.
    """

    inventory: Inventory
    report: Mapping[str, Any]
    run: Run | None = None
    close: Callable[[], None] = _nothing_to_close

    @property
    def seen_at(self) -> datetime:
        """When the look ended."""
        return self.inventory.seen_at

    @property
    def unread(self) -> str | None:
        """Why the Engine could not be read; `None` if it was."""
        engine = self.report["sections"].get("engine", {})
        return engine.get("reason") if self.report["host"]["engine_error"] else None

    @property
    def is_live(self) -> bool:
        """Whether it was made by this console."""
        return self.run is not None


class Session:
    """One host, from the first screen to the last."""

    def __init__(self, options: Options, environ: Mapping[str, str]) -> None:
        self.options = options
        self._environ = environ
        self.place = find_place(options.config_file, options.host, environ)

    @property
    def host_name(self) -> str:
        """What the host is called; where several could be meant, that is said when it is looked at."""
        from hygiene_core.transport.demo import DEMO_NAME  # noqa: PLC0415 - only for the name

        return DEMO_NAME if self.options.demo else self.place.host or "?"

    def stored(self) -> Look | None:
        """The last recorded run, within milliseconds; `None` where there is none.

        Raises EvidenceUnreadable.
        """
        from hygiene_core.evidence import latest  # noqa: PLC0415 - a demo needs none

        if self.options.demo or self.place.host is None:
            return None
        found = latest.read(self.place.state, self.place.host)
        if found is None:
            return None
        ended_at = datetime.fromisoformat(found.report["ended_at"])
        seen = Inventory(found.columns, ended_at, found.detail)
        return Look(inventory=seen, report=found.report, close=found.close)

    def look(self, emit: Emit) -> Look:
        """Look at the host now. Nothing is recorded: that is what `hygiene report` is for.

        Raises HygieneError.
        """
        from dataclasses import replace  # noqa: PLC0415 - with the rest of what a look needs

        from hygiene_core import pipeline  # noqa: PLC0415
        from hygiene_core.evidence.latest import columns_of  # noqa: PLC0415
        from hygiene_core.model.codec import judged_adapter, report_adapter  # noqa: PLC0415

        run = pipeline.look(self._tools(emit))
        report = run.finished
        judged = judged_adapter()
        header = report_adapter().dump_python(replace(report, resources=()), mode="json")

        def detail(row: int) -> Mapping[str, Any]:
            made: Mapping[str, Any] = judged.dump_python(report.resources[row], mode="json")
            return made

        seen = Inventory(columns_of(report.resources), report.ended_at, detail)
        return Look(inventory=seen, report=header, run=run)

    def _tools(self, emit: Emit) -> Any:
        from hygiene_core import config, pipeline  # noqa: PLC0415 - see above

        if self.options.demo:
            from hygiene_core.transport.demo import DemoTransport, demo_host  # noqa: PLC0415

            return pipeline.Tools(host=demo_host(), transport=DemoTransport(), store=None, emit=emit)
        from hygiene_core.evidence import acts  # noqa: PLC0415
        from hygiene_core.evidence.store import EvidenceStore  # noqa: PLC0415
        from hygiene_core.transport.local import LocalTransport  # noqa: PLC0415

        configuration = config.load(self.options.config_file, self._environ)
        host = config.resolve_host(configuration, self.options.host)
        store = EvidenceStore(Path(configuration.state_directory), acts=acts.STATE)
        return pipeline.Tools(host=host, transport=LocalTransport(), store=store, acts=acts.STATE, emit=emit)
