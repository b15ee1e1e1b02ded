"""The reference peer as a process of this host, set up to meet one device."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from conformance.drivers.base import DriverError, poll
from conformance.drivers.reference import ReferenceDriver
from conformance.drivers.reference_config import configuration
from conformance.dut.device import REFERENCE
from conformance.errors import UserError
from conformance.peer.client import ControlClient, ControlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from conformance.drivers.base import Connection
    from conformance.dut.device import Device

START, LISTEN = 30.0, 1.0
"""Seconds for the process to make its control socket, and then to listen on it."""
PATIENCE = 10.0
"""Seconds for the process to end once it is told to."""


class LocalReference(ReferenceDriver):
    """A reference peer on this host, started with ``open`` and ended with ``close``."""

    def __init__(self, device: Device, folder: Path) -> None:
        self.peer = self.name = REFERENCE
        self.process = 0
        self._device = device
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def log(self) -> Path:
        """The peer's log."""
        return self._folder / f"{self.name}.log"

    @property
    def _errors(self) -> Path:
        return self._folder / "errors"

    @property
    def socket(self) -> Path:
        """The peer's control socket."""
        return self._folder / f"{self.name}.sock"

    def open(self) -> None:
        """Start the process and connect to it; UserError with its own words where it ends."""
        self._start()
        self.process = self._running()
        try:
            self.connect()
        except DriverError as error:
            self._end()
            said = self._errors.read_text(errors="replace").strip() or str(error)
            raise UserError(f"the reference peer did not start: {said}") from error

    def connect(self) -> None:
        """Connect to the control socket, once the process has made it; no longer than it runs."""
        poll(lambda: self.socket.exists() or not self._running(), START)
        try:
            self._client = ControlClient(self.socket, patience=LISTEN if self._running() else 0.0)
        except ControlError as error:
            raise DriverError(f"{self.name}: {error}") from error

    def restart(self) -> None:
        """End the process and start another."""
        self.close()
        self.open()

    def _start(self) -> None:
        here = self._device.here
        with self._errors.open("wb") as file:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "conformance", "peer", "serve", "--name", self.name),
                    *("--address", str(here.address), "--inner", str(here.inner_address)),
                    *("--control", str(self.socket), "--log", str(self.log)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
            )

    def close(self) -> None:
        """Disconnect and end the process."""
        super().close()
        self._end()

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _running(self) -> int:
        return self._process.pid if self._process and self._process.poll() is None else 0

    def configure(self, connections: Sequence[Connection]) -> Mapping[str, str]:
        """Make the endpoints, with the identities and the user that the device's file names."""
        for connection in connections:
            self._call("configure", **self._configuration(connection))
        return {}

    def _configuration(self, connection: Connection) -> dict[str, Any]:
        told = configuration(connection) | {
            "local_id": self._device.here.proven,
            "remote_id": self._device.device.proven,
        }
        return told | {"xauth": self._user(connection)} if told.get("xauth") else told

    def _user(self, connection: Connection) -> dict[str, Any]:
        secrets = self._device.secrets
        if connection.is_user:
            return {"user": secrets.user, "password": secrets.password}
        return {"users": {secrets.user: secrets.password}}

    def ping(self, connection: Connection, count: int, timeout: float) -> tuple[int, int]:
        """Echo requests to the host behind the device, or to the device itself."""
        target = connection.traffic_address(connection.remote)
        told = self._call(
            "ping", name=connection.name, count=count, size=56, timeout=timeout, target=target
        )
        return int(told["sent"]), int(told["received"])
