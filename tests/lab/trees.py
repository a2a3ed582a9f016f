"""The Debian trees the lab's engines run in, built once by `debootstrap` and never written to again."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from tests.lab.errors import LabFailure, LabUnavailable

__all__ = ["TREES", "Tree", "debian_mirror", "ensure_tree", "ensure_trees", "lab_dir", "why_not"]

_COMMON = ("openssh-server", "iproute2", "procps", "ca-certificates", "python3-minimal", "busybox-static")

TREES: dict[str, tuple[str, tuple[str, ...]]] = {
    "old": ("bookworm", ("docker.io", *_COMMON)),
    "stable": ("trixie", ("docker.io", "docker-cli", "docker-buildx", *_COMMON)),
    "testing": ("testing", ("docker.io", "docker-cli", "docker-buildx", *_COMMON)),
}
"""Name of a tree -> Debian suite, packages."""

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_NO_MIRROR = ("Failed getting release file", "Couldn't download")
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_TOOLS = ("debootstrap", "unshare", "nsenter", "mount", "pivot_root", "ip")
_ADMIN_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


@dataclass(frozen=True, slots=True)
class Tree:
    """One complete tree. `versions` maps engine, containerd, runc and buildx to what they say."""

    name: str
    path: Path
    versions: dict[str, str]

    def __str__(self) -> str:
        return f"{self.name}: " + ", ".join(f"{key} {value}" for key, value in self.versions.items())


def lab_dir() -> Path:
    """Where trees and running hosts live: `HYGIENE_LAB_DIR`, else the user's cache."""
    chosen = os.environ.get("HYGIENE_LAB_DIR")
    return Path(chosen).absolute() if chosen else platformdirs.user_cache_path("hygiene-lab")


def why_not() -> str | None:
    """The first reason why the lab cannot run here, or None. A missing mirror shows when a tree is built."""
    if os.geteuid() != 0:
        return "the lab needs root (namespaces, mounts and a Docker Engine)"
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=_ADMIN_PATH) is None]
    if missing:
        return f"the lab needs {', '.join(missing)} on this machine"
    if not _KEYRING.exists():
        return "the lab needs debian-archive-keyring, to check what debootstrap fetches"
    return None


def ensure_tree(name: str) -> Tree:
    """The tree `name`, built if it is not there yet; several processes may ask at once, one builds.

    Raises:
        LabUnavailable: this machine cannot build it (no root, no tool, no mirror).
        LabFailure: debootstrap failed for another reason.
    """
    reason = why_not()
    if reason is not None:
        raise LabUnavailable(reason)
    trees = lab_dir() / "trees"
    trees.mkdir(parents=True, exist_ok=True)
    path = trees / name
    with _locked(trees / f".{name}.lock") as lock:
        if not path.exists():
            for half in trees.glob(f".{name}.part-*"):
                _remove(half)
            part = Path(tempfile.mkdtemp(prefix=f".{name}.part-", dir=trees))
            part.chmod(0o755)
            _build(name, part, lock)
            part.rename(path)
    lines = (path / "VERSIONS").read_text(encoding="utf-8").splitlines()
    return Tree(name, path, dict(line.split(" ", 1) for line in lines))


