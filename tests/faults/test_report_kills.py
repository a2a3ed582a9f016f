"""SIGKILL at random moments of a whole `hygiene report` against a real Engine: nothing printed is lost.

`HYGIENE_SOAK_KILLS` sets the number of kills; `nox -s soak` runs the full campaign. The seed is printed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import images
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")

KILLS = int(os.environ.get("HYGIENE_SOAK_KILLS", "20"))
ROOT = Path(__file__).parents[2]
DISK = 64 * 2**20
"""A state directory of this size holds the ballast and a few runs."""


@pytest.fixture(scope="module")
def busy_host(stable_host: LabHost) -> LabHost:
    images.import_base(stable_host)
    with stable_host.api() as api:
        images.many_volumes(api, 30)
    return stable_host


def campaign(host: LabHost, state: Path, *, mount: str = "", room: int | None = None):
    config = state.parent / "hygiene.toml"
    config.write_text(
        f'[evidence]\ndirectory = "{state}"\n[hosts.lab]\n'
        f'docker = "{host.docker_url}"\ndata_root = "{host.data_root}"\n'
    )
    seed = random.SystemRandom().randrange(2**32)
    words = [sys.executable, "-m", "tests.faults.kill_campaign", str(config), str(KILLS), str(seed)]
    words += [] if room is None else [str(room)]
    if mount:  # the mount goes with the namespace, whatever happens in it
        script = f'{mount} "$0" && exec "$@"'
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(state), *words]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    print(told)
    return told


def require_whole(told) -> None:
    assert told["changed"] == []
    assert told["sound"], told["problem"]
    assert told["same_after_rebuild"]
    assert told["recorded"] >= told["printed"] >= 3
    assert told["rows"]["run"] == told["recorded"]


def test_no_printed_report_is_lost(busy_host, tmp_path):
    state = tmp_path / "state"
    told = campaign(busy_host, state)
    require_whole(told)
    assert told["ends"].get("-9", 0) > 0, "nothing was killed: the campaign proves nothing"


@pytest.mark.parametrize("room", [2**20, 64 * 2**10, 0], ids=["1 MiB left", "64 KiB left", "nothing left"])
def test_no_printed_report_is_lost_on_a_full_disk(busy_host, tmp_path, room):
    """What cannot be recorded is not printed: such a report ends with status 7."""
    state = tmp_path / "state"
    state.mkdir()
    told = campaign(busy_host, state, mount=f"mount -t tmpfs -o size={DISK} tmpfs", room=room)
    require_whole(told)
    assert set(told["ends"]) <= {"-9", "0", "4", "7"}
