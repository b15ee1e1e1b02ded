"""The embedded engine's network: a namespace with one bridge, the guest's tap and a way out.

The host's own addresses and routes stay as they are. Guest and slirp4netns meet on one segment,
10.0.2.0/24, so no address translation is needed; the Docker API leaves it through a socket file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.errors import UserError
from conformance.lab.debian import run_tool
from conformance.lab.processes import spawn, wait_until

if TYPE_CHECKING:
    from conformance.lab.paths import StateFolder
    from conformance.lab.state import Journal

GUEST_ADDRESS = "10.0.2.15"
NAMESPACE_ADDRESS = "10.0.2.4/24"
API_PORT = 2375
TAP = "guest0"
UPLINK = "slirp0"
BRIDGE = "lab0"

_SETUP = (
    "link set lo up",
    f"link add {BRIDGE} type bridge",
    f"link set {BRIDGE} up",
    f"address add {NAMESPACE_ADDRESS} dev {BRIDGE}",
    f"tuntap add {TAP} mode tap",
    f"link set {TAP} master {BRIDGE}",
    f"link set {TAP} up",
)
_SETUP_UPLINK = (f"link set {UPLINK} master {BRIDGE}", f"link set {UPLINK} up")


@dataclass(frozen=True, slots=True)
class LabNamespace:
    """The network namespace that the guest, its uplink and the API's forwarder live in."""

    state: StateFolder
    journal: Journal

    @property
    def name(self) -> str:
        """Name under ``/run/netns``."""
        return self.state.short_name

    def make(self) -> None:
        """Make the namespace, its devices, the uplink and the forwarder.

        Raises:
            UserError: a device could not be made, or slirp4netns or socat did not start.
        """
        self.journal.write("namespace", name=self.name)
        run_tool(["ip", "netns", "add", self.name], "The lab's network namespace")
        self._configure(_SETUP)
        self._start_uplink()
        self._configure(_SETUP_UPLINK)
        self._start_forwarder()

    def inside(self, *command: str) -> list[str]:
        """Return the command that runs ``command`` in the namespace."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *command]

    def _configure(self, orders: tuple[str, ...]) -> None:
        for order in orders:
            command = ["ip", "-netns", self.name, *order.split()]
            run_tool(command, "The lab's network")

    def _start_uplink(self) -> None:
        log = self.state.path / "slirp4netns.log"
        options = ["--netns-type=path", "--disable-host-loopback"]
        command = ["slirp4netns", *options, f"/run/netns/{self.name}", UPLINK]
        process = spawn(command, log, self.journal.note_process)
        device = self.inside("test", "-e", f"/proc/sys/net/ipv4/conf/{UPLINK}")
        made = wait_until(lambda: _succeeds(device) or not process.is_alive(), 10)
        if not made or not process.is_alive():
            raise UserError("slirp4netns did not start.", log.read_text())

    def _start_forwarder(self) -> None:
        log = self.state.path / "socat.log"
        listen = f"UNIX-LISTEN:{self.state.docker_socket},fork,mode=600"
        # -t: a client that closed its sending half (the runner's standard input) still reads.
        command = ["socat", "-t86400", listen, f"TCP:{GUEST_ADDRESS}:{API_PORT}"]
        process = spawn(self.inside(*command), log, self.journal.note_process, program="socat")
        if not wait_until(self.state.docker_socket.exists, 10) or not process.is_alive():
            raise UserError("socat did not start.", log.read_text())


def _succeeds(command: list[str]) -> bool:
    try:
        run_tool(command, Path(command[0]).name)
    except UserError:
        return False
    return True
