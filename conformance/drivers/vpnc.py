"""vpnc: a client that runs one process for each connection, with ESP of its own over a TUN device.

It has no control channel but its signals, and no state but what it says: SAs and keys are read
from its debug output.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

from conformance.drivers import kernel, vpnc_log
from conformance.drivers.base import (
    SHARED,
    Attempt,
    Connection,
    Driver,
    DriverError,
    Held,
    poll,
)
from conformance.drivers.shell import Shell
from conformance.drivers.vpnc_config import configuration, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SUFFIXES = ("conf", "pem", "pid")
"""The files of a connection in the shared volume."""
LOG = "said"
"""And what its vpnc says."""


class VpncDriver(Driver):
    """One container in which a vpnc is started for each connection."""

    def connect(self) -> None:
        """Open the shell; nothing of vpnc runs yet."""
        self.shell = Shell(self.container)

    def close(self) -> None:
        """Close the shell."""
        self.shell.close()

    def version(self) -> str:
        """The version in ``vpnc --version``, such as ``0.5.3``."""
        output = self.shell.run(["vpnc", "--version"]).output
        found = re.search(r"vpnc version (\d[\d.]*\d)", output)
        if not found:
            raise DriverError(f"{self.name}: no version in {output.strip()!r}")
        return found[1]

    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Write the configuration files; vpnc reads its own when it is started."""
        refused = {one.name: why for one in connections if (why := refusal(one))}
        for connection in connections:
            if connection.name not in refused:
                self._write(connection)
        return refused

    def _write(self, connection: Connection) -> None:
        conf, authority, pid = (self._file(connection.name, suffix) for suffix in SUFFIXES)
        if connection.credentials:
            authority.write_text(ssl.DER_cert_to_PEM_cert(connection.credentials.authority))
        conf.write_text(configuration(connection, authority=authority, pid=pid))
        self._file(connection.name, LOG).write_text("")

    def initiate(self, connection: Connection, timeout: float) -> Attempt:
        """Start vpnc in the background; it says when it serves, or ends."""
        self.shell.run(["sh", "-c", 'connect "$1" >/dev/null 2>&1 &', "connect", connection.name])
        told = (vpnc_log.STARTED, vpnc_log.ENDED)
        in_time = poll(lambda: any(words in self._said(connection) for words in told), timeout)
        said = self._said(connection)
        if vpnc_log.child_sa(said):
            return Attempt(established=True)
        return Attempt(
            established=False,
            failure=vpnc_log.failure(said),
            timed_out=not in_time,
            notifies=vpnc_log.notifies(said),
        )

    def log_of(self, connection: Connection, log: str) -> str:
        """What the connection's own vpnc said; each has a log to itself."""
        del log
        return self._said(connection)

    def sas(self, connection: Connection, log: str) -> Held:
        """What vpnc said of the SAs that it made, and their keys."""
        return Held(vpnc_log.ike_sa(log), vpnc_log.child_sa(log), *vpnc_log.keys(log, connection))

    def holds_child(self, connection: Connection) -> bool:
        """Whether vpnc serves."""
        return vpnc_log.child_sa(self._said(connection)) is not None

    def holds_any(self, connection: Connection) -> bool:
        """Whether vpnc has an ISAKMP SA."""
        return vpnc_log.ike_sa(self._said(connection)) is not None

    def ping(self, connection: Connection, count: int, timeout: float) -> tuple[int, int]:
        """Ping from the address that vpnc was given, through its TUN device."""
        return kernel.ping(self.shell, connection, count, timeout)

    def terminate(self, connection: Connection, timeout: float) -> None:
        """End vpnc, which sends a Delete for its child and for its ISAKMP SA."""
        self._signal([connection.name], "TERM")
        poll(lambda: vpnc_log.ENDED in self._said(connection), timeout)

    def logged_delete(self, log: str) -> bool:
        """Whether a Delete ended it."""
        return "got isakmp-delete, terminating" in log

    def remove(self, connections: Sequence[Connection]) -> None:
        """Kill what is left, and forget the connections' files; their logs stay."""
        self._forget([connection.name for connection in connections])

    def reset(self) -> None:
        """The same for every connection that ever was, with the logs."""
        prefix, suffix = f"{self.name}.", ".conf"
        paths = SHARED.glob(f"{prefix}*{suffix}")
        self._forget([path.name.removeprefix(prefix).removesuffix(suffix) for path in paths])
        for log in SHARED.glob(f"{prefix}*.{LOG}"):
            log.unlink()

    def _forget(self, names: Sequence[str]) -> None:
        self._signal(names, "KILL")
        for name in names:
            for suffix in SUFFIXES:
                self._file(name, suffix).unlink(missing_ok=True)

    def _signal(self, names: Sequence[str], signal: str) -> None:
        """Send a signal to the vpnc of these connections, where there still is one."""
        paths = [self._file(name, "pid") for name in names]
        pids = [path.read_text().strip() for path in paths if path.exists()]
        if pids:
            self.shell.run(["kill", f"-{signal}", *pids])

    def _said(self, connection: Connection) -> str:
        path = self._file(connection.name, LOG)
        return path.read_text(errors="replace") if path.exists() else ""

    def _file(self, name: str, suffix: str) -> Path:
        return SHARED / f"{self.name}.{name}.{suffix}"
