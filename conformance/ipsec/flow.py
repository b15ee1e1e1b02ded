"""The short way of regular packets through one ESP tunnel, octets in and octets out (RFC 4303 3).

A flow is all packets of one key: the same addresses and ports, and the same of everything else that
decides on a packet. It is made from a first packet that has gone the long way (``engine``), and
whatever is not regular, near a limit, or not authentic it leaves to the long way, untouched: None
means "look closer", and is never a verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Address
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from conformance.crypto.keyed import WrongIcvError, primitive_of
from conformance.ipsec.flow_header import Identifications, head_of
from conformance.ipsec.ip import Ipv4Packet, Protocol
from conformance.ipsec.ip6 import MINIMUM_MTU
from conformance.ipsec.selector import WITH_PORTS
from conformance.ipsec.transforms import ENCRYPTION, INTEGRITY

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from conformance.crypto.random import RandomSource
    from conformance.ipsec.association import SecurityAssociation
    from conformance.ipsec.packet import Packet
    from conformance.ipsec.replay import ReplayWindow

Flow = Callable[[bytes, int, float], "bytes | None"]
"""(packet, its head, now) -> the packet on the other side of the boundary; None: the long way."""

Way = Callable[[bytes, float], tuple[bytes, ...]]
"""(packet, now) -> packets on the other side of the boundary."""

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


def key_of(octets: bytes) -> int:
    """All that decides on a regular packet: header and ports, less what differs in a flow.

    Of what is no packet, any number that is the key of none.
    """
    shape = _4 if octets[:1] == b"\x45" else _6
    return _number(octets[: shape.size]) & shape.mask


def crossing(flows: Mapping[int, Flow], long_way: Way) -> Way:
    """What takes a packet by its flow's short way where there is one, and else the long way."""
    find, number, mask_4, mask_6 = flows.get, int.from_bytes, _4.mask, _6.mask
    head_4, head_6 = slice(_4.size), slice(_6.size)

    def cross(octets: bytes, now: float) -> tuple[bytes, ...]:
        head = number(octets[head_4])
        short = find(head & mask_4)
        if short is None:
            head = number(octets[head_6])
            short = find(head & mask_6)
        taken = short(octets, head, now) if short else None
        return (taken,) if taken else long_way(octets, now)

    return cross


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
    salt, seal, _ = primitive_of(sa.keyed_cipher)
    usage, last = sa.usage, sa.last_sequence
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
        wire = ahead + seal(salt + iv, plain, aad)
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


def inbound(sa: SecurityAssociation, fitting: Container[int]) -> Flow:
    """The way in through an SA that ``serves``, for packets that came to it by their key.

    ``fitting`` has the keys of the inner packets that selectors and policies let through, and whose
    ECN field the tunnel leaves as it is.
    """
    combined = ENCRYPTION[sa.cipher].icv_size > 0 and ENCRYPTION[sa.cipher].block_size == 1
    usual = combined and isinstance(sa.source, IPv4Address) and not sa.esn
    if usual and sa.replay is not None and _limits(sa) == _UNLIMITED:
        return _usual(sa, sa.replay, fitting)
    return _any(sa, fitting)


def _usual(sa: SecurityAssociation, window: ReplayWindow, fitting: Container[int]) -> Flow:
    """The same as ``_any`` for the usual SA, of which fewer questions have to be asked.

    That is a combined mode over IPv4, with 32-bit numbers, a window and no limit.
    """
    salt, _, open_ = primitive_of(sa.keyed_cipher)
    usage, cipher, advance, ends = sa.usage, ENCRYPTION[sa.cipher], window.advance, _ENDS_4.get
    iv, header, body = (
        slice(28, 28 + cipher.iv_size),
        slice(20, 28),
        slice(28 + cipher.iv_size, None),
    )
    least = 28 + cipher.iv_size + cipher.icv_size + _TRAILER
    number, head_4, mask_4 = int.from_bytes, slice(_4.size), _4.mask

    def accept(octets: bytes, head: int, _: float) -> bytes | None:
        size, sequence = len(octets), head & _LOW
        # 2^16 is 1 modulo 2^16 - 1: a number is congruent to the sum of its 16-bit words.
        if head >> 192 & _ONES != size or (head >> 64) % _ONES or size < least:
            return None
        if sequence <= window.right and not window.accepts(sequence):
            return None
        try:
            plain = open_(salt + octets[iv], octets[body], octets[header])
        except WrongIcvError:
            return None
        if plain is None:
            return None
        inside = number(plain[head_4])
        if inside & mask_4 not in fitting:
            inner = _inner_6(plain, fitting)
        else:
            length = inside >> 192 & _ONES
            # The packet tells where it ends, and then there is but one trailer that can follow.
            ended = plain[length:] == ends(len(plain) - length) and not (inside >> 64) % _ONES
            inner = plain[:length] if ended and length >= _LEAST_4 else None
        if inner is None:
            return None
        advance(sequence)
        usage.packets += 1
        usage.bytes += len(inner)
        return inner

    return accept


