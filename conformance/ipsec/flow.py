"""The short way of regular packets through one ESP tunnel, octets in and octets out (RFC 4303 3).

A flow is all packets of one key: the same addresses and ports, and the same of everything else that
decides on a packet. It is made from a first packet that has gone the long way (``engine``), and
whatever is not regular, near a limit, or not authentic it leaves to the long way, untouched: None
means "look closer", and is never a verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from conformance.ipsec.flow_header import Identifications, head_of
from conformance.ipsec.ip import Ipv4Packet, Protocol
from conformance.ipsec.ip6 import MINIMUM_MTU
from conformance.ipsec.selector import WITH_PORTS
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from collections.abc import Container

    from conformance.crypto.random import RandomSource
    from conformance.ipsec.association import SecurityAssociation
    from conformance.ipsec.packet import Packet

Flow = Callable[[bytes, float], "bytes | None"]
"""(packet, now) -> the packet on the other side of the boundary, or None for the long way."""

_PLAIN_4, _SIZE_6 = 0x45, 40
_SHOWN = WITH_PORTS | {Protocol.ESP}
"""Protocols whose first four octets stay the same in a flow: ports, or an SPI."""
_SHOWN_SIZE = 4
_PADDING = bytes(range(1, 256))
_ALIGNMENT, _TRAILER, _HEADER = 4, 2, 8
_LOW = 0xFFFFFFFF
_ONES = 0xFFFF
_ECN = 0b11

_number = int.from_bytes
"""Found once: the look-up costs as much as the call."""


def key_of(octets: bytes) -> bytes:
    """All that decides on a regular packet: its header but for lengths, identification, checksum.

    Of IPv4 version and length of the header, traffic class, flags and fragment offset, time to
    live, protocol, addresses and ports; of IPv6 the like. Of what is no packet, anything.
    """
    if octets[:1] == b"\x45":
        return octets[:2] + octets[6:10] + octets[12:24]
    return octets[:4] + octets[6:44]


def is_regular(packet: Packet) -> bool:
    """Whether packets like this are a flow: whole, with ports or an SPI, without anything rare."""
    rare = packet.options if isinstance(packet, Ipv4Packet) else packet.headers
    shown = packet.protocol in _SHOWN and len(packet.payload) >= _SHOWN_SIZE
    return shown and not rare and not packet.is_fragment


def serves(sa: SecurityAssociation) -> bool:
    """Whether there is a short way through this SA: ESP in tunnel mode, nothing hidden."""
    plain = not sa.tfc and sa.tunnel_header.dscp_received == "discard"
    return sa.protocol == Protocol.ESP and sa.mode == "tunnel" and plain


class _Shape(NamedTuple):
    """Where a regular packet has its length, and what of it has a checksum."""

    length: slice
    uncounted: int
    """Octets of the header that the length does not count."""
    summed: slice
    header: int
    number: int
    """The next header value that announces it."""


_SHAPES = {
    4: _Shape(slice(2, 4), 0, slice(0, 20), 20, Protocol.IPV4),
    6: _Shape(slice(4, 6), 40, slice(0, 0), 40, Protocol.IPV6),
}
"""By IP version."""


def outbound(
    sa: SecurityAssociation,
    first_packet: bytes,
    *,
    random: RandomSource,
    identifications: Identifications,
    largest: int,
) -> Flow:
    """The way out through an SA that ``serves``, for packets of at most ``largest`` octets."""
    cipher, esn = ENCRYPTION[sa.cipher], sa.esn
    encrypt, usage, last = sa.keyed_cipher.encrypt, sa.usage, sa.last_sequence
    mac_size = INTEGRITY[sa.integrity].icv_size
    icv = sa.keyed_mac.compute if mac_size else None
    most_bytes, most_packets, end = _limits(sa)
    limited = (most_bytes, most_packets, end) != _UNLIMITED
    iv_size, icv_size, counts = cipher.iv_size, cipher.icv_size + mac_size, sa.counts_ivs
    length, uncounted, summed, _, number = _SHAPES[first_packet[0] >> 4]
    trailers = _trailers(max(cipher.block_size, _ALIGNMENT), number)
    alignment = len(trailers)
    head_for, start = head_of(sa, first_packet, identifications)
    sizes = _sizes_like(len(first_packet), largest, sa.source.version, first_packet[0] >> 4)
    smallest, largest = sizes.start, sizes.stop - 1
    associated = slice(start, start + _HEADER)
    spi = sa.spi.to_bytes(4)

    def protect(octets: bytes, now: float) -> bytes | None:
        size, sequence = len(octets), usage.sequence + 1
        if _number(octets[length]) + uncounted != size or _number(octets[summed]) % _ONES:
            return None
        carried, packets = usage.bytes + size, usage.packets + 1
        if limited and not (carried < most_bytes and packets < most_packets and now < end):
            return None
        if not smallest <= size <= largest or sequence > last:
            return None
        plain = octets + trailers[size % alignment]
        iv = sequence.to_bytes(iv_size) if counts else random(iv_size)
        head = head_for(len(plain) + icv_size, sequence & _LOW, iv)
        aad = spi + sequence.to_bytes(8) if esn else head[associated]
        wire = head + encrypt(iv, plain, aad)
        if icv is not None:
            wire += icv(wire[start:] + (sequence >> 32).to_bytes(4) if esn else wire[start:])
        usage.sequence, usage.packets, usage.bytes = sequence, packets, carried
        return wire

    return protect


def _limits(sa: SecurityAssociation) -> tuple[float, float, float]:
    """Octets, packets and the moment up to which nothing has to be told of the SA.

    The nearer ones of both lifetimes; a soft one that was told of is behind us.
    """
    ahead = [sa.lifetime] if False in sa.usage.told else [sa.soft, sa.lifetime]
    seconds = min((one.seconds for one in ahead if one.seconds is not None), default=inf)
    return (
        min((one.bytes for one in ahead if one.bytes is not None), default=inf),
        min((one.packets for one in ahead if one.packets is not None), default=inf),
        sa.usage.since + seconds,
    )


def _sizes_like(size: int, largest: int, outer: int, inner: int) -> range:
    """Sizes of packets around which the outer header is the same: its DF may follow from them."""
    if (outer, inner) != (4, 6):
        return range(largest + 1)
    if size > MINIMUM_MTU:
        return range(MINIMUM_MTU + 1, largest + 1)
    return range(min(largest, MINIMUM_MTU) + 1)


_UNLIMITED = (inf, inf, inf)


def _trailers(alignment: int, number: int) -> tuple[bytes, ...]:
    """Padding, pad length and next header, by the size of the payload modulo the alignment."""
    pads = (-(size + _TRAILER) % alignment for size in range(alignment))
    return tuple(_trailer(pad, number) for pad in pads)


def _trailer(pad: int, number: int) -> bytes:
    return _PADDING[:pad] + bytes((pad, number))


_ENDS_4, _ENDS_6 = (
    {_TRAILER + pad: _trailer(pad, number) for pad in range(256)}
    for number in (Protocol.IPV4, Protocol.IPV6)
)
"""Every trailer by its size."""


def inbound(sa: SecurityAssociation, fitting: Container[bytes]) -> Flow:
    """The way in through an SA that ``serves``, for packets that came to it by their key.

    ``fitting`` has the keys of the inner packets that selectors and policies let through, and whose
    ECN field the tunnel leaves as it is.
    """
    usage, window = sa.usage, sa.replay
    whole = window.whole if window is not None and sa.esn else None
    most_bytes, most_packets, end = _limits(sa)
    limited = (most_bytes, most_packets, end) != _UNLIMITED
    length, uncounted, summed, start, _ = _SHAPES[sa.source.version]
    low, open_ = slice(start + 4, start + _HEADER), _opener(sa, start)

    def accept(octets: bytes, now: float) -> bytes | None:
        sequence = _number(octets[low])
        if whole is not None:
            sequence = whole(sequence)
        if (
            _number(octets[length]) + uncounted != len(octets)
            or _number(octets[summed]) % _ONES
            or (window is not None and sequence <= window.right and not window.accepts(sequence))
        ):
            return None
        inner = _inner(open_(octets, sequence), fitting)
        if inner is None:
            return None
        carried, packets = usage.bytes + len(inner), usage.packets + 1
        if limited and not (carried < most_bytes and packets < most_packets and now < end):
            return None
        if window is not None:
            window.advance(sequence)
        usage.packets, usage.bytes = packets, carried
        return inner

    return accept


def _inner(plain: bytes | None, fitting: Container[bytes]) -> bytes | None:
    """The packet ahead of a trailer, where it is regular and fits, and the trailer is in order."""
    if not plain:
        return None
    if plain[0] == _PLAIN_4:
        size = _number(plain[2:4])
        key = plain[:2] + plain[6:10] + plain[12:24]
        ends, remainder = _ENDS_4, _number(plain[:20]) % _ONES
    else:
        size = _number(plain[4:6]) + _SIZE_6
        key = plain[:4] + plain[6:44]
        ends, remainder = _ENDS_6, 0
    # The packet tells where it ends, and then there is but one trailer that can follow.
    if remainder or key not in fitting or plain[size:] != ends.get(len(plain) - size):
        return None
    return plain[:size]


def _opener(sa: SecurityAssociation, start: int) -> Callable[[bytes, int], bytes | None]:
    """(outer packet, sequence number) -> the plaintext with its trailer; None where it is none."""
    cipher, icv_size = ENCRYPTION[sa.cipher], INTEGRITY[sa.integrity].icv_size
    decrypt, verify, esn = sa.keyed_cipher.decrypt, sa.keyed_mac.verify, sa.esn
    spi, iv_at, block = sa.spi.to_bytes(4), start + _HEADER, cipher.block_size
    body_at = iv_at + cipher.iv_size
    least = body_at + cipher.icv_size + _TRAILER
    odd = (body_at + cipher.icv_size) % block

    def open_(octets: bytes, sequence: int) -> bytes | None:
        if len(octets) < least or len(octets) % block != odd:
            return None
        aad = spi + sequence.to_bytes(8) if esn else octets[start:iv_at]
        return decrypt(octets[iv_at:body_at], octets[body_at:], aad)

    def verify_and_open(octets: bytes, sequence: int) -> bytes | None:
        signed, icv = octets[:-icv_size], octets[-icv_size:]
        covered = signed[start:] + (sequence >> 32).to_bytes(4) if esn else signed[start:]
        return open_(signed, sequence) if verify(covered, icv) else None

    return verify_and_open if icv_size else open_
