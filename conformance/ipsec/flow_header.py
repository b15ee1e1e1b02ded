"""What a flow's packets have ahead of their ciphertext (RFC 4303 2, RFC 791 3.1).

In a flow all but lengths, identification, checksum, sequence number and IV stays as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from conformance.ipsec import tunnel
from conformance.ipsec.ip import Protocol
from conformance.ipsec.packet import parse_packet

if TYPE_CHECKING:
    from conformance.ipsec.association import SecurityAssociation

Head = Callable[[int, int, bytes], bytes]
"""(octets behind the IV, low half of the sequence number, IV) -> all octets ahead of these."""

_SIZE_4, _UDP, _ESP = 20, 8, 8
_ONES = 0xFFFF


@dataclass(slots=True)
class Identifications:
    """What tells the IPv4 packets of one host apart (RFC 791 3.2); the first one is 1."""

    last: int = 0

    def next(self) -> int:
        """The next one; zero is passed over, because kernels replace it (raw(7))."""
        self.last = self.last % _ONES + 1
        return self.last


def head_of(
    sa: SecurityAssociation, first_packet: bytes, identifications: Identifications
) -> tuple[Head, int]:
    """What writes the headers around packets like the first one, and where ESP begins in them."""
    outer = tunnel.enter(sa, parse_packet(first_packet))
    number = Protocol.UDP if sa.udp else Protocol.ESP
    empty = replace(outer, protocol=number, payload=b"").build()
    start = len(empty) + (_UDP if sa.udp else 0)
    make = _head_4 if isinstance(sa.source, IPv4Address) else _head_6
    return make(sa, empty, identifications), start


def _head_4(sa: SecurityAssociation, empty: bytes, identifications: Identifications) -> Head:
    first, middle, last = empty[:2], empty[6:10], empty[12:]
    # A number is congruent to the sum of its 16-bit words modulo 2^16 - 1.
    words = int.from_bytes(first + middle + last) % _ONES
    ports = struct.pack("!HH", sa.udp.source_port, sa.udp.destination_port) if sa.udp else b""
    layout = "4sHH" if sa.udp else "0s0s0s"
    pack = struct.Struct(f"!2sHH4sH8s{layout}II{sa.iv_size}s").pack
    ahead, spi = _ESP + sa.iv_size + (_UDP if sa.udp else 0), sa.spi
    in_udp = sa.udp is not None

    def head(size: int, sequence: int, iv: bytes) -> bytes:
        carried = size + ahead
        total = carried + _SIZE_4
        identifications.last = identification = identifications.last % _ONES + 1
        check = _ONES - ((words + total + identification) % _ONES or _ONES)
        udp = (ports, carried, 0) if in_udp else _NO_UDP
        return pack(first, total, identification, middle, check, last, *udp, spi, sequence, iv)

    return head


_NO_UDP = (b"", b"", b"")


def _head_6(sa: SecurityAssociation, empty: bytes, identifications: Identifications) -> Head:
    first, last = empty[:4], empty[6:]
    pack = struct.Struct(f"!4sH34sII{sa.iv_size}s").pack
    ahead, spi = _ESP + sa.iv_size, sa.spi

    def head(size: int, sequence: int, iv: bytes) -> bytes:
        identifications.next()
        return pack(first, size + ahead, last, spi, sequence, iv)

    return head
