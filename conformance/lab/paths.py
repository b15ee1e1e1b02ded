"""The two folders of the lab: what is kept between labs (cache) and what one lab is (state)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from conformance.errors import UserError

_LONGEST_SOCKET_PATH = 107
"""A unix socket's address holds 108 bytes, the last of them zero."""


def cache_folder() -> Path:
    """Return, and make, the folder of guest disks, wheels and built tools.

    ``IPSEC_CONFORMANCE_CACHE`` names another than ``${XDG_CACHE_HOME:-~/.cache}``.
    """
    override = os.environ.get("IPSEC_CONFORMANCE_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(override).absolute() if override else home / "ipsec-conformance"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Everything a running lab has outside its engine; removed by ``lab down``."""

    path: Path

    @property
    def journal(self) -> Path:
        """The list of what was made and must be undone."""
        return self.path / "journal.jsonl"

    @property
    def docker_socket(self) -> Path:
        """The embedded engine's Docker API on the host."""
        return self.path / "docker.sock"

    @property
    def console_pipe(self) -> Path:
        """Named pipe the guest's init reads its orders from."""
        return self.path / "console"

    @property
    def lock(self) -> Path:
        """Held while a lab goes up or down; stands beside the folder, which comes and goes."""
        return self.path.with_name(self.path.name + ".lock")

    @property
    def short_name(self) -> str:
        """A name for the namespace and the guest, of its own for each state folder."""
        digest = hashlib.sha256(str(self.path).encode()).hexdigest()
        return f"ipsecconf-{digest[:6]}"


def state_folder() -> StateFolder:
    """Return the state folder of this user's lab; ``IPSEC_CONFORMANCE_STATE`` names another.

    Raises:
        UserError: its path is too long for the unix sockets in it.
    """
    override = os.environ.get("IPSEC_CONFORMANCE_STATE")
    runtime = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime or f"/tmp/{os.geteuid()}")  # noqa: S108 - the user's own subfolder
    state = StateFolder(Path(override).absolute() if override else base / "ipsec-conformance-lab")
    if len(str(state.docker_socket).encode()) > _LONGEST_SOCKET_PATH:
        hint = "Set IPSEC_CONFORMANCE_STATE to a shorter path."
        raise UserError(f"The state folder's path is too long for a socket: {state.path}", hint)
    return state
