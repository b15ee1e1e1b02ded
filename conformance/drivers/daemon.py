"""What the drivers of all daemons share: a shell in the container, and the kernel's data plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from conformance.drivers import kernel
from conformance.drivers.base import Driver
from conformance.drivers.shell import Shell

if TYPE_CHECKING:
    from conformance.drivers.base import Connection


class DaemonDriver(Driver):
    """A daemon that negotiates and leaves ESP to the kernel of its container."""

    delete_received: ClassVar[str]
    """The words with which the daemon logs that it received a Delete."""

    def connect(self) -> None:
        """Open the shell."""
        self.shell = Shell(self.container)

    def close(self) -> None:
        """Close the shell."""
        self.shell.close()

    def ping(self, connection: Connection, count: int, timeout: float) -> tuple[int, int]:
        """Ping from the container, through the kernel's SAs."""
        return kernel.ping(self.shell, connection, count, timeout)

    def logged_delete(self, log: str) -> bool:
        """Look for the daemon's own words."""
        return self.delete_received in log
