"""Security associations for the tests, every parameter changeable."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any, Protocol

import pytest

from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.sad import SecurityAssociation, Selector
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

ALICE, BOB = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
ALICE_NET, BOB_NET = IPv4Network("10.78.1.0/24"), IPv4Network("10.78.2.0/24")
SELECTORS = {
    "tunnel": Selector(ALICE_NET, BOB_NET),
    "transport": Selector(IPv4Network(ALICE), IPv4Network(BOB)),
}
INNER_HOSTS = {
    "tunnel": (IPv4Address("10.78.1.1"), IPv4Address("10.78.2.1")),
    "transport": (ALICE, BOB),
}


class MakeSa(Protocol):
    """Makes an SA from Alice to Bob; keyword arguments replace its parameters."""

    def __call__(self, **changes: Any) -> SecurityAssociation: ...


class MakeInner(Protocol):
    """Makes the packet that Alice sends Bob through an SA of this mode."""

    def __call__(self, mode: str, payload: bytes = b"ping") -> Ipv4Packet: ...


@pytest.fixture(scope="session")
def make_sa() -> MakeSa:
    def make(**changes: Any) -> SecurityAssociation:
        mode = changes.get("mode", "tunnel")
        protocol = changes.get("protocol", 50)
        cipher = changes.get("cipher", "aes128" if protocol == 50 else "none")
        integrity = changes.get("integrity", "none" if protocol == 108 else "sha256")
        encryption = ENCRYPTION[cipher].key_size if cipher in ENCRYPTION else 0
        parameters: dict[str, Any] = {
            "spi": 0x1234ABCD,
            "source": ALICE,
            "destination": BOB,
            "direction": "out",
            "mode": mode,
            "cipher": cipher,
            "encryption_key": bytes(octet & 0xFF for octet in range(encryption)),
            "integrity": integrity,
            "integrity_key": bytes(range(0x80, 0x80 + INTEGRITY[integrity].key_size)),
            "selector": SELECTORS.get(mode, Selector()),
            "compression": "deflate" if protocol == 108 else "none",
        }
        return SecurityAssociation(**parameters | changes)

    return make


@pytest.fixture(scope="session")
def make_inner() -> MakeInner:
    def make(mode: str, payload: bytes = b"ping") -> Ipv4Packet:
        source, destination = INNER_HOSTS[mode]
        return Ipv4Packet(source, destination, 253, payload, identification=7, tos=0xB8)

    return make
