"""The lab for a person.

python -m tests.lab trees                 build all trees and print the versions in them
python -m tests.lab up stable --scene     run an engine, with the scene of traps in it, until Ctrl-C
python -m tests.lab record                record the demo host anew
python -m tests.lab sweep                 remove what a killed run left
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab import leftovers
from tests.lab.errors import LabFailure, LabUnavailable
from tests.lab.host import LabHost
from tests.lab.record import record
from tests.lab.scene import WARM_BUILDER, build_scene
from tests.lab.trees import TREES, ensure_trees, why_not

DEMO = Path(__file__).parents[2] / "hygiene_core/demo/observation.json.gz"
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str]) -> int:
    """Run one command; 1 when the lab is broken, 2 when it cannot run here."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab", description="Real Docker engines, apart from yours."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("trees", help="build all trees and print the versions in them")
    commands.add_parser("sweep", help="remove what a killed run left")
    up = commands.add_parser("up", help="run an engine until Ctrl-C")
    up.add_argument("tree", choices=list(TREES))
    up.add_argument("--store", choices=["overlay2", "containerd"], default="overlay2", help="the image store")
    up.add_argument("--scene", action="store_true", help="fill it with the scene of traps")
    recorded = commands.add_parser("record", help="record the demo host anew")
    recorded.add_argument(
        "out", nargs="?", type=Path, default=DEMO, help="where to; the packaged file if left out"
    )
    chosen = parser.parse_args(arguments)
    reason = why_not()
    if reason is not None:
        sys.stderr.write(f"{reason}\n")
        return 2
    for number in _END_SIGNALS[1:]:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        if chosen.command == "trees":
            sys.stdout.writelines(f"{tree}\n" for tree in ensure_trees())
        elif chosen.command == "sweep":
            sys.stdout.writelines(f"removed {name}\n" for name in leftovers.sweep())
        elif chosen.command == "record":
            sys.stdout.write(record(chosen.out))
        else:
            _up(chosen)
    except LabUnavailable as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    except LabFailure as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _up(chosen: argparse.Namespace) -> None:
    host = LabHost.start(chosen.tree, store=chosen.store, name=f"lab-{chosen.tree}")
    try:
        scene = build_scene(host, rebuilt=True) if chosen.scene else None
        sys.stdout.write(_how_to(host))
        for role, reason in (scene.absent if scene else {}).items():
            sys.stdout.write(f"Not in this scene: {role}: {reason}.\n")
        sys.stdout.write(
            "Ctrl-C ends the engine and removes everything of it, this state directory included.\n"
        )
        sys.stdout.flush()
        signal.pause()
    except KeyboardInterrupt:
        sys.stdout.write("\nEnding.\n")
    finally:
        # A second Ctrl-C would leave a half-removed host for the next start to sweep.
        for number in _END_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        host.stop()


def _how_to(host: LabHost) -> str:
    config = host.folder / "hygiene.toml"
    builder = WARM_BUILDER.removeprefix("buildx_buildkit_").removesuffix("0")
    lines = [
        "[hosts.lab]",
        f'docker = "{host.docker_url}"',
        f'data_root = "{host.data_root}"',
        "",
        "[hosts.lab.protect]",
        f'builders = ["{builder}"]',
        'images = ["odoo-docker:verify-devtools", "odoo-docker:verify-runtime"]',
        "",
    ]
    config.write_text("\n".join(lines), encoding="utf-8")
    inside = shlex.join(host.command("docker", "system", "df"))
    return f"""{host.tree}
image store: {host.store}
socket:      {host.socket}
data root:   {host.data_root}
log:         {host.log}

export HYGIENE_CONFIG={config}
export HYGIENE_STATE_DIR={host.folder / "state"}
hygiene report --host lab

Its own docker client, inside:
{inside}

"""


if __name__ == "__main__":
    os.environ.pop("DOCKER_HOST", None)
    sys.exit(main(sys.argv[1:]))