def ensure_trees() -> list[Tree]:
    """All trees, built two at a time: debootstrap waits for the network first and for the processor later."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(ensure_tree, ("stable", "testing", "old")))


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _build(name: str, part: Path, lock: int) -> None:
    suite, packages = TREES[name]
    outcome = _debootstrap(suite, packages, part, _KEYRING, lock)
    newer = lab_dir() / "trees" / "stable" / "usr/share/keyrings/debian-archive-keyring.gpg"
    if outcome is not None and "signature" in outcome and name == "testing":
        # A machine of an older release may not know the key that signs the next one. The stable tree's
        # keyring does, and that tree was checked with the machine's own keys: the chain stays whole.
        ensure_tree("stable")
        _remove(part)
        part.mkdir(mode=0o755)
        outcome = _debootstrap(suite, packages, part, newer, lock)
    if outcome is not None:
        _remove(part)
        unreachable = next((said for said in _NO_MIRROR if said in outcome), None)
        if unreachable:
            raise LabUnavailable(f"the lab needs a Debian mirror ({outcome[outcome.index(unreachable) :]})")
        raise LabFailure(f"debootstrap {suite}: {outcome}")
    shutil.rmtree(part / "var/cache/apt/archives", ignore_errors=True)
    (part / "VERSIONS").write_text(_versions(part), encoding="utf-8")


def _debootstrap(suite: str, packages: tuple[str, ...], target: Path, keyring: Path, lock: int) -> str | None:
    """Run debootstrap; None when it worked, else the end of what it said.

    It holds the lock too: when we are killed it works on, and nobody may clear up under it.
    """
    command = ["debootstrap", "--force-check-gpg", f"--keyring={keyring}", "--variant=minbase"]
    command += [f"--include={','.join(packages)}", suite, str(target)]
    mirror = debian_mirror()
    if mirror:
        command.append(mirror)
    script = _SCRIPTS / suite
    if not script.exists():
        # An older debootstrap lacks the name of a newer suite; the script is the one for sid.
        command += [] if mirror else [""]
        command.append(str(_SCRIPTS / "sid"))
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        pass_fds=(lock,),
        env={"PATH": _ADMIN_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", **_proxies()},
    )
    return None if done.returncode == 0 else "; ".join(done.stdout.splitlines()[-4:])


def _proxies() -> dict[str, str]:
    return {
        key: value
        for key, value in os.environ.items()
        if key.lower() in {"http_proxy", "https_proxy", "no_proxy"}
    }


def debian_mirror(sources: Path = Path("/etc/apt"), os_release: Path = Path("/etc/os-release")) -> str | None:
    """The mirror this machine's own apt uses for Debian itself, or None: then debootstrap's default serves.

    That is the first entry, in one-line or deb822 form, for the running release's `main`; on another
    distribution there is none.
    """
    release = dict(line.partition("=")[::2] for line in _lines(os_release))
    codename = release.get("VERSION_CODENAME", "").strip('"')
    if release.get("ID", "").strip('"') != "debian":
        return None
    entries: list[tuple[list[str], list[str], list[str]]] = []
    for file in [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*.list"))]:
        if file.exists():
            entries += [_one_line(line) for line in _lines(file) if line.startswith("deb ")]
    for file in sorted((sources / "sources.list.d").glob("*.sources")):
        entries += [_deb822(stanza) for stanza in "\n".join(_lines(file)).split("\n\n")]
    for uris, suites, components in entries:
        if codename in suites and "main" in components:
            return next((uri for uri in uris if uri.startswith(("http://", "https://", "file:/"))), None)
    return None


def _lines(file: Path) -> list[str]:
    text = file.read_text(encoding="utf-8", errors="replace")
    return [line.rstrip() for line in text.splitlines() if not line.startswith("#")]


def _one_line(line: str) -> tuple[list[str], list[str], list[str]]:
    # Options stand in brackets after "deb" and may hold spaces.
    uri, suite, *components = line[4:].split("]", 1)[-1].split("#", maxsplit=1)[0].split()
    return [uri], [suite], components


def _deb822(stanza: str) -> tuple[list[str], list[str], list[str]]:
    fields: dict[str, str] = {}
    key = ""
    for line in stanza.splitlines():
        if not line.startswith((" ", "\t")):
            key, _, line = line.partition(":")  # noqa: PLW2901 (the rest of the line is the value)
        fields[key.lower()] = f"{fields.get(key.lower(), '')} {line}"
    return (
        fields.get("uris", "").split(),
        fields.get("suites", "").split(),
        fields.get("components", "").split(),
    )


def _versions(tree: Path) -> str:
    asked: dict[str, tuple[str, ...]] = {
        "engine": ("dockerd", "--version"),
        "containerd": ("containerd", "--version"),
        "runc": ("runc", "--version"),
    }
    if (tree / "usr/libexec/docker/cli-plugins/docker-buildx").exists():
        asked["buildx"] = ("docker", "buildx", "version")
    lines = []
    for key, command in asked.items():
        said = subprocess.run(["chroot", tree, *command], capture_output=True, text=True, check=True).stdout
        words = said.split("\n", 1)[0].replace(",", " ").split()
        lines.append(f"{key} {next(word for word in words if word[:1].isdigit())}")
    return "\n".join(lines) + "\n"


def _remove(path: Path) -> None:
    """Remove a half tree; debootstrap may have mounted proc and sys in it when it was killed."""
    for mount in sorted(_mounts_below(path), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=True)
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


def _mounts_below(path: Path) -> list[str]:
    points = (
        line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    )
    return [point for point in points if point.startswith(f"{path}/")]
