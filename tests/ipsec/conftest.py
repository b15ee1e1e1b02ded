"""Security associations for the tests, every parameter changeable."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from conformance.crypto.random import seeded_random
from conformance.ipsec.engine import Accepted, AuditEvent, DataPlane, Protected
from conformance.ipsec.ip import Ipv4Packet
from conformance.ipsec.sad import Bundle, SecurityAssociation, Selector
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from conformance.ipsec.drops import DropReason
    from conformance.ipsec.packet import Packet

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


@dataclass
class Pair:
    """Alice's and Bob's data planes with one bundle from her to him."""

    alice: DataPlane
    bob: DataPlane
    out: Bundle
    into: Bundle

    def sent(self, inner: Packet) -> Protected:
        """What Alice sends."""
        sent = self.alice.outbound(inner)
        assert isinstance(sent, Protected), sent
        return sent

    def wire(self, inner: Packet) -> bytes:
        """The packet Alice sends."""
        return self.sent(inner).wire

    def received(self, wire: bytes) -> Packet:
        """The packet that Bob takes out of it."""
        accepted = self.bob.inbound(wire)
        assert isinstance(accepted, Accepted), accepted
        assert accepted.bundle is self.into
        return accepted.inner

    def reason(self, wire: bytes) -> DropReason:
        """Why Bob drops it; and that nothing was counted on his side."""
        before = [sa.usage.packets for sa in self.into.sas]
        event = self.bob.inbound(wire)
        assert isinstance(event, AuditEvent), event
        assert [sa.usage.packets for sa in self.into.sas] == before
        return event.reason


class MakePair(Protocol):
    """Makes both ends of a bundle; each argument replaces parameters of an SA, outermost first."""

    def __call__(self, *sas: dict[str, Any], **common: Any) -> Pair: ...


@pytest.fixture(scope="session")
def make_pair(make_sa: MakeSa) -> MakePair:
    def make(*sas: dict[str, Any], **common: Any) -> Pair:
        def bundle(direction: str) -> Bundle:
            spis = {50: 0x5050, 51: 0x5151, 108: 0x6C6C}
            last = sas[-1]
            return Bundle(
                tuple(
                    make_sa(
                        **{
                            "spi": spis[one.get("protocol", 50)],
                            "direction": direction,
                            "mode": common.get("mode", "tunnel") if one is last else "transport",
                        }
                        | {name: value for name, value in common.items() if name != "mode"}
                        | one
                    )
                    for one in sas
                )
            )

        alice, bob = DataPlane(seeded_random("alice")), DataPlane(seeded_random("bob"))
        out, into = bundle("out"), bundle("in")
        alice.sad.add(out)
        bob.sad.add(into)
        return Pair(alice, bob, out, into)

    return make


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
