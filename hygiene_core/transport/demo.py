"""A host that was recorded, for people without an Engine at hand, and the command that records one.

The recording is an `Observation` that this kit made of a lab host, stored as it was seen. Nothing in it was
typed by hand. To make it anew: `nox -s lab -- record`, which starts a lab host and calls this module in
namespaces where its data root, socket, machine id, home and runner stand at their usual places.
"""

from __future__ import annotations

import gzip
import sys
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path

from hygiene_core import __version__
from hygiene_core.errors import UsageProblem
from hygiene_core.model.codec import adapter, decode, encode
from hygiene_core.model.coverage import Followed
from hygiene_core.model.event import Emit, ProbeFinished, ProbeStarted, silent
from hygiene_core.model.host import Host
from hygiene_core.model.observation import Availability, Observation
from hygiene_core.model.policy import Ages, Limits, Policy, Protect, RunCacheRoot, RunnerRoot
from hygiene_core.model.request import ObserveRequest
from hygiene_core.transport.local import LocalTransport

__all__ = ["DEMO_NAME", "DemoTransport", "Recording", "demo_host", "record", "recording"]

DEMO_NAME = "demo"
_LABEL = "A recording of a lab host, made by this kit for demonstration. It is not this machine."
_POLICY_DIGEST = "bb7629d0cae2c7f9c8856bdd57ba84e8246277338f40492a5558730107491003"
"""What `config` computes of the policy below; a test compares them, for this room may not import `config`."""
_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What the recorded file holds: its label, the version of the kit that made it, and what was seen."""

    label: str
    tool_version: str
    observation: Observation


class DemoTransport:
    """Answers every look with the recording, whatever is asked."""

    def observe(self, request: ObserveRequest, *, emit: Emit = silent) -> Observation:
        """The recorded observation, with the times at which it was made; each section is told to `emit`."""
        del request
        seen = recording().observation
        for name, section in seen.sections.items():
            emit(ProbeStarted(name))
            emit(ProbeFinished(section))
        return seen

    def follow(self, request: ObserveRequest) -> Followed:
        """What the recording tells of the use of images."""
        del request
        return recording().observation.followed


def demo_host() -> Host:
    """The recorded host with a small policy, so that its report shows more than the built-in defaults."""
    week = timedelta(hours=168)
    policy = Policy(
        source="the demo's own policy",
        digest=_POLICY_DIGEST,
        protect=Protect(
            builders=("odoo-docker-chris-testing",),
            images=("odoo-docker:verify-devtools", "odoo-docker:verify-runtime"),
        ),
        limits=Limits(min_free_bytes=10 * _GIB, max_reclaimable_bytes=50 * _GIB),
        ages=Ages(
            grace=week,
            dangling_image=week,
            stopped_container=week,
            anonymous_volume=week,
            orphan_builder=week,
        ),
        runner_roots=(RunnerRoot(name="lane-1", path="/srv/runners/lane-1"),),
        run_caches=(RunCacheRoot(name="builds", path="/srv/builds", prefix="run-"),),
        homes=("/srv/ci",),
    )
    return Host(name=DEMO_NAME, docker_socket="/var/run/docker.sock", policy=policy)


def recording() -> Recording:
    """The packaged recording. Raises ValueError if it is not one of this kit's."""
    packed = resources.files("hygiene_core").joinpath("demo", "observation.json.gz").read_bytes()
    made: Recording = decode(adapter(Recording), gzip.decompress(packed))
    return made


def record(request: ObserveRequest, out: Path) -> Observation:
    """Look at a host and write the recording of it. Refused where a section is not complete."""
    seen = LocalTransport().observe(request)
    missing = [
        f"{name}: {section.reason}"
        for name, section in seen.sections.items()
        if section.availability is not Availability.COMPLETE
    ]
    if missing:
        raise UsageProblem(
            f"The demo needs a complete observation. Nothing was written. {'; '.join(missing)}"
        )
    made = Recording(label=_LABEL, tool_version=__version__, observation=seen)
    text = encode(adapter(Recording), made, indent=1)
    out.write_bytes(gzip.compress(text, mtime=0))
    return seen


def main(arguments: list[str]) -> int:
    """`record SOCKET DAEMON_CONFIG OUT`; the exit status. The rest stands where the demo's policy says."""
    match arguments:
        case ["record", socket_path, daemon_config, out]:
            policy = demo_host().policy
            runners = {root.name: root.path for root in policy.runner_roots}
            caches = {one.name: (one.path, one.prefix) for one in policy.run_caches}
            request = ObserveRequest(
                docker_socket=socket_path,
                daemon_config=daemon_config,
                homes=policy.homes,
                roots={f"runner_root:{name}": path for name, path in runners.items()}
                | {f"run_cache:{name}": path for name, (path, _) in caches.items()},
                runner_roots=runners,
                run_caches=caches,
            )
            try:
                seen = record(request, Path(out))
            except UsageProblem as problem:
                sys.stderr.write(f"{problem}\n")
                return problem.exit_status
            sys.stdout.write(f"{out}: {len(seen.images)} images, {len(seen.volumes)} volumes\n")
            return 0
        case _:
            sys.stderr.write("usage: python -m hygiene_core.transport.demo record SOCKET DAEMON_CONFIG OUT\n")
            return UsageProblem.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
