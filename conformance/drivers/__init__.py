"""Drivers: how to configure, start, observe and end each kind of peer.

``open_driver`` opens the control channel of one container and gives the driver for its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.drivers.base import Connection, Driver, DriverError, Host
from conformance.drivers.libreswan import LibreswanDriver
from conformance.drivers.reference import ReferenceDriver
from conformance.drivers.strongswan import StrongswanDriver
from conformance.drivers.vpnc import VpncDriver

if TYPE_CHECKING:
    from docker.models.containers import Container

KINDS: dict[str, type[Driver]] = {
    "reference": ReferenceDriver,
    "strongswan": StrongswanDriver,
    "libreswan": LibreswanDriver,
    "vpnc": VpncDriver,
}
"""The ``kind`` of a manifest -> its driver."""


def open_driver(kind: str, peer: str, container: Container) -> Driver:
    """Open the channel to one container of ``peer``; DriverError where it does not answer."""
    driver = KINDS[kind](peer, container)
    driver.open()
    return driver


__all__ = ["KINDS", "Connection", "Driver", "DriverError", "Host", "open_driver"]
