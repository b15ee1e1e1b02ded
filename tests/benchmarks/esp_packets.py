"""Tunnel packets of 1400 octets across the IPsec boundary, against scapy and the bare primitives.

The bare loops make and take the same octets with nothing but the primitive and ``struct``: no
policy, no SA to look up, no window, no limit, no check of any header.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network
from itertools import cycle
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.inet import IP
from scapy.layers.ipsec import ESP
from scapy.layers.ipsec import SecurityAssociation as Oracle

from conformance.crypto.random import system_random
from conformance.ipsec.boundary import Boundary
from conformance.ipsec.ip import Ipv4Packet, Protocol
from conformance.ipsec.sad import SecurityAssociation, Selector
from conformance.ipsec.spd import Spd, SpdEntry, Template

if TYPE_CHECKING:
    from collections.abc import Callable

ALICE, BOB = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
NETWORKS = IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16")
SPI, KEY, SALT = 0x1234, bytes(range(16)), b"salt"
SIZE = 1400

_IP = struct.Struct("!2sHH4sH8s")
_ESP = struct.Struct("!II")


def inner(number: int = 1) -> bytes:
    """A UDP packet of 1400 octets from one network to the other."""
    ends = IPv4Address("10.1.0.1"), IPv4Address("10.2.0.1")
    payload = struct.pack("!HHHH", 1024, 53, SIZE - 20, 0).ljust(SIZE - 20, b"p")
    return Ipv4Packet(*ends, Protocol.UDP, payload, identification=number).build()


def association(direction: str, **changes: Any) -> SecurityAssociation:
    """Alice's SA to Bob, as either end has it."""
    parameters: dict[str, Any] = {
        "spi": SPI,
        "source": ALICE,
        "destination": BOB,
        "direction": direction,
        "mode": "tunnel",
        "cipher": "aes128gcm16",
        "encryption_key": KEY + SALT,
        "selector": Selector(*NETWORKS),
    }
    return SecurityAssociation(**parameters | changes)


def ends() -> tuple[Boundary, Boundary]:
    """Alice and Bob, with an SA from her to him."""
    there, back = Selector(*NETWORKS), Selector(*NETWORKS[::-1])
    alice = Boundary(
        Spd([SpdEntry("protect", (there,), (Template("tunnel", (ALICE, BOB)),))]),
        [ALICE],
        random=system_random,
    )
    bob = Boundary(
        Spd([SpdEntry("protect", (back,), (Template("tunnel", (BOB, ALICE)),))]),
        [BOB],
        random=system_random,
    )
    alice.sad.add(association("out"))
    bob.sad.add(association("in", replay=None))
    return alice, bob


def ours_out() -> Callable[[], object]:
    """Alice sends."""
    alice, packet = ends()[0], inner()
    return lambda: alice.outbound(packet, 0.0)


def ours_in() -> Callable[[], object]:
    """Bob receives; without a window, so that the same packets may come again and again."""
    alice, bob = ends()
    wires = cycle([alice.outbound(inner(), 0.0)[0] for _ in range(64)])
    assert bob.inbound(next(wires), 0.0) == (inner(),)
    return lambda: bob.inbound(next(wires), 0.0)


def bare_out() -> Callable[[], object]:
    """The primitive and the octets around it."""
    encrypt, packet, sequence = AESGCM(KEY).encrypt, inner(), 0
    first, middle, last = b"\x45\0", b"\0\0\x40\x32", ALICE.packed + BOB.packed
    words = int.from_bytes(first + middle + last)

    def send() -> bytes:
        nonlocal sequence
        sequence += 1
        iv, header = sequence.to_bytes(8), _ESP.pack(SPI, sequence)
        body = header + iv + encrypt(SALT + iv, packet + b"\1\2\2\4", header)
        size, number = 20 + len(body), sequence & 0xFFFF
        check = 0xFFFF - (words + size + number) % 0xFFFF
        return _IP.pack(first, size, number, middle, check, last) + body

    return send


def bare_in() -> Callable[[], object]:
    """The same the other way."""
    keys, alice = {SPI: AESGCM(KEY).decrypt}, ends()[0]
    wires = cycle([alice.outbound(inner(), 0.0)[0] for _ in range(64)])

    def receive() -> bytes:
        wire = next(wires)
        spi, _ = _ESP.unpack_from(wire, 20)
        plain = keys[spi](SALT + wire[28:36], wire[36:], wire[20:28])
        return plain[: -2 - plain[-2]]

    assert receive() == inner()
    return receive


def scapy_out() -> Callable[[], object]:
    """Scapy, octets to octets."""
    oracle, packet = _oracle(), inner()
    return lambda: bytes(oracle.encrypt(IP(packet)))


def scapy_in() -> Callable[[], object]:
    """The same the other way."""
    oracle, alice = _oracle(), ends()[0]
    wires = cycle([alice.outbound(inner(), 0.0)[0] for _ in range(64)])
    assert bytes(oracle.decrypt(IP(next(wires)))) == inner()
    return lambda: bytes(oracle.decrypt(IP(next(wires))))


def _oracle() -> Oracle:
    header = IP(src=str(ALICE), dst=str(BOB))
    return Oracle(ESP, spi=SPI, crypt_algo="AES-GCM", crypt_key=KEY + SALT, tunnel_header=header)
