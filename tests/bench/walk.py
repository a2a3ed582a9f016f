"""One volume whose files take the Engine long to count: the other sections end within their own deadlines."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.bench.host import NAME, config_text, sections
from tests.bench.measure import program, run, seconds_of
from tests.bench.table import Row, render
from tests.lab import images
from tests.lab.host import LabHost

__all__ = ["measure"]

FILES, PER_FOLDER = 200_000, 500
MOST_FILES = 1_600_000
DEADLINE_SECONDS = 1
IMAGES = 50
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_DENTRIES_AND_INODES = "2"
_REPORT_STATUSES = (0, 4)


@dataclass(frozen=True, slots=True)
class _Seen:
    """One report: for each section, what became of it and how many seconds after the first it ended."""

    whole: float
    availability: dict[str, str]
    ended: dict[str, float]
    reason: str
    images: int
    records: int


def measure(work: Path, _full: bool) -> str:
    """Fill the volume until a cold walk outlasts the deadline, then report with it."""
    with LabHost.start("stable", name="walk") as host:
        images.load(host, images.many_images(IMAGES))
        images.import_base(host)
        for number in range(3):
            images.build(host, f"FROM {images.BASE}\nRUN echo {number} > /step\n", tag=f"walk/built:{number}")
        api = host.api()
        folder = host.data_root / "volumes" / images.volume(api, "many-files") / "_data"
        rows: list[Row] = []
        notes: list[str] = []
        files = 0
        while True:
            added = _add_files(folder, files, max(FILES, files * 2))
            files = max(FILES, files * 2)
            notes.append(f"{files:,} files were there after {added:.0f} s more.")
            warm = seconds_of(lambda: api.get("/system/df", type="volume"))
            _cold()
            cold = seconds_of(lambda: api.get("/system/df", type="volume"))
            rows += [
                Row(f"volume walk of {files:,} files, cached", f"{warm:.2f} s"),
                Row("  the same, names and inodes dropped from memory", f"{cold:.2f} s"),
            ]
            if cold > 1.5 * DEADLINE_SECONDS or files >= MOST_FILES:
                break
        api.close()
        for limit in ("120s", f"{DEADLINE_SECONDS}s"):
            rows += _report_rows(work, host, limit, notes)
    notes.append(
        "Each report starts with names and inodes dropped. Times count from the first section's start."
    )
    return render("a long volume walk", rows, notes)


def _add_files(folder: Path, have: int, wanted: int) -> float:
    def add() -> None:
        for number in range(have, wanted):
            if number % PER_FOLDER == 0:
                (folder / f"{number // PER_FOLDER}").mkdir()
            path = folder / f"{number // PER_FOLDER}" / f"{number}"
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
        os.sync()

    return seconds_of(add)


def _cold() -> None:
    """Let the kernel forget names and inodes, as it does by itself on a host busy with other files."""
    os.sync()
    _DROP_CACHES.write_text(_DENTRIES_AND_INODES, encoding="ascii")


def _report_rows(work: Path, host: LabHost, limit: str, notes: list[str]) -> list[Row]:
    config = work / "hygiene.toml"
    config.write_text(config_text(host, volumes=limit), encoding="utf-8")
    _cold()
    seen = _report(work, config)
    volumes = seen.ended["volumes"]
    rows = [Row(f"report, volumes may take {limit}: whole process", f"{seen.whole:.2f} s")]
    for name, count in (("images", seen.images), ("build_cache", seen.records)):
        rows.append(
            Row(
                f"  {name} ({count} objects)",
                f"{seen.ended[name]:.2f} s",
                seen.availability[name],
                goal="complete, before volumes ends",
                met=seen.availability[name] == "complete" and seen.ended[name] < volumes,
            )
        )
    rows.append(Row("  volumes", f"{volumes:.2f} s", seen.availability["volumes"]))
    if seen.reason:
        notes.append(f"volumes with {limit}: {seen.reason}")
    return rows


def _report(work: Path, config: Path) -> _Seen:
    out = work / "report.json"
    argv = [program("hygiene"), "report", "--config", str(config), "--host", NAME, "--format", "json"]
    ended = run(argv, out=out, env={"HYGIENE_STATE_DIR": str(work / "state")}, statuses=_REPORT_STATUSES)
    told = sections(out)
    first = min(datetime.fromisoformat(row["started_at"]) for row in told.values())
    resources = json.loads(out.read_bytes())["resources"]
    return _Seen(
        whole=ended.seconds,
        availability={name: row["availability"] for name, row in told.items()},
        ended={
            name: (datetime.fromisoformat(row["ended_at"]) - first).total_seconds()
            for name, row in told.items()
        },
        reason=told["volumes"]["reason"] or "",
        images=sum(row["kind"] == "image" for row in resources),
        records=sum(row["kind"] == "build_cache" for row in resources),
    )
