"""The reference peer as a process of this host, set up to meet one device."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from conformance.drivers.reference import START, ReferenceDriver
from conformance.drivers.reference_config import configuration
from conformance.dut.device import REFERENCE
from conformance.errors import UserError
from conformance.peer.client import ControlClient, ControlError

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.drivers.base import Connection
    from conformance.dut.device import Device

PATIENCE = 10.0
"""Seconds for the process to end once it is told to."""


class LocalReference(ReferenceDriver):
    """A reference peer on this host, started with ``open`` and ended with ``close``."""

    def __init__(self, device: Device, folder: Path) -> None:
        self.peer = self.name = REFERENCE
        self.restarts = 0
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
    def socket(self) -> Path:
        """The peer's control socket."""
        return self._folder / f"{self.name}.sock"

    def open(self) -> None:
        """Start the process and connect to it; UserError with its own words where it ends."""
        here = self._device.here
        errors = self._folder / "errors"
        with errors.open("wb") as file:
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
        try:
            self._client = ControlClient(self.socket, patience=START)
        except ControlError as error:
            self._end()
            said = errors.read_text(errors="replace").strip() or str(error)
            raise UserError(f"the reference peer did not start: {said}") from error

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

    def process(self) -> int:
        """The process's id; 0 where it has ended."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    def configure(self, connection: Connection) -> None:
        """Make the endpoint, with the identities and the user that the device's file names."""
        told = configuration(connection) | {
            "local_id": self._device.here.proven,
            "remote_id": self._device.device.proven,
        }
        if told.get("xauth"):
            told["xauth"] = self._user(connection)
        self._call("configure", **told)

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
