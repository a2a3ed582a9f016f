"""Which machine, which Engine, and what the host allows: asked anew by every verb, and told by nobody."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hygiene_core.config.host_file import load_host_rules
from hygiene_core.errors import (
    DataRootUnproven,
    EngineTooOld,
    HostRulesProblem,
    NotRoot,
    Unreachable,
    WrongHost,
)
from hygiene_core.executor.places import Places, open_places
from hygiene_core.host.actions.hands import Hands
from hygiene_core.host.deadline import Deadline
from hygiene_core.host.engine import EngineClient, EngineVersion, negotiate
from hygiene_core.host.probes.filesystems import prove_data_root
from hygiene_core.host.probes.identity import read_identity
from hygiene_core.host.wire import Info, parse_info
from hygiene_core.model.host_rules import HostRules
from hygiene_core.model.request import ObserveRequest

__all__ = ["Asked", "ask_host", "require_root"]

_LIMIT = timedelta(seconds=20)
_LEAST_API = (1, 42)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """This host, as it answered just now.

    `data_root` is as it is seen from here, `named_root` as the Engine names it.
    """

    rules: HostRules
    machine_id: str
    engine_id: str
    version: EngineVersion
    data_root: Path
    named_root: str | None
    places: Places

    def hands(self, call_limit: timedelta) -> Hands:
        """What the actions work with."""
        return Hands(
            socket_path=self.rules.docker_socket, api_version=self.version.api_used, call_limit=call_limit
        )

    def request(self) -> ObserveRequest:
        """A whole look at the Engine; directories are looked at by their own action."""
        return ObserveRequest(docker_socket=self.rules.docker_socket, data_root=self.rules.data_root)


def require_root() -> None:
    """Raise NotRoot for anybody else."""
    if os.geteuid() != 0:
        raise NotRoot(
            "only root removes anything, and this process is not root. Nothing was removed.",
            next_step="How to allow it: docs/guides/allow-removal.md",
        )


def _ask_engine(socket: str) -> tuple[EngineVersion, Info]:
    with EngineClient(socket, Deadline.after(_LIMIT)) as client:
        version = negotiate(client)
        if not version.at_least(*_LEAST_API):
            raise EngineTooOld(
                f"the Engine {version.version} speaks API {version.api_version} at most; 1.42 is the oldest"
                " that anything is removed through."
            )
        return version, parse_info(client.get_json("/info"))


def ask_host() -> Asked:
    """Ask the machine and its Engine who they are, and the host's own file what it allows.

    Raises:
        NotRoot, HostRulesProblem, WrongHost, DataRootUnproven, SecondState: see `errors`.
        Unreachable: the Engine gave no usable answer.
        EngineTooOld: its API labels no anonymous volume; nothing is removed through it.
    """
    require_root()
    rules = load_host_rules()
    machine, _ = read_identity()
    if machine.machine_id is None:
        raise HostRulesProblem("this machine has no /etc/machine-id. Nothing was removed.")
    try:
        version, info = _ask_engine(rules.docker_socket)
    except Unreachable as error:  # whoever asks to have something removed is told that nothing was
        error.message = f"{error.message} Nothing was removed."
        raise
    if info.id is None:
        raise WrongHost("the Engine does not tell its id. Nothing was removed.")
    proof = prove_data_root(info.id, info.data_root, rules.data_root)
    if proof.path is None:
        raise DataRootUnproven(
            f"the data root is not proven to be this Engine's: {proof.reason}. Nothing was removed.",
            next_step="Say where it is: data_root in /etc/hygiene/host.toml",
        )
    return Asked(
        rules=rules,
        machine_id=machine.machine_id,
        engine_id=info.id,
        version=version,
        data_root=Path(proof.path),
        named_root=info.data_root,
        places=open_places(info.id, machine.machine_id),
    )
