from __future__ import annotations

import socket
from pathlib import Path

from hygiene_core.host.probes.identity import read_identity


def tree(root: Path, machine: bytes = b"1f\n", boot: bytes = b"b-1\n") -> Path:
    (root / "etc").mkdir()
    (root / "etc/machine-id").write_bytes(machine)
    (root / "proc/sys/kernel/random").mkdir(parents=True)
    (root / "proc/sys/kernel/random/boot_id").write_bytes(boot)
    return root


def test_all_three_parts(tmp_path: Path):
    identity, problems = read_identity(tree(tmp_path))
    assert (identity.machine_id, identity.boot_id, identity.hostname) == ("1f", "b-1", socket.gethostname())
    assert problems == ()


def test_a_missing_file_is_unknown_with_its_reason(tmp_path: Path):
    root = tree(tmp_path)
    (root / "etc/machine-id").unlink()
    identity, problems = read_identity(root)
    assert identity.machine_id is None
    assert identity.boot_id == "b-1"
    assert problems == (f"{root}/etc/machine-id cannot be read (No such file or directory)",)


def test_an_empty_or_binary_file_is_unknown_with_its_reason(tmp_path: Path):
    root = tree(tmp_path, machine=b"\n", boot=b"\xff\xfe")
    identity, problems = read_identity(root)
    assert (identity.machine_id, identity.boot_id) == (None, None)
    assert problems == (
        f"{root}/etc/machine-id is empty",
        f"{root}/proc/sys/kernel/random/boot_id cannot be read (it is not text)",
    )
