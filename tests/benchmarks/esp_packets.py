"""Tunnel packets of 1400 octets across the IPsec boundary, against scapy and the bare primitives.

The bare loops make and take the same octets with nothing but the primitive and ``struct``: no
policy, no SA to look up, no window, no limit, no check of any header.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network
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
PACKETS, FEW = 4096, 64
"""In every loop: so many that a new receiver and its first packet do not count; in scapy's."""

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


def sender() -> Boundary:
    """Alice, with an SA to Bob."""
    template = Template("tunnel", (ALICE, BOB))
    spd = Spd([SpdEntry("protect", (Selector(*NETWORKS),), (template,))])
    alice = Boundary(spd, [ALICE], random=system_random)
    alice.sad.add(association("out"))
    return alice


def receiver() -> Boundary:
    """Bob, with the same SA."""
    template = Template("tunnel", (BOB, ALICE))
    spd = Spd([SpdEntry("protect", (Selector(*NETWORKS[::-1]),), (template,))])
    bob = Boundary(spd, [BOB], random=system_random)
    bob.sad.add(association("in"))
    return bob


def wires() -> list[bytes]:
    """What Alice sends: every packet another one."""
    alice = sender()
    return [alice.outbound(inner(), 0.0)[0] for _ in range(PACKETS)]


def ours_out() -> Callable[[], object]:
    """Alice sends."""
    alice, packet = sender(), inner()

    def loop() -> None:
        send = alice.outbound
        for _ in range(PACKETS):
            send(packet, 0.0)

    return loop


def ours_in() -> Callable[[], object]:
    """Bob receives: a new Bob each time, whose window is empty."""
    arriving = wires()
    assert [receiver().inbound(wire, 0.0) for wire in arriving] == [(inner(),)] * PACKETS

    def loop() -> None:
        receive = receiver().inbound
        for wire in arriving:
            receive(wire, 0.0)

    return loop


def bare_out() -> Callable[[], object]:
    """The primitive and the octets around it."""
    encrypt, packet = AESGCM(KEY).encrypt, inner()
    first, middle, last = b"\x45\0", b"\0\0\x40\x32", ALICE.packed + BOB.packed
    words = int.from_bytes(first + middle + last)

    def loop() -> None:
        for sequence in range(1, PACKETS + 1):
            iv, header = sequence.to_bytes(8), _ESP.pack(SPI, sequence)
            body = header + iv + encrypt(SALT + iv, packet + b"\1\2\2\4", header)
            size, number = 20 + len(body), sequence & 0xFFFF
            check = 0xFFFF - (words + size + number) % 0xFFFF
            _ = _IP.pack(first, size, number, middle, check, last) + body

    return loop


def bare_in() -> Callable[[], object]:
    """The same the other way."""
    keys, arriving = {SPI: AESGCM(KEY).decrypt}, wires()

    def loop() -> None:
        for wire in arriving:
            spi, _ = _ESP.unpack_from(wire, 20)
            plain = keys[spi](SALT + wire[28:36], wire[36:], wire[20:28])
            _ = plain[: -2 - plain[-2]]

    return loop


def primitive_out() -> Callable[[], object]:
    """AES-GCM alone."""
    encrypt, nonce, plain, header = AESGCM(KEY).encrypt, bytes(12), bytes(SIZE + 4), bytes(8)

    def loop() -> None:
        for _ in range(PACKETS):
            encrypt(nonce, plain, header)

    return loop


def primitive_in() -> Callable[[], object]:
    """The same the other way."""
    gcm, nonce, header = AESGCM(KEY), bytes(12), bytes(8)
    decrypt, sealed = gcm.decrypt, gcm.encrypt(nonce, bytes(SIZE + 4), header)

    def loop() -> None:
        for _ in range(PACKETS):
            decrypt(nonce, sealed, header)

    return loop


PRIMITIVES = {"out": primitive_out, "in": primitive_in}


def scapy_out() -> Callable[[], object]:
    """Scapy, octets to octets."""
    oracle, packet = _oracle(), inner()

    def loop() -> None:
        for _ in range(FEW):
            bytes(oracle.encrypt(IP(packet)))

    return loop


def scapy_in() -> Callable[[], object]:
    """The same the other way."""
    oracle, arriving = _oracle(), wires()[:FEW]
    assert bytes(oracle.decrypt(IP(arriving[0]))) == inner()

    def loop() -> None:
        for wire in arriving:
            bytes(oracle.decrypt(IP(wire)))

    return loop


def ours_long_out() -> Callable[[], object]:
    """Alice sends, each packet looked up anew."""
    alice, packet = sender(), inner()

    def loop() -> None:
        for _ in range(FEW):
            alice.spd = alice.spd  # which forgets every flow
            alice.outbound(packet, 0.0)

    return loop


def _oracle() -> Oracle:
    header = IP(src=str(ALICE), dst=str(BOB))
    return Oracle(ESP, spi=SPI, crypt_algo="AES-GCM", crypt_key=KEY + SALT, tunnel_header=header)
