"""The Encapsulating Security Payload without state: packets under one SA (RFC 4303, RFC 3602).

Sequence numbers and IVs are arguments; the window and the counters are the engine's.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.ip import Ipv4Packet, MalformedPacketError, Protocol
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from conformance.ipsec.sad import SecurityAssociation

_HEADER = struct.Struct("!II")
_TRAILER_SIZE = 2
_ALIGNMENT = 4
_PADDING = bytes(range(1, 256))


class EspHeader(NamedTuple):
    """The two fields in the clear (RFC 4303 2.1, 2.2)."""

    spi: int
    sequence: int

    @classmethod
    def parse(cls, payload: bytes) -> EspHeader:
        """Read SPI and sequence number; drops with IN_HEADER where the payload is too short."""
        if len(payload) < _HEADER.size:
            raise PacketDroppedError(DropReason.IN_HEADER, f"{len(payload)} octets of ESP")
        return cls(*_HEADER.unpack_from(payload))


def seal(
    sa: SecurityAssociation, plain: bytes, next_header: int, sequence: int, iv: bytes
) -> bytes:
    """The ESP payload around ``plain`` (RFC 4303 2); ``iv`` is one of the cipher's size.

    ::

        | SPI | sequence number | IV | plain, padding 1 2 3 ..., pad length, next header | ICV |
                                     |<---------------- encrypted ---------------------->|
        |<------------------------- covered by the ICV --------------------------------->|
    """
    cipher, mac = ENCRYPTION[sa.cipher], INTEGRITY[sa.integrity]
    alignment = max(cipher.block_size, _ALIGNMENT)
    pad = -(len(plain) + _TRAILER_SIZE) % alignment
    padded = plain + _PADDING[:pad] + bytes((pad, next_header))
    head = _HEADER.pack(sa.spi, sequence) + iv
    covered = head + cipher.encrypt(sa.encryption_key, iv, padded)
    return covered + mac.compute(sa.integrity_key, covered)


def verify(sa: SecurityAssociation, payload: bytes) -> bytes:
    """The part the ICV covers, once it holds (RFC 4303 3.4.4.1); drops otherwise.

    The lengths are checked first: a packet of wrong length cannot be one of this SA.
    """
    cipher, mac = ENCRYPTION[sa.cipher], INTEGRITY[sa.integrity]
    covered = payload[: len(payload) - mac.icv_size]
    encrypted = len(covered) - _HEADER.size - cipher.iv_size
    if encrypted < _TRAILER_SIZE or encrypted % cipher.block_size:
        raise PacketDroppedError(DropReason.IN_LENGTH, f"{encrypted} octets of ciphertext")
    if not mac.verify(sa.integrity_key, covered, payload[len(covered) :]):
        raise PacketDroppedError(DropReason.IN_INTEGRITY, f"{mac.icv_size} octets of ICV")
    return covered


def decrypt(sa: SecurityAssociation, covered: bytes) -> tuple[bytes, int]:
    """The plain octets and the next header of a verified payload; checks the padding."""
    cipher = ENCRYPTION[sa.cipher]
    body = _HEADER.size + cipher.iv_size
    padded = cipher.decrypt(sa.encryption_key, covered[_HEADER.size : body], covered[body:])
    pad, next_header = padded[-2], padded[-1]
    plain = padded[: max(len(padded) - _TRAILER_SIZE - pad, 0)]
    if padded[len(plain) : -_TRAILER_SIZE] != _PADDING[:pad]:
        raise PacketDroppedError(DropReason.IN_PADDING, f"pad length {pad}")
    return plain, next_header


def encapsulate(
    sa: SecurityAssociation, inner: Ipv4Packet, sequence: int, iv: bytes, identification: int = 0
) -> Ipv4Packet:
    """The wire packet that carries ``inner`` under the SA (RFC 4303 3.1).

    ``identification`` is the outer header's in tunnel mode; transport mode keeps the inner's.
    """
    return _WRAP[sa.mode](sa, inner, sequence, iv, identification)


def _wrap_transport(
    sa: SecurityAssociation, inner: Ipv4Packet, sequence: int, iv: bytes, _: int
) -> Ipv4Packet:
    if (inner.source, inner.destination) != (sa.source, sa.destination) or inner.is_fragment:
        between = f"{inner.source} to {inner.destination}, fragment: {inner.is_fragment}"
        raise PacketDroppedError(DropReason.OUT_MODE, between)
    sealed = seal(sa, inner.payload, inner.protocol, sequence, iv)
    return replace(inner, protocol=Protocol.ESP, payload=sealed)


def _wrap_tunnel(
    sa: SecurityAssociation, inner: Ipv4Packet, sequence: int, iv: bytes, identification: int
) -> Ipv4Packet:
    sealed = seal(sa, inner.build(), Protocol.IPV4, sequence, iv)
    # The traffic class is copied, the rest of the outer header is new (RFC 4301 5.1.2.1).
    return Ipv4Packet(
        sa.source,
        sa.destination,
        Protocol.ESP,
        sealed,
        identification=identification,
        tos=inner.tos,
    )


_WRAP = {"transport": _wrap_transport, "tunnel": _wrap_tunnel}


def decapsulate(sa: SecurityAssociation, outer: Ipv4Packet) -> Ipv4Packet:
    """The inner packet of ``outer``: ICV verified, decrypted, padding and mode checked.

    Raises PacketDroppedError. Looks at neither the replay window nor the selectors.
    """
    return unwrap(sa, outer, verify(sa, outer.payload))


def unwrap(sa: SecurityAssociation, outer: Ipv4Packet, covered: bytes) -> Ipv4Packet:
    """The inner packet out of the verified part of ``outer``'s payload (RFC 4303 3.4.4.1)."""
    plain, next_header = decrypt(sa, covered)
    if next_header == Protocol.NO_NEXT_HEADER:
        raise PacketDroppedError(DropReason.IN_DUMMY)
    return _UNWRAP[sa.mode](outer, plain, next_header)


def _unwrap_transport(outer: Ipv4Packet, plain: bytes, next_header: int) -> Ipv4Packet:
    return replace(outer, protocol=next_header, payload=plain)


def _unwrap_tunnel(_: Ipv4Packet, plain: bytes, next_header: int) -> Ipv4Packet:
    if next_header != Protocol.IPV4:
        raise PacketDroppedError(DropReason.IN_MODE, f"next header {next_header} in a tunnel")
    try:
        return Ipv4Packet.parse(plain)
    except MalformedPacketError as error:
        raise PacketDroppedError(DropReason.IN_MODE, f"inner packet: {error}") from error


_UNWRAP = {"transport": _unwrap_transport, "tunnel": _unwrap_tunnel}
