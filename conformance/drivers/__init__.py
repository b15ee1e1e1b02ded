"""Drivers: how to configure, start, observe and end each kind of peer.

``open_driver`` opens the control channel of one container and gives the driver for its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.drivers.base import STOP, Connection, Driver, DriverError, Host
from conformance.drivers.libreswan import LibreswanDriver
from conformance.drivers.libreswan_names import UNABLE_TO_BEGIN, WITHOUT_WORDS
from conformance.drivers.reference import ReferenceDriver
from conformance.drivers.scripted import ScriptedDriver
from conformance.drivers.strongswan import StrongswanDriver
from conformance.drivers.vpnc import VpncDriver

if TYPE_CHECKING:
    from docker.models.containers import Container

    from conformance.matrix.manifest import Manifest

KINDS: dict[str, type[Driver]] = {
    "reference": ReferenceDriver,
    "strongswan": StrongswanDriver,
    "libreswan": LibreswanDriver,
    "vpnc": VpncDriver,
    "scripted": ScriptedDriver,
}
"""The ``kind`` of a manifest -> its driver."""


UNASKED: dict[str, frozenset[str]] = {
    "libreswan": frozenset([*WITHOUT_WORDS.values(), *UNABLE_TO_BEGIN.values()])
}
"""Kind -> the words in which its driver says that the peer cannot be asked for something."""


def unasked_words(manifest: Manifest) -> frozenset[str]:
    """What the driver of this peer says where it cannot ask: no word of the peer itself."""
    scripted = manifest.script.without_words.values() if manifest.script else ()
    return UNASKED.get(manifest.kind, frozenset()) | frozenset(scripted)


def open_driver(kind: str, peer: str, container: Container) -> Driver:
    """Open the channel to one container of ``peer``, started anew where it died or hangs.

    DriverError where it does not answer even then.
    """
    driver = KINDS[kind](peer, container)
    if not _opens(driver):
        container.restart(timeout=STOP)
        driver.open()
    return driver


def _opens(driver: Driver) -> bool:
    try:
        driver.open()
        return driver.answers()
    except DriverError:
        return False


__all__ = ["KINDS", "Connection", "Driver", "DriverError", "Host", "open_driver", "unasked_words"]
