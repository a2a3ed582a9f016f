"""The verbs that keep the evidence sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hygiene_core import terminal
from hygiene_core.cli.parts import load, store_of
from hygiene_core.cli.words import Archive, ConfigOption, HostOption, group
from hygiene_core.errors import EvidenceBroken, EvidenceProblem, UnknownHost
from hygiene_core.model.text import plain

__all__ = ["evidence"]

evidence = group("evidence", "Verify, rebuild or export the evidence.")


@evidence.command("verify")
def evidence_verify(*, config_file: ConfigOption = None, host: HostOption = None) -> None:
    """Check every segment of the ledger against its chain of hashes."""
    store = store_of(load(config_file))
    results = store.verify(host)
    if not any(result.head or not result.ok for result in results.values()):
        if recorded := store.hosts():
            raise UnknownHost(
                f"nothing is recorded of {host!r}; there are runs of {', '.join(recorded)}.",
                next_step="Check all of them: hygiene evidence verify",
            )
        raise EvidenceProblem(f"nothing is recorded in {store.directory}.", next_step="hygiene report")
    for name, result in results.items():
        terminal.data(plain(f"{name}: {result.sentence}"))
    broken = [name for name, result in results.items() if not result.ok]
    if broken:
        raise EvidenceBroken(f"the ledger of {', '.join(broken)} does not verify. Nothing was changed.")


@evidence.command("rebuild")
def evidence_rebuild(*, config_file: ConfigOption = None) -> None:
    """Make the DuckDB files, the index of known resources and that of the newest run anew from the ledger."""
    terminal.data(store_of(load(config_file)).rebuild())


@evidence.command("export")
def evidence_export(
    *,
    directory: Annotated[Path, typer.Argument(help="A new or an empty directory.")],
    archive: Annotated[
        Archive, typer.Option("--format", help="Parquet files, or JSON Lines.")
    ] = Archive.PARQUET,
    config_file: ConfigOption = None,
) -> None:
    """Write every table of the evidence into files of an open format."""
    for path in store_of(load(config_file)).export(directory, archive.value):
        terminal.data(str(path))
