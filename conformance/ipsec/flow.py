"""The short way of regular packets through one ESP tunnel, octets in and octets out (RFC 4303 3).

A flow is all packets of one key: the same addresses and ports, and the same of everything else that
decides on a packet. It is made from a first packet that has gone the long way (``engine``), and
whatever is not regular, near a limit, or not authentic it leaves to the long way, untouched: None
means "look closer", and is never a verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
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

Flow = Callable[[bytes, int, float], "bytes | None"]
"""(packet, its head, now) -> the packet on the other side of the boundary; None: the long way."""

_SHOWN = WITH_PORTS | {Protocol.ESP}
"""Protocols whose first four octets stay the same in a flow: ports, or an SPI."""
_SHOWN_SIZE = 8
"""Octets of a payload within a head."""
_PADDING = bytes(range(1, 256))
_ALIGNMENT, _TRAILER, _HEADER = 4, 2, 8
_LOW, _ONES = 0xFFFFFFFF, 0xFFFF

_number = int.from_bytes
"""Found once: the look-up costs as much as the call."""


class _Shape(NamedTuple):
    """The head of a regular packet, its header and eight octets more, as one number.

    These begin with ports, or with an SPI, which a sequence number follows.
    """

    size: int
    """Octets of the head."""
    mask: int
    """The bits that decide on a packet: all but lengths, identification and checksum."""
    length_at: int
    """Where the length field stands: by how many bits to shift it down."""
    uncounted: int
    """Octets of the header that the length does not count."""
    number: int
    """The next header value that announces such a packet."""


def _mask(size: int, *fields: slice) -> int:
    octets = bytearray(b"\xff" * size)
    for field in fields:
        octets[field] = bytes(field.stop - field.start)
    return _number(octets)


_4 = _Shape(28, _mask(28, slice(2, 6), slice(10, 12), slice(24, 28)), 192, 0, Protocol.IPV4)
_6 = _Shape(48, _mask(48, slice(4, 6), slice(44, 48)), 336, 40, Protocol.IPV6)
_SHAPES = {4: _4, 6: _6}
"""By IP version."""
HEAD_4, MASK_4, HEAD_6, MASK_6 = slice(_4.size), _4.mask, slice(_6.size), _6.mask
"""What ``key_of`` is made of, for those who cannot afford the call."""


def key_of(octets: bytes) -> int:
    """All that decides on a regular packet: header and ports, less what differs in a flow.

    Of what is no packet, any number that is the key of none.
    """
    if octets[:1] == b"\x45":
        return _number(octets[HEAD_4]) & MASK_4
    return _number(octets[HEAD_6]) & MASK_6


def is_regular(packet: Packet) -> bool:
    """Whether packets like this are a flow: whole, with ports or an SPI, without anything rare."""
    rare = packet.options if isinstance(packet, Ipv4Packet) else packet.headers
    shown = packet.protocol in _SHOWN and len(packet.payload) >= _SHOWN_SIZE
    return shown and not rare and not packet.is_fragment


def serves(sa: SecurityAssociation) -> bool:
    """Whether there is a short way through this SA: ESP in tunnel mode, nothing hidden."""
    plain = not sa.tfc and sa.tunnel_header.dscp_received == "discard"
    return sa.protocol == Protocol.ESP and sa.mode == "tunnel" and plain


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
    shape = _SHAPES[first_packet[0] >> 4]
    length_at, uncounted, summed = shape.length_at, shape.uncounted, shape is _4
    blocks = cipher.block_size, INTEGRITY[sa.integrity].block_size
    trailers = _trailers(max(_ALIGNMENT, *blocks), shape.number)
    alignment = len(trailers)
    head_for, start = head_of(sa, first_packet, identifications)
    sizes = _sizes_like(len(first_packet), largest, sa.source.version, first_packet[0] >> 4)
    smallest, largest = sizes.start, sizes.stop - 1
    associated = slice(start, start + _HEADER)
    spi = sa.spi.to_bytes(4)

    def protect(octets: bytes, head: int, now: float) -> bytes | None:
        size, sequence = len(octets), usage.sequence + 1
        # 2^16 is 1 modulo 2^16 - 1: a number is congruent to the sum of its 16-bit words.
        if (head >> length_at & _ONES) + uncounted != size or (summed and (head >> 64) % _ONES):
            return None
        carried, packets = usage.bytes + size, usage.packets + 1
        if limited and not (carried < most_bytes and packets < most_packets and now < end):
            return None
        if not smallest <= size <= largest or sequence > last:
            return None
        plain = octets + trailers[size % alignment]
        iv = sequence.to_bytes(iv_size) if counts else random(iv_size)
        ahead = head_for(len(plain) + icv_size, sequence & _LOW, iv)
        aad = spi + sequence.to_bytes(8) if esn else ahead[associated]
        wire = ahead + encrypt(iv, plain, aad)
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


@cache
def _trailers(alignment: int, number: int) -> tuple[bytes, ...]:
    """Padding, pad length and next header, by the size of the payload modulo the alignment."""
    pads = (-(size + _TRAILER) % alignment for size in range(alignment))
    return tuple(_trailer(pad, number) for pad in pads)


def _trailer(pad: int, number: int) -> bytes:
    return _PADDING[:pad] + bytes((pad, number))


def inbound(sa: SecurityAssociation, fitting: Container[int]) -> Flow:  # noqa: C901 - see accept
    """The way in through an SA that ``serves``, for packets that came to it by their key.

    ``fitting`` has the keys of the inner packets that selectors and policies let through, and whose
    ECN field the tunnel leaves as it is.
    """
    cipher, icv_size, esn = ENCRYPTION[sa.cipher], INTEGRITY[sa.integrity].icv_size, sa.esn
    decrypt, verify, usage, window = (
        sa.keyed_cipher.decrypt,
        sa.keyed_mac.verify,
        sa.usage,
        sa.replay,
    )
    whole = window.whole if window is not None and esn else None
    most_bytes, most_packets, end = _limits(sa)
    limited = (most_bytes, most_packets, end) != _UNLIMITED
    shape = _SHAPES[sa.source.version]
    length_at, uncounted, summed = shape.length_at, shape.uncounted, shape is _4
    start = shape.size - _SHOWN_SIZE
    iv = slice(start + 8, start + 8 + cipher.iv_size)
    header, body, spi = slice(start, start + 8), slice(iv.stop, None), sa.spi.to_bytes(4)
    tag, block = cipher.icv_size, cipher.block_size

    def accept(octets: bytes, head: int, now: float) -> bytes | None:  # noqa: C901, PLR0911 - calls are dear
        size, sequence = len(octets), head & _LOW
        if (head >> length_at & _ONES) + uncounted != size or (summed and (head >> 64) % _ONES):
            return None
        if window is not None:
            if whole is not None:
                sequence = whole(sequence)
            if sequence <= window.right and not window.accepts(sequence):
                return None
        sealed = octets[body]
        if icv_size:
            signed, icv, sealed = octets[start:-icv_size], octets[-icv_size:], sealed[:-icv_size]
            if not verify(signed + (sequence >> 32).to_bytes(4) if esn else signed, icv):
                return None
        encrypted = len(sealed) - tag
        if encrypted < _TRAILER or encrypted % block:
            return None
        aad = spi + sequence.to_bytes(8) if esn else octets[header]
        plain = decrypt(octets[iv], sealed, aad)
        inner = _inner(plain, fitting) if plain else None
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


def _inner(plain: bytes, fitting: Container[int]) -> bytes | None:
    """The packet ahead of a trailer, where it is regular and fits, and the trailer is in order."""
    head = _number(plain[HEAD_4])
    if head & MASK_4 in fitting:
        size, ends, remainder = head >> 192 & _ONES, _ENDS_4, (head >> 64) % _ONES
        least = _4.size
    else:
        head = _number(plain[HEAD_6])
        if head & MASK_6 not in fitting:
            return None
        size, ends, remainder = (head >> 336 & _ONES) + 40, _ENDS_6, 0
        least = _6.size
    # The packet tells where it ends, and then there is but one trailer that can follow.
    ended = size >= least and plain[size:] == ends.get(len(plain) - size)
    return plain[:size] if ended and not remainder else None


_ENDS_4, _ENDS_6 = (
    {_TRAILER + pad: _trailer(pad, shape.number) for pad in range(256)} for shape in (_4, _6)
)
"""Every trailer by its size."""
