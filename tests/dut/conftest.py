"""A device that claims what many can, for tests to change."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from conformance.dut.claims import USUAL
from conformance.dut.device import Device, End, Secrets


@pytest.fixture
def device() -> Device:
    """Nothing unusual, but both modes and a choice of PFS groups."""
    return Device(
        here=end("192.0.2.1", "10.1.0.0/24"),
        device=end("192.0.2.2", "10.2.0.0/24"),
        secrets=Secrets(psk="secret-psk"),
        claims=USUAL | {"mode": ("tunnel", "transport"), "pfs": ("none", "modp2048")},
    )


def end(address: str, subnet: str) -> End:
    network = IPv4Network(subnet)
    return End(
        address=IPv4Address(address), inner_address=network[1], inner_subnet=network, identity=""
    )
