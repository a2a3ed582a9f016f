"""A host's own file for the tests, as root would have written it."""

from __future__ import annotations

from pathlib import Path

MACHINE = "0123456789abcdef0123456789abcdef"
LEAST = f'host_id = "{MACHINE}"\nname = "lab"\ndocker = "unix:///run/lab.sock"\n'
WHOLE = (
    LEAST
    + """\
data_root = "/mnt/docker"
allow = ["prune_records", "remove_image"]
approvers = ["alice", "bob"]
directories = ["/srv/runners/"]
docker_cli = "/opt/docker/bin/docker"

[no_touch]
builders = ["warm"]
images = ["warm:*"]
volumes = ["data-[0-9]"]
containers = ["web?"]
labels = ["keep", "owner=ops"]

[ceilings]
max_items = 7
max_bytes = "9MiB"
max_time = "11m"

[reserves]
embedded = "8GiB"
warm0 = "1GiB"

[probes.warm]
context = "/etc/hygiene/probes/warm"
max_time = "90s"
"""
)
"""A file that says everything that can be said."""


def host_file(folder: Path, text: str | bytes = LEAST) -> Path:
    """The file in a folder of its own, both of this user alone."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    path = folder / "host.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o644)
    return path
