"""A report of a lab host with 3,000 images, 1,000 volumes and 200 containers, beside what others take."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measure import Ended, Timing, interleaved, program, repeated, run, seconds_of
from tests.bench.table import Row, mebibytes, render, time_row
from tests.lab import images
from tests.lab.host import LabHost

__all__ = ["config_text", "measure", "sections"]

IMAGES, VOLUMES, CONTAINERS, RUNNING = 3000, 1000, 200, 10
ROUNDS = 7
FIRST_ROUNDS = 4
_REPORT_STATUSES = (0, 4)  # 4 where this machine has no machine-id: the report says incomplete, and is whole
_ROOT = Path(__file__).parents[2]

NAME = "bench"


def measure(work: Path, _full: bool) -> str:
    """Start the host, fill it, and measure."""
    with LabHost.start("stable", name="bench", in_memory=True) as host:
        filling = seconds_of(lambda: _fill(host))
        config = work / "hygiene.toml"
        config.write_text(config_text(host), encoding="utf-8")
        bench = _Bench(work, config, host)
        rows, notes = bench.rows()
        title = (
            f"report: {IMAGES:,} images, {VOLUMES:,} volumes, {CONTAINERS} containers ({RUNNING} running),"
            f" Engine {host.tree.versions['engine']}"
        )
        return render(title, rows, [f"The host was filled in {filling:.0f} s.", *notes])


def config_text(host: LabHost, **deadlines: str) -> str:
    """A `hygiene.toml` for a lab host."""
    lines = [f"[hosts.{NAME}]", f'docker = "{host.docker_url}"', f'data_root = "{host.data_root}"']
    lines += [f"[hosts.{NAME}.deadlines]", *(f'{name} = "{limit}"' for name, limit in deadlines.items())]
    return "\n".join(lines) + "\n"


def sections(report: Path) -> dict[str, dict[str, str]]:
    """The sections of a report that was written as JSON."""
    told: dict[str, dict[str, str]] = json.loads(report.read_bytes())["sections"]
    return told


def _fill(host: LabHost) -> None:
    images.load(host, images.many_images(IMAGES - 1))
    base = images.import_base(host)
    api = host.api()
    names = images.many_volumes(api, VOLUMES)
    for number in range(CONTAINERS):
        images.container(
            api,
            base,
            name=f"bench-{number}",
            state="running" if number < RUNNING else "created",
            binds=[f"{names[number]}:/data"],
        )
    api.close()


class _Bench:
    def __init__(self, work: Path, config: Path, host: LabHost) -> None:
        self.work, self.host, self.out = work, host, work / "report.json"
        self.known, self.fresh = work / "known", work / "fresh"
        self.options = ["--config", str(config), "--host", NAME, "--format", "json"]
        self.peak: dict[str, int] = {}
        self.cpu: list[float] = []

    def rows(self) -> tuple[list[Row], list[str]]:
        calls = _bare_calls(self.host)
        docker = self.host.command("docker", "system", "df", "-v")
        docker[0] = shutil.which("nsenter") or "/usr/bin/nsenter"
        subjects: dict[str, Callable[[], float]] = {
            "bare": lambda: seconds_of(calls),
            "report": lambda: self._report("known", self.known).seconds,
            "docker": lambda: run(docker, out=self.work / "df", env=_INSIDE).seconds,
            "nox": self._nox,
            "help": lambda: run([program("hygiene"), "--help"], out=self.work / "help").seconds,
        }
        self._report("known", self.known)  # the images are new to this one
        self.peak.clear()
        self.cpu.clear()
        taken = interleaved(subjects, ROUNDS)
        cpu = Timing(tuple(self.cpu))
        first = repeated(self._first, FIRST_ROUNDS)
        self._check()
        return self._rows(taken, first, cpu), [
            "bare: http.client, one connection, sequential, bodies read and not parsed: the lists of images,",
            "containers and volumes, /system/df, each container's inspect; no start of a Python in it.",
            "docker system df -v: Debian's own client inside the lab host (with the start of nsenter).",
            "Peak memory is the kernel's ru_maxrss of the child, started from a small process.",
        ]

    def _rows(self, taken: dict[str, Timing], first: Timing, cpu: Timing) -> list[Row]:
        bare, report = taken["bare"].median, taken["report"].median

        def times(name: str) -> str:
            return f"{taken[name].median / bare:.2f} x bare"

        added = Timing(
            tuple(a - b for a, b in zip(taken["nox"].samples, taken["report"].samples, strict=True))
        )
        each = Timing(tuple((sample - report) / IMAGES for sample in first.samples))
        return [
            time_row("the bare HTTP calls", taken["bare"]),
            time_row("docker system df -v", taken["docker"], ratio=times("docker")),
            time_row(
                "hygiene report --format json, images known",
                taken["report"],
                ratio=times("report"),
                goal_seconds=bare + 0.5,
                goal=f"<= bare + 0.5 s = {bare + 0.5:.2f} s",
            ),
            time_row("  processor time of it", cpu),
            time_row("  the same, every image new", first, ratio=f"{first.median / report:.2f} x known"),
            time_row("  more for each new image", each, goal_seconds=0.0005),
            self._peak_row("  peak memory, images known", "known"),
            self._peak_row("  peak memory, every image new", "fresh"),
            time_row("hygiene --help", taken["help"], goal_seconds=0.2),
            time_row("nox -s report", taken["nox"], ratio=f"{taken['nox'].median / report:.2f} x hygiene"),
            time_row("  more than hygiene report", added, goal_seconds=0.4),
        ]

    def _peak_row(self, what: str, which: str) -> Row:
        peak = self.peak[which]
        return Row(what, mebibytes(peak), goal="<= 200 MiB", met=peak <= 200 * 2**20)

    def _report(self, which: str, state: Path) -> Ended:
        ended = run(
            [program("hygiene"), "report", *self.options],
            out=self.out,
            env={"HYGIENE_STATE_DIR": str(state)},
            statuses=_REPORT_STATUSES,
        )
        self.peak[which] = max(self.peak.get(which, 0), ended.peak_bytes)
        self.cpu.append(ended.cpu_seconds)
        return ended

    def _first(self) -> float:
        shutil.rmtree(self.fresh, ignore_errors=True)
        return self._report("fresh", self.fresh).seconds

    def _nox(self) -> float:
        # nox makes 1 of every status of its command that is not 0; the report itself is checked below.
        return run(
            [program("nox"), "-f", str(_ROOT / "noxfile.py"), "-s", "report", "--", *self.options],
            out=self.work / "nox",
            env={"HYGIENE_STATE_DIR": str(self.known)},
            cwd=_ROOT,
            statuses=(0, 1),
        ).seconds

    def _check(self) -> None:
        """What was timed has to be a whole report of this host, or the times mean nothing."""
        told = json.loads(self.out.read_bytes())
        classes = told["summary"]["classes"]
        counts = {name: classes[name]["count"] for name in ("images", "volumes", "containers")}
        partial = {
            name: row["reason"] for name, row in told["sections"].items() if row["reason"] and name != "host"
        }
        if counts != {"images": IMAGES, "volumes": VOLUMES, "containers": CONTAINERS} or partial:
            raise RuntimeError(f"the report is not of the whole host: {counts}, {partial}")
        if b'"schema_version"' not in (self.work / "nox").read_bytes():
            raise RuntimeError("nox -s report printed no report")


_INSIDE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("engine")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


@contextmanager
def _connected(path: str) -> Iterator[_Connection]:
    connection = _Connection(path)
    try:
        yield connection
    finally:
        connection.close()


def _bare_calls(host: LabHost) -> Callable[[], int]:
    """The same data with nothing around it: no parsing, no deadline. Ids come from a list made before."""
    ids = [row["Id"] for row in host.api().get("/containers/json", all="1")]
    paths = ["/images/json?all=1", "/containers/json?all=1", "/volumes", "/system/df"]
    paths += [f"/containers/{one}/json" for one in ids]

    def calls() -> int:
        received = 0
        with _connected(os.fspath(host.socket)) as connection:
            for path in paths:
                connection.request("GET", f"/v1.45{path}")
                response = connection.getresponse()
                received += len(response.read())
                if response.status != http.client.OK:
                    raise RuntimeError(f"GET {path}: {response.status}")
        return received

    return calls