def _any(sa: SecurityAssociation, fitting: Container[int]) -> Flow:
    usage, window, open_ = sa.usage, sa.replay, _opener(sa)
    whole = window.whole if window is not None and sa.esn else None
    most_bytes, most_packets, end = _limits(sa)
    shape = _SHAPES[sa.source.version]
    length_at, uncounted, summed = shape.length_at, shape.uncounted, shape is _4

    def accept(octets: bytes, head: int, now: float) -> bytes | None:
        sequence = head & _LOW if whole is None else whole(head & _LOW)
        if (head >> length_at & _ONES) + uncounted != len(octets):
            return None
        if summed and (head >> 64) % _ONES:
            return None
        if window is not None and not window.accepts(sequence):
            return None
        plain = open_(octets, sequence)
        inner = plain and (_inner_4(plain, fitting) or _inner_6(plain, fitting))
        if not inner:
            return None
        carried, packets = usage.bytes + len(inner), usage.packets + 1
        if not (carried < most_bytes and packets < most_packets and now < end):
            return None
        if window is not None:
            window.advance(sequence)
        usage.packets, usage.bytes = packets, carried
        return inner

    return accept


def _opener(sa: SecurityAssociation) -> Callable[[bytes, int], bytes | None]:
    """(outer packet, sequence number) -> the plaintext with its trailer; None where it is none."""
    cipher, icv_size = ENCRYPTION[sa.cipher], INTEGRITY[sa.integrity].icv_size
    decrypt, verify, esn = sa.keyed_cipher.decrypt, sa.keyed_mac.verify, sa.esn
    start = _SHAPES[sa.source.version].size - _SHOWN_SIZE
    spi, iv_at, block = sa.spi.to_bytes(4), start + _HEADER, cipher.block_size
    body_at = iv_at + cipher.iv_size
    fixed = body_at + cipher.icv_size + icv_size

    def open_(octets: bytes, sequence: int) -> bytes | None:
        encrypted = len(octets) - fixed
        if encrypted < _TRAILER or encrypted % block:
            return None
        end = len(octets) - icv_size
        high = (sequence >> 32).to_bytes(4) if esn else b""
        if icv_size and not verify(octets[start:end] + high, octets[end:]):
            return None
        aad = spi + sequence.to_bytes(8) if esn else octets[start:iv_at]
        return decrypt(octets[iv_at:body_at], octets[body_at:end], aad)

    return open_


def _inner_4(plain: bytes, fitting: Container[int]) -> bytes | None:
    """The IPv4 packet ahead of a trailer, where it is regular and fits."""
    head = _number(plain[: _4.size])
    length = head >> 192 & _ONES
    if head & _4.mask not in fitting or length < _LEAST_4 or (head >> 64) % _ONES:
        return None
    return plain[:length] if plain[length:] == _ENDS_4.get(len(plain) - length) else None


def _inner_6(plain: bytes, fitting: Container[int]) -> bytes | None:
    """The same for IPv6."""
    head = _number(plain[: _6.size])
    length = (head >> 336 & _ONES) + 40
    if head & _6.mask not in fitting or length < _6.size:
        return None
    return plain[:length] if plain[length:] == _ENDS_6.get(len(plain) - length) else None


_LEAST_4 = _4.size
_ENDS_4, _ENDS_6 = (
    {_TRAILER + pad: _trailer(pad, shape.number) for pad in range(256)} for shape in (_4, _6)
)
"""Every trailer by its size."""
