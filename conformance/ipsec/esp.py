"""The Encapsulating Security Payload without state: one header and trailer (RFC 4303, RFC 3602).

Sequence numbers and IVs are arguments; the window and the counters are the engine's.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from conformance.ipsec.drops import DropReason, PacketDroppedError
from conformance.ipsec.header import Header, extended
from conformance.ipsec.ip import Protocol
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from conformance.ipsec.association import SecurityAssociation
    from conformance.ipsec.packet import Packet

_HEADER = struct.Struct("!II")
_TRAILER_SIZE = 2
_ALIGNMENT = 4
_PADDING = bytes(range(1, 256))


def read_header(payload: bytes) -> Header:
    """SPI and sequence number (RFC 4303 2.1, 2.2); drops with IN_HEADER where it is too short."""
    if len(payload) < _HEADER.size:
        raise PacketDroppedError(DropReason.IN_HEADER, f"{len(payload)} octets of ESP")
    return Header(*_HEADER.unpack_from(payload))


def seal(
    sa: SecurityAssociation, plain: bytes, next_header: int, sequence: int, iv: bytes
) -> bytes:
    """The ESP payload around ``plain`` (RFC 4303 2); ``iv`` is one of the cipher's size.

    ::

        | SPI | sequence number | IV | plain, padding 1 2 3 ..., pad length, next header | ICV |
                                     |<---------------- encrypted ---------------------->|
        |<------------------------- covered by the ICV --------------------------------->|
    """
    blocks = ENCRYPTION[sa.cipher].block_size, INTEGRITY[sa.integrity].block_size
    alignment = max(_ALIGNMENT, *blocks)
    pad = -(len(plain) + _TRAILER_SIZE) % alignment
    return seal_padded(sa, plain + _PADDING[:pad] + bytes((pad, next_header)), sequence, iv)


def seal_padded(sa: SecurityAssociation, padded: bytes, sequence: int, iv: bytes) -> bytes:
    """The ESP payload around any whole blocks: ``seal`` without the trailer."""
    sealed = sa.keyed_cipher.encrypt(iv, padded, _associated(sa, sequence))
    covered = _HEADER.pack(sa.spi, sequence & 0xFFFFFFFF) + iv + sealed
    return covered + sa.keyed_mac.compute(covered + extended(sa, sequence))


def authenticate(sa: SecurityAssociation, packet: Packet, sequence: int) -> bytes:
    """The plaintext with its trailer, once the ICV holds (RFC 4303 3.4.4); drops otherwise.

    The lengths are checked first: a packet of wrong length cannot be one of this SA.
    """
    cipher, mac = ENCRYPTION[sa.cipher], INTEGRITY[sa.integrity]
    payload, body = packet.payload, _HEADER.size + cipher.iv_size
    covered = payload[: max(len(payload) - mac.icv_size, 0)]
    encrypted = len(covered) - body - cipher.icv_size
    if encrypted < _TRAILER_SIZE or encrypted % cipher.block_size:
        raise PacketDroppedError(DropReason.IN_LENGTH, f"{encrypted} octets of ciphertext")
    icv = payload[len(covered) :]
    held = sa.keyed_mac.verify(covered + extended(sa, sequence), icv)
    iv, sealed = covered[_HEADER.size : body], covered[body:]
    associated = _associated(sa, sequence)
    padded = sa.keyed_cipher.decrypt(iv, sealed, associated) if held else None
    if padded is None:
        size = mac.icv_size or cipher.icv_size
        raise PacketDroppedError(DropReason.IN_INTEGRITY, f"{size} octets of ICV")
    return padded


def _associated(sa: SecurityAssociation, sequence: int) -> bytes:
    """What a combined mode authenticates beside the payload (RFC 4106 5)."""
    if sa.esn:
        return sa.spi.to_bytes(4) + sequence.to_bytes(8)
    return _HEADER.pack(sa.spi, sequence)


def protect(sa: SecurityAssociation, packet: Packet, sequence: int, iv: bytes) -> Packet:
    """``packet`` with its payload inside ESP (RFC 4303 3.1)."""
    # Only a packet that tells its own length can be padded (RFC 4303 2.7).
    hidden = sa.tfc if sa.mode == "tunnel" else 0
    plain = packet.payload.ljust(hidden, b"\0")
    sealed = seal(sa, plain, packet.protocol, sequence, iv)
    return replace(packet, protocol=Protocol.ESP, payload=sealed)


def release(_: SecurityAssociation, packet: Packet, padded: bytes) -> Packet:
    """``packet`` as it was before ESP; checks the padding (RFC 4303 2.4)."""
    pad, next_header = padded[-2], padded[-1]
    plain = padded[: max(len(padded) - _TRAILER_SIZE - pad, 0)]
    if padded[len(plain) : -_TRAILER_SIZE] != _PADDING[:pad]:
        raise PacketDroppedError(DropReason.IN_PADDING, f"pad length {pad}")
    if next_header == Protocol.NO_NEXT_HEADER:
        raise PacketDroppedError(DropReason.IN_DUMMY)
    return replace(packet, protocol=next_header, payload=plain)
